"""A PACS by DIMSE: the dataset is that of the folder, and no study is ever half there."""

import json
from pathlib import Path

import pytest

from pipelines.core.errors import ItemError, PeerError
from pipelines.core.identity import Exported
from pipelines.peers import opening
from pipelines.peers.policy import Clock
from tests.network_studies import (
    SLICES,
    candidate,
    data_sets,
    exported,
    from_folder,
    make_pacs,
    objects_of,
    refused,
)
from tests.pacs import Proxy, dcmqrscp, orthanc
from tests.scripted_pacs import Script, scripted
from tests.workspaces import SAMPLE, contents, make_workspace, mosmed, mosmed_json

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

# pynetdicom leaves a socket to the garbage collector where nobody listens
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture(scope="module")
def pacs(tmp_path_factory):
    return make_pacs(tmp_path_factory.mktemp("dimse") / "pacs")


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch):
    """Time goes by without anyone waiting for it."""
    now = [0.0]

    def sleep(seconds):
        now[0] += seconds

    clock = Clock(now=lambda: now[0], sleep=sleep, chance=lambda: 0.5)
    monkeypatch.setattr(opening, "CLOCK", clock)
    return now


# --- real archives


@pytest.fixture(scope="module", params=[orthanc, dcmqrscp], ids=["orthanc", "dcmqrscp"])
def server(request, pacs):
    with request.param(pacs) as running:
        yield running


@pytest.mark.parametrize("transport", ["c-get", "c-move"])
@pytest.mark.parametrize("whole_study", [True, False], ids=["whole-study", "series"])
def test_what_comes_by_dimse_is_what_lies_in_the_folder(
    server, pacs, tmp_path, transport, whole_study
):
    settings = {"transport": transport, "whole_study": whole_study}
    result = exported(server.address, tmp_path, receivers=(server.receiver,), **settings)

    assert isinstance(result, Exported)
    assert result.instances == SLICES
    expected = from_folder(pacs, tmp_path, whole_study=whole_study)
    assert data_sets(tmp_path / "out") == data_sets(expected)


@pytest.mark.parametrize("key", ["*", "PH20*", "PH20-00000?", "ph20-000001\\ELSE-1"])
def test_no_study_is_found_by_a_pattern(server, tmp_path, key):
    with pytest.raises(ItemError) as error:
        exported(server.address, tmp_path, candidate(accession_number=key))

    assert error.value.code == "NOT_IN_ARCHIVE"


@pytest.fixture(scope="module")
def from_the_folder(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("dimse") / "folder", studies=5)
    assert mosmed("run", "-w", root).exit_code in {0, 3}
    return contents(root / "dataset")


@pytest.fixture(scope="module")
def hospital():
    with orthanc(SAMPLE / "pacs") as running:
        yield running


@pytest.mark.parametrize("transport", ["c-get", "c-move"])
def test_the_dataset_has_the_same_bytes_over_the_network(
    hospital, from_the_folder, tmp_path, monkeypatch, transport
):
    monkeypatch.setenv("MOSMED_EXPORT_TRANSPORT", transport)
    monkeypatch.setenv("MOSMED_EXPORT_RECEIVERS", hospital.receiver)
    root = make_workspace(tmp_path / "network", studies=5, pacs=hospital.address)

    assert mosmed("run", "-w", root).exit_code in {0, 3}

    assert contents(root / "dataset") == from_the_folder


def test_a_dry_run_says_what_would_come_and_nothing_comes(hospital, tmp_path):
    root = make_workspace(tmp_path / "dry", studies=5, pacs=hospital.address)
    mosmed("select", "-w", root)
    before = sorted(contents(root))

    by_network = mosmed_json("export", "-w", root, "--dry-run")
    from_disk = mosmed_json("export", "-w", root, "--dry-run", "--pacs", SAMPLE / "pacs")

    assert sorted(set(contents(root)) - set(before)) == ["private/archive/pacs/association-0.lock"]
    numbers = ("studies", "series", "instances", "fall_out")
    assert {by_network[name] == from_disk[name] for name in numbers} == {True}
    assert by_network["is_estimate"]
    mosmed("export", "-w", root)
    ledger = (root / "private/export/ledger.jsonl").read_text().splitlines()
    fetched = [json.loads(line)["outputs"] for line in ledger[:5]]
    assert sum(out["files"] for out in fetched if out) >= by_network["instances"]


def test_check_says_what_the_archive_answers(hospital, tmp_path):
    root = make_workspace(tmp_path / "check", pacs=hospital.address)

    found = {one["what"]: one["works"] for one in mosmed_json("export", "-w", root, "--check")}
    nobody = mosmed("export", "-w", root, "--check", "--pacs", "dicom://PACS@127.0.0.1:1")

    assert found == dict.fromkeys(
        ("answers", "takes queries", "sends by C-GET", "sends by C-MOVE"), True
    )
    assert nobody.exit_code == 1
    assert "cannot be reached" in nobody.stdout


# --- an archive that fails

ODDITIES = {"foreign": ("were not asked for",), "twice": ("came twice",)}


