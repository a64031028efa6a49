"""The cells of a RIS export: read as people write them, never guessed."""

from datetime import date, datetime

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.model import Sex
from pipelines.peers import cells, ris
from tests.ris_files import DAYS, TITLES, cell_of, rows_of, write_csv

# --- cells


@settings(deadline=None)
@given(day=DAYS, hour=st.integers(0, 23))
def test_a_day_is_the_same_day_in_every_spelling(day, hour):
    spellings = [
        f"{day:%d.%m.%Y}", f"{day:%d/%m/%Y}", f"{day:%d-%m-%Y}",
        f"{day.day}.{day.month}.{day.year}",
        f"{day:%Y-%m-%d}", f"{day:%Y%m%d}", f"{day:%Y.%m.%d}", f"{day:%Y/%m/%d}",
        f"{day:%d.%m.%Y} {hour}:05", f"{day:%Y-%m-%d}T{hour:02}:05:00+03:00",
        f"{day:%Y%m%d}{hour:02}0501",
    ]  # fmt: skip

    assert {cells.day(spelled) for spelled in spellings} == {day}


@pytest.mark.parametrize(
    "spelled",
    [
        "03/25/2020",
        "31.02.2020",
        "01.03.20",
        "2020",
        "март 2020",
        "0001-01-01",
        "1.2.3.2020",
        "2020-13-01",
        "99999",
    ],
)
def test_a_day_that_is_not_sure_is_not_guessed(spelled):
    assert cells.day(spelled) is None


@settings(deadline=None)
@given(birth=DAYS, study=DAYS)
def test_age_by_birthday_is_the_number_of_birthdays_had(birth, study):
    [age] = ris._ages({"patient_birth_date": [birth], "study_date": [study]}, 1)

    birthdays = 0
    while birth <= study and _birthday(birth, birthdays + 1) <= study:
        birthdays += 1
    is_plausible = birth <= study and birthdays <= cells.OLDEST_YEARS
    assert age == (birthdays if is_plausible else None)


def _birthday(birth, years):
    try:
        return birth.replace(year=birth.year + years)
    except ValueError:
        return date(birth.year + years, 3, 1)


@pytest.mark.parametrize(
    ("spelled", "category"),
    [
        ("КТ-0", "CT-0"), ("КТ0", "CT-0"), ("CT-0", "CT-0"), ("ct 0", "CT-0"), ("КT_3", "CT-3"),
        ("СТ-2", "CT-2"), ("КТ – 1", "CT-1"), ("КТ-4 (критическая)", "CT-4"), ("кт-1.", "CT-1"),
        ("КТ-3 (50-75%)", "CT-3"), ("КТ-1, до 25 %", "CT-1"), ("КТ-2: умеренная", "CT-2"),
        ("КТ-5", None), ("КТ-1-2", None), ("КТ 1/2", None), ("КТ-1 или КТ-2", None),
        ("КТ-12", None),
        ("не КТ-0", None), ("КТ-2?", None), ("КТ", None), ("2", None), ("КТ-1 (ранее КТ-2)", None),
        ("КТ-2,5", None), ("КТ-3 -> 4", None),
    ],
)  # fmt: skip
def test_a_category_is_read_in_every_spelling_and_never_out_of_two(spelled, category):
    assert cells.category(spelled) == category


@pytest.mark.parametrize(
    ("reader", "spelled", "value"),
    [
        (cells.sex, "М", Sex.MALE), (cells.sex, "m", Sex.MALE), (cells.sex, "Муж.", Sex.MALE),
        (cells.sex, "женский", Sex.FEMALE), (cells.sex, "F", Sex.FEMALE),
        (cells.sex, "2", Sex.FEMALE),
        (cells.sex, "0", Sex.OTHER), (cells.sex, "кошка", None),
        (cells.age_years, "47", 47), (cells.age_years, "47 лет", 47), (cells.age_years, "047Y", 47),
        (cells.age_years, "018M", 1), (cells.age_years, "6 мес.", 0), (cells.age_years, "47,9", 47),
        (cells.age_years, "300", None), (cells.age_years, "-1", None),
        (cells.age_years, "47-50", None),
        (cells.pregnancy, "да", True), (cells.pregnancy, "Нет", False),
        (cells.pregnancy, "+", True),
        (cells.pregnancy, "-", False), (cells.pregnancy, "беременность 12 недель", True),
        (cells.pregnancy, "возможно", None),
        (cells.percent, "91", 91), (cells.percent, "91%", 91), (cells.percent, "91,5 %", 91.5),
        (cells.percent, "0.91", 91), (cells.percent, "0,935", 93.5), (cells.percent, "910", None),
        (cells.percent, "<93", None), (cells.percent, "95-97", None), (cells.percent, "0", None),
        (cells.uid, "1.2.840.1", "1.2.840.1"), (cells.uid, "1.2.*", None),
        (cells.uid, "1" * 65, None),
        (cells.text, '="0012"', "0012"), (cells.count, "812", 812), (cells.count, "много", None),
    ],
)  # fmt: skip
def test_a_cell_is_read_as_people_write_it(reader, spelled, value):
    assert reader(spelled) == value


