"""Anonymization on plain folders: every file is an item, and nothing bad stops the others."""

import os
from collections import Counter
from pathlib import Path

import pydicom
import pytest

from pipelines import anonymize
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.errors import ItemError, MosmedError, SettingsError
from pipelines.core.identity import Pseudonyms
from pipelines.core.model import Deidentified
from pipelines.core.ocr_settings import OcrSettings
from pipelines.core.patient_settings import PatientSettings
from pipelines.io.keys import read_key
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.test_stage_anonymize import VOXELS, read_all


@pytest.fixture
def settings(tmp_path):
    path = tmp_path / "key"
    path.write_text("5a" * 32 + "\n")
    path.chmod(0o600)
    return AnonymizeSettings(key=path)


def test_everything_in_a_plain_folder_is_an_item(tmp_path, settings):
    folder = tmp_path / "in"
    write_series(folder / "a" / "b", SeriesSpec(), VOXELS)
    write_series(folder / "c", SeriesSpec(series_number=3), VOXELS)
    (folder / "note.txt").write_text("Ivanov")
    (folder / "broken.dcm").write_text("Ivanov")
    (folder / "empty").write_bytes(b"")
    (folder / "link").symlink_to(folder / "note.txt")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    outcomes = Counter()

    for number, item in enumerate(anonymize.find(folder)):
        try:
            result = anonymize.work_plain(
                item, settings, PatientSettings(), OcrSettings(), tmp_path / str(number)
            )
            outcomes[getattr(result, "rule", "done")] += len(item.files)
        except ItemError as error:
            outcomes[error.code] += len(item.files)

    assert outcomes == {
        "done": 6,
        "not_dicom": 2,
        "link": 2,
        "special_file": 1,
        "UNREADABLE_DICOM": 1,
    }


def test_patients_without_number_and_name_are_not_made_one(tmp_path, settings):
    folder = tmp_path / "in"
    for number in (1, 2):
        spec = SeriesSpec(
            patient_id="",
            patient_name="",
            issuer_of_patient_id=None,
            patient_birth_date=None,
            accession_number=f"PH20-00000{number}",
        )
        write_series(folder / str(number), spec, VOXELS)

    for number, item in enumerate(anonymize.find(folder)):
        anonymize.work_plain(
            item, settings, PatientSettings(), OcrSettings(), tmp_path / "out" / str(number)
        )

    assert len({image.PatientID for image in read_all(tmp_path / "out")}) == 2


def test_a_folder_that_is_not_there_is_a_settings_error(tmp_path):
    with pytest.raises(SettingsError):
        anonymize.find(tmp_path / "absent")


# --- real DICOM


def test_hostile_files_are_refused_one_by_one_without_a_traceback(tmp_path, settings, shared_data):
    codes = Counter()
    files = sorted((shared_data / "corrupt_fuzz").rglob("*.dcm"))
    for number, file in enumerate(files):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "file.dcm").symlink_to(file)
        item = anonymize.FolderItem(name=str(number), files=(file,))
        try:
            result = anonymize.work_plain(
                item, settings, PatientSettings(), OcrSettings(), folder / "out"
            )
            codes[type(result).__name__] += 1
        except MosmedError as error:
            codes[error.code] += 1
            assert not list(folder.rglob("out/*.dcm"))

    assert sum(codes.values()) == len(files) > 100


@pytest.mark.parametrize(
    ("name", "images"),
    [
        ("chest_siemens_8mm", 60),
        ("chest_ge_16", 16),
        ("chest_toshiba_singles", 2),
        ("head_phantom_philips", 28),
        ("phi_planted", 0),
    ],
)
def test_real_series_lose_their_identity_and_keep_their_pixels(
    name, images, tmp_path, settings, shared_data
):
    originals, records = {}, []
    pseudonyms = Pseudonyms(read_key(settings.key))

    for number, item in enumerate(anonymize.find(shared_data / name)):
        record = anonymize.work_plain(
            item, settings, PatientSettings(), OcrSettings(), tmp_path / "out" / str(number)
        )
        if isinstance(record, Deidentified):
            records.append(record)
            for file in item.files:
                original = pydicom.dcmread(file)
                originals[pseudonyms.uid(original.SOPInstanceUID)] = original

    assert sum(record.instances for record in records) == images
    for image in read_all(tmp_path / "out"):
        original = originals[image.SOPInstanceUID]
        content = Path(image.filename).read_bytes()
        assert image.PixelData == original.PixelData
        assert image.ImagePositionPatient == original.ImagePositionPatient
        for keyword in ("PatientID", "StudyInstanceUID", "SeriesInstanceUID", "InstitutionName"):
            if value := str(original.get(keyword, "")):
                assert value.encode() not in content, keyword
