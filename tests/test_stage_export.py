"""Export: a study is whole and proven, exactly one series is chosen, and nothing is guessed."""

import random
import shutil
from dataclasses import replace

import pydicom
import pytest

from pipelines.core.identity import Exported
from pipelines.core.model import Excluded, Sex
from pipelines.core.series import (
    DOSE_REPORT,
)
from pipelines.export import NAMES_THE_PATIENT
from pipelines.io.subject import parts_of_name
from pipelines.phantom.documents import localizer
from pipelines.phantom.instances import write_dataset, write_series
from tests.export_studies import (
    BODY,
    LUNG,
    SLICES,
    VOXELS_HU,
    WHOLE_STUDY_OBJECTS,
    candidate,
    exported,
    instance_numbers,
)

# --- the whole stage


def test_the_soft_tissue_series_is_taken_in_order_and_the_rest_laid_beside_it(pacs, tmp_path):
    result = exported(pacs)

    assert isinstance(result, Exported)
    assert result.instances == SLICES
    assert [p.name for p in sorted((tmp_path / "out/series").iterdir())] == [
        f"{k:04}.dcm" for k in range(1, SLICES + 1)
    ]
    assert instance_numbers(tmp_path / "out" / "series") == list(range(1, SLICES + 1))
    assert len(list((tmp_path / "out/other").iterdir())) == WHOLE_STUDY_OBJECTS - SLICES
    assert result.masks == ()


def test_without_the_whole_study_only_the_series_and_the_dose_report_are_copied(pacs, tmp_path):
    result = exported(pacs, whole_study=False)

    assert result.instances == SLICES
    assert result.dose_length_product_mgy_cm == 250.0
    (report,) = (tmp_path / "out" / "other").iterdir()
    assert pydicom.dcmread(report).SOPClassUID == DOSE_REPORT


def test_the_dose_is_told_or_why_it_is_not(pacs, tmp_path):
    assert exported(pacs).dose_length_product_mgy_cm == 250.0

    (pacs / "dose").unlink()
    without = exported(pacs, candidate(expected_instances=None), "without")
    [decision] = [one for one in without.decisions if one.rule == "dose"]

    assert without.dose_length_product_mgy_cm is None
    assert decision.outcome == "no dose report in the study"


def test_every_series_has_one_decision_that_says_why(pacs):
    result = exported(pacs)

    outcomes = {d.value.split("'")[1]: d.outcome for d in result.decisions if d.rule == "series"}
    assert len(outcomes) == 5
    assert outcomes["BODY 1.0 CE"] == "chosen"
    assert outcomes["LUNG 1.0"] == "description is not like %BODY%"
    assert outcomes["SCANOGRAM"] == "it is a localizer"
    assert outcomes["Dose Page"] == "it is a secondary capture"
    assert "it is a dose report" in outcomes.values()


def test_where_and_how_the_files_lie_in_the_archive_changes_no_byte(pacs, tmp_path):
    first = exported(pacs, folder="first")
    moved = tmp_path / "moved" / "pacs"
    paths = sorted(path for path in pacs.rglob("*") if path.is_file())
    random.Random(7).shuffle(paths)
    for k, path in enumerate(paths):
        (moved / str(k % 3)).mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, moved / str(k % 3) / f"{k}")

    second = exported(moved, folder="second")

    assert first == second
    for path in (tmp_path / "first").rglob("*.dcm"):
        again = tmp_path / "moved" / "second" / path.relative_to(tmp_path / "first")
        assert again.read_bytes() == path.read_bytes()


def test_a_study_in_a_zip_gives_the_same_bytes(pacs, tmp_path):
    first = exported(pacs, folder="first")
    (tmp_path / "moved" / "pacs").mkdir(parents=True)
    shutil.make_archive(str(tmp_path / "moved" / "pacs" / "cd"), "zip", pacs)

    second = exported(tmp_path / "moved" / "pacs", folder="second")

    assert first == second
    for path in (tmp_path / "first").rglob("*.dcm"):
        again = tmp_path / "moved" / "second" / path.relative_to(tmp_path / "first")
        assert again.read_bytes() == path.read_bytes()


def test_instances_without_numbers_come_last_and_in_a_fixed_order(tmp_path):
    pacs = tmp_path / "pacs"
    numbers = [None, 30, None, *range(29, 8, -1)]
    spec = replace(BODY, instance_numbers=numbers, file_name="{k}.dcm")
    write_series(pacs, spec, VOXELS_HU)

    exported(pacs, candidate(expected_instances=None))

    datasets = [pydicom.dcmread(path) for path in sorted((tmp_path / "out/series").iterdir())]
    assert [d.get("InstanceNumber") for d in datasets[:-2]] == list(range(9, 31))
    last = [d.SOPInstanceUID for d in datasets[-2:]]
    assert last == sorted(last)


