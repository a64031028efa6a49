"""Export: a study is whole and proven, exactly one series is chosen, and nothing is guessed."""

import random
import shutil
import sqlite3
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines import export
from pipelines.core.choice import choose_series, is_like, kernel_rank, miss
from pipelines.core.dictionary import CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE
from pipelines.core.errors import CodedError, SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.faults import FAULTS
from pipelines.core.identity import Candidate, Exported
from pipelines.core.model import Excluded, Sex
from pipelines.core.series import (
    DOSE_REPORT,
    ObjectHeader,
    SeriesSummary,
    flaw_of,
    summarize,
)
from pipelines.export import NAMES_THE_PATIENT
from pipelines.io.index import refresh
from pipelines.io.subject import parts_of_name
from pipelines.peers.archives import INDEX_NAME
from pipelines.peers.masks import find_masks
from pipelines.phantom.documents import dose_report_sr, localizer, secondary_capture
from pipelines.phantom.instances import write_dataset, write_series
from pipelines.phantom.spec import SeriesSpec

SLICES = 24
VOXELS_HU = np.arange(SLICES * 8 * 6, dtype=np.int16).reshape(SLICES, 8, 6)
BODY = SeriesSpec()
LUNG = replace(BODY, series_number=3, series_description="LUNG 1.0", convolution_kernel="FC51")
WHOLE_STUDY_OBJECTS = 2 * SLICES + 3


def candidate(**changes):
    values = {
        "public_id": "s0123456789ab",
        "rank": 1,
        "patient_key": "PHANTOM-HOSPITAL|PH-000001",
        "accession_number": BODY.accession_number,
        "study_instance_uid": None,
        "category": None,
        "patient_age_years": None,
        "patient_sex": Sex.OTHER,
        "expected_instances": WHOLE_STUDY_OBJECTS,
        "identifying_values": ("from the RIS",),
    }
    return Candidate(**(values | changes))


@pytest.fixture
def pacs(tmp_path):
    folder = tmp_path / "pacs"
    write_series(folder / "body", BODY, VOXELS_HU)
    write_series(folder / "lung", LUNG, VOXELS_HU)
    write_dataset(folder / "scout", localizer(BODY, VOXELS_HU))
    write_dataset(folder / "page", secondary_capture(BODY))
    write_dataset(folder / "dose", dose_report_sr(BODY))
    write_series(folder / "else", replace(BODY, accession_number="ELSE-1"), VOXELS_HU[:2])
    return folder


def exported(pacs, who=None, folder="out", **settings):
    source = pacs.parent / "index"
    refresh(pacs, source / INDEX_NAME)
    out = pacs.parent / folder
    out.mkdir()
    return export.work(who or candidate(), ExportSettings(pacs=pacs, **settings), source, out)


def refused(pacs, code, who=None, **settings):
    with pytest.raises(CodedError) as error:
        exported(pacs, who, **settings)

    assert error.value.code == code
    assert code in FAULTS
    assert error.value.hint
    for secret in (BODY.accession_number, BODY.patient_id, str(pacs)):
        assert secret not in error.value.message
    return error.value.message


def instance_numbers(folder):
    return [int(pydicom.dcmread(path).InstanceNumber) for path in sorted(folder.iterdir())]


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


# --- whole and proven


def test_an_absent_study_is_not_in_the_archive(pacs):
    refused(pacs, "NOT_IN_ARCHIVE", candidate(accession_number="NOWHERE"))


def test_a_uid_that_does_not_belong_to_the_number_is_said_to_be_so(pacs):
    message = refused(pacs, "NOT_IN_ARCHIVE", candidate(study_instance_uid="1.2.3"))

    assert "another StudyInstanceUID" in message


def test_a_study_found_by_its_uid_under_another_number_is_noted(pacs):
    who = candidate(study_instance_uid=BODY.study_uid, accession_number="OTHER-1")

    result = exported(pacs, who)

    (note,) = [one for one in result.decisions if one.rule == "accession"]
    assert note.value == f"{WHOLE_STUDY_OBJECTS} of {WHOLE_STUDY_OBJECTS} objects"
    assert "OTHER-1" not in note.outcome


def test_one_number_on_two_studies_is_ambiguous_until_the_uid_is_given(pacs, tmp_path):
    second = replace(BODY, study_instance_uid="2.25.1", series_instance_uid="2.25.2")
    write_series(pacs / "second", second, VOXELS_HU)

    refused(pacs, "AMBIGUOUS_STUDY")
    result = exported(pacs, candidate(study_instance_uid=BODY.study_uid), folder="again")

    assert result.instances == SLICES


