"""The files a RIS export comes in: tables, damaged ones, and what is none."""

import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import PeerError
from pipelines.core.model import Sex
from pipelines.io.tables import read_table
from pipelines.peers import cells, ris
from tests.ris_files import rows_of, write_xlsx


def test_the_name_of_a_report_may_stand_above_the_header(tmp_path):
    path = write_xlsx(
        tmp_path / "ris.xlsx",
        [["Отчёт по исследованиям"], [], ["Accession Number", "Пол"], [], ["A1", "м"]],
    )

    [row], _ = rows_of(path, rules=("identified",))

    assert (row.row, row.accession_number) == (5, "A1")


def test_a_sheet_is_found_by_name(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["x"])
    book.create_sheet("Данные").append(["Accession Number", "Пол"])
    book["Данные"].append(["A1", "м"])
    book.save(tmp_path / "ris.xlsx")

    [row], _ = rows_of(tmp_path / "ris.xlsx", sheet="Данные", rules=("identified",))
    with pytest.raises(PeerError) as caught:
        rows_of(tmp_path / "ris.xlsx", sheet="Даные")

    assert row.accession_number == "A1"
    assert "'Sheet', 'Данные'" in caught.value.message
    assert '"Данные"' in caught.value.hint


def test_a_workbook_that_lies_about_its_size_is_read_whole(tmp_path):
    honest = write_xlsx(tmp_path / "honest.xlsx", [["Accession Number", "Пол"], ["A1", "м"]])
    with zipfile.ZipFile(honest) as old, zipfile.ZipFile(tmp_path / "lying.xlsx", "w") as new:
        for part in old.namelist():
            new.writestr(part, old.read(part).replace(b'ref="A1:B2"', b'ref="A1"'))

    assert rows_of(tmp_path / "lying.xlsx", rules=("identified",)) == rows_of(
        honest, rules=("identified",)
    )


def test_a_row_that_is_shifted_is_not_read_but_counted(tmp_path):
    path = tmp_path / "ris.csv"
    path.write_text("Accession Number,ФИО,Пол\nA1,Иванов, Иван,м\nA2,Петров,ж\nA3\n", "utf-8")

    rows, unreadable = rows_of(path, rules=("identified",))

    assert [row.accession_number for row in rows] == [None, "A2", "A3"]
    assert unreadable == {ris.WHOLE_ROW: 1}


@pytest.mark.parametrize("rows_at_once", [1, 2, 3, 1000])
def test_rows_are_the_same_however_many_are_read_at_once(tmp_path, monkeypatch, rows_at_once):
    path = tmp_path / "ris.csv"
    lines = ["Accession Number,ФИО,Пол", "A1,Иванов, Иван,м", "A2,Петров,ж", ",,", "A3,,?!", "A4"]
    path.write_text("\n".join(lines), "utf-8")
    once = rows_of(path, rules=("identified",))

    monkeypatch.setattr(ris, "ROWS_AT_ONCE", rows_at_once)

    assert rows_of(path, rules=("identified",)) == once
    assert once[1] == {ris.WHOLE_ROW: 1, "Пол": 1}


@pytest.mark.parametrize(
    ("plain", "reader"),
    [
        (cells.PLAIN_NUMBER, cells.text),
        (cells.PLAIN_UID, cells.uid),
        (cells.PLAIN_NAME, cells.text),
    ],
    ids=["number", "uid", "name"],
)
@given(data=st.data())
def test_what_is_not_looked_at_twice_would_have_been_read_as_itself(data, plain, reader):
    text = data.draw(st.from_regex(plain, fullmatch=True))

    assert cells.Cells(reader)[text] == text


def test_nothing_that_stands_for_nothing_is_taken_for_a_value():
    for plain in (cells.PLAIN_NUMBER, cells.PLAIN_UID, cells.PLAIN_NAME):
        assert not [word for word in cells.BLANKS | cells.ERRORS if plain.fullmatch(word)]


def test_the_order_excel_takes_for_a_delimiter_is_no_header(tmp_path):
    path = tmp_path / "ris.csv"
    path.write_text("sep=|\nAccession Number|Пол, буквой\nA1|м\n", "utf-8")

    assert read_table(path).columns == ("Accession Number", "Пол, буквой")