# --- the choice


def test_no_matching_series_excludes_with_the_nearest_miss_of_each(pacs, tmp_path):
    result = exported(pacs, descriptions=("%ABDOMEN%",))

    assert isinstance(result, Excluded)
    assert result.rule == "series"
    assert "series 3 'LUNG 1.0' FC51: description is not like %ABDOMEN%" in result.reason
    assert "series 1 'SCANOGRAM': it is a localizer" in result.reason
    assert len(result.decisions) >= 5
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize("wanted", ["%ABDOMEN%", "%BODY%"])
def test_a_description_that_names_the_patient_is_not_told(pacs, wanted):
    named = replace(LUNG, series_number=4, series_description="Ivanova 1957", convolution_kernel="")
    write_series(pacs / "named", replace(named, series_instance_uid="1.2.3.4"), VOXELS_HU)
    who = candidate(identifying_values=("Ivanova^Anna",), expected_instances=None)

    result = exported(pacs, who, descriptions=(wanted,))

    said = repr(result.decisions) + getattr(result, "reason", "")
    assert "Ivanova" not in said
    assert NAMES_THE_PATIENT in said


def test_two_equal_series_exclude_rather_than_guess(pacs):
    result = exported(pacs, descriptions=("%1.0%",))

    assert isinstance(result, Excluded)
    assert result.reason.startswith("2 series match: ")


def test_the_first_kernel_in_the_settings_is_preferred(pacs, tmp_path):
    for k, kernel in enumerate(["FC51", "FC07"]):
        others = tuple({"FC51", "FC07"} - {kernel})
        result = exported(pacs, folder=str(k), descriptions=("%1.0%",), kernels=(kernel, *others))

        assert isinstance(result, Exported)
        dataset = pydicom.dcmread(tmp_path / str(k) / "series" / "0001.dcm")
        assert dataset.ConvolutionKernel == kernel


def test_a_localizer_within_the_chosen_series_is_set_aside(pacs, tmp_path):
    scout = localizer(BODY, VOXELS_HU)
    scout.SeriesInstanceUID = BODY.series_uid
    write_dataset(pacs / "scout", scout)

    result = exported(pacs)

    assert result.instances == SLICES
    assert [one.value for one in result.decisions if one.rule == "images"] == ["1 objects"]


# --- the person


def test_what_the_headers_say_of_the_person_is_handed_on(pacs):
    result = exported(pacs)

    expected = {
        *("from the RIS", "Фантомов^Иван^Петрович", "Фантомов", "Иван", "Петрович"),
        *(BODY.patient_id, BODY.patient_birth_date, BODY.patient_address),
        *(BODY.accession_number, BODY.study_uid, "+7 000 555-01-01"),
        *("Referrer", "Rosa", "Operator", "Olga"),
    }
    assert expected <= set(result.identifying_values)
    assert list(result.identifying_values) == sorted(set(result.identifying_values))
    assert "CHEST" not in result.identifying_values


def test_all_component_groups_of_a_name_are_taken_apart():
    parts = set(parts_of_name("Yamada-Smith^Tarou X^^Dr.=山田太郎丸^太郎=やまだ^たろうまる"))

    assert {"Yamada", "Smith", "Yamada-Smith", "Tarou", "山田太郎丸", "たろうまる"} <= parts
    assert all(len(part) >= 4 for part in parts)


@pytest.mark.parametrize(
    ("age", "expected"), [("047Y", 47), ("095Y", 90), ("018M", 1), ("006W", 0), (None, None)]
)
def test_age_and_sex_come_from_the_header_only_where_the_ris_is_silent(tmp_path, age, expected):
    pacs = tmp_path / "pacs"
    write_series(pacs, replace(BODY, patient_age=age, patient_sex="F"), VOXELS_HU)

    silent = exported(pacs, candidate(expected_instances=None))
    told = exported(
        pacs,
        candidate(expected_instances=None, patient_age_years=33, patient_sex=Sex.MALE),
        folder="told",
    )

    assert (silent.patient_age_years, silent.patient_sex) == (expected, Sex.FEMALE)
    assert (told.patient_age_years, told.patient_sex) == (33, Sex.MALE)


def test_headers_that_contradict_each_other_leave_age_and_sex_unknown(tmp_path):
    pacs = tmp_path / "pacs"

    def edit(dataset, k):
        dataset.PatientSex, dataset.PatientAge = ("M", "040Y") if k else ("F", "041Y")

    write_series(pacs, replace(BODY, edit=edit), VOXELS_HU)

    result = exported(pacs, candidate(expected_instances=None))

    assert (result.patient_age_years, result.patient_sex) == (None, Sex.OTHER)
