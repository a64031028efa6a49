"""The readers' categories: tables of one row a reading, or of one column a reader."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipelines.core.errors import SettingsError
from pipelines.core.identity import Pseudonyms, RisRow
from pipelines.core.model import Category, Reading
from pipelines.core.patients import canonical
from pipelines.core.readings import final_category
from pipelines.core.select_settings import SelectSettings
from pipelines.core.spelling import fold
from pipelines.io.table_header import Cell
from pipelines.io.tables import Row, Table, read_table
from pipelines.peers import cells
from pipelines.peers.ris_titles import FIELD_OF, simplified

READER_TITLES = frozenset(
    map(simplified, ("reader", "radiologist", "read by", "врач", "читатель", "рентгенолог"))
)
CATEGORY_TITLES = frozenset(map(simplified, ("reading", "grade", "оценка", "заключение")))
NOT_READERS = frozenset(
    map(simplified, ("comment", "note", "reason", "комментарий", "примечание", "причина"))
)
"""Columns beside the readers' own; of the others, those that hold a category are readers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NamedReading:
    """One reading as the table has it: the reader by name. It carries identity."""

    reader: str
    category: Category
    is_expert: bool


@dataclass(frozen=True, slots=True)
class Readings:
    """What was read, by the accession number in one spelling, and what could not be.

    `unreadable` counts cells by column; a study that one reader gives two categories counts as
    unreadable for that reader.
    """

    by_study: Mapping[str, tuple[NamedReading, ...]] = field(default_factory=dict)
    unreadable: Mapping[str, int] = field(default_factory=dict)

    def pseudonymous(self, accession_number: str | None, names: Pseudonyms) -> tuple[Reading, ...]:
        """The readings of a study, in order of their readers' pseudonyms."""
        found = self.by_study.get(canonical(accession_number), ())
        readings = (
            Reading(reader=names.reader(one.reader), category=one.category, is_expert=one.is_expert)
            for one in found
        )
        return tuple(sorted(readings, key=lambda reading: reading.reader))


def open_readings(settings: SelectSettings) -> Readings:
    """All readings of the files that the settings name; later files add to the earlier ones.

    Raises PeerError where a file cannot be read, SettingsError where it lacks a column.
    """
    found: dict[str, dict[str, NamedReading | None]] = {}
    unreadable: Counter[str] = Counter()
    for path in settings.readings:
        for study, title, reader, cell in _cells(path):
            category, is_unreadable = _category(cell)
            unreadable[title] += is_unreadable
            if category is None or not study:
                continue
            name = fold(" ".join(reader.split()))
            reading = NamedReading(
                reader=reader, category=category, is_expert=_is_expert(name, settings)
            )
            known = found.setdefault(study, {}).setdefault(name, reading)
            if known is None or known.category is not category:
                unreadable[title] += 1
                found[study][name] = None
    by_study = {study: tuple(filter(None, readings.values())) for study, readings in found.items()}
    return Readings(
        {study: readings for study, readings in sorted(by_study.items()) if readings},
        {title: count for title, count in sorted(unreadable.items()) if count},
    )


def with_readings(
    rows: Iterable[RisRow], readings: Readings, names: Pseudonyms
) -> Iterator[RisRow]:
    """The rows of the RIS, the category of a study that was read being that of its readers.

    A study without any reading keeps the category that the RIS gives.
    """
    if not readings.by_study:
        yield from rows
        return
    for row in rows:
        read = readings.pseudonymous(row.accession_number, names)
        yield replace(row, readings=read, category=final_category(read)[0]) if read else row


def _cells(path: Path) -> Iterator[tuple[str, str, str, Cell]]:
    """Study, column, reader and cell of every reading in a table."""
    table = read_table(path)
    rows = list(table.rows)
    key = _column(path, table, "accession_number")
    reader = next((title for title in table.columns if simplified(title) in READER_TITLES), None)
    if reader is not None:
        category = _column(path, table, "category")
        for _, row in rows:
            name = str(row.get(reader) or "").strip()
            if name:
                yield _study(row.get(key)), category, name, row.get(category)
        return
    for title in _reader_columns(path, table, rows, key):
        for _, row in rows:
            yield _study(row.get(key)), title, title, row.get(title)


def _column(path: Path, table: Table, name: str) -> str:
    titles = [
        title
        for title in table.columns
        if FIELD_OF.get(simplified(title)) == name
        or (name == "category" and simplified(title) in CATEGORY_TITLES)
    ]
    if len(titles) != 1:
        what = "no column is" if not titles else f"{len(titles)} columns may be"
        raise SettingsError(
            f"{path.name}: {what} {name}",
            hint="Name the columns accession_number, reader, category; "
            "or accession_number and one column for each reader.",
        )
    return titles[0]


def _reader_columns(path: Path, table: Table, rows: Sequence[Row], key: str) -> list[str]:
    """The columns that hold a category anywhere, but for remarks and columns of the RIS."""
    titles = [
        title
        for title in table.columns
        if title != key
        and simplified(title) not in NOT_READERS
        and simplified(title) not in FIELD_OF
        and any(_category(row.get(title))[0] for _, row in rows)
    ]
    if not titles:
        raise SettingsError(
            f"{path.name}: no column holds a reader's categories",
            hint="A category is written CT-0 to CT-4 (or КТ-0 to КТ-4), one column a reader.",
        )
    return titles


def _study(cell: Cell) -> str:
    value = cells.Cells(cells.text, remembered=0)[cell]
    return "" if value is cells.UNREADABLE else canonical(value)


def _category(cell: Cell) -> tuple[Category | None, bool]:
    value = cells.Cells(cells.category, remembered=0)[cell]
    return (None, True) if value is cells.UNREADABLE else (value, False)


def _is_expert(name: str, settings: SelectSettings) -> bool:
    return any(name.startswith(fold(word.strip())) for word in settings.experts if word.strip())
