"""A day of a PACS that answers so many studies and no more: asked in parts, or refused."""

from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

from pipelines.core.errors import ItemError
from pipelines.core.node_settings import NodeSettings
from pipelines.io.answers import answer_of_json
from pipelines.peers import qido
from pipelines.peers.days import SHORTEST_SECONDS, read_day
from pipelines.peers.node import Cut
from pipelines.peers.policy import Clock, Policy
from tests.pacs import orthanc
from tests.scripted_web import WebScript, scripted_web
from tests.test_ris_pacs import drawn_from, objects

DAY = date(2020, 3, 1)
CLOCK = Clock(sleep=lambda _: None)


@dataclass
class Node:
    """A PACS of one day: `times` by UID, of which it tells `most`, and may say that it cuts."""

    times: dict[str, str]
    most: int
    says_so: bool = True
    takes_times: bool = True
    asked: list[str] = field(default_factory=list)

    def echo(self):
        """Answer."""

    def find_day(self, _day, _wanted, *, times=""):
        self.asked.append(times)
        first, _, last = times.partition("-")
        found = [
            answer_of_json({"0020000D": {"vr": "UI", "Value": [uid]}})
            for uid, time in self.times.items()
            if not times or not self.takes_times or (time != "" and first <= time <= (last or "24"))
        ]
        if len(found) > self.most and self.says_so:
            raise Cut("there are more", tuple(found[: self.most]))
        return tuple(found[: self.most])


def told(node):
    return set(read_day(node, Policy(NodeSettings(tries=2), Path(), CLOCK), DAY))


TIMES = st.builds(
    "{:02}{:02}{:02}{}".format,
    st.integers(0, 23),
    st.integers(0, 59),
    st.integers(0, 59),
    st.sampled_from(["", ".5", ".999999"]),
)


def by_uid(times):
    return {f"2.25.{k}": time for k, time in enumerate(times)}


def busiest(times):
    """The most studies of any shortest part of a day: what a PACS must tell at least."""
    seconds = sorted(int(t[:2]) * 3600 + int(t[2:4]) * 60 + int(t[4:6]) for t in times)
    return max(sum(0 <= s - at <= 2 * SHORTEST_SECONDS for s in seconds) for at in seconds)


@given(times=st.lists(TIMES, min_size=1, max_size=60), most=st.integers(1, 60))
def test_a_day_is_told_in_full_or_not_at_all(times, most):
    node = Node(by_uid(times), most)

    may_refuse = suppress(ItemError) if most < busiest(times) else nullcontext()
    with may_refuse:
        assert told(node) == set(node.times)


def test_a_day_that_is_told_at_once_is_asked_for_once():
    node = Node(by_uid(["101500"] * 99), 1000)

    assert len(told(node)) == 99
    assert node.asked == [""]


@pytest.mark.parametrize("studies", [99, 100, 101, 350])
def test_an_answer_that_ends_at_a_round_number_is_looked_behind(studies):
    times = [f"{k % 24:02}{k % 60:02}00" for k in range(studies)]

    assert len(told(Node(by_uid(times), 100, says_so=False))) == studies


@pytest.mark.parametrize("says_so", [True, False])
def test_studies_without_a_time_stop_a_day_that_is_cut(says_so):
    times = ["" if k == 3 else f"{k % 24:02}0000" for k in range(150)]

    with pytest.raises(ItemError, match="without StudyTime"):
        told(Node(by_uid(times), 100, says_so=says_so))


def test_studies_without_a_time_do_not_matter_where_all_is_told():
    assert len(told(Node(by_uid([""] * 100), 500, says_so=False))) == 100


@pytest.mark.parametrize(("most", "is_told"), [(100, False), (200, True)])
def test_an_archive_that_takes_no_times_is_found_out(most, is_told):
    node = Node(by_uid(["101500"] * 200), most, takes_times=False)

    if is_told:
        assert len(told(node)) == 200
    else:
        with pytest.raises(ItemError, match="takes no range"):
            told(node)
    assert len(node.asked) < 10


def test_a_minute_with_too_many_is_refused():
    with pytest.raises(ItemError, match="there are more"):
        told(Node(by_uid(["101500"] * 30), 20))


# --- servers


def timed():
    """Studies at different times of their days."""
    for k, one in enumerate(objects()):
        one.StudyTime = f"{k * 7 % 24:02}{k * 13 % 60:02}00"
        yield one


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    for k, dataset in enumerate(timed()):
        dataset.save_as(root / f"{k}.dcm", enforce_file_format=True)
    return root


@pytest.fixture(scope="module")
def expected(folder):
    with scripted_web(WebScript([pydicom.dcmread(path) for path in folder.iterdir()])) as address:
        return drawn_from(address)


def test_a_real_archive_with_a_limit_gives_the_same_draw(folder, expected):
    with orthanc(folder, LimitFindResults=2) as running:
        assert len(expected) == 9
        assert drawn_from(running.address) == expected


@pytest.mark.parametrize("most_matches", [2, 1000], ids=["cut", "all-at-once"])
def test_a_server_that_knows_no_pages_is_asked_otherwise(
    folder, expected, monkeypatch, most_matches
):
    monkeypatch.setattr(qido, "PAGE", 2)
    monkeypatch.setattr(qido, "SURELY_ALL", 1)
    held = [pydicom.dcmread(path) for path in folder.iterdir()]
    script = WebScript(held, most_matches=most_matches, has_pages=False)

    with scripted_web(script) as address:
        assert drawn_from(address) == expected

    assert any("StudyTime" in path for path in script.asked) == (most_matches == 2)
