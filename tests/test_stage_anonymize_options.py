"""The options of the profile on whole files: what stays in part, and what is said of it."""

from dataclasses import replace

import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.test_stage_anonymize import exported, read_all, run
from tests.workspaces import KEY


@pytest.fixture
def settings(tmp_path):
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    return AnonymizeSettings(key=key)


def with_options(settings, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("CT\nchest\nлегких\n", encoding="utf-8")
    return replace(settings, retain_modified_dates=True, descriptor_words=words)


def edit(dataset, k):
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.StudyDate = dataset.SeriesDate = "20200401"
    dataset.AcquisitionDateTime = "20200402101530.5+0300"
    dataset.StudyDescription = "CT  Chest^Ivanov КТ легких 55F"
    dataset.PatientBirthDate = "19610503"
    inner = Dataset()
    inner.StudyDate = "20200401"
    inner.PatientBirthDate = "19610503"
    dataset.AnatomicRegionSequence = Sequence([inner])


SYNTAXES = [Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE, Syntax.EXPLICIT_BIG, Syntax.DEFLATED]


@pytest.mark.parametrize("syntax", SYNTAXES)
def test_days_are_shifted_alike_and_only_known_words_stay(syntax, tmp_path, settings):
    _, folder = run(
        tmp_path, with_options(settings, tmp_path), SeriesSpec(syntax=syntax, edit=edit)
    )

    for image in read_all(folder):
        day = image.StudyDate
        assert len(day) == 8
        assert day < "20200401"
        assert image.SeriesDate == image.AnatomicRegionSequence[0].StudyDate == day
        assert image.AcquisitionDateTime > day
        assert len(image.AcquisitionDateTime) == 8
        assert image.StudyDescription == "CT Chest легких"
        assert image.StudyTime == image.get("PatientBirthDate", "") == ""
        assert image.LongitudinalTemporalInformationModified == "MODIFIED"
        codes = [item.CodeValue for item in image.DeidentificationMethodCodeSequence]
        assert codes == ["113100", "113105", "113107", "113108"]


def test_a_patient_has_one_shift_and_another_patient_another(tmp_path, settings):
    settings = with_options(settings, tmp_path)
    days = []
    for name, key in (("a", "one"), ("b", "one"), ("c", "two")):
        _, folder = run(
            tmp_path, settings, SeriesSpec(edit=edit), exported(patient_key=key), name=name
        )
        days.append(read_all(folder)[0].StudyDate)

    assert days[0] == days[1] != days[2]


def test_a_date_that_is_none_is_emptied(tmp_path, settings):
    def broken(dataset, k):
        edit(dataset, k)
        dataset["StudyDate"]._value = "20201399"

    _, folder = run(tmp_path, with_options(settings, tmp_path), SeriesSpec(edit=broken))

    assert all(image.StudyDate == "" for image in read_all(folder))
