"""A study in an archive folder, for the tests that export it."""

from dataclasses import replace

import numpy as np
import pydicom
import pytest

from pipelines import export
from pipelines.core.errors import CodedError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.faults import FAULTS
from pipelines.core.identity import Candidate
from pipelines.core.model import Sex
from pipelines.io.index import refresh
from pipelines.peers.archives import INDEX_NAME
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


def make_pacs(folder):
    """The study, and one object of another that is not asked for, in many files."""
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
