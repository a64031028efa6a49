"""The weekly hours in which a PACS may be asked, as its owner writes them down.

`Mon-Fri 20:00-06:00` are five nights: a span that ends before it begins ends on the next day.
`Sat-Sun` are whole days, `22:00-05:00` is every night.
"""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

from pipelines.core.errors import SettingsError

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
DAY_MINUTES = 24 * 60
WEEK_MINUTES = 7 * DAY_MINUTES
HOURS = re.compile(
    rf"(?P<first>{'|'.join(DAYS)})?(?:-(?P<last>{'|'.join(DAYS)}))?"
    r"\s*(?:(?P<begin>\d{1,2}:\d\d)-(?P<end>\d{1,2}:\d\d))?",
    re.IGNORECASE,
)

Span = tuple[int, int]
"""From one minute of the week (Monday 00:00 is 0) up to, not including, another."""


def _spans_of(hours: Sequence[str]) -> list[Span]:
    """The spans of a week; the end may lie in the next one. Raises SettingsError."""
    return [span for text in hours for span in _spans(text)]


def refuse_bad_hours(hours: Sequence[str]) -> None:
    """Raise SettingsError where one of them cannot be read."""
    _spans_of(hours)


def is_open(hours: Sequence[str], now: datetime) -> bool:
    """Whether the PACS may be asked now; without any hours it always may."""
    minute = _minute(now)
    return not hours or any(
        begin <= at < end
        for begin, end in _spans_of(hours)
        for at in (minute, minute + WEEK_MINUTES)
    )


def opens_at(hours: Sequence[str], now: datetime) -> datetime:
    """The next time at which it may be asked, to the minute; `now` where it may already."""
    if is_open(hours, now):
        return now
    minute = _minute(now)
    waits = [(begin - minute) % WEEK_MINUTES for begin, _ in _spans_of(hours)]
    return now.replace(second=0, microsecond=0) + timedelta(minutes=min(waits))


def _minute(now: datetime) -> int:
    return now.weekday() * DAY_MINUTES + now.hour * 60 + now.minute


def _spans(text: str) -> list[Span]:
    match = HOURS.fullmatch(text.strip())
    if match is None or not text.strip():
        raise _unreadable(text)
    first, last = match["first"], match["last"]
    if last and not first:
        raise _unreadable(text)
    days = list(range(7))
    if first:
        start = DAYS.index(first.lower())
        count = (DAYS.index((last or first).lower()) - start) % 7 + 1
        days = [(start + k) % 7 for k in range(count)]
    begin = _clock(match["begin"] or "00:00", text)
    end = _clock(match["end"] or "24:00", text)
    length = (end - begin) % DAY_MINUTES or DAY_MINUTES
    return [(day * DAY_MINUTES + begin, day * DAY_MINUTES + begin + length) for day in days]


def _clock(clock: str, text: str) -> int:
    hour, minute = (int(part) for part in clock.split(":"))
    if hour * 60 + minute > DAY_MINUTES or minute > 59:
        raise _unreadable(text)
    return hour * 60 + minute


def _unreadable(text: str) -> SettingsError:
    return SettingsError(
        f"[export] hours: {text!r} cannot be read",
        hint='Write it like "Mon-Fri 20:00-06:00", "Sat-Sun" or "22:00-05:00".',
    )
