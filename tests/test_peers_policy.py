"""Kind to a hospital: places, rates and pauses hold for all workers together."""

import json
import threading
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import ItemError, PeerError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.node_settings import Outside
from pipelines.peers.gate import Gate
from pipelines.peers.node import Passing
from pipelines.peers.policy import LONGEST_PAUSE_SECONDS, RATES_NAME, Clock, Policy


class Hands:
    """A clock that moves when someone sleeps."""

    def __init__(self):
        self.time = 1000.0
        self.slept = []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.time += seconds

    def clock(self, chance=1.0):
        return Clock(now=lambda: self.time, sleep=self.sleep, chance=lambda: chance)


def policy(shared, hands, **settings):
    return Policy(ExportSettings(**settings), shared, hands.clock())


@given(sizes=st.lists(st.integers(1, 10**8), min_size=2, max_size=20))
def test_bytes_are_taken_no_faster_than_allowed_by_all_workers_together(sizes, tmp_path_factory):
    hands, shared = Hands(), tmp_path_factory.mktemp("rate")
    workers = [policy(shared, hands, megabytes_per_second=2.0) for _ in range(3)]

    for k, size in enumerate(sizes):
        workers[k % 3].spend(size)

    assert hands.time - 1000 == pytest.approx(sum(sizes[:-1]) / 2e6, rel=1e-6)


def test_so_many_studies_an_hour(tmp_path):
    hands = Hands()

    for _ in range(5):
        one = policy(tmp_path, hands, studies_per_hour=60)
        one.begin_study()
        one.close()

    assert hands.time - 1000 == pytest.approx(4 * 60)


def test_a_torn_file_of_rates_is_begun_anew(tmp_path):
    (tmp_path / RATES_NAME).write_text('{"bytes": 12')

    policy(tmp_path, Hands(), megabytes_per_second=1.0).spend(10)

    assert list(json.loads((tmp_path / RATES_NAME).read_text())) == ["bytes"]


def test_no_more_associations_than_allowed_at_a_time(tmp_path):
    first, second, third = (
        Policy(ExportSettings(associations=2), tmp_path, Clock()) for _ in range(3)
    )
    first.begin_study()
    second.begin_study()
    began = threading.Event()
    waiting = threading.Thread(target=lambda: (third.begin_study(), began.set()))
    waiting.start()

    assert not began.wait(0.3)
    second.close()
    waiting.join(60)

    assert began.is_set()
    first.close()
    third.close()


def test_pauses_grow_to_a_minute_and_then_it_is_a_failure(tmp_path):
    hands = Hands()

    def fail():
        raise Passing("busy")

    with pytest.raises(ItemError) as error:
        policy(tmp_path, hands, tries=9).tried(fail, lambda: None)

    assert error.value.code == "INCOMPLETE_TRANSFER"
    assert hands.slept == [1, 2, 4, 8, 16, 32, 60, 60]
    assert max(hands.slept) <= LONGEST_PAUSE_SECONDS


def test_what_is_final_is_not_tried_again(tmp_path):
    hands = Hands()

    def fail():
        raise ItemError("REFUSED_BY_ARCHIVE", "no")

    with pytest.raises(ItemError):
        policy(tmp_path, hands).tried(fail, lambda: None)

    assert hands.slept == []


def test_nothing_but_an_echo_is_asked_until_the_archive_lives_again(tmp_path):
    hands, asked = Hands(), []

    def fetch():
        asked.append("fetch")
        if hands.time < 1500:
            raise Passing("gone", is_down=True)
        return "here"

    def echo():
        asked.append("echo")
        if hands.time < 1500:
            raise Passing("gone", is_down=True)

    assert policy(tmp_path, hands).tried(fetch, echo) == "here"
    assert asked.count("fetch") == 2
    assert asked.count("echo") > 5


def test_an_archive_that_stays_away_stops_all_and_fails_no_study(tmp_path):
    hands = Hands()

    def gone():
        raise Passing("gone", is_down=True)

    with pytest.raises(PeerError) as error:
        policy(tmp_path, hands, patience_minutes=5).tried(gone, gone)

    assert hands.time - 1000 <= 300
    assert "same command" in error.value.hint


# --- hours


def at(text):
    """Seconds since the epoch of a time on the wall here."""
    return datetime.fromisoformat(text).astimezone().timestamp()


def gate(now, hands=None, **settings):
    hands = hands or Hands()
    hands.time = at(now)
    chosen = {"pacs": "dicom://PACS@10.0.0.5:104", "hours": ("Mon-Fri 20:00-06:00",)}
    return Gate(ExportSettings(**(chosen | settings)), hands.clock())


def test_in_its_hours_the_archive_is_asked_at_once():
    gate("2026-11-23 23:00").pass_through(5, pytest.fail)


def test_outside_its_hours_the_command_waits_and_says_until_when():
    hands, told = Hands(), []

    gate("2026-11-23 09:30", hands).pass_through(5, told.append)

    assert told == ["Monday 20:00"]
    assert at("2026-11-23 20:00") <= hands.time < at("2026-11-23 20:02")


def test_outside_its_hours_the_command_may_end_and_says_when_to_come_again():
    closed = gate("2026-11-28 12:00", outside_hours=Outside.END)

    with pytest.raises(PeerError, match="5 studies are left") as error:
        closed.pass_through(5, pytest.fail)

    assert "Monday 20:00" in error.value.hint


def test_a_folder_has_no_hours(tmp_path):
    assert gate("2026-11-23 09:30", pacs=tmp_path).is_open()
