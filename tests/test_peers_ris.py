"""The RIS export: any spelling, any encoding, one meaning; what cannot be read is said so."""

from datetime import date

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import SettingsError
from pipelines.core.model import Category, Sex
from pipelines.core.select_settings import SelectSettings
from pipelines.peers import ris, ris_titles
from tests.ris_files import ROW, TITLES, rows_of, write_csv, write_xlsx

# --- one meaning, however it is written


@pytest.mark.parametrize("encoding", [
    "utf-8", "utf-8-sig", "utf-16", "cp1251", "koi8-r", "cp866",
])  # fmt: skip
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_encoding_and_delimiter_do_not_change_what_is_read(tmp_path, encoding, delimiter):
    row = [cell.replace("№", "N") for cell in ROW]  # KOI8-R has no such sign
    table = [list(TITLES.values()), row]
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

    assert ris_titles.FIELD_OF[ris_titles.simplified(title)] == name


def test_no_title_stands_for_two_fields():
    owners = {}
    for name, line in ris_titles.SYNONYMS.items():
        for title in line.split("|"):
            owners.setdefault(ris_titles.simplified(title), set()).add(name)

    assert {title: names for title, names in owners.items() if len(names) > 1} == {}
    assert set(ris_titles.SYNONYMS) == set(ris_titles.FIELDS)


def test_a_cyrillic_letter_in_a_latin_title_does_no_harm():
    assert ris_titles.FIELD_OF[ris_titles.simplified("SpО2")] == "spo2_percent"
    assert ris_titles.FIELD_OF[ris_titles.simplified("№ исследования")] == "accession_number"


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
        (["Accession Number", "Пол"], {"accesion_number": "Пол"}, "`accession_number`"),
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
