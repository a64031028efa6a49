"""Workbooks: openpyxl, which reads them in another way, finds the same cells; hostile ones end."""

import re
import zipfile
from datetime import date, datetime, time, timedelta

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl.utils.datetime import CALENDAR_MAC_1904

from pipelines.core.errors import PeerError
from pipelines.io.book import NOT_A_DAY
from pipelines.io.tables import read_table

FORMATS = ("General", "0000000", "00", "0.00", "dd.mm.yyyy", "yyyy-mm-dd hh:mm", "[h]:mm:ss",
           "h:mm", '"день" 0', "[$-419]d mmmm yyyy", "@", "0000000;-0", "m/d/yy")  # fmt: skip
TEXT = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs"), exclude_characters="_￾￿"),
    max_size=12,
)
CELLS = st.one_of(
    st.none(),
    TEXT,
    st.booleans(),
    st.integers(-(10**17), 10**17),
    st.floats(allow_nan=False, allow_infinity=False, width=32),
    st.dates(date(1900, 3, 1), date(2200, 1, 1)),
    st.datetimes(datetime(1900, 3, 1), datetime(2200, 1, 1)),  # noqa: DTZ001 - Excel has no zones
    st.times(),
    st.timedeltas(timedelta(0), timedelta(days=40)),
    st.sampled_from(["0012", "=1+1", "#N/A", "  A1 ", "\t", "1.2.643.7", "x\ny"]),
)
GRIDS = st.lists(
    st.lists(st.tuples(CELLS, st.sampled_from(FORMATS)), max_size=5), min_size=1, max_size=6
)
MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
STRICT = "http://purl.oclc.org/ooxml/spreadsheetml/main"


def write(path, grid, *, is_1904=False, streams=False):
    book = openpyxl.Workbook(write_only=streams)
    if is_1904:
        book.epoch = CALENDAR_MAC_1904
    sheet = book.create_sheet() if streams else book.active
    sheet.append(["one", "two", "three", "four", "five"])
    for row in grid:
        made = [openpyxl.cell.WriteOnlyCell(sheet, value=value) for value, _ in row]
        for cell, (value, form) in zip(made, row, strict=True):
            if not isinstance(value, date | time | timedelta):
                cell.number_format = form
            if isinstance(value, str):
                cell.data_type = "s"  # or openpyxl makes a formula of "=1+1"
        sheet.append(made)
    book.save(path)
    return path


def as_openpyxl_reads(path):
    """The rows as openpyxl finds them, in what a table makes of the kinds of cells."""
    sheet = openpyxl.load_workbook(path, data_only=True).active
    for number, cells in enumerate(sheet.iter_rows(), start=1):
        values = [shown(cell) for cell in cells]
        if any(value is not None for value in values):
            yield number, values


def shown(cell):
    value = cell.value
    if isinstance(value, bool):
        return str(value).upper()
    if isinstance(value, int | float) and re.fullmatch("0{2,15}", cell.number_format):
        return f"{int(value):0{len(cell.number_format)}d}" if value == int(value) else value
    if value is None or isinstance(value, date | int | float):
        return value
    return str(value).strip() or None


def rows_of(path):
    """The same without the header."""
    return [(number, list(cells)) for number, cells in read_table(path).lines]


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None
)
@given(grid=GRIDS, is_1904=st.booleans(), streams=st.booleans())
@pytest.mark.filterwarnings("ignore:Cell:UserWarning")
def test_every_cell_is_what_openpyxl_finds_there(tmp_path, grid, is_1904, streams):
    path = write(tmp_path / "any.xlsx", grid, is_1904=is_1904, streams=streams)

    wanted = list(as_openpyxl_reads(path))[1:]
    found = rows_of(path)

    assert [number for number, _ in found] == [number for number, _ in wanted]
    for (_, mine), (_, theirs) in zip(found, wanted, strict=True):
        assert mine == [*theirs, *[None] * (5 - len(theirs))]
        assert list(map(type, mine)) == list(map(type, [*theirs, *[None] * (5 - len(theirs))]))


# --- what other programs write


def rewritten(tmp_path, sheet, *, name="ris.xlsx", more=()):
    """A workbook of openpyxl whose sheet (and `more` parts) are written anew."""
    book = openpyxl.Workbook()
    book.active.append(["shared"])
    book.save(tmp_path / "plain.xlsx")
    with zipfile.ZipFile(tmp_path / "plain.xlsx") as old:
        parts = {part: old.read(part) for part in old.namelist()}
    parts["xl/worksheets/sheet1.xml"] = sheet.encode()
    parts |= dict(more)
    with zipfile.ZipFile(tmp_path / name, "w", zipfile.ZIP_DEFLATED) as new:
        for part, content in parts.items():
            new.writestr(part, content)
    return tmp_path / name


