"""What the readers say of the studies, all together: agreement, and what an expert has to decide.

It reads the tables of readings and nothing else, so that disagreements can be settled before a
single study is drawn. The workbook names readers and studies: it belongs into `private/`.
"""

from collections import Counter
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from pipelines.core.agreement import CATEGORIES, Kappa, ReaderPair, reader_pairs
from pipelines.core.errors import SettingsError
from pipelines.core.identity import Pseudonyms
from pipelines.core.readings import final_category
from pipelines.core.select_settings import SelectSettings
from pipelines.io.sheets import Cell, Sheet
from pipelines.peers.readings import NamedReading, Readings, open_readings

WORKBOOK_NAME = "disagreements.xlsx"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadersReport:
    """The readings in counts; readers bear their pseudonyms.

    `by_rule` counts the studies by the rule that gave, or failed to give, their final category.
    """

    studies: int
    by_rule: dict[str, int]
    undecided: int
    readings_of: dict[str, int]
    pairs: tuple[ReaderPair, ...]
    unreadable: dict[str, int]
    workbook: Path | None = None


def report_readers(
    settings: SelectSettings, pseudonyms: Pseudonyms, *, workbook: Path | None = None
) -> ReadersReport:
    """Read all readings, and write the workbook of disagreements if a place is given for it.

    Raises SettingsError where no table of readings is named.
    """
    if not settings.readings:
        raise SettingsError(
            "no readings are named",
            hint='Name their tables: readings = ["readings.xlsx"] under [select].',
        )
    readings = open_readings(settings)
    read = {study: readings.pseudonymous(study, pseudonyms) for study in readings.by_study}
    finals = [final_category(studied) for studied in read.values()]
    if workbook is not None:
        from pipelines.io.workbook import write_workbook

        write_workbook(workbook, _sheets(readings, settings, pseudonyms))
    return ReadersReport(
        studies=len(read),
        by_rule=dict(sorted(Counter(rule for _, rule in finals).items())),
        undecided=sum(category is None for category, _ in finals),
        readings_of=dict(sorted(Counter(r.reader for r in chain(*read.values())).items())),
        pairs=reader_pairs(read.values()),
        unreadable=dict(readings.unreadable),
        workbook=workbook,
    )


def _sheets(
    readings: Readings, settings: SelectSettings, pseudonyms: Pseudonyms
) -> tuple[Sheet, ...]:
    """What an expert has to decide, in a form that is read in again; then all the rest."""
    everyone = {one.reader: one.is_expert for one in chain(*readings.by_study.values())}
    names = sorted(everyone, key=lambda name: (everyone[name], name))
    readers = [name for name in names if not everyone[name]]
    experts = [name for name in names if everyone[name]] or [*settings.experts[:1]] or ["expert"]
    open_rows, settled_rows = [], []
    for study, read in readings.by_study.items():
        known = {one.reader: one for one in read}
        category, rule = final_category(readings.pseudonymous(study, pseudonyms))
        cells = [_cell(known.get(name)) for name in (*readers, *experts)]
        if category is None:
            open_rows.append((study, *cells, rule))
        elif len({one.category for one in read}) > 1:
            settled_rows.append((study, *cells, category.value, rule))
    columns = ("accession_number", *readers, *experts)
    return (
        Sheet(name="To decide", header=(*columns, "reason"), rows=open_rows, for_people=True),
        Sheet(
            name="Decided",
            header=(*columns, "category", "reason"),
            rows=settled_rows,
            for_people=True,
        ),
        _agreement_sheet(
            reader_pairs([readings.pseudonymous(study, pseudonyms) for study in readings.by_study])
        ),
        Sheet(
            name="Readers",
            header=("reader", "called"),
            rows=[(name, pseudonyms.reader(name)) for name in names],
            for_people=True,
        ),
    )


def _cell(reading: NamedReading | None) -> Cell:
    return None if reading is None else reading.category.value


def _agreement_sheet(pairs: tuple[ReaderPair, ...]) -> Sheet:
    """Each pair of readers: kappa, and the table of their categories, one cell a column."""
    tables = tuple(f"{one}/{other}" for one in CATEGORIES for other in CATEGORIES)
    header = ("first", "second", "studies", "agreed", *_kappa_columns("linear"))
    rows = [
        (
            pair.first,
            pair.second,
            pair.studies,
            pair.agreed,
            *_kappa_cells(pair.linear),
            *_kappa_cells(pair.quadratic),
            *chain(*pair.counts),
        )
        for pair in pairs
    ]
    return Sheet(
        name="Agreement",
        header=(*header, *_kappa_columns("quadratic"), *tables),
        rows=rows,
        for_people=True,
    )


def _kappa_columns(weights: str) -> tuple[str, str, str]:
    return f"kappa, {weights}", f"{weights}, low", f"{weights}, high"


def _kappa_cells(kappa: Kappa | None) -> tuple[Cell, Cell, Cell]:
    if kappa is None:
        return None, None, None
    return round(kappa.value, 4), round(kappa.low, 4), round(kappa.high, 4)
