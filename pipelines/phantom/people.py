"""Invented people: names that no one bears, in Cyrillic and in the Latin of folder names."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

from pipelines.phantom.noise import Dice

_SURNAMES = (
    "Фантомов", "Вымыслов", "Небылицын", "Сказкин", "Призраков", "Миражов", "Химерин", "Утопин",
    "Невидимкин", "Тенев", "Кажимов", "Мнимов", "Облаков", "Зеркалин", "Былинкин", "Небывалов",
    "Грёзин", "Туманкин", "Сновидцев", "Эхов", "Отражаев", "Басенкин", "Полуночев", "Звездочётов",
)  # fmt: skip
_MALE = ("Агафон", "Варлам", "Евграф", "Зосима", "Клим", "Лавр", "Назар", "Прохор", "Савва")
_FEMALE = ("Агния", "Васса", "Гликерия", "Евлалия", "Капитолина", "Милица", "Фаина", "Аглая")
_FATHERS = ("Автономов", "Богданов", "Дорофеев", "Елизаров", "Корнеев", "Модестов", "Фёдоров")
_LATIN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z",
    "и": "i", "й": "y", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "shch", "ъ": "", "ы": "y", "ь": "", "э": "e", "ю": "yu", "я": "ya",
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A patient; `sex` is M, F or None, `name` a DICOM PN (family^given^middle)."""

    patient_id: str
    name: str
    sex: str | None
    birth_date: date

    @property
    def full_name(self) -> str:
        """The name as a Russian table has it."""
        return self.name.replace("^", " ")

    @property
    def latin_name(self) -> str:
        """The name in capital Latin letters, its parts joined by spaces."""
        return latin(self.full_name).upper()

    def age_years(self, on: date) -> int:
        """Completed years on a day."""
        had_birthday = (on.month, on.day) >= (self.birth_date.month, self.birth_date.day)
        return on.year - self.birth_date.year - (0 if had_birthday else 1)


def latin(text: str) -> str:
    """Cyrillic written in Latin letters; other letters stay."""
    return "".join(_LATIN.get(letter, letter) for letter in text.lower())


def invented_name(sex: str | None, dice: Dice) -> str:
    """A name for someone of this sex; None gives a man's or a woman's."""
    is_female = sex == "F" or (sex is None and dice.integer(0, 1) == 1)
    given = _FEMALE if is_female else _MALE
    family = _pick(_SURNAMES, dice) + ("а" if is_female else "")
    return f"{family}^{_pick(given, dice)}^{_pick(_FATHERS, dice)}{'на' if is_female else 'ич'}"


def _pick(names: tuple[str, ...], dice: Dice) -> str:
    return names[dice.integer(0, len(names) - 1)]


def birth_date(age_years: int, on: date, dice: Dice) -> date:
    """A day on which someone was born who is so old on a day."""
    day = min(on.day, 28)
    return date(on.year - age_years, on.month, day) - timedelta(days=dice.integer(0, 360))
