"""Reading tables that hospitals export: .xlsx, and .csv in the encodings Excel and a RIS write."""

import csv
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from itertools import chain, islice
from pathlib import Path
from typing import Any

from pipelines.core.errors import PeerError
from pipelines.io.text_rows import (
    SAVE_AS_TEXT,
    SAVE_AS_WORKBOOK,
    TITLE_ROWS,
    text_rows,
    undecodable,
    unreachable,
)

Cell = str | int | float | date | datetime | None
Row = tuple[int, dict[str, Cell]]
Line = tuple[int, Sequence[Cell]]

WORKBOOKS = (".xlsx", ".xlsm")
TEXTS = (".csv", ".tsv", ".txt")
BATCH_ROWS = 1000
MAXIMUM_WORKBOOK_ROWS = 1_048_576
"""Rows of a sheet (Excel's limit): a row number above it is a lie that would be padded up to."""
MAXIMUM_PART_BYTES = 4 << 30
ZEROS = re.compile(r"0{2,15}")


@dataclass(frozen=True, slots=True)
class Table:
    """A table being read once, by `lines` or by `rows`.

    A line is (row number as a spreadsheet counts, the cells of `columns` as they stand: text with
    its blanks, "" or None for nothing). Lines without any cell are left out. A line of a text file
    with more cells than there are titles is shifted and nobody can say where: it has no cells.
    """

    columns: tuple[str, ...]
    lines: Generator[Line, None, None]

    @property
    def rows(self) -> Generator[Row, None, None]:
        """The lines as (row number, title -> cell), text trimmed, None for nothing."""
        for number, cells in self.lines:
            yield number, dict(zip(self.columns, map(_trimmed, cells), strict=False))

    def close(self) -> None:
        """Let go of the source of a table that is not read to its end."""
        self.lines.close()


def read_table(path: Path, *, sheet: str = "") -> Table:
    """The table in a file, its header read, its rows still to come.

    The header is the first row with at least two filled cells. Raises PeerError, here or while the
    rows are read, that names the file, the cause and the next step.
    """
    is_text = path.suffix.lower() in TEXTS
    raw = text_rows(path) if is_text else _workbook_rows(path, sheet)
    with _faults_of(path):
        top = list(islice(raw, TITLE_ROWS))
    at = _header_at(path, top)
    titles = [_title(cell) for cell in top[at][1]]
    columns = _checked_titles(path, titles)
    lines = _lines(path, chain(top[at + 1 :], raw), titles, may_overflow=not is_text)
    return Table(columns, lines)


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


def _header_at(path: Path, top: Sequence[Line]) -> int:
    filled = [sum(_trimmed(cell) is not None for cell in cells) for _, cells in top]
    if not any(filled):
        raise PeerError(f"{path}: the table is empty", hint="Choose another file or another sheet.")
    wanted = min(2, max(filled))
    return next(at for at, cells in enumerate(filled) if cells >= wanted)


def _title(cell: Cell) -> str:
    return "" if cell is None else " ".join(str(cell).split())


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
                if not may_overflow and any(map(_trimmed, cells[width:])):
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


# --- workbooks


def _workbook_rows(path: Path, sheet: str) -> Iterator[Line]:
    if path.suffix.lower() not in WORKBOOKS:
        raise PeerError(
            f"{path}: not a table that can be read; {', '.join(WORKBOOKS + TEXTS)} can",
            hint=SAVE_AS_WORKBOOK,
        )
    with path.open("rb") as file:
        workbook = _workbook(path, file)
        worksheet = _worksheet(path, workbook, sheet)
        worksheet.reset_dimensions()
        cells = worksheet.iter_rows(min_row=1, min_col=1)
        numbered, is_empty = enumerate(cells, start=1), True
        while batch := _batch(path, numbered):
            filled = [line for line in batch if any(cell is not None for cell in line[1])]
            is_empty = is_empty and not filled
            yield from filled
        if is_empty and len(workbook.worksheets) > 1:
            raise _empty_sheet(path, worksheet.title, [one.title for one in workbook.worksheets])


def _workbook(path: Path, file: Any) -> Any:
    import openpyxl

    with _faults_of_workbook(path):
        parts = zipfile.ZipFile(file).infolist()
        if any(part.file_size > MAXIMUM_PART_BYTES for part in parts):
            raise PeerError(f"{path}: the workbook is too large", hint=SAVE_AS_TEXT)
        file.seek(0)
        return openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)


@contextmanager
def _faults_of_workbook(path: Path) -> Iterator[None]:
    """Turn whatever openpyxl raises on a hostile file into a PeerError.

    It has no common base for its errors: a part that is not there ends in KeyError, a date
    beyond the calendar in OverflowError, XML cut short in ParseError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except (PeerError, OSError):
        raise
    except Exception as error:
        raise PeerError(
            f"{path}: not a workbook, or a damaged one ({type(error).__name__})",
            hint=SAVE_AS_WORKBOOK,
        ) from error


def _worksheet(path: Path, workbook: Any, sheet: str) -> Any:
    sheets = {worksheet.title: worksheet for worksheet in workbook.worksheets}
    if not sheets:
        raise PeerError(f"{path}: the workbook has no sheet", hint=SAVE_AS_WORKBOOK)
    name = sheet or next(iter(sheets))
    if name not in sheets:
        near = get_close_matches(name, sheets, n=1, cutoff=0.0)[0]
        titles = ", ".join(f"'{title}'" for title in sheets)
        raise PeerError(
            f"{path}: there is no sheet '{sheet}'; there is {titles}",
            hint=f'Set sheet = "{near}" under [select], or leave it empty for the first one.',
        )
    return sheets[name]


def _empty_sheet(path: Path, name: str, names: Sequence[str]) -> PeerError:
    other = next(one for one in names if one != name)
    return PeerError(
        f"{path}: the sheet '{name}' is empty",
        hint=f'Name another one: sheet = "{other}" under [select], or --sheet at init.',
    )


def _batch(path: Path, numbered: Iterator[tuple[int, Any]]) -> list[Line]:
    """The next rows; in batches, since the warnings of a library may not be muted over a yield."""
    with _faults_of_workbook(path):
        batch: list[Line] = []
        for number, cells in islice(numbered, BATCH_ROWS):
            if number > MAXIMUM_WORKBOOK_ROWS:
                raise PeerError(f"{path}: more rows than a sheet can have", hint=SAVE_AS_TEXT)
            batch.append((number, [_value(cell) for cell in cells]))
        return batch


def _value(cell: Any) -> Cell:
    value = cell.value
    if value is None or isinstance(value, date):
        return value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float):
        return _shown(value, cell.number_format)
    return str(value).strip() or None


def _shown(value: float, number_format: str) -> Cell:
    """A number as it is; as text where its format shows leading zeros, as identifiers do."""
    if ZEROS.fullmatch(number_format) and value == int(value):
        return f"{int(value):0{len(number_format)}d}"
    return value
