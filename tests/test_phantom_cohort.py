"""The synthetic hospital: the paper's proportions, the promised faults, the committed sample."""

import statistics
from collections import Counter
from datetime import date
from pathlib import Path

import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook
from pydicom import dcmread

from pipelines.phantom.cohort import summary_of, write_cohort, write_sample
from pipelines.phantom.hospital import Fault
from pipelines.phantom.plan import CATEGORY_COUNTS, Ineligible, plan_cohort, shared_out
from pipelines.phantom.ris import COLUMNS
from pipelines.phantom.sample_studies import PLACES, sample_studies

SAMPLE = Path(__file__).resolve().parents[1] / "sample_dicom"


@pytest.fixture(scope="module")
def fresh_sample(tmp_path_factory):
    out = tmp_path_factory.mktemp("sample")
    write_sample(out)
    return out


def content(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def test_a_cohort_of_1110_has_the_proportions_of_the_paper():
    plan = plan_cohort(1110)
    good = [planned for planned in plan.rows if planned.is_good]
    ages = [planned.row.person.age_years(planned.row.study_date) for planned in good]

    assert Counter(planned.row.category for planned in good) == CATEGORY_COUNTS == plan.quota
    assert Counter(planned.row.person.sex for planned in good) == {"M": 466, "F": 622, None: 22}
    assert (min(ages), statistics.median(ages), max(ages)) == (18, 47, 97)
    assert {planned.row.category for planned in good if planned.has_mask} == {"CT-1"}
    assert sum(planned.has_mask for planned in good) == 50


def test_a_cohort_holds_faulty_and_ineligible_rows_beside_the_good_ones():
    plan = plan_cohort(1110)
    summary = summary_of(plan)

    assert summary.faulty == 22
    assert summary.eligible == 1110 + 22
    assert summary.rows == 1110 + 22 + 333
    assert {planned.fault for planned in plan.rows} == {None, *Fault}
    assert {planned.ineligible for planned in plan.rows} == {None, *Ineligible}


@settings(max_examples=25, deadline=None)
@given(studies=st.integers(1, 200), seed=st.integers(0, 5))
def test_every_row_of_a_plan_is_what_it_says(studies, seed):
    plan = plan_cohort(studies, seed=seed)
    good = [planned for planned in plan.rows if planned.is_good]
    patients = [planned.row.person.patient_id for planned in plan.rows if not planned.ineligible]

    assert len(good) == studies == sum(plan.quota.values())
    assert len(set(patients)) == len(patients)
    for planned in plan.rows:
        row = planned.row
        is_child = row.person.age_years(row.study_date) < 18
        is_outside = not date(2020, 3, 1) <= row.study_date <= date(2020, 4, 25)
        assert is_child == (planned.ineligible is Ineligible.CHILD)
        if planned.ineligible is None:
            assert not is_outside
            assert plan.quota[row.category] > 0


def test_a_patients_second_study_is_later_than_the_first():
    plan = plan_cohort(300)
    first = {row.row.person.patient_id: row.row.study_date for row in plan.rows if row.is_good}
    repeated = [row.row for row in plan.rows if row.ineligible is Ineligible.REPEATED]

    assert repeated
    assert all(row.study_date > first[row.person.patient_id] for row in repeated)


@given(total=st.integers(0, 5000))
def test_nothing_is_lost_when_a_total_is_shared_out(total):
    assert sum(shared_out(total, CATEGORY_COUNTS).values()) == total


def test_a_cohort_is_the_same_on_any_number_of_processes(tmp_path):
    told = {1: [], 2: []}
    for jobs, progress in told.items():
        write_cohort(
            tmp_path / str(jobs),
            studies=9,
            matrix=32,
            slices=20,
            jobs=jobs,
            progress=progress.append,
        )

    assert content(tmp_path / "1") == content(tmp_path / "2")
    assert told[1] == told[2] == list(range(1, 11))


def test_a_cohort_refuses_studies_too_short_for_their_faults(tmp_path):
    with pytest.raises(ValueError, match="slices is 12"):
        write_cohort(tmp_path, studies=3, slices=12)


def test_the_committed_sample_is_what_the_code_writes(fresh_sample):
    committed, fresh = content(SAMPLE), content(fresh_sample)

    assert sorted(committed) == sorted(fresh)
    assert [name for name, data in fresh.items() if committed[name] != data] == []


def test_the_sample_is_small():
    assert sum(map(len, content(SAMPLE).values())) < 8 * 2**20


def test_the_ris_export_has_the_hospitals_columns(fresh_sample):
    sheet = load_workbook(fresh_sample / "ris_export.xlsx").active
    rows = list(sheet.iter_rows(values_only=True))

    assert rows[0] == COLUMNS
    assert {row[15] for row in rows[1:]} == {"КТ-0", "КТ-1", "КТ-2", "КТ-3", "КТ-4", None}
    assert all(hasattr(row[7], "year") for row in rows[1:])


def test_each_study_of_the_sample_has_just_its_own_fault(fresh_sample):
    for plan in sample_studies():
        place = fresh_sample / "pacs" / PLACES[plan.spec.accession_number]
        files = [path for path in place.rglob("*") if path.is_file()]
        if place.suffix == ".zip":
            continue
        uids = set()
        for path in files:
            uids.add(dcmread(path, stop_before_pixels=True).SOPInstanceUID)
        missing = {Fault.GAP: 1, Fault.INCOMPLETE: 3, Fault.ABSENT: plan.images}
        assert len(uids) == plan.images - missing.get(plan.fault, 0)


def test_the_good_series_of_the_sample_are_whole_volumes(fresh_sample):
    for plan in sample_studies():
        place = fresh_sample / "pacs" / PLACES[plan.spec.accession_number] / "SE0002"
        if plan.fault is not None or not place.is_dir():
            continue
        names = SimpleITK.ImageSeriesReader.GetGDCMSeriesFileNames(str(place), plan.spec.series_uid)
        files = [name for name in names if "copy_of" not in name]
        reader = SimpleITK.ImageSeriesReader()
        reader.SetFileNames(files)
        size = reader.Execute().GetSize()
        assert size == (plan.thorax.columns, plan.thorax.rows, plan.thorax.slices)
        assert sum(number % 10 == 0 for number in range(1, plan.thorax.slices + 1)) >= 4


def test_the_dicomdir_leads_to_every_file_of_its_study(fresh_sample):
    folder = fresh_sample / "pacs" / "cd_20200423"
    directory = dcmread(folder / "DICOMDIR")
    records = {record.seq_item_tell: record for record in directory.DirectoryRecordSequence}

    def walk(offset):
        while offset:
            record = records[offset]
            if record.DirectoryRecordType == "IMAGE":
                yield folder.joinpath(*record.ReferencedFileID)
            yield from walk(record.OffsetOfReferencedLowerLevelDirectoryEntity)
            offset = record.OffsetOfTheNextDirectoryRecord

    listed = list(walk(directory.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity))

    assert sorted(listed) == sorted(p for p in (folder / "DICOM").rglob("*") if p.is_file())