def test_only_the_chosen_series_is_sent_and_one_object_of_each_that_might_be(pacs, tmp_path):
    hidden = frozenset({"ConvolutionKernel", "ImageType", "SliceThickness"})
    script = Script(objects_of(pacs), hidden=hidden)
    with scripted(script) as server:
        exported(server.address, tmp_path, whole_study=False)

    body = [str(one.SOPInstanceUID) for one in objects_of(pacs / "body")]
    sharp = [str(one.SOPInstanceUID) for one in objects_of(pacs / "sharp")]
    assert set(body) <= set(script.sent)
    assert len(set(script.sent) & set(sharp)) == 1
    assert len(script.sent) <= SLICES + 4


@pytest.mark.parametrize("fault", ["drop", "die", "foreign", "twice", "status-C000", "status-A702"])
def test_what_may_pass_is_tried_again_until_all_is_here(pacs, tmp_path, fault):
    script = Script(objects_of(pacs), faults=[fault])
    with scripted(script) as server:
        result = exported(server.address, tmp_path)

    assert isinstance(result, Exported)
    expected = from_folder(pacs, tmp_path)
    assert data_sets(tmp_path / "out") == data_sets(expected)
    notes = {decision.outcome for decision in result.decisions if decision.rule == "transfer"}
    assert notes == {
        "foreign": {"were not asked for: not taken"},
        "twice": {"came twice: not taken"},
    }.get(fault, set())


def test_an_archive_that_is_slow_is_waited_for_and_one_that_is_silent_is_asked_again(
    pacs, tmp_path
):
    script = Script(objects_of(pacs), faults=["stall"], pause_seconds=0.02)
    with scripted(script) as server:
        result = exported(server.address, tmp_path, whole_study=False, timeout_seconds=3.0)

    assert isinstance(result, Exported)
    assert (
        sum(what.startswith("GET") for what in script.asked) >= 3
    )  # the series twice, the dose report


def test_an_object_that_never_comes_is_a_failure_and_no_volume(pacs, tmp_path):
    script = Script(objects_of(pacs), faults=["drop"] * 50)
    with scripted(script) as server:
        message = refused("INCOMPLETE_TRANSFER", tmp_path, server.address, tries=3)

    assert message.startswith(f"{SLICES - 1} of {SLICES} objects came")


def test_what_is_final_is_asked_once(pacs, tmp_path):
    script = Script(objects_of(pacs), faults=["status-A900"] * 9)
    with scripted(script) as server:
        refused("REFUSED_BY_ARCHIVE", tmp_path, server.address)

    assert sum(what.startswith("GET") for what in script.asked) == 1


def test_one_name_for_two_different_objects_is_refused(pacs, tmp_path):
    script = Script(objects_of(pacs), faults=["twice-differing"])
    with scripted(script) as server:
        refused("CONFLICTING_DUPLICATE", tmp_path, server.address)


def test_a_list_that_is_shorter_than_its_count_is_not_believed(pacs, tmp_path):
    class Short(Script):
        def _answer(self, identifier, members, level):
            answer = super()._answer(identifier, members, level)
            if level == "SERIES":
                answer.NumberOfSeriesRelatedInstances = len(members) + 1
            return answer

    with scripted(Short(objects_of(pacs))) as server:
        message = refused("INCOMPLETE_TRANSFER", tmp_path, server.address, tries=2)

    assert "of a series" in message


def test_a_wrong_character_set_does_not_hide_the_series(pacs, tmp_path):
    class Garbled(Script):
        def _answer(self, identifier, members, level):
            answer = super()._answer(identifier, members, level)
            if "SeriesDescription" in answer:
                answer.SeriesDescription = "ОГК".encode().decode("latin-1")
            return answer

    with scripted(Garbled(objects_of(pacs), charset="ISO_IR 100")) as server:
        result = exported(server.address, tmp_path)

    assert isinstance(result, Exported)


def test_an_archive_that_knows_us_not_says_what_to_do(pacs, tmp_path):
    with (
        scripted(Script(objects_of(pacs)), refuses=True) as server,
        pytest.raises(PeerError) as error,
    ):
        exported(server.address, tmp_path)

    assert "AE title" in error.value.hint


def test_an_archive_that_is_down_stops_all_once_patience_ends(tmp_path, no_waiting):
    with pytest.raises(PeerError, match="does not answer"):
        exported("dicom://PACS@127.0.0.1:1", tmp_path, patience_minutes=10)

    assert 500 < no_waiting[0] < 700


@pytest.mark.parametrize("is_reset", [False, True], ids=["cut", "reset"])
def test_a_line_that_breaks_anywhere_ends_in_the_same_bytes(pacs, tmp_path, is_reset):
    expected = data_sets(from_folder(pacs, tmp_path))
    script = Script(objects_of(pacs))
    with scripted(script) as server:
        for budget in (10, 300, 3_000, 9_000):
            with Proxy(server.port, budgets=[budget] * 2, is_reset=is_reset) as line:
                exported(f"dicom://SCRIPT@127.0.0.1:{line.port}", tmp_path)

            assert data_sets(tmp_path / "out") == expected
            assert not (tmp_path / "out" / "receiving").exists()


def test_two_transports_leave_no_trace_of_what_was_received_and_not_wanted(pacs, tmp_path):
    with scripted(Script(objects_of(pacs))) as server:
        exported(server.address, tmp_path, whole_study=False)

    assert sorted(path.name for path in Path(tmp_path / "out").iterdir()) == ["other", "series"]
