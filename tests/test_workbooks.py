"""Workbooks as other programs write them have the same cells; hostile ones are refused."""

import zipfile

import openpyxl
import pytest

from pipelines.core.errors import PeerError
from pipelines.io.tables import read_table

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"


def rows_of(path):
    """The same without the header."""
    return [(number, list(cells)) for number, cells in read_table(path).lines]


# --- what other programs write


def rewritten(tmp_path, sheet):
    """A workbook of openpyxl whose sheet is written anew."""
    book = openpyxl.Workbook()
    book.active.append(["shared"])
    book.save(tmp_path / "plain.xlsx")
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as old:
        parts = {part: old.read(part) for part in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    with zipfile.ZipFile(tmp_path / "ris.xlsx", "w", zipfile.ZIP_DEFLATED) as new:
        for part, content in parts.items():
            new.writestr(part, content)
    return tmp_path / "ris.xlsx"


def sheet_of(rows):
    return f'<worksheet xmlns="{MAIN}"><sheetData>{rows}</sheetData></worksheet>'


def text_cell(text, reference=""):
    at = f' r="{reference}"' if reference else ""
    return f'<c t="inlineStr"{at}><is><t>{text}</t></is></c>'


HEADER = f"<row>{text_cell('one')}{text_cell('two')}</row>"
A1_B2 = [(2, ["A1", "B2"])]


@pytest.mark.parametrize(
    "rows",
    [
        f"<row>{text_cell('A1')}{text_cell('B2')}</row>",
        f"\n <row>\n  {text_cell('A1')}\n  {text_cell('B2')}\n </row>\n",
        '<row r="2"><c r="A2" t="str"><f>"A"&amp;1</f><v>A1</v></c><c t="str"><v>B2</v></c></row>',
        '<row><c t="inlineStr"><is><r><rPr><b/></rPr><t>A</t></r><r><t>1</t></r></is></c>'
        + text_cell("B2")
        + "</row>",
        '<row><c t="inlineStr"><is><t>A1</t><rPh sb="0" eb="1"><t>エー</t></rPh></is></c>'
        + text_cell("B2")
        + "</row>",
        f"<row>{text_cell('<![CDATA[A1]]>')}{text_cell('&#66;2')}</row>",
    ],
    ids=["bare", "pretty", "formula", "rich", "phonetic", "cdata"],
)
def test_the_same_cells_are_found_however_a_program_writes_them(tmp_path, rows):
    path = rewritten(tmp_path, sheet_of(HEADER + rows))

    assert [(number, cells[:2]) for number, cells in rows_of(path)] == A1_B2


def test_a_number_beyond_the_calendar_is_no_day(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["one", "two"])
    book.active.append([10**9, 1])
    book.active["A2"].number_format = "dd.mm.yyyy"
    book.save(tmp_path / "ris.xlsx")

    assert rows_of(tmp_path / "ris.xlsx") == [(2, ["#VALUE!", 1])]


# --- what attackers write


ENTITIES = "".join(f'<!ENTITY e{k + 1} "' + f"&e{k};" * 10 + '">' for k in range(12))
BOMB = f'<!DOCTYPE x [<!ENTITY e0 "lol">{ENTITIES}]>'
HUGE = "x" * (2 << 20)
HOSTILE = {
    "entities": BOMB + sheet_of(HEADER.replace("one", "&e12;")),
    "no column": sheet_of(HEADER + f"<row>{text_cell('A', '2')}</row>"),
    "odd column": sheet_of(HEADER + f"<row>{text_cell('A', 'Ж2')}</row>"),
    "row": sheet_of(HEADER + f'<row r="1048577">{text_cell("A")}</row>'),
    "no row": sheet_of(HEADER + f'<row r="x">{text_cell("A")}</row>'),
    "shared": sheet_of(HEADER + '<row><c t="s"><v>99</v></c></row>'),
    "from the end": sheet_of(HEADER + '<row><c t="s"><v>-1</v></c></row>'),
    "number": sheet_of(HEADER + "<row><c><v>twelve</v></c></row>"),
    "digits": sheet_of(HEADER + f"<row><c><v>{'9' * 9999}</v></c></row>"),
    "style": sheet_of(HEADER + '<row><c s="99"><v>1</v></c></row>'),
    "cut": sheet_of(HEADER)[:-20],
    "empty": "",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_sheet_is_refused_with_a_way_out(tmp_path, name):
    path = rewritten(tmp_path, HOSTILE[name])

    with pytest.raises(PeerError) as caught:
        rows_of(path)

    assert str(path) in caught.value.message
    assert caught.value.hint
