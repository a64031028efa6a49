"""The RIS as a source of rows: a table whose columns are known, read cell by cell.

Whatever the source (`ris_sources`), it is a table; so the same rows are the same to the draw.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import islice, repeat
from typing import Any

from pipelines.core.errors import SettingsError
from pipelines.core.identity import RisRow
from pipelines.core.model import Sex
from pipelines.core.node_settings import NodeSettings
from pipelines.core.select_settings import SelectSettings
from pipelines.io.table_header import Cell, Line
from pipelines.peers import cells
from pipelines.peers.ris_sources import Source, open_source
from pipelines.peers.ris_titles import Recognised, recognised_in, refuse_blind_rules, title_known_to

READERS: dict[str, dict[str, Any]] = {
    "accession_number": {"reader": cells.text, "remembered": 0, "plain": cells.PLAIN_NUMBER},
    "study_instance_uid": {"reader": cells.uid, "remembered": 0, "plain": cells.PLAIN_UID},
    "patient_id": {"reader": cells.text, "remembered": 0, "plain": cells.PLAIN_NUMBER},
    "patient_name": {"reader": cells.text, "remembered": 0, "plain": cells.PLAIN_NAME},
    "patient_birth_date": {"reader": cells.day},
    "patient_sex": {"reader": cells.sex, "unknown": Sex.OTHER},
    "patient_age_years": {"reader": cells.age_years},
    "study_date": {"reader": cells.day},
    "is_pregnant": {"reader": cells.pregnancy, "blanks": cells.BLANKS - cells.NO},
    "spo2_percent": {"reader": cells.percent},
    "category": {"reader": cells.category},
    "expected_instances": {"reader": cells.count},
}
"""How the cells of a field are read, if not as text that repeats."""
UNKNOWN = {item.name: item.default for item in fields(RisRow) if item.name != "row"}
"""What a row holds of a field that has no column, in the order of the fields."""

WHOLE_ROW = "(the whole row)"
ROWS_AT_ONCE = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Ris:
    """The RIS, opened: its rows are read once.

    `unreadable` says how many cells of which column could not be read, once the rows are.
    """

    source: Source
    recognised: Recognised
    unreadable: Counter[str] = field(default_factory=Counter, compare=False)

    def rows(self) -> Iterator[RisRow]:
        """All rows, in the order of the source; PeerError where it cannot be read on."""
        table = self.source.table
        readers = {
            name: cells.Cells(**READERS.get(name, {"reader": cells.text}))
            for name in self.recognised.titles
        }
        while batch := list(islice(table.lines, ROWS_AT_ONCE)):
            yield from self._rows_of(batch, readers)

    def _rows_of(
        self, batch: Sequence[Line], readers: Mapping[str, cells.Cells]
    ) -> Iterator[RisRow]:
        """The rows of some lines, read column by column."""
        titles = self.source.table.columns
        nothing: Sequence[Cell] = [None] * len(titles)
        if broken := sum(not line for _, line in batch):
            self.unreadable[WHOLE_ROW] += broken
        cells_of = zip(*(line or nothing for _, line in batch), strict=True)
        columns = dict(zip(titles, cells_of, strict=True))
        values = {
            name: self._values(title, readers[name], columns[title])
            for name, title in self.recognised.titles.items()
        }
        values["patient_age_years"] = _ages(values, len(batch))
        read = [values.get(name, repeat(unknown)) for name, unknown in UNKNOWN.items()]
        return map(RisRow, [number for number, _ in batch], *read)

    def _values(self, title: str, reader: cells.Cells, column: Sequence[Cell]) -> Sequence[Any]:
        """The values of a column; what cannot be read is counted, and unknown."""
        values = list(map(reader.__getitem__, column))
        if unreadable := values.count(cells.UNREADABLE):
            self.unreadable[title] += unreadable
            return [reader.unknown if value is cells.UNREADABLE else value for value in values]
        return values


def open_ris(settings: SelectSettings, node: NodeSettings | None = None) -> Ris:
    """The RIS that the settings name, its columns recognised.

    Raises SettingsError where a column is not found or a rule has none to go by, PeerError where
    it cannot be read.
    """
    source = open_source(settings, node, is_known=title_known_to(settings))
    try:
        recognised = recognised_in(source, settings)
        refuse_blind_rules(settings, recognised)
    except SettingsError:
        source.table.close()
        raise
    return Ris(source=source, recognised=recognised)


def recognise(settings: SelectSettings) -> tuple[str, Recognised]:
    """The name of the RIS, and which of its columns is which field; raises as `open_ris` does."""
    source = open_source(settings, None, is_known=title_known_to(settings))
    source.table.close()
    return source.name, recognised_in(source, settings)


def _ages(values: Mapping[str, Sequence[Any]], count: int) -> Sequence[int | None]:
    """The ages of rows; one without an age gets that by birthday on the day of the study."""
    nothing: Sequence[Any] = [None] * count
    names = ("patient_age_years", "patient_birth_date", "study_date")
    ages, births, days = (values.get(name, nothing) for name in names)
    return [
        _years_between(birth, day) if age is None and birth and day else age
        for age, birth, day in zip(ages, births, days, strict=True)
    ]


def _years_between(birth: date, study: date) -> int | None:
    if birth > study:
        return None
    is_before_birthday = (study.month, study.day) < (birth.month, birth.day)
    years = study.year - birth.year - is_before_birthday
    return years if years <= cells.OLDEST_YEARS else None