def test_fewer_objects_than_expected_are_refused_with_the_count(pacs):
    (pacs / "lung" / "IM0003.dcm").unlink()
    (pacs / "dose").unlink()

    assert refused(pacs, "INCOMPLETE_STUDY") == "49 of 51 objects"


def test_more_objects_than_expected_are_taken_and_noted(pacs):
    result = exported(pacs, candidate(expected_instances=50))

    (note,) = [one for one in result.decisions if one.rule == "completeness"]
    assert (note.value, "more" in note.outcome) == ("51 of 50 objects", True)


def test_identical_copies_are_taken_once_and_do_not_make_up_for_missing_objects(pacs):
    shutil.copyfile(pacs / "body" / "IM0001.dcm", pacs / "copy")
    result = exported(pacs)

    assert result.instances == SLICES
    assert [one.value for one in result.decisions if one.rule == "duplicates"] == ["1 copies"]

    (pacs / "body" / "IM0002.dcm").unlink()
    shutil.rmtree(pacs.parent / "out")
    assert refused(pacs, "INCOMPLETE_STUDY") == "50 of 51 objects"


@pytest.mark.parametrize("same_size", [True, False])
def test_different_objects_under_one_uid_are_refused(pacs, same_size):
    data = bytearray((pacs / "body" / "IM0005.dcm").read_bytes())
    data[-1] ^= 1
    (pacs / "copy").write_bytes(data if same_size else data + b"\0\0")

    assert "instance 5" in refused(pacs, "CONFLICTING_DUPLICATE")


def cut(path, share):
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])


def test_a_truncated_image_of_the_series_is_refused_by_its_number(pacs):
    data = (pacs / "body" / "IM0007.dcm").read_bytes()
    (pacs / "body" / "IM0007.dcm").write_bytes(data[:-1])

    assert "instance 7" in refused(pacs, "TRUNCATED_FILE")


def test_a_truncated_image_of_another_series_is_noted(pacs):
    data = (pacs / "lung" / "IM0007.dcm").read_bytes()
    (pacs / "lung" / "IM0007.dcm").write_bytes(data[:-1])

    result = exported(pacs)

    assert [one.value for one in result.decisions if one.rule == "truncated"] == ["1 objects"]


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
def test_an_image_cut_anywhere_never_shortens_the_series_in_silence(pacs, share):
    cut(pacs / "body" / "IM0007.dcm", share)

    with pytest.raises(CodedError) as error:
        exported(pacs)

    assert error.value.code in {"TRUNCATED_FILE", "INCOMPLETE_STUDY"}


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


texts = st.text("aBbо%_\\.*(x ", max_size=8)


@given(texts, texts)
def test_like_is_what_sql_means_by_it(text, pattern):
    (expected,) = (
        sqlite3.connect(":memory:")
        .execute("SELECT ? LIKE ?", (text.strip(), pattern.strip()))
        .fetchone()
    )

    assert is_like(text, pattern) == bool(expected)


def test_like_knows_no_case_in_cyrillic_either():
    assert is_like("ОГК Мягкие ткани 1.0", "%мягк%")


@pytest.mark.parametrize(
    ("kernel", "allowed", "rank"),
    [
        ("FC07", ("FC18", "FC07"), 1),
        ("fc07 ", ("FC07",), 0),
        ("I31f\\3", ("I31f",), 0),
        ("I31f\\3", ("I31f\\3",), 0),
        ("I31f\\2", ("I31f\\3",), None),
        ("FC07-H", ("FC07",), None),
        ("3\\I31f", ("I31f",), None),
    ],
)
def test_a_kernel_matches_by_its_whole_or_its_first_value(kernel, allowed, rank):
    assert kernel_rank(kernel, allowed) == rank


@pytest.mark.parametrize(
    ("image_type", "usable"),
    [
        ("ORIGINAL\\PRIMARY\\AXIAL", True),
        ("ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", True),
        ("original\\primary \\axial\\HELIX", True),
        ("ORIGINAL\\PRIMARY\\VOLUME\\NONE", True),
        (None, True),
        ("ORIGINAL\\PRIMARY\\LOCALIZER", False),
        ("ORIGINAL\\PRIMARY\\AXIAL\\LOCALIZER", False),
        ("DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE", False),
        ("DERIVED\\PRIMARY\\MPR", False),
        ("ORIGINAL\\PRIMARY\\MPR THICK", False),
        ("ORIGINAL\\SECONDARY\\AXIAL", False),
    ],
)
def test_only_original_axial_images_are_usable(image_type, usable):
    header = ObjectHeader(sop_class_uid=CT_IMAGE_STORAGE, image_type=image_type)

    assert (flaw_of(header) == "") is usable


