"""Real studies: exported, excluded or refused, each with its reason."""

import sqlite3

import pydicom

from pipelines import export
from pipelines.core.errors import CodedError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.faults import FAULTS
from pipelines.core.identity import Exported
from pipelines.io.index import refresh
from pipelines.peers.archives import INDEX_NAME
from tests.export_studies import (
    candidate,
)


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
