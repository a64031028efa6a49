"""What an archive says is offline is not asked for; what is nearline is, and told if it fails."""

import pytest

from pipelines.core.identity import Exported

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

from tests.network_studies import SLICES, candidate, exported, objects_of, refused
from tests.scripted_pacs import Script, scripted
from tests.test_export_retired import make_study
from tests.test_peers_dimse import no_waiting  # noqa: F401  fixtures

pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "pacs")


class Away(Script):
    """A PACS that tells how soon it can send its objects."""

    level, said, series = "IMAGE", "OFFLINE", 2

    def _answer(self, identifier, members, level):
        answer = super()._answer(identifier, members, level)
        is_meant = level == "STUDY" or members[0].get("SeriesNumber") == self.series
        answer.InstanceAvailability = self.said if level == self.level and is_meant else ""
        return answer


@pytest.mark.parametrize("level", ["STUDY", "SERIES", "IMAGE"])
@pytest.mark.parametrize("said", ["OFFLINE", "UNAVAILABLE"])
def test_what_is_offline_is_not_asked_for(study, tmp_path, level, said):
    script = Away(objects_of(study))
    script.level, script.said = level, said
    with scripted(script) as running:
        message = refused(
            "NOT_ONLINE", tmp_path, running.address,
            who=candidate(expected_instances=None), whole_study=False,
        )  # fmt: skip

    assert message == f"{SLICES} of {SLICES} objects are {said.lower()}"
    assert not script.sent


def test_what_is_offline_but_not_wanted_does_not_matter(study, tmp_path):
    script = Away(objects_of(study))
    script.series = 3
    who = candidate(expected_instances=None)
    with scripted(script) as running:
        assert isinstance(exported(running.address, tmp_path, who, whole_study=False), Exported)


@pytest.mark.parametrize("comes", [True, False])
def test_what_is_nearline_is_asked_for_and_told_if_it_does_not_come(study, tmp_path, comes):
    script = Away(objects_of(study), faults=[] if comes else ["drop"] * 99)
    script.said = "NEARLINE"
    who = candidate(expected_instances=None)
    with scripted(script) as running:
        if comes:
            assert isinstance(exported(running.address, tmp_path, who), Exported)
        else:
            refused("NOT_ONLINE", tmp_path, running.address, who=who, tries=2)