@pytest.mark.parametrize("title", [*TITLES.values()])
@pytest.mark.parametrize("blank", ["", " ", "н/д", "NULL", "—"])
def test_what_stands_for_nothing_is_unknown_and_not_unreadable(tmp_path, title, blank):
    path = write_csv(tmp_path / "ris.csv", [["Study UID", title, "x"], ["1.2", blank, "y"]])
    if title != TITLES["study_instance_uid"]:
        [row], unreadable = rows_of(path, rules=("identified",))

        assert row == ris.RisRow(row=2, study_instance_uid="1.2")
        assert unreadable == {}


def test_the_minus_of_a_pregnancy_is_a_no(tmp_path):
    row, _ = cell_of(tmp_path, "Беременность", "-")

    assert row.is_pregnant is False


def test_unreadable_cells_are_counted_by_column(tmp_path):
    path = write_csv(
        tmp_path / "ris.csv",
        [["Номер исследования", "Пол", "Дата исследования"],
         ["1", "кошка", "вчера"], ["2", "кошка", "01.03.2020"], ["3", "ж", "#REF!"]],
    )  # fmt: skip

    rows, unreadable = rows_of(path, rules=("identified",))

    assert unreadable == {"Пол": 2, "Дата исследования": 2}
    assert [row.patient_sex for row in rows] == [Sex.OTHER, Sex.OTHER, Sex.FEMALE]


# --- identifiers


def test_leading_zeros_of_a_text_file_survive(tmp_path):
    row, _ = cell_of(tmp_path, "ID пациента", "000123")

    assert row.patient_id == "000123"


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (123, "123"),
        (123.0, "123"),
        (39000000000.0, "39000000000"),
        ("000123", "000123"),
        (1.5, "1.5"),
    ],
)
def test_a_number_of_a_workbook_is_the_identifier_it_shows(tmp_path, cell, text):
    row, unreadable = cell_of(tmp_path, "ID пациента", cell, "ris.xlsx")

    assert row.patient_id == text
    assert unreadable == {}


def test_zeros_that_a_workbook_only_shows_are_part_of_the_identifier(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Accession Number", "Пол"])
    book.active.append([39000000000, "м"])
    book.active["A2"].number_format = "0" * 12
    book.save(tmp_path / "ris.xlsx")

    [row], _ = rows_of(tmp_path / "ris.xlsx", rules=("identified",))

    assert row.accession_number == "039000000000"


def test_an_identifier_whose_last_digits_a_workbook_lost_is_unreadable(tmp_path):
    row, unreadable = cell_of(tmp_path, "ID пациента", 123456789012345678, "ris.xlsx")

    assert row.patient_id is None
    assert unreadable == {"ID пациента": 1}


@pytest.mark.parametrize(
    "cell",
    [
        datetime.fromisoformat("2020-03-25T23:59"),
        date(2020, 3, 25),
        43915,
        43915.75,
        20200325,
        "25.03.2020",
    ],
)
def test_every_kind_of_day_in_a_workbook_is_that_day(tmp_path, cell):
    row, unreadable = cell_of(tmp_path, "Дата исследования", cell, "ris.xlsx")

    assert row.study_date == date(2020, 3, 25)
    assert unreadable == {}


def test_a_day_beyond_the_calendar_of_a_workbook_is_unreadable(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(["Accession Number", "Дата исследования"])
    book.active.append(["A1", 10**10])
    book.active["B2"].number_format = "dd.mm.yyyy"
    book.save(tmp_path / "ris.xlsx")

    [row], unreadable = rows_of(tmp_path / "ris.xlsx", rules=("identified",))

    assert row.study_date is None
    assert unreadable == {"Дата исследования": 1}
