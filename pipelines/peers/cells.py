"""What people type into a RIS, read as values: dates, sexes, ages, saturations, categories.

Each reader takes text that is not blank and gives a value, or None where the text cannot be read
for sure. Nothing is guessed: a month 13 does not make day and month change places.
"""

import re
import unicodedata
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from pipelines.core.model import Category, Sex
from pipelines.core.spelling import fold
from pipelines.io.table_header import Cell

Reader = Callable[[str], Any]


def _spellings(line: str) -> list[str]:
    return line.split("|")


BLANKS = frozenset(
    _spellings(
        "|-|--|—|–|.|?|н/д|нд|нет данных|данных нет|неизвестно|не известно|не указано|не указан"
        "|не указана|не определено|не применимо|не заполнено|unknown|not specified"
        "|n/a|na|null|none|nan|nil"
    )
)
"""What stands in a cell in place of nothing."""
ERRORS = frozenset(("#n/a", "#ref!", "#value!", "#name?", "#div/0!", "#null!", "#num!", "#н/д"))
UNREADABLE = object()
"""What a cell gives that holds something that cannot be read."""
EXACT_NUMBER = 10**15
"""A spreadsheet keeps 15 digits: a longer number is not the identifier that was typed."""
EXCEL_EPOCH = date(1899, 12, 30)
EARLIEST_YEAR, LATEST_YEAR = 1880, 2100
OLDEST_YEARS = 125
MAXIMUM_UID_CHARACTERS = 64

PLAIN_NUMBER = re.compile(r"[A-Za-z./_-]*[0-9][A-Za-z0-9./_-]*")
PLAIN_UID = re.compile(rf"(?=.{{3,{MAXIMUM_UID_CHARACTERS}}}\Z)[0-9]+(?:\.[0-9]+)+")
PLAIN_NAME = re.compile(r"[A-Za-zА-Яа-яЁё0-9.-]+(?:[ ^][A-Za-zА-Яа-яЁё0-9.-]+){2,}")
"""Text that is read as itself, as nearly all numbers and names are: no need to look twice."""
NEVER = re.compile(r"(?!)")
YMD = re.compile(r"(\d{4})([-./]?)(\d{1,2})\2(\d{1,2})(?:[ T].*|\d{4}|\d{6})?")
DMY = re.compile(r"(\d{1,2})([-./])(\d{1,2})\2(\d{4})(?:[ T,].*)?")
EXCEL_DAY = re.compile(r"(\d{5})(?:\.\d+)?")
FORMULA_TEXT = re.compile(r'="(.*)"', re.DOTALL)
UID = re.compile(r"[0-9]+(\.[0-9]+)+")
AGE = re.compile(r"(\d{1,3})(?:[.,]\d+)? ?([a-zа-я]*)\.?")
PERCENT = re.compile(r"(\d{1,3}(?:[.,]\d+)?) ?%?")
COUNT = re.compile(r"(\d{1,6})(?:[.,]0+)?")
GRADE = re.compile(r"[ck]t[\W_]*[0-9]")
SHARES = re.compile(r"\([^()]*\)|[<>≤≥~]?\s*\d+(?:\s*[-–—]\s*\d+)?\s*%")
CATEGORY = re.compile(r"[ck]t[\s\-‐‑–—_.:]*([0-4])(?:[\s,;:.\-–—][^\d?]*)?")

SEXES = dict.fromkeys(("m", "м", "male", "man", "муж", "мужской", "мужчина", "1"), Sex.MALE)
SEXES |= dict.fromkeys(("f", "ж", "female", "woman", "жен", "женский", "женщина", "2"), Sex.FEMALE)
SEXES |= dict.fromkeys(("o", "о", "other", "другой", "иной", "0", "9"), Sex.OTHER)
"""Words, DICOM's letters (C.7.1.1) and the numbers of ISO/IEC 5218."""
YES = frozenset(_spellings("да|д|yes|y|true|+|1|есть|беременна|беременность|pregnant"))
NO = frozenset(_spellings("нет|н|no|n|false|-|0|отсутствует|отрицает|не беременна|not pregnant"))
AGE_UNITS = dict.fromkeys(_spellings("|y|yr|yrs|year|years|г|год|года|лет|л"), 1)
AGE_UNITS |= dict.fromkeys(_spellings("m|mo|month|months|м|мес|месяц|месяца|месяцев"), 12)
AGE_UNITS |= dict.fromkeys(_spellings("w|week|weeks|нед|недель|недели|неделя"), 53)
AGE_UNITS |= dict.fromkeys(_spellings("d|day|days|д|дн|дней|день|дня"), 366)
"""How many of a unit are at least a year."""


