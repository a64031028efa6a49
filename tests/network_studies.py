"""A study in an archive behind a network, for the tests that fetch it."""

import shutil
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

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

SLICES = 8
VOXELS_HU = np.arange(SLICES * 8 * 6, dtype=np.int16).reshape(SLICES, 8, 6)
BODY = SeriesSpec()
LUNG = replace(BODY, series_number=3, series_description="LUNG 1.0", convolution_kernel="FC51")
SHARP = replace(BODY, series_number=4, series_description="BODY FC51", convolution_kernel="FC51")
OBJECTS = 3 * SLICES + 3


def make_pacs(folder):
    """A study of three series, a localizer, a dose page and a dose report; and another study."""
    for name, spec in (("body", BODY), ("lung", LUNG), ("sharp", SHARP)):
        write_series(folder / name, spec, VOXELS_HU)
    write_dataset(folder / "scout", localizer(BODY, VOXELS_HU))
    write_dataset(folder / "page", secondary_capture(BODY))
    write_dataset(folder / "dose", dose_report_sr(BODY))
    write_series(folder / "else", replace(BODY, accession_number="ELSE-1"), VOXELS_HU[:2])
    return folder


def objects_of(folder):
    paths = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return [pydicom.dcmread(path) for path in paths]


def candidate(**changes):
    values = {
        "public_id": "s0123456789ab", "rank": 1, "patient_key": "PHANTOM-HOSPITAL|PH-000001",
        "accession_number": BODY.accession_number, "study_instance_uid": None, "category": None,
        "patient_age_years": None, "patient_sex": Sex.OTHER, "expected_instances": OBJECTS,
        "identifying_values": ("from the RIS",),
    }  # fmt: skip
    return Candidate(**(values | changes))


KERNELS = {
    "kernels": ("FC07", "FC18"),
    "prefer": ("kernel",),
    "minimum_instances": 5,
    "timeout_seconds": 60.0,
}


def exported(address, tmp_path, who=None, **settings):
    out = tmp_path / "out"
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir()
    chosen = ExportSettings(pacs=address, **(KERNELS | settings))
    return export.work(who or candidate(), chosen, tmp_path / "source", out)


def from_folder(pacs, tmp_path, **settings):
    source = tmp_path / "folder"
    refresh(pacs, source / INDEX_NAME)
    out = source / "out"
    out.mkdir(parents=True)
    export.work(candidate(), ExportSettings(pacs=pacs, **(KERNELS | settings)), source, out)
    return out


def data_sets(folder):
    """Every data set below a folder, without the file meta in front of it."""
    found = {}
    for path in sorted(folder.rglob("*.dcm")):
        dataset = pydicom.dcmread(path)
        syntax = str(dataset.file_meta.TransferSyntaxUID)
        found[str(path.relative_to(folder))] = (syntax, dataset.to_json())
    return found


def refused(code, tmp_path, address, **settings):
    with pytest.raises(CodedError) as error:
        exported(address, tmp_path, **settings)
    assert error.value.code == code
    assert code in FAULTS
    assert BODY.accession_number not in error.value.message
    assert not (tmp_path / "out" / "receiving").exists()
    return error.value.message