def sheet_of(rows, *, space=MAIN):
    return f'<worksheet xmlns="{space}"><sheetData>{rows}</sheetData></worksheet>'


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
        f'<row r="2">{text_cell("B2", "B2")}{text_cell("A1", "A2")}</row>',
        '<row r="2"><c r="A2" t="str"><f>"A"&amp;1</f><v>A1</v></c><c t="str"><v>B2</v></c></row>',
        '<row><c t="inlineStr"><is><r><rPr><b/></rPr><t>A</t></r><r><t>1</t></r></is></c>'
        + text_cell("B2")
        + "</row>",
        '<row><c t="inlineStr"><is><t>A1</t><rPh sb="0" eb="1"><t>エー</t></rPh></is></c>'
        + text_cell("B2")
        + "</row>",
        f"<row>{text_cell('A1_x000D_')}{text_cell('_x0042_2')}</row>",
        f"<row>{text_cell('<![CDATA[A1]]>')}{text_cell('&#66;2')}</row>",
        '<row r="2"><c r="C2"/>' + text_cell("B2", "B2") + text_cell("A1", "A2")
        + "</row>",
    ],
    ids=["bare", "pretty", "order", "formula", "rich", "phonetic", "escaped", "cdata", "empty"],
)  # fmt: skip
def test_the_same_cells_are_found_however_a_program_writes_them(tmp_path, rows):
    path = rewritten(tmp_path, sheet_of(HEADER + rows))

    assert [(number, cells[:2]) for number, cells in rows_of(path)] == A1_B2


def test_a_sheet_may_be_strict_or_prefix_its_names(tmp_path):
    rows = f"{HEADER}<row>{text_cell('A1')}{text_cell('B2')}</row>"
    strict = rewritten(tmp_path, sheet_of(rows, space=STRICT), name="strict.xlsx")
    prefixed = re.sub(r"<(/?)(\w)", r"<\1x:\2", sheet_of(rows)).replace("xmlns=", "xmlns:x=")

    assert rows_of(strict) == A1_B2
    assert rows_of(rewritten(tmp_path, prefixed)) == A1_B2


def test_no_row_is_dropped_for_the_number_it_claims(tmp_path):
    """openpyxl leaves out a row whose number is not above those before it."""
    rows = "".join(
        f'<row r="{number}">{text_cell(f"A{k}")}</row>' for k, number in enumerate([7, 3, 3])
    )

    assert rows_of(rewritten(tmp_path, sheet_of(HEADER + rows))) == [
        (7, ["A0", None]),
        (3, ["A1", None]),
        (3, ["A2", None]),
    ]


def test_a_number_beyond_the_calendar_is_no_day(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["one", "two"])
    book.active.append([10**9, 1])
    book.active["A2"].number_format = "dd.mm.yyyy"
    book.save(tmp_path / "ris.xlsx")

    assert rows_of(tmp_path / "ris.xlsx") == [(2, [NOT_A_DAY, 1])]


def test_a_sheet_of_charts_is_no_table(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["one", "two"])
    book.create_chartsheet("Chart", 0)
    book.save(tmp_path / "ris.xlsx")

    assert read_table(tmp_path / "ris.xlsx").columns == ("one", "two")


# --- what attackers write


ENTITIES = "".join(f'<!ENTITY e{k + 1} "' + f"&e{k};" * 10 + '">' for k in range(12))
BOMB = f'<!DOCTYPE x [<!ENTITY e0 "lol">{ENTITIES}]>'
HUGE = "x" * (2 << 20)
HOSTILE = {
    "entities": BOMB + sheet_of(HEADER.replace("one", "&e12;")),
    "doctype": '<!DOCTYPE x SYSTEM "file:///etc/passwd">' + sheet_of(HEADER),
    "column": sheet_of(HEADER + f"<row>{text_cell('A', 'XFE2')}</row>"),
    "no column": sheet_of(HEADER + f"<row>{text_cell('A', '2')}</row>"),
    "odd column": sheet_of(HEADER + f"<row>{text_cell('A', 'Ж2')}</row>"),
    "row": sheet_of(HEADER + f'<row r="1048577">{text_cell("A")}</row>'),
    "negative row": sheet_of(HEADER + f'<row r="-1">{text_cell("A")}</row>'),
    "no row": sheet_of(HEADER + f'<row r="x">{text_cell("A")}</row>'),
    "text": sheet_of(HEADER + f"<row>{text_cell(HUGE)}</row>"),
    "attribute": sheet_of(HEADER + f'<row r="2" x="{HUGE}">{text_cell("A")}</row>'),
    "blanks": sheet_of(HEADER + " " * (2 << 20)),
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


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/styles.xml", "_rels/.rels"])
@pytest.mark.parametrize("content", ["", "<a>" * 100_000, BOMB + "<a/>", f"<a b='{HUGE}'/>"])
def test_a_hostile_part_is_refused_with_a_way_out(tmp_path, part, content):
    path = rewritten(tmp_path, sheet_of(HEADER), more={part: content}.items())

    with pytest.raises(PeerError) as caught:
        rows_of(path)

    assert caught.value.hint