def text(words: str) -> str | None:
    """The text itself; a spreadsheet's ="0012" is 0012."""
    if words.startswith("=") and (formula := FORMULA_TEXT.fullmatch(words)):
        words = formula[1].strip()
    return (words if words.isascii() else unicodedata.normalize("NFC", words)) or None


def uid(words: str) -> str | None:
    """A UID: digits and dots, at most 64 (PS3.5 9.1)."""
    found = text(words) or ""
    is_uid = len(found) <= MAXIMUM_UID_CHARACTERS and UID.fullmatch(found)
    return found if is_uid else None


def day(words: str) -> date | None:
    """A day, the time of day dropped: 2020-03-25, 20200325, 25.03.2020, 25/03/2020, or Excel's.

    With the year last the day comes first, whatever the separator: 03/25/2020 is not read.
    """
    if serial := EXCEL_DAY.fullmatch(words):
        return _believed(EXCEL_EPOCH + timedelta(days=int(serial[1])))
    if found := YMD.fullmatch(words):
        parts = found[1], found[3], found[4]
    elif found := DMY.fullmatch(words):
        parts = found[4], found[3], found[1]
    else:
        return None
    try:
        return _believed(date(*map(int, parts)))
    except ValueError:
        return None


def _believed(day: date) -> date | None:
    return day if EARLIEST_YEAR <= day.year <= LATEST_YEAR else None


def sex(words: str) -> Sex | None:
    """A sex, as a word, a letter, or a number of ISO/IEC 5218."""
    return SEXES.get(words.casefold().rstrip("."))


def age_years(words: str) -> int | None:
    """Whole years: 47, 47 лет, 047Y (PS3.5 6.2, AS); months, weeks and days count as theirs."""
    found = AGE.fullmatch(words.casefold())
    unit = AGE_UNITS.get(found[2]) if found else None
    years = int(found[1]) // unit if found and unit else None
    return years if years is not None and years <= OLDEST_YEARS else None


def pregnancy(words: str) -> bool | None:
    """Whether pregnant."""
    word = words.casefold().rstrip(".")
    if word in YES or word.startswith("беременность "):
        return True
    return False if word in NO else None


def percent(words: str) -> float | None:
    """A saturation in percent; a share such as 0.91 is 91 %."""
    found = PERCENT.fullmatch(words)
    value = float(found[1].replace(",", ".")) if found else 0.0
    value = round(value * 100, 6) if value <= 1 and "%" not in words else value
    return value if 1 < value <= 100 else None


def count(words: str) -> int | None:
    """A number of things."""
    found = COUNT.fullmatch(words)
    return int(found[1]) if found else None


def category(words: str) -> Category | None:
    """CT-0 to CT-4 from КТ-0, КТ0, CT 0, КТ-4 (критическая), КТ-3 (50-75%); never out of two."""
    folded = fold(unicodedata.normalize("NFKC", words))
    if len(GRADE.findall(folded)) != 1:
        return None
    found = CATEGORY.fullmatch(SHARES.sub("", folded).strip())
    return Category(f"CT-{found[1]}") if found else None


class Cells(dict[Cell, Any]):
    """A reader of the cells of a column, as a mapping that remembers the first `remembered`.

    It gives the value, `unknown` for what stands for nothing, or UNREADABLE. What matches `plain`
    is its own value, whatever the reader.
    """

    def __init__(
        self,
        reader: Reader,
        *,
        unknown: Any = None,
        blanks: frozenset[str] = BLANKS,
        remembered: int = 1 << 16,
        plain: re.Pattern[str] = NEVER,
    ) -> None:
        super().__init__()
        self.reader = reader
        self.unknown = unknown
        self.blanks = blanks
        self.remembered = remembered
        self.plain = plain

    def __missing__(self, cell: Cell) -> Any:
        """Read a cell that was not met before."""
        if isinstance(cell, str) and self.plain.fullmatch(cell):
            return cell
        found = self._read(cell)
        if len(self) < self.remembered:
            self[cell] = found
        return found

    def _read(self, cell: Cell) -> Any:
        words = _words(cell)
        if words is None:
            return UNREADABLE
        if (folded := words.casefold()) in self.blanks:
            return self.unknown
        value = None if folded in ERRORS else self.reader(words)
        return UNREADABLE if value is None else value


def _words(cell: Cell) -> str | None:
    """A cell as text; None for a number that lost its last digits."""
    if isinstance(cell, str):
        return " ".join(cell.split())
    if isinstance(cell, float) and cell.is_integer():
        cell = int(cell)
    if isinstance(cell, int | float) and abs(cell) >= EXACT_NUMBER:
        return None
    return cell.isoformat(" ") if isinstance(cell, datetime) else str(cell or "")
