"""The RIS export: any spelling, any encoding, one meaning; what cannot be read is said so."""

import csv
import io
import zipfile
from datetime import date, datetime
from pathlib import Path

import openpyxl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import PeerError, SettingsError
from pipelines.core.model import Category, Sex
from pipelines.core.select_settings import SelectSettings
from pipelines.io.tables import read_table
from pipelines.peers import cells, ris

TITLES = {
    "accession_number": "Номер исследования",
    "study_instance_uid": "UID исследования",
    "issuer_of_patient_id": "Эмитент ID",
    "patient_id": "ID пациента",
    "patient_name": "ФИО пациента",
    "patient_birth_date": "Дата рождения",
    "patient_sex": "Пол",
    "patient_age_years": "Возраст",
    "study_date": "Дата исследования",
    "modality": "Модальность",
    "body_part": "Область исследования",
    "is_pregnant": "Беременность",
    "spo2_percent": "SpO2, %",
    "payer": "Источник оплаты",
    "referrer": "Кем направлен",
    "facility": "Медицинская организация",
    "category": "Категория КТ (итог)",
    "expected_instances": "Количество изображений",
}
ROW = [
    "0012345", "1.2.643.7", "МОС", "00077", "Ёлкина Анна Петровна", "29.02.1960", "Ж", "",
    "01.03.2020 10:15", "КТ", "ОГК", "нет", "97,5", "ОМС", "врач-терапевт", "ГП № 5", "КТ-1", "812",
]  # fmt: skip
DAYS = st.dates(date(1900, 1, 1), date(2099, 12, 31))


def write_csv(path, rows, *, delimiter=",", encoding="utf-8"):
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows(rows)
    path.write_bytes(text.getvalue().encode(encoding))
    return path


def write_xlsx(path, rows, *, sheet="Лист1"):
    book = openpyxl.Workbook()
    book.active.title = sheet
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def rows_of(path, **changes):
    source = ris.open_ris(SelectSettings(ris=path, **changes))
    return list(source.rows()), dict(source.unreadable)


def cell_of(tmp_path, title, cell, name="ris.csv"):
    """One cell under a title, read through a whole file."""
    write = write_xlsx if name.endswith("xlsx") else write_csv
    path = write(tmp_path / name, [["Accession Number", title], ["A1", cell]])
    [row], unreadable = rows_of(path, rules=("identified",))
    return row, unreadable


# --- one meaning, however it is written


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_encoding_and_delimiter_do_not_change_what_is_read(tmp_path, encoding, delimiter):
    table = [list(TITLES.values()), ROW]
    plain, _ = rows_of(write_csv(tmp_path / "plain.csv", table))

    other, unreadable = rows_of(
        write_csv(tmp_path / "other.csv", table, delimiter=delimiter, encoding=encoding)
    )

    assert other == plain
    assert unreadable == {}


def test_a_workbook_and_a_text_file_say_the_same(tmp_path):
    table = [list(TITLES.values()), ROW]

    from_text, _ = rows_of(write_csv(tmp_path / "ris.csv", table))
    from_workbook, _ = rows_of(write_xlsx(tmp_path / "ris.xlsx", table))

    assert from_text == from_workbook


def test_every_column_of_a_russian_export_is_recognised_and_read(tmp_path):
    path = write_csv(tmp_path / "ris.csv", [list(TITLES.values()), ROW], encoding="cp1251")

    _, recognised = ris.recognise(SelectSettings(ris=path))
    [row], unreadable = rows_of(path)

    assert dict(recognised.titles) == TITLES
    assert recognised.unrecognised == ()
    assert unreadable == {}
    assert row == ris.RisRow(
        row=2,
        accession_number="0012345",
        study_instance_uid="1.2.643.7",
        issuer_of_patient_id="МОС",
        patient_id="00077",
        patient_name="Ёлкина Анна Петровна",
        patient_birth_date=date(1960, 2, 29),
        patient_sex=Sex.FEMALE,
        patient_age_years=60,
        study_date=date(2020, 3, 1),
        modality="КТ",
        body_part="ОГК",
        is_pregnant=False,
        spo2_percent=97.5,
        payer="ОМС",
        referrer="врач-терапевт",
        facility="ГП № 5",
        category=Category.CT_1,
        expected_instances=812,
    )


