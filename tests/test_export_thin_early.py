"""Thinned early over a network: nine slices of ten are never sent, the volumes are the same."""

import shutil

import numpy as np
import pydicom
import pytest

from pipelines import convert, export
from pipelines.core.errors import CodedError
from pipelines.core.identity import Exported
from pipelines.core.settings import ConvertSettings, EarlyExportSettings, ThinSettings
from pipelines.io.index import refresh
from pipelines.io.slice_table import TABLE_NAME, read_table
from pipelines.peers.archives import INDEX_NAME
from pipelines.phantom.documents import dose_report_sr, secondary_capture
from pipelines.phantom.instances import write_dataset, write_series

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

from tests.network_studies import BODY, candidate, objects_of
from tests.pacs import Proxy, dcmqrscp, orthanc
from tests.scripted_pacs import Script, scripted
from tests.scripted_web import WebScript, scripted_web
from tests.test_peers_dicomweb import web
from tests.test_peers_dimse import no_waiting  # noqa: F401  fixtures
from tests.test_stage_convert import deidentified
from tests.workspaces import (
    SAMPLE,
    contents,
    looked_at_first,
    make_workspace,
    mosmed,
    mosmed_json,
)

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

SLICES, EVERY = 40, 10
VOXELS_HU = np.arange(SLICES << 14, dtype=np.int32).reshape(SLICES, 128, 128) % 1000
SETTINGS = {"minimum_instances": 5, "timeout_seconds": 60.0, "descriptions": ()}


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    folder = tmp_path_factory.mktemp("early") / "pacs"
    write_series(folder / "body", BODY, VOXELS_HU.astype(np.int16))
    write_dataset(folder / "dose", dose_report_sr(BODY))
    write_dataset(folder / "page", secondary_capture(BODY))
    return folder


def exported(place, tmp_path, *, who=None, every=EVERY, **changes):
    """The study by way of `place`, thinned early; an archive folder is looked through first."""
    out, source = tmp_path / "out", tmp_path / "source"
    for folder in (out, source):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    if not isinstance(place, str):
        refresh(place, source / INDEX_NAME)
    settings = EarlyExportSettings(
        pacs=place, thin_early=True, thin=ThinSettings(every=every), **(SETTINGS | changes)
    )
    who = who or candidate(expected_instances=None)
    return export.work(who, settings, source, out), out


def told(result):
    return {one.rule: f"{one.value}: {one.outcome}" for one in result.decisions}["thin_early"]


def received(result):
    """How many objects were sent over the network."""
    return next(int(one.value.split()[0]) for one in result.decisions if one.rule == "received")


# --- real archives


@pytest.fixture(scope="module")
def server(pacs):
    with orthanc(pacs) as running:
        yield running


@pytest.mark.parametrize("way", ["c-get", "c-move", "dicomweb"])
def test_what_is_kept_comes_as_from_the_folder_and_nothing_else(server, pacs, tmp_path, way):
    place = web(server) if way == "dicomweb" else server.address
    reach = {} if way == "dicomweb" else {"transport": way, "receivers": (server.receiver,)}
    _, out = exported(pacs, tmp_path)
    from_folder = contents(out)
    result, out = exported(place, tmp_path, **reach)

    assert isinstance(result, Exported)
    assert result.instances == SLICES // EVERY
    assert received(result) == SLICES // EVERY + 1
    assert told(result).startswith("4 of 40 slices: brought")
    rows = read_table(out / TABLE_NAME)
    assert (out / TABLE_NAME).read_bytes() == from_folder[TABLE_NAME]
    assert sum(row.is_here for row in rows) == SLICES // EVERY
    assert sorted(contents(out)) == sorted(from_folder)


@pytest.mark.parametrize("way", ["c-get", "dicomweb"])
def test_nine_tenths_of_the_bytes_are_never_sent(server, pacs, tmp_path, way):
    stored = sum(len(data) for data in contents(pacs / "body").values())
    port = server.http if way == "dicomweb" else server.port
    with Proxy(port) as line:
        host = f"127.0.0.1:{line.port}"
        place = f"http://{host}/dicom-web" if way == "dicomweb" else f"dicom://ORTHANC@{host}"
        exported(place, tmp_path)

    # A tenth of the slices, the answers to the queries, and the dose report
    assert line.answered_bytes < 0.35 * stored


def test_an_archive_that_lists_names_alone_sends_all_of_the_series(pacs, tmp_path):
    with dcmqrscp(pacs) as running:
        result, out = exported(running.address, tmp_path)

    assert received(result) > SLICES
    assert contents(out)[TABLE_NAME] == contents(exported(pacs, tmp_path)[1])[TABLE_NAME]


@pytest.fixture(scope="module")
def from_the_folder(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("early") / "folder", studies=5)
    assert mosmed("run", "-w", root).exit_code in {0, 3}
    return looked_at_first(root)


@pytest.fixture(scope="module")
def hospital():
    with orthanc(SAMPLE / "pacs") as running:
        yield running


@pytest.mark.parametrize("way", ["c-get", "c-move", "dicomweb"])
def test_the_dataset_of_a_run_that_thins_early_has_the_same_bytes(
    hospital, from_the_folder, tmp_path, monkeypatch, way
):
    monkeypatch.setenv("MOSMED_EXPORT_RECEIVERS", hospital.receiver)
    monkeypatch.setenv("MOSMED_EXPORT_TRANSPORT", "auto" if way == "dicomweb" else way)
    place = web(hospital) if way == "dicomweb" else hospital.address
    root = make_workspace(tmp_path / "network", studies=5, pacs=place)

    assert mosmed("run", "-w", root, "--thin-early").exit_code in {0, 3}

    assert looked_at_first(root) == from_the_folder
    assert len(list((root / "private/export").glob(f"*/{TABLE_NAME}"))) >= 2


