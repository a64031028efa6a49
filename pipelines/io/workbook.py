"""Excel workbooks whose bytes depend on their content alone: no author, no program, no clock.

openpyxl writes the workbook into memory; its parts are then packed again in a fixed order, with
the earliest time a zip can hold, and with document properties that say nothing (ECMA-376 part 2).
"""

import math
from collections.abc import Sequence
from datetime import date, datetime
from io import BytesIO
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from openpyxl import Workbook
from openpyxl.cell.cell import Cell as SheetCell
from openpyxl.cell.cell import MergedCell
from openpyxl.styles import Alignment, Font
from openpyxl.utils import get_column_letter
from openpyxl.worksheet.worksheet import Worksheet

from pipelines.io.disk import write_whole
from pipelines.io.sheets import NOT_XML, Sheet, checked_names

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The first moment a zip member can bear (APPNOTE 4.4.6): it says nothing."""

FONT, BOLD, ROW_HEIGHT = Font(name="Calibri", size=12), Font(name="Calibri", size=12, bold=True), 16
MAXIMUM_TEXT = 32_767
MAXIMUM_DIGITS = 15
MAXIMUM_WIDTH, WIDTH_MARGIN = 60, 3
FIRST_DATE = date(1900, 3, 1)
"""Before it Excel's days are off by one, and before 1900 there are none: such a date is text."""

FORMULA_STARTS = ("=", "+", "-", "@", "\t")
XML = '<?xml version="1.0" encoding="UTF-8" standalone="yes"?>\n'
PROPERTIES = {
    "docProps/app.xml": (
        f"{XML}<Properties "
        'xmlns="http://schemas.openxmlformats.org/officeDocument/2006/extended-properties"/>'
    ).encode(),
    "docProps/core.xml": (
        f"{XML}<cp:coreProperties "
        'xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties"/>'
    ).encode(),
}


def write_workbook(path: Path, sheets: Sequence[Sheet], *, mode: int = 0o666) -> Path:
    """Write the sheets, in their order, to an .xlsx file that appears whole or not at all.

    Text stays text, whatever it begins with. What a cell cannot hold is made visible, not lost:
    a character that is not XML becomes U+FFFD, text beyond 32767 characters ends in an ellipsis.

    Raises SettingsError for a sheet name that Excel refuses.
    """
    workbook = Workbook()
    workbook.remove(workbook.worksheets[0])
    for name in checked_names([sheet.name for sheet in sheets]):
        workbook.create_sheet(name)
    for worksheet, sheet in zip(workbook.worksheets, sheets, strict=True):
        _fill(worksheet, sheet)
    write_whole(path, _repacked(_saved(workbook)), mode=mode)
    return path


def _fill(worksheet: Worksheet, sheet: Sheet) -> None:
    worksheet.sheet_format.defaultRowHeight = ROW_HEIGHT
    for number, row in enumerate((sheet.header, *sheet.rows), start=1):
        for column, value in enumerate(row, start=1):
            if value is not None:
                _put(worksheet.cell(number, column), value)
    for column, width in enumerate(sheet.widths or _widths(sheet), start=1):
        worksheet.column_dimensions[get_column_letter(column)].width = width
    if sheet.for_people:
        _make_handy(worksheet, len(sheet.header))


def _put(cell: SheetCell | MergedCell, value: str | int | float | bool | date) -> None:
    value = _storable(value)
    cell.value = value
    cell.font = FONT
    if isinstance(value, str):
        cell.data_type = "s"  # openpyxl would make a formula of "=1" and an error of "#N/A"
        cell.quotePrefix = value.startswith(FORMULA_STARTS)
    elif type(value) is int:
        cell.number_format = "0"
    elif isinstance(value, date):
        cell.number_format = "yyyy-mm-dd hh:mm:ss" if isinstance(value, datetime) else "yyyy-mm-dd"


def _storable(value: str | int | float | bool | date) -> str | int | float | bool | date:
    """The value as a cell can hold it; what would be changed on the way becomes text."""
    match value:
        case str():
            return _text(value)
        case bool():
            return value
        case int() if len(str(abs(value))) > MAXIMUM_DIGITS:
            return str(value)
        case float() if not math.isfinite(value):
            return str(value)
        case datetime() if value.tzinfo is not None or value.date() < FIRST_DATE:
            return value.isoformat(sep=" ")
        case date() if not isinstance(value, datetime) and value < FIRST_DATE:
            return value.isoformat()
    return value


def _text(value: str) -> str:
    text = NOT_XML.sub("\ufffd", value.replace("\r\n", "\n").replace("\r", "\n"))
    return text if len(text) <= MAXIMUM_TEXT else text[: MAXIMUM_TEXT - 1] + "…"


def _widths(sheet: Sheet) -> list[float]:
    columns = zip(sheet.header, *sheet.rows, strict=True)
    return [
        min(max(len(str(value)) for value in column if value is not None), MAXIMUM_WIDTH)
        + WIDTH_MARGIN
        for column in columns
    ]


def _make_handy(worksheet: Worksheet, columns: int) -> None:
    for column in range(1, columns + 1):
        cell = worksheet.cell(1, column)
        cell.font = BOLD
        cell.alignment = Alignment(vertical="top", wrap_text=True)
    worksheet.freeze_panes = "A2"
    worksheet.auto_filter.ref = f"A1:{get_column_letter(columns)}{worksheet.max_row}"


def _saved(workbook: Workbook) -> dict[str, bytes]:
    """The parts of the workbook by name, with properties that tell nothing."""
    memory = BytesIO()
    workbook.save(memory)
    with ZipFile(memory) as archive:
        return {name: archive.read(name) for name in archive.namelist()} | PROPERTIES


def _repacked(parts: dict[str, bytes]) -> bytes:
    memory = BytesIO()
    with ZipFile(memory, "w") as archive:
        # readers that look at the first bytes to name the format want the content types first
        for name in sorted(parts, key=lambda name: (name != "[Content_Types].xml", name)):
            member = ZipInfo(name, date_time=EARLIEST)
            member.create_system = 3  # Unix, wherever this runs
            member.external_attr = 0o644 << 16
            member.compress_type = ZIP_DEFLATED
            archive.writestr(member, parts[name])
    return memory.getvalue()