def test_the_keywords_of_dicom_are_titles_too(tmp_path):
    titles = ["AccessionNumber", "StudyInstanceUID", "IssuerOfPatientID", "PatientID",
              "PatientName", "PatientBirthDate", "PatientSex", "PatientAge", "StudyDate",
              "Modality", "BodyPartExamined", "PregnancyStatus", "ReferringPhysicianName",
              "InstitutionName",
              "NumberOfStudyRelatedInstances"]  # fmt: skip
    path = write_csv(tmp_path / "ris.csv", [titles, ["1"] * len(titles)])

    assert ris.recognise(SelectSettings(ris=path))[1].unrecognised == ()


@settings(deadline=None)
@given(
    spelled=st.sampled_from(list(TITLES.items())).flatmap(
        lambda pair: st.tuples(
            st.just(pair[0]),
            st.lists(
                st.tuples(st.booleans(), st.sampled_from(["", " ", "_", "-", ".", "\u00a0"])),
                min_size=len(pair[1]),
                max_size=len(pair[1]),
            ).map(
                lambda marks: "".join(
                    (letter.upper() if up else letter.lower()) + mark
                    for letter, (up, mark) in zip(pair[1], marks, strict=True)
                )
            ),
        )
    )
)
def test_case_spaces_and_punctuation_of_a_title_do_not_matter(spelled):
    name, title = spelled

    assert ris.FIELD_OF[ris.simplified(title)] == name


def test_no_title_stands_for_two_fields():
    owners = {}
    for name, line in ris.SYNONYMS.items():
        for title in line.split("|"):
            owners.setdefault(ris.simplified(title), set()).add(name)

    assert {title: names for title, names in owners.items() if len(names) > 1} == {}
    assert set(ris.SYNONYMS) == set(ris.FIELDS)


def test_a_cyrillic_letter_in_a_latin_title_does_no_harm():
    assert ris.FIELD_OF[ris.simplified("SpО2")] == "spo2_percent"
    assert ris.FIELD_OF[ris.simplified("№ исследования")] == "accession_number"


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


# --- columns the user names


def test_a_column_that_is_named_is_taken_before_any_that_is_recognised(tmp_path):
    path = write_csv(
        tmp_path / "ris.csv", [["Номер исследования", "№ в журнале", "Пол"], ["A1", "B1", "м"]]
    )

    [row], _ = rows_of(path, columns={"accession_number": "№ В ЖУРНАЛЕ"}, rules=("identified",))

    assert row.accession_number == "B1"


def test_a_column_is_not_taken_for_two_fields(tmp_path):
    path = write_csv(tmp_path / "ris.csv", [["UID исследования", "Пол"], ["1.2.3", "м"]])

    [row], _ = rows_of(
        path, columns={"accession_number": "UID исследования"}, rules=("identified",)
    )

    assert (row.accession_number, row.study_instance_uid) == ("1.2.3", None)


@pytest.mark.parametrize(
    ("titles", "columns", "said"),
    [
        (["Accession Number", "Пол"], {"accesion_number": "Пол"}, "'accession_number'"),
        (["Accession Number", "Пол"], {"patient_sex": "Полл"}, "'Пол'"),
        (["Accession Number", "Accession No"], {}, "accession_number ="),
        (["Пол", "Возраст", "Штрихкод"], {}, "'Штрихкод'"),
    ],
)
def test_a_column_that_cannot_be_meant_is_met_with_the_one_that_can(
    tmp_path, titles, columns, said
):
    path = write_csv(tmp_path / "ris.csv", [titles, ["1"] * len(titles)])

    with pytest.raises(SettingsError) as caught:
        rows_of(path, columns=columns, rules=("identified",))

    assert said in caught.value.hint


def test_two_columns_for_one_field_are_settled_by_naming_one(tmp_path):
    path = write_csv(tmp_path / "ris.csv", [["Accession Number", "Accession No"], ["A1", "B1"]])

    [row], _ = rows_of(path, columns={"accession_number": "Accession No"}, rules=("identified",))

    assert row.accession_number == "B1"


def test_a_rule_without_a_column_to_go_by_is_refused_before_it_leaves_out_everyone(tmp_path):
    titles = [title for name, title in TITLES.items() if name != "modality"]
    path = write_csv(tmp_path / "ris.csv", [titles, ["1"] * len(titles)])

    with pytest.raises(SettingsError, match="modality"):
        rows_of(path)


def test_without_a_ris_the_setting_is_named():
    with pytest.raises(SettingsError) as caught:
        ris.open_ris(SelectSettings())

    assert "[select]" in caught.value.hint


# --- files


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