def test_text_in_the_pixels_is_never_usable():
    header = ObjectHeader(sop_class_uid=CT_IMAGE_STORAGE, burned_in_annotation="YES")

    assert flaw_of(header)


def test_the_frames_of_an_enhanced_ct_count_as_images():
    header = ObjectHeader(
        sop_class_uid=ENHANCED_CT_IMAGE_STORAGE, frames=300, series_instance_uid="1"
    )

    assert summarize([header])[0].images == 300


summaries = st.lists(
    st.builds(
        SeriesSummary,
        series_instance_uid=st.text("12.", min_size=1, max_size=6),
        series_number=st.none() | st.integers(1, 4),
        description=st.sampled_from(["BODY 1.0", "body", "LUNG", ""]),
        modalities=st.sampled_from([("CT",), ("CT",), ("PT",), ()]),
        kernels=st.sampled_from([("FC07",), ("FC51",), ("FC07", "FC51"), ()]),
        slice_thicknesses_mm=st.sampled_from([(1.0,), (0.5, 1.0), (5.0,), ()]),
        images=st.sampled_from([3, 20, 300]),
        flaw=st.sampled_from(["", "", "", "it is a localizer"]),
    ),
    max_size=6,
    unique_by=lambda one: one.series_instance_uid,
)
choices = st.builds(
    ExportSettings,
    descriptions=st.sampled_from([("%BODY%",), (), ("%LUNG%", "BODY%")]),
    kernels=st.sampled_from([(), ("FC07",), ("FC51", "FC07")]),
    maximum_slice_thickness_mm=st.sampled_from([10.0, 1.0]),
    prefer=st.permutations(["kernel", "thickness", "instances"]).map(tuple),
)


