import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime

import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SettingsError
from pipelines.io.sheets import Sheet
from pipelines.io.workbook import EARLIEST, write_workbook

TEXTS = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff"), max_size=20
)
CELLS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**15) + 1, 10**15 - 1),
    TEXTS.filter(bool),
    st.sampled_from(["=1+1", "+7 495", "-1", "@SUM(A1)", "#N/A", "#REF!", "=", "1", "TRUE", " x "]),
)


def sheet(rows, **changes):
    width = max((len(row) for row in rows), default=2)
    header = tuple(f"column {n}" for n in range(width))
    return Sheet(**({"name": "Table", "header": header, "rows": rows} | changes))


def read_back(path):
    worksheet = openpyxl.load_workbook(path).worksheets[0]
    return [[cell.value for cell in row] for row in worksheet.iter_rows(min_row=2)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("workbooks")


@given(rows=st.lists(st.tuples(CELLS, CELLS, TEXTS.filter(bool)), min_size=1, max_size=5))
def test_what_is_written_is_what_is_read_and_nothing_is_a_formula(folder, rows):
    path = write_workbook(folder / "a.xlsx", [sheet(rows)])

    assert read_back(path) == [list(row) for row in rows]
    cells = openpyxl.load_workbook(path).worksheets[0].iter_rows(min_row=2)
    assert {cell.data_type for row in cells for cell in row} <= {"s", "n", "b"}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@A1", "\t=1"])
def test_text_that_looks_like_a_formula_is_quoted_for_whoever_edits_it(tmp_path, text):
    path = write_workbook(tmp_path / "a.xlsx", [sheet([[text]])])

    cell = openpyxl.load_workbook(path).worksheets[0]["A2"]
    assert (cell.value, cell.data_type, cell.quotePrefix) == (text, "s", True)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a\x00b\x1fc", "a\ufffdb\ufffdc"),
        ("\ud800", "\ufffd"),
        ("a\r\nb\rc", "a\nb\nc"),
        (10**15, "1000000000000000"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (date(1899, 1, 2), "1899-01-02"),
        (datetime(2020, 3, 1, 12, tzinfo=UTC), "2020-03-01 12:00:00+00:00"),
        ("x" * 40_000, "x" * 32_766 + "…"),
    ],
)
def test_what_a_cell_cannot_hold_is_shown_as_text(tmp_path, value, shown):
    path = write_workbook(tmp_path / "a.xlsx", [sheet([[value]])])

    assert read_back(path) == [[shown]]


def test_a_date_is_a_date_and_an_empty_cell_is_no_cell(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", [sheet([[date(2020, 3, 1), None, "x"]])])

    frame = pd.read_excel(path)
    assert frame.iloc[0, 0] == pd.Timestamp(2020, 3, 1)
    with zipfile.ZipFile(path) as archive:
        assert b'r="B2"' not in archive.read("xl/worksheets/sheet1.xml")


def test_no_part_tells_who_when_where_or_with_what(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", [sheet([["x", 1]], for_people=True)])

    with zipfile.ZipFile(path) as archive:
        assert {member.date_time for member in archive.infolist()} == {EARLIEST}
        assert {(m.extra, m.comment, m.create_system) for m in archive.infolist()} == {
            (b"", b"", 3)
        }
        parts = {name: archive.read(name) for name in archive.namelist()}
    text = b"".join(parts.values()).lower()
    for trace in (
        b"openpyxl",
        b"creator",
        b"dcterms",
        b"absPath".lower(),
        b"<application",
        b"/tmp",
    ):
        assert trace not in text
    assert set(parts) == {
        "[Content_Types].xml",
        "_rels/.rels",
        "docProps/app.xml",
        "docProps/core.xml",
        "xl/_rels/workbook.xml.rels",
        "xl/styles.xml",
        "xl/theme/theme1.xml",
        "xl/workbook.xml",
        "xl/worksheets/sheet1.xml",
    }


def test_other_hash_seeds_time_zones_and_locales_give_the_same_bytes(tmp_path):
    code = (
        "import sys; from pathlib import Path; from datetime import date\n"
        "from pipelines.io.sheets import Sheet\n"
        "from pipelines.io.workbook import write_workbook\n"
        "rows = [['б', 1, date(2020, 3, 1), True], ['=a', None, 2.5, 'x']]\n"
        "sheets = [Sheet(name=n, header=tuple('abcd'), rows=rows, for_people=n == 'S2')"
        " for n in ('S1', 'S2')]\n"
        "write_workbook(Path(sys.argv[1]), sheets)"
    )
    made = []
    for seed, zone in (("1", "Asia/Vladivostok"), ("2", "UTC")):
        path = tmp_path / f"{seed}.xlsx"
        environment = {"PYTHONHASHSEED": seed, "TZ": zone, "PYTHONPATH": ":".join(sys.path)}
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment)
        made.append(path.read_bytes())

    assert made[0] == made[1]


def test_a_table_for_people_has_a_bold_frozen_header_and_filters(tmp_path):
    rows = [["a" * 200, 1], ["b", 2]]

    path = write_workbook(tmp_path / "a.xlsx", [sheet(rows, for_people=True)])

    worksheet = openpyxl.load_workbook(path).worksheets[0]
    assert worksheet["A1"].font.bold
    assert not worksheet["A2"].font.bold
    assert worksheet.freeze_panes == "A2"
    assert worksheet.auto_filter.ref == "A1:B3"
    assert 8 < worksheet.column_dimensions["B"].width < worksheet.column_dimensions["A"].width < 80


@pytest.mark.parametrize(
    "name",
    ["", "  ", "x" * 32, "🫁" * 16, "a/b", "a\\b", "a:b", "a[b", "a?", "a*", "a\n", "'a", "a'",
     "History", "\ud800", "\ufffe"],
)  # fmt: skip
def test_a_sheet_name_that_excel_refuses_is_a_settings_error(tmp_path, name):
    with pytest.raises(SettingsError) as raised:
        write_workbook(tmp_path / "a.xlsx", [sheet([["x"]], name=name)])

    assert raised.value.hint
    assert list(tmp_path.iterdir()) == []


def test_two_sheets_of_one_name_are_refused(tmp_path):
    with pytest.raises(SettingsError):
        write_workbook(tmp_path / "a.xlsx", [sheet([], name="Aa"), sheet([], name="aA")])


@pytest.mark.parametrize("name", ["MosMedData COVID19_1110", "x" * 31, "Набор данных"])
def test_a_sheet_name_that_excel_takes_is_kept(tmp_path, name):
    path = write_workbook(tmp_path / "a.xlsx", [sheet([["x"]], name=name)])

    assert list(pd.read_excel(path, sheet_name=None)) == [name]


def test_a_failed_write_leaves_what_was_there(tmp_path):
    path = write_workbook(tmp_path / "a.xlsx", [sheet([["x"]])])
    before = path.read_bytes()

    with pytest.raises(ValueError, match="zip"):
        write_workbook(path, [sheet([["x"], ["y", "z"]])])

    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
