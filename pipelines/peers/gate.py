"""The hours of a PACS, kept by the one process that hands out the studies.

Before each study it is asked whether the PACS may be asked now. The study in hand is finished;
then the command waits until the PACS may be asked again, or ends and says when that is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pipelines.core.calendar import is_open, opens_at
from pipelines.core.errors import PeerError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.node_settings import Outside
from pipelines.peers.policy import Clock

LONGEST_SLEEP_SECONDS = 60.0
"""Not longer at a time, so that a clock that is set forward or back is noticed."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a study may be fetched now; a folder may be read at any time."""

    settings: ExportSettings
    clock: Clock

    def is_open(self) -> bool:
        """Whether the PACS may be asked at this moment."""
        return isinstance(self.settings.pacs, Path) or is_open(self.settings.hours, self._now())

    def pass_through(self, left: int, waiting: Callable[[str], None]) -> None:
        """Return once the PACS may be asked; `waiting` is told from when on that is.

        Raises PeerError where the settings say to end instead, with `left` studies to do.
        """
        if self.is_open():
            return
        then = opens_at(self.settings.hours, self._now()).strftime("%A %H:%M")
        if self.settings.outside_hours is Outside.END:
            raise PeerError(
                f"the PACS may not be asked at this hour: {left} studies are left to fetch",
                hint=f"Run the same command from {then} on: it goes on where it was.",
            )
        waiting(then)
        while not self.is_open():
            self.clock.sleep(LONGEST_SLEEP_SECONDS)

    def _now(self) -> datetime:
        """The time on the wall of the hospital, which is where this runs."""
        return datetime.fromtimestamp(self.clock.now(), UTC).astimezone()