def test_a_dry_run_tells_what_stays_where_it_is(hospital, tmp_path, monkeypatch):
    monkeypatch.setenv("MOSMED_EXPORT_THIN_EARLY", "true")
    root = make_workspace(tmp_path / "dry", studies=5, pacs=hospital.address)
    mosmed("select", "-w", root)

    found = {
        place: mosmed_json("export", "-w", root, "--dry-run", "--pacs", place)
        for place in (hospital.address, web(hospital), SAMPLE / "pacs")
    }

    names = ("studies", "instances", "spared_instances", "fall_out")
    assert len({str([one[name] for name in names]) for one in found.values()}) == 1, found
    assert found[hospital.address]["spared_instances"] > 50
    assert "stay where they are" in mosmed("export", "-w", root, "--dry-run").stdout


def test_real_slices_are_thinned_by_what_a_real_archive_answers(shared_data, tmp_path):
    siemens = shared_data / "chest_siemens_8mm"
    uid = str(pydicom.dcmread(next(siemens.rglob("*.dcm"))).StudyInstanceUID)
    who = candidate(accession_number=None, study_instance_uid=uid, expected_instances=None)
    with orthanc(siemens) as running:
        tables = set()
        for place in (siemens, running.address, web(running)):
            result, out = exported(place, tmp_path, who=who, kernels=("B40f",), every=3)
            assert told(result).startswith("10 of 30 slices: brought")
            tables.add((out / TABLE_NAME).read_bytes())

    assert len(tables) == 1


# --- archives with a fault, and series with one


def gap(objects):
    return [one for one in objects if one.InstanceNumber != 7]


def uneven(objects):
    objects[7].ImagePositionPatient[2] += 0.4
    return objects


def twice(objects):
    objects[7].ImagePositionPatient = objects[8].ImagePositionPatient
    return objects


def kernels(objects):
    objects[7].ConvolutionKernel = "FC51"
    return objects


def frames(objects):
    objects[7].FrameOfReferenceUID = "2.25.7"
    return objects


def lossy(objects):
    objects[7].LossyImageCompression = "01"
    return objects


FAULTS = {
    "SLICE_GAP": gap, "UNEVEN_STEP": uneven, "SAME_POSITION": twice, "MIXED_KERNEL": kernels,
    "LOSSY_PIXELS": lossy, "MIXED_FRAME": frames,
}  # fmt: skip


@pytest.mark.parametrize("way", ["dimse", "dicomweb"])
@pytest.mark.parametrize("code", sorted(FAULTS))
def test_a_fault_of_a_slice_that_would_be_dropped_still_fails_the_study(pacs, tmp_path, code, way):
    objects = FAULTS[code](sorted(objects_of(pacs / "body"), key=lambda one: one.InstanceNumber))
    serve = scripted(Script(objects)) if way == "dimse" else scripted_web(WebScript(objects))
    with serve as running:
        result, out = exported(running if way == "dicomweb" else running.address, tmp_path)

    assert "all are brought" in told(result)
    with pytest.raises(CodedError) as error:
        convert.work(deidentified(), ConvertSettings(), out / "series", tmp_path / "source")
    assert error.value.code == code


NEEDED = ("ImagePositionPatient", "InstanceNumber", "RescaleSlope", "ImageType")


@pytest.mark.parametrize("keyword", NEEDED)
def test_an_archive_that_does_not_answer_all_sends_the_whole_series(pacs, tmp_path, keyword):
    script = Script(objects_of(pacs), hidden=frozenset({keyword}))
    with scripted(script) as running:
        result, out = exported(running.address, tmp_path)

    assert "but all were sent" in told(result)
    assert received(result) == SLICES + 1
    assert contents(out)[TABLE_NAME] == contents(exported(pacs, tmp_path)[1])[TABLE_NAME]


def test_an_archive_may_keep_silent_about_what_all_slices_share(pacs, tmp_path):
    script = Script(objects_of(pacs), hidden=frozenset({"FrameOfReferenceUID"}))
    with scripted(script) as running:
        result, _ = exported(running.address, tmp_path)

    assert received(result) < SLICES


LIES = {
    "kernel": {"00181210": {"vr": "SH", "Value": ["FC99"]}},
    "no-kernel": {"00181210": {"vr": "SH"}},
    "thickness": {"00180050": {"vr": "DS", "Value": [0.5]}},
    "spacing": {"00280030": {"vr": "DS", "Value": [0.7, 0.7]}},
    "slope": {"00281053": {"vr": "DS", "Value": [2]}},
    "number": {"00280010": {"vr": "US", "Value": [512]}},
}


@pytest.mark.parametrize("lie", sorted(LIES))
def test_an_archive_whose_answers_are_not_its_objects_is_not_believed(pacs, tmp_path, lie):
    with scripted_web(WebScript(objects_of(pacs), lies=LIES[lie])) as address:
        result, out = exported(address, tmp_path)

    assert received(result) == SLICES + 1
    assert contents(out)[TABLE_NAME] == contents(exported(pacs, tmp_path)[1])[TABLE_NAME]
