"""Kind to a hospital: how many ask at once, how fast, and what is tried again.

The limits hold for all workers together: they meet in locks and times in one folder of the
workspace. What may pass is tried again after longer and longer pauses; where nothing answers at
all, nothing more is asked until the PACS lives, so that no study falls out because of it.
"""

import fcntl
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TypeVar

from pipelines.core.errors import ItemError, PeerError
from pipelines.core.node_settings import NodeSettings
from pipelines.peers.node import Passing

T = TypeVar("T")

FIRST_PAUSE_SECONDS = 1.0
LONGEST_PAUSE_SECONDS = 60.0
SLOT_POLL_SECONDS = 0.1
RATES_NAME = "rates.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clock:
    """Time, as far as waiting is concerned; tests bring their own."""

    now: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
    chance: Callable[[], float] = random.random


@dataclass(slots=True)
class Policy:
    """One worker's part of the limits that all share through the folder `shared`."""

    settings: NodeSettings
    shared: Path
    clock: Clock = field(default_factory=Clock)
    _held: list[int] = field(default_factory=list, init=False)

    def begin_study(self) -> None:
        """Wait until one more association and one more study are allowed."""
        self.hold("association", self.settings.associations)
        if self.settings.studies_per_hour:
            self._pay("studies", 3600 / self.settings.studies_per_hour)

    def hold(self, name: str, places: int) -> int:
        """Wait for one of so many places, and keep it until `close`; which of them it is."""
        self.shared.mkdir(parents=True, exist_ok=True)
        while True:
            for place in range(places):
                descriptor = os.open(self.shared / f"{name}-{place}.lock", os.O_RDWR | os.O_CREAT)
                try:
                    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    os.close(descriptor)
                else:
                    self._held.append(descriptor)
                    return place
            self.clock.sleep(SLOT_POLL_SECONDS)

    def spend(self, size_bytes: int) -> None:
        """Wait as long as so many bytes take at the rate that is allowed."""
        if self.settings.megabytes_per_second:
            self._pay("bytes", size_bytes / (1e6 * self.settings.megabytes_per_second))

    def tried(self, call: Callable[[], T], echo: Callable[[], None]) -> T:
        """What a call gives, tried again where it may pass.

        Raises ItemError INCOMPLETE_TRANSFER, or by the code of what did not pass, once the tries
        are spent; PeerError where the PACS does not answer for longer than patience lasts.
        """
        for attempt, pause in enumerate(self._pauses(), start=1):
            try:
                return call()
            except Passing as passing:
                if passing.is_down:
                    self._wait_until_alive(echo)
                if attempt >= self.settings.tries:
                    raise ItemError(passing.code, passing.reason) from None
            self.clock.sleep(pause)
        raise AssertionError

    def _wait_until_alive(self, echo: Callable[[], None]) -> None:
        """Return once the PACS answers an echo; nothing else is asked until it does."""
        until = self.clock.now() + 60 * self.settings.patience_minutes
        for pause in self._pauses():
            try:
                echo()
            except Passing as passing:
                if self.clock.now() + pause > until:
                    raise PeerError(
                        f"the PACS does not answer: {passing.reason}",
                        hint="Nothing is lost: run the same command once it is up again.",
                    ) from None
            else:
                return
            self.clock.sleep(pause)

    def _pauses(self) -> Iterator[float]:
        """Each twice the last up to a minute, and somewhat at random: not all at once again."""
        for k in count():
            longest = min(FIRST_PAUSE_SECONDS * 2 ** min(k, 10), LONGEST_PAUSE_SECONDS)
            yield longest * (0.5 + self.clock.chance() / 2)

    def _pay(self, name: str, seconds: float) -> None:
        """Wait until what was allowed to all workers before has been used up."""
        self.shared.mkdir(parents=True, exist_ok=True)
        with (self.shared / RATES_NAME).open("a+", encoding="utf-8") as file:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX)
            file.seek(0)
            free_at = _read_rates(file.read())
            now = self.clock.now()
            turn = min(max(now, free_at.get(name, 0.0)), now + 86400)
            free_at[name] = turn + seconds
            file.truncate(0)
            file.write(json.dumps(free_at))
        if turn > now:
            self.clock.sleep(turn - now)

    def close(self) -> None:
        """Give back every place that is held."""
        for descriptor in self._held:
            os.close(descriptor)
        self._held.clear()


def _read_rates(text: str) -> dict[str, float]:
    """The times written last; a file that was torn is begun anew."""
    try:
        read = json.loads(text)
    except ValueError:
        return {}
    return {name: float(value) for name, value in read.items()} if isinstance(read, dict) else {}