@given(summaries, choices, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_the_series(series, settings, chance):
    shuffled = list(series)
    chance.shuffle(shuffled)

    assert choose_series(series, settings) == choose_series(shuffled, settings)


@given(summaries, choices)
def test_a_chosen_series_meets_every_demand_and_every_series_is_accounted_for(series, settings):
    choice = choose_series(series, settings)

    assert len(choice.decisions) == len(series)
    assert (choice.series is None) == bool(choice.reason)
    matching = [one for one in series if not miss(one, settings)]
    if choice.series is not None:
        assert choice.series in matching
        assert [d.outcome for d in choice.decisions].count("chosen") == 1
        assert len([d for d in choice.decisions if d.outcome.startswith("matches")]) == (
            len(matching) - 1
        )
    elif matching:
        assert choice.reason[0] in "23456"
    else:
        assert choice.reason.startswith("no series")


@given(summaries, choices)
def test_no_other_match_beats_the_chosen_one_by_what_decides_first(series, settings):
    choice = choose_series(series, settings)
    if choice.series is None:
        return
    first = settings.prefer[0]
    for other in (one for one in series if not miss(one, settings)):
        if first == "instances":
            assert other.images <= choice.series.images
        if first == "thickness" and other.slice_thicknesses_mm:
            assert max(other.slice_thicknesses_mm) >= max(choice.series.slice_thicknesses_mm)


# --- masks


MASK_NAMES = [
    f"{BODY.accession_number}_mask.nii.gz",
    f"{BODY.accession_number.lower()}.NII",
    f"{BODY.study_uid}_mask.nii",
    f"{BODY.study_uid}.nii.gz",
]


@pytest.mark.parametrize("name", MASK_NAMES)
def test_the_mask_named_like_the_study_goes_with_it(pacs, tmp_path, name):
    masks = tmp_path / "masks"
    masks.mkdir()
    (masks / name).write_bytes(b"mask")
    (masks / "ELSE-1_mask.nii.gz").write_bytes(b"not this")
    who = candidate(study_instance_uid=BODY.study_uid)

    result = exported(pacs, who, masks=masks)

    (mask,) = result.masks
    assert mask.file in {"mask-1.nii", "mask-1.nii.gz"}
    assert mask.file.endswith(name.lower()[-3:])
    assert (tmp_path / "out" / mask.file).read_bytes() == b"mask"


def test_two_masks_of_one_study_are_ambiguous(pacs, tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    for name in MASK_NAMES[:2]:
        (masks / name).write_bytes(b"mask")

    refused(pacs, "MASK_AMBIGUOUS", masks=masks)


def test_an_accession_number_cannot_point_out_of_the_folder_of_masks(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    (tmp_path / "secret_mask.nii.gz").write_bytes(b"secret")

    for number in ("../secret", str(tmp_path / "secret"), "..", "/"):
        found = find_masks(candidate(accession_number=number), ExportSettings(masks=masks))
        assert found == ()


def test_a_new_mask_or_other_content_of_it_shows_in_outside(tmp_path):
    masks = tmp_path / "masks"
    masks.mkdir()
    settings = ExportSettings(masks=masks)
    seen = [export.outside(candidate(), settings)]
    for content in (b"one", b"two"):
        (masks / MASK_NAMES[0]).write_bytes(content)
        seen.append(export.outside(candidate(), settings))

    assert seen[0] == export.outside(candidate(), ExportSettings()) == ""
    assert len(set(seen)) == 3


@pytest.mark.parametrize("wrong", ["masks", "prefer"])
def test_settings_no_study_could_be_exported_by_are_refused_before_any_is_tried(wrong, tmp_path):
    settings = {"masks": tmp_path / "nowhere"} if wrong == "masks" else {"prefer": ("beauty",)}

    with pytest.raises(SettingsError) as error:
        export.outside(candidate(), ExportSettings(**settings))

    assert error.value.hint


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


# --- real data


def test_the_soft_kernel_of_a_real_study_is_chosen(shared_data, tmp_path):
    folder = shared_data / "chest_siemens_8mm"
    dataset = pydicom.dcmread(next(folder.rglob("1-01.dcm")), stop_before_pixels=True)
    source, out = tmp_path / "index", tmp_path / "out"
    refresh(folder, source / INDEX_NAME)
    out.mkdir()
    settings = ExportSettings(pacs=folder, descriptions=("%thorax%",), kernels=("B40f",))
    who = candidate(
        accession_number=None,
        study_instance_uid=str(dataset.StudyInstanceUID),
        expected_instances=60,
    )

    result = export.work(who, settings, source, out)

    assert isinstance(result, Exported)
    assert result.instances == 30
    chosen = [pydicom.dcmread(p, stop_before_pixels=True) for p in (out / "series").iterdir()]
    assert {one.ConvolutionKernel for one in chosen} == {"B40f"}
    assert len(list((out / "other").iterdir())) == 30


def test_of_a_real_study_with_scout_and_captures_only_the_axial_series_can_match(
    shared_data, tmp_path
):
    folder = shared_data / "head_phantom_philips"
    dataset = pydicom.dcmread(folder / "S21570" / "S2010" / "I10", stop_before_pixels=True)
    source, out = tmp_path / "index", tmp_path / "out"
    refresh(folder, source / INDEX_NAME)
    out.mkdir()
    who = candidate(
        accession_number=None,
        study_instance_uid=str(dataset.StudyInstanceUID),
        expected_instances=None,
    )

    result = export.work(who, ExportSettings(pacs=folder, descriptions=()), source, out)

    assert isinstance(result, Exported)
    assert result.instances == 28


def test_every_real_study_is_exported_excluded_or_refused_with_a_code(shared_data, tmp_path):
    source = tmp_path / "index"
    refresh(shared_data, source / INDEX_NAME)
    with sqlite3.connect(source / INDEX_NAME) as connection:
        query = "SELECT DISTINCT study_instance_uid, accession_number FROM entries"
        keys = connection.execute(query).fetchall()
    connection.close()
    settings = ExportSettings(pacs=shared_data, descriptions=(), minimum_instances=1)
    ends = []
    for k, (uid, accession_number) in enumerate(sorted(keys, key=repr)):
        out = tmp_path / str(k)
        out.mkdir()
        who = candidate(
            study_instance_uid=uid, accession_number=accession_number, expected_instances=None
        )
        try:
            ends.append(type(export.work(who, settings, source, out)).__name__)
        except CodedError as error:
            ends.append(error.code)

    assert len(ends) > 20
    assert (
        {"Exported", "Excluded", "NOT_IN_ARCHIVE"} <= set(ends) <= {*FAULTS, "Exported", "Excluded"}
    )