HOSTILE = {
    "missing.csv": None,
    "empty.csv": b"",
    "blank.csv": b"\n\n ; \n",
    "binary.csv": b"PK\x03\x04\x00\x00\x00",
    "damaged.csv": "Номер исследования;Пол\n1;м\n".encode() + b"\xd0",
    "marked.csv": b"\xef\xbb\xbfa,b\n\xff,1\n",
    "cut16.csv": "Номер;Пол\n1;м".encode("utf-16")[:-1],
    "undefined.csv": b"a,b\n\x98,1\n",
    "quote.csv": b'a,b\n1,"2\n3,4\n',
    "quotes.csv": b'a,b\n1,"2"3\n',
    "twice.csv": b"a,b,a\n1,2,3\n",
    "field.csv": b'a,b\n1,"' + b"x" * 200_000 + b'"\n',
    "text.xlsx": b"a,b\n1,2\n",
    "empty.xlsx": b"",
    "old.xls": b"\xd0\xcf\x11\xe0",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_that_is_no_table_is_a_peer_error_with_a_way_out(tmp_path, name):
    if HOSTILE[name] is not None:
        (tmp_path / name).write_bytes(HOSTILE[name])

    with pytest.raises(PeerError) as caught:
        list(read_table(tmp_path / name).rows)

    assert name in caught.value.message
    assert caught.value.hint


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(PeerError):
        read_table(tmp_path / "").rows.close()
    (tmp_path / "x.csv").mkdir()
    with pytest.raises(PeerError):
        read_table(tmp_path / "x.csv")


def test_an_empty_sheet_is_said_to_be_empty(tmp_path):
    with pytest.raises(PeerError, match="empty"):
        read_table(write_xlsx(tmp_path / "ris.xlsx", []))


def workbook_of(path, sheets):
    """Write the rows of some sheets, by their names."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


@pytest.mark.parametrize("first", [[], [["Отчёт", "за март"]]], ids=["empty", "cover"])
def test_of_several_sheets_the_one_with_the_titles_is_read_and_told(tmp_path, first):
    table = [["Accession Number", "Пол"], ["A1", "м"]]
    sheets = {"Титул": first, "Март": table, "Апрель": table}
    path = workbook_of(tmp_path / "ris.xlsx", sheets)

    [row], _ = rows_of(path, rules=("identified",))

    assert row.accession_number == "A1"
    assert read_table(path, is_known="Пол".__eq__).read_as == (
        "sheet 'Март'; not read: 'Титул', 'Апрель'"
    )


def test_what_stands_above_the_header_is_not_taken_for_it(tmp_path):
    table = [
        ["Отчёт по исследованиям"],
        ["Период", "01.03.2020", "31.03.2020"],
        ["Исследование", None, "Сведения"],
        ["Номер исследования", "Комментарий", "Пол"],
        ["A1", "Пол", "м"],
    ]
    path = write_xlsx(tmp_path / "ris.xlsx", table)

    [row], unreadable = rows_of(path, rules=("identified",))

    assert (row.row, row.accession_number, row.patient_sex) == (5, "A1", Sex.MALE)
    assert not unreadable


def test_a_title_that_is_merged_over_two_rows_belongs_to_the_lower_one(tmp_path):
    table = [
        ["Номер исследования", "Пациент", None, "Модальность"],
        [None, "ФИО", "Пол", None],
        ["A1", "Иванов Иван", "м", "КТ"],
    ]
    book = openpyxl.Workbook()
    for row in table:
        book.active.append(row)
    for cells_of in ("A1:A2", "B1:C1", "D1:D2"):
        book.active.merge_cells(cells_of)
    book.save(tmp_path / "ris.xlsx")

    [row], _ = rows_of(tmp_path / "ris.xlsx", rules=("identified",))

    assert (row.accession_number, row.patient_name) == ("A1", "Иванов Иван")
    assert (row.patient_sex, row.modality) == (Sex.MALE, "КТ")


def test_a_title_that_the_settings_name_tells_the_header_too(tmp_path):
    path = write_xlsx(tmp_path / "ris.xlsx", [["за", "март"], ["№ в журнале", "прочее"], ["A1", 1]])

    [row], _ = rows_of(path, columns={"accession_number": "№ в журнале"}, rules=("identified",))

    assert row.accession_number == "A1"


def test_a_comma_in_the_name_of_a_report_does_not_divide_the_cells(tmp_path):
    path = tmp_path / "ris.csv"
    path.write_text("КТ ОГК, март\nНомер исследования;Пол\nA1;м\n", "cp1251")

    [row], _ = rows_of(path, rules=("identified",))

    assert row.accession_number == "A1"


def is_read_or_refused(path):
    """True for a table whose rows keep to its titles, and for a refusal with a way out."""
    try:
        table = read_table(path)
        return all(set(row) <= set(table.columns) for _, row in table.rows)
    except PeerError as error:
        return bool(error.hint)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(where=st.floats(0, 1), flip=st.integers(1, 255), cut=st.booleans())
def test_a_damaged_workbook_is_read_or_refused_and_never_a_crash(tmp_path, where, flip, cut):
    whole = tmp_path / "whole.xlsx"
    if not whole.exists():
        write_xlsx(whole, [["Accession Number", "Дата"], ["A1", date(2020, 3, 1)], ["A2", 7]])
    content = bytearray(whole.read_bytes())
    at = min(int(where * len(content)), len(content) - 1)
    content[at] ^= flip
    damaged = tmp_path / "damaged.xlsx"
    damaged.write_bytes(content[:at] if cut else content)

    assert is_read_or_refused(damaged)


@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None
)
@given(content=st.one_of(st.binary(max_size=200), st.text(alphabet='ab1,;\t"\n\r\0Ж', max_size=60)))
def test_any_bytes_are_a_text_table_or_a_peer_error(tmp_path, content):
    path = Path(tmp_path / "any.csv")
    path.write_bytes(content if isinstance(content, bytes) else content.encode())

    assert is_read_or_refused(path)
