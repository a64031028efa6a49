"""The rows of one sheet of an .xlsx; whatever openpyxl raises on a hostile file has a way out."""

import re
import warnings
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import islice
from pathlib import Path
from typing import IO, Any

from pipelines.core.errors import PeerError
from pipelines.core.spelling import nearest
from pipelines.io.table_header import Cell, IsKnown, Line, find_header
from pipelines.io.text_rows import SAVE_AS_TEXT, SAVE_AS_WORKBOOK, TEXTS, TITLE_ROWS

WORKBOOKS = (".xlsx", ".xlsm")
BATCH_ROWS = 1000
MAXIMUM_WORKBOOK_ROWS = 1_048_576
"""Rows of a sheet (Excel's limit): a row number above it is a lie that would be padded up to."""
MAXIMUM_PART_BYTES = 4 << 30
ZEROS = re.compile(r"0{2,15}")


def workbook_rows(path: Path, sheet: str, is_known: IsKnown) -> tuple[Iterator[Line], str]:
    """The rows of a sheet that are not empty, with their numbers; which of several it is.

    Where none is named, it is the sheet whose header has the most titles that are known, the first
    of equals. Raises PeerError, or OSError as it comes.
    """
    if path.suffix.lower() not in WORKBOOKS:
        raise PeerError(
            f"{path}: not a table that can be read; {', '.join(WORKBOOKS + TEXTS)} can",
            hint=SAVE_AS_WORKBOOK,
        )
    file = path.open("rb")
    try:
        worksheets = _worksheets(path, file)
        if sheet:
            return _rows(path, file, _named(path, worksheets, sheet)), ""
        chosen = max(worksheets, key=lambda each: _known_titles(path, each, is_known))
    except BaseException:
        file.close()
        raise
    others = ", ".join(f"'{each.title}'" for each in worksheets if each is not chosen)
    choice = f"sheet '{chosen.title}'; not read: {others}" if others else ""
    return _rows(path, file, chosen), choice


def _rows(path: Path, file: IO[bytes], worksheet: Any) -> Iterator[Line]:
    with file:
        worksheet.reset_dimensions()
        numbered = enumerate(worksheet.iter_rows(min_row=1, min_col=1), start=1)
        while batch := _batch(path, numbered):
            yield from (line for line in batch if any(cell is not None for cell in line[1]))


def _worksheets(path: Path, file: IO[bytes]) -> list[Any]:
    import openpyxl

    with _faults_of_workbook(path):
        parts = zipfile.ZipFile(file).infolist()
        if any(part.file_size > MAXIMUM_PART_BYTES for part in parts):
            raise PeerError(f"{path}: the workbook is too large", hint=SAVE_AS_TEXT)
        file.seek(0)
        opened = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
    if not opened.worksheets:
        raise PeerError(f"{path}: the workbook has no sheet", hint=SAVE_AS_WORKBOOK)
    return list(opened.worksheets)


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


def _named(path: Path, worksheets: list[Any], name: str) -> Any:
    by_name = {worksheet.title: worksheet for worksheet in worksheets}
    if name in by_name:
        return by_name[name]
    near = nearest(name, by_name, likeness=0)
    titles = ", ".join(f"'{title}'" for title in by_name)
    raise PeerError(
        f"{path}: there is no sheet '{name}'; there is {titles}",
        hint=f'Set sheet = "{near}" under [select], or leave it empty.',
    )


def _known_titles(path: Path, worksheet: Any, is_known: IsKnown) -> int:
    """How many titles of a sheet are known; -1 where it is empty."""
    worksheet.reset_dimensions()
    numbered = enumerate(worksheet.iter_rows(min_row=1, min_col=1), start=1)
    header = find_header(_batch(path, numbered)[:TITLE_ROWS], is_known)
    return header.known if header else -1


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
