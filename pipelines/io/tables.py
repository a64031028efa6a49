"""Reading tables that hospitals export: .xlsx, and .csv in the encodings Excel and a RIS write."""

import csv
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pipelines.core.errors import PeerError
from pipelines.io.table_header import Cell, IsKnown, Line, find_header, is_filled, nothing_known
from pipelines.io.text_rows import (
    SAVE_AS_TEXT,
    TEXTS,
    TITLE_ROWS,
    text_rows,
    undecodable,
    unreachable,
)
from pipelines.io.workbook_rows import workbook_rows

Row = tuple[int, dict[str, Cell]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table being read once, by `lines` or by `rows`.

    A line is (row number as a spreadsheet counts, the cells of `columns` as they stand: text with
    its blanks, "" or None for nothing). Lines without any cell are left out. A line of a text file
    with more cells than there are titles is shifted and nobody can say where: it has no cells.
    `read_as` tells what was chosen to read it so: an encoding, a sheet of several.
    """

    columns: tuple[str, ...]
    lines: Generator[Line, None, None]
    read_as: str = ""

    @property
    def rows(self) -> Generator[Row, None, None]:
        """The lines as (row number, title -> cell), text trimmed, None for nothing."""
        for number, cells in self.lines:
            yield number, dict(zip(self.columns, map(_trimmed, cells), strict=False))

    def close(self) -> None:
        """Let go of the source of a table that is not read to its end."""
        self.lines.close()


def read_table(path: Path, *, sheet: str = "", is_known: IsKnown = nothing_known) -> Table:
    """The table in a file, its header read, its rows still to come.

    The header is the row with the most titles that are known, and of several sheets the one with
    such a row, unless `sheet` is named; the first where they are equal. Raises PeerError, here or
    while the rows are read, that names the file, the cause and the next step.
    """
    is_text = path.suffix.lower() in TEXTS
    with _faults_of(path):
        raw, read_as = text_rows(path) if is_text else workbook_rows(path, sheet, is_known)
        top = list(islice(raw, TITLE_ROWS))
    header = find_header(top, is_known)
    if header is None:
        raise PeerError(f"{path}: the table is empty", hint="Choose another file or another sheet.")
    columns = _checked_titles(path, header.titles)
    rest = chain(top[header.at + 1 :], raw)
    return Table(columns, _lines(path, rest, header.titles, may_overflow=not is_text), read_as)


def read_as_users_do(path: Path) -> tuple[tuple[str, ...], list[tuple[Any, ...]]]:
    """The header and the rows of a workbook's first sheet as `pandas.read_excel` gives them.

    It is how the users of a published registry read it; a cell that is not there is None.
    """
    import pandas as pd

    frame = pd.read_excel(path).astype(object)
    rows = frame.where(frame.notna(), None).itertuples(index=False, name=None)
    return tuple(frame.columns), list(rows)


def _trimmed(cell: Cell) -> Cell:
    return cell.strip() or None if isinstance(cell, str) else cell


def _checked_titles(path: Path, titles: Sequence[str]) -> tuple[str, ...]:
    twice = [title for title, times in Counter(filter(None, titles)).items() if times > 1]
    if twice:
        names = ", ".join(f"'{title}'" for title in twice)
        raise PeerError(
            f"{path}: several columns bear the title {names}", hint="Give each its own title."
        )
    return tuple(filter(None, titles))


def _lines(
    path: Path, raw: Iterator[Line], titles: Sequence[str], *, may_overflow: bool
) -> Generator[Line, None, None]:
    width = len(titles)
    titled = [at for at, title in enumerate(titles) if title]
    with _faults_of(path):
        for number, cells in raw:
            if len(cells) != width:
                if not may_overflow and any(map(is_filled, cells[width:])):
                    yield number, ()
                    continue
                cells = [*cells[:width], *[None] * (width - len(cells))]  # noqa: PLW2901
            yield number, cells if len(titled) == width else [cells[at] for at in titled]


@contextmanager
def _faults_of(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise unreachable(path, error) from error
    except csv.Error as error:
        raise PeerError(
            f"{path}: {error}",
            hint=f"A quotation mark is probably not closed or not doubled. {SAVE_AS_TEXT}",
        ) from error
    except UnicodeError as error:
        raise undecodable(path) from error
