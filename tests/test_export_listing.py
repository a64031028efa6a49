"""What a PACS lists, counts and answers too little of: nothing is taken for whole on its word."""

import pytest

from pipelines.core.identity import Exported

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

from tests.network_studies import (
    OBJECTS,
    SLICES,
    candidate,
    data_sets,
    exported,
    from_folder,
    objects_of,
    refused,
)
from tests.pacs import orthanc
from tests.scripted_pacs import Script, scripted
from tests.scripted_web import WebScript, scripted_web
from tests.test_peers_dimse import no_waiting, pacs  # noqa: F401  fixtures

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def told(result, rule):
    return [f"{one.value}: {one.outcome}" for one in result.decisions if one.rule == rule]


# --- a study that grows


class Growing(Script):
    """A PACS that gets one more object of the study after each transfer, as long as there are."""

    def __init__(self, objects, late, **changes):
        super().__init__(objects, **changes)
        self.late = late

    def on_get(self, event):
        yield from super().on_get(event)
        if self.late:
            self.objects.append(self.late.pop())


@pytest.mark.parametrize("counts", [True, False], ids=["counted", "listed"])
def test_a_study_that_grows_is_begun_again_until_it_is_whole(pacs, tmp_path, counts):  # noqa: F811
    objects = objects_of(pacs)
    late = [one for one in objects if one.get("SeriesNumber") == 2][-2:]
    script = Growing([one for one in objects if one not in late], list(late), counts=counts)
    with scripted(script) as running:
        result = exported(running.address, tmp_path, candidate(expected_instances=None))

    assert isinstance(result, Exported)
    assert result.instances == SLICES
    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))


def test_a_study_that_never_comes_to_rest_is_a_failure_to_be_tried_later(pacs, tmp_path):  # noqa: F811
    class Restless(Script):
        def on_find(self, event):
            yield from super().on_find(event)
            if event.identifier.QueryRetrieveLevel == "SERIES":
                self.objects.append(late.pop())

    objects = objects_of(pacs)
    late = [one for one in objects if one.get("SeriesNumber") == 3]
    who = candidate(expected_instances=None)
    with scripted(Restless([one for one in objects if one not in late])) as running:
        message = refused("STUDY_CHANGED", tmp_path, running.address, who=who, tries=3)

    assert message.endswith("at the end")


# --- a PACS that lists no objects


class Unlisting(Script):
    """A PACS without queries at IMAGE level: refused, or answered with nothing."""

    status = 0xA900

    def on_find(self, event):
        if event.identifier.QueryRetrieveLevel != "IMAGE":
            yield from super().on_find(event)
            return
        self.asked.append("IMAGE")
        if self.status:
            yield self.status, None


@pytest.mark.parametrize("status", [0xA900, 0xC001, 0x0000], ids=["A900", "C001", "nothing"])
@pytest.mark.parametrize("whole_study", [True, False], ids=["whole-study", "series"])
def test_what_is_not_listed_is_proven_by_its_number(pacs, tmp_path, status, whole_study):  # noqa: F811
    script = Unlisting(objects_of(pacs))
    script.status = status
    with scripted(script) as running:
        result = exported(running.address, tmp_path, whole_study=whole_study)

    assert isinstance(result, Exported)
    expected = from_folder(pacs, tmp_path, whole_study=whole_study)
    assert data_sets(tmp_path / "out") == data_sets(expected)
    assert told(result, "proof") == [
        f"{OBJECTS} objects: counted by the PACS, which does not list them: "
        "proven by their number alone"
    ]


def test_what_a_web_server_does_not_list_is_proven_by_its_number(pacs, tmp_path):  # noqa: F811
    script = WebScript(objects_of(pacs), has_metadata=False, has_instances=False)
    with scripted_web(script) as address:
        result = exported(address, tmp_path)

    assert isinstance(result, Exported)
    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))
    assert "does not list them" in told(result, "proof")[0]


def test_an_archive_that_cuts_its_lists_sends_whole_series(pacs, tmp_path):  # noqa: F811
    with orthanc(pacs, LimitFindInstances=SLICES - 1) as running:
        result = exported(running.address, tmp_path)

    assert isinstance(result, Exported)
    assert data_sets(tmp_path / "out") == data_sets(from_folder(pacs, tmp_path))
    assert [one.split(":")[0] for one in told(result, "proof")] == ["3 objects", "24 objects"]


def test_what_is_not_listed_and_does_not_come_whole_is_no_volume(pacs, tmp_path):  # noqa: F811
    script = Unlisting(objects_of(pacs), faults=["drop"] * 99)
    with scripted(script) as running:
        refused("INCOMPLETE_TRANSFER", tmp_path, running.address, tries=3)


def test_what_is_neither_listed_nor_counted_is_refused(pacs, tmp_path):  # noqa: F811
    with scripted(Unlisting(objects_of(pacs), counts=False)) as running:
        refused("REFUSED_BY_ARCHIVE", tmp_path, running.address)
