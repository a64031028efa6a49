"""The hours in which a PACS may be asked: read strictly, and open when the clock says so."""

from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.calendar import DAYS, is_open, opens_at
from pipelines.core.errors import SettingsError
from pipelines.core.export_settings import ExportSettings

NIGHTS = ("Mon-Fri 20:00-06:00", "Sat-Sun")
MONDAY = datetime(2026, 11, 23)  # noqa: DTZ001  local time, as hospitals write it
clocks = st.builds("{:02}:{:02}".format, st.integers(0, 23), st.integers(0, 59))
days = st.sampled_from(DAYS)
hours = st.lists(st.builds("{}-{} {}-{}".format, days, days, clocks, clocks), max_size=3)
times = st.integers(0, 14 * 24 * 60).map(lambda minutes: MONDAY + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("days_on", "clock", "expected"),
    [
        (0, "05:59", False),  # the night began on Sunday, which is no weekday
        (0, "20:00", True),
        (1, "05:59", True),
        (1, "06:00", False),
        (5, "05:00", True),
        (5, "12:00", True),
        (6, "23:59", True),
        (7, "00:00", False),
    ],
)
def test_nights_and_weekends(days_on, clock, expected):
    hour, minute = map(int, clock.split(":"))

    assert is_open(NIGHTS, MONDAY + timedelta(days=days_on, hours=hour, minutes=minute)) is expected


@given(hours=hours, now=times)
def test_it_opens_when_it_says_and_not_a_minute_before(hours, now):
    then = opens_at(hours, now)

    assert is_open(hours, then)
    waiting = timedelta(minutes=1)
    while now + waiting < then:
        assert not is_open(hours, now + waiting)
        waiting += timedelta(minutes=17)


def test_without_hours_it_is_always_open():
    assert is_open((), MONDAY)


@pytest.mark.parametrize("text", ["", "Mo 8-9", "-Fri", "25:00-26:00", "Mon 08:00", "nights"])
def test_hours_that_cannot_be_read_are_refused_by_name(text):
    with pytest.raises(SettingsError, match="hours"):
        ExportSettings(hours=(text,))
