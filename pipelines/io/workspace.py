"""The folders of one dataset in the making, and the lock on them.

WORKSPACE/
  mosmed.toml     the settings
  private/        mode 0700: key, selection, export, ledgers of both, linkage, quarantine, log
  work/           anonymize, convert, thin: no identity from here on
  dataset/        what is published
"""

import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.core.errors import WorkspaceError
from pipelines.core.model import STAGE_NAMES
from pipelines.io.disk import TEMPORARY_PREFIX, lock_or_refuse, remove, swap_in, wait_for_workers
from pipelines.io.seat import Seat

SETTINGS_NAME = "mosmed.toml"
MEMORY = Path("/dev/shm")  # noqa: S108  a disk in memory, not one that lasts
LEDGER_NAME = "ledger.jsonl"
PLACES_OF_PARTS = ("", "private/", "private/*/", "private/quarantine/*/", "work/*/")
"""Where something may lie half-made."""


@dataclass(frozen=True, slots=True)
class Workspace:
    """A folder with a `mosmed.toml` in it."""

    root: Path

    @property
    def settings_file(self) -> Path:
        """Where the settings stand."""
        return self.root / SETTINGS_NAME

    @property
    def private(self) -> Path:
        """Where identity may be."""
        return self.root / "private"

    @property
    def key(self) -> Path:
        """Where the secret key of the pseudonyms lies unless the settings name another place."""
        return self.private / "key"

    @property
    def log(self) -> Path:
        """Where tracebacks go: they tell where mosmed is installed, so the log is private."""
        return self.private / "mosmed.log"

    @property
    def archive(self) -> Path:
        """Where the index of the PACS folder lies."""
        return self.private / "archive"

    @property
    def in_memory(self) -> Path:
        """Where exports lie that may not come to the disk: gone when the workspace is let go of."""
        name = hashlib.sha256(os.fsencode(self.root.resolve())).hexdigest()[:16]
        return MEMORY / f"mosmed-{os.getuid()}-{name}"

    def make_in_memory(self) -> None:
        """Make that folder, for this user alone; raises WorkspaceError where it cannot be had."""
        try:
            self.in_memory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise WorkspaceError(
                f"{MEMORY}: no folder in memory can be made ({error.strerror})",
                hint="Set in_memory under [export] to false; private/ then holds the exports.",
            ) from error
        if not _is_ours_alone(self.in_memory):
            raise WorkspaceError(
                f"{self.in_memory} is not ours alone", hint="Look who made it, and remove it."
            )

    @property
    def dataset(self) -> Path:
        """What is published."""
        return self.root / "dataset"

    @property
    def seat_of_dataset(self) -> Seat:
        """How one publication follows another."""
        folder = self.stage(STAGE_NAMES[-1], private=False)
        return Seat(self.dataset, folder / LEDGER_NAME)

    @property
    def seat_of_selection(self) -> Seat:
        """How one draw follows another."""
        folder = self.stage(STAGE_NAMES[0], private=True)
        return Seat(folder / "selection", folder / LEDGER_NAME)

    def stage(self, name: str, *, private: bool) -> Path:
        """The folder of a stage: one folder a study, and its ledger."""
        return (self.private if private else self.root / "work") / name

    def quarantine(self, stage: str, public_id: str) -> Path:
        """Where the remains of a failed study lie, with the reason."""
        return self.private / "quarantine" / stage / public_id

    def temporary(self, folder: Path, public_id: str) -> Path:
        """Where a result is made before it is moved to its place in `folder`."""
        return folder / f"{TEMPORARY_PREFIX}{public_id}"

    def discard(self, folder: Path) -> None:
        """Remove a folder, if it is there."""
        if folder.exists():
            shutil.rmtree(folder)

    def put_in_quarantine(self, remains: Path, place: Path, reason: dict[str, Any]) -> None:
        """Keep what a failed study left, with the reason, where only the owner looks."""
        remains.mkdir(parents=True, exist_ok=True)
        text = json.dumps(reason, indent=2, sort_keys=True, ensure_ascii=False)
        (remains / "reason.json").write_text(text + "\n", encoding="utf-8")
        swap_in(remains, place)

    def make_folders(self) -> None:
        """Make the folders; what is private is for the owner alone."""
        self.private.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.private.chmod(0o700)
        (self.root / "work").mkdir(exist_ok=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the workspace for this process; the kernel lets go of it however the process ends.

        Raises WorkspaceError while another process holds it.
        """
        self.make_folders()
        with (self.private / "lock").open("a") as file:
            lock_or_refuse(file.fileno(), self.root)
            wait_for_workers(self.private)
            self._sweep()
            try:
                yield
            finally:
                self._sweep()

    def _sweep(self) -> None:
        """Remove what a process that was killed or stopped left half-made."""
        for seat in (self.seat_of_selection, self.seat_of_dataset):
            seat.finish()
        if _is_ours_alone(self.in_memory):
            shutil.rmtree(self.in_memory)
        for place in PLACES_OF_PARTS:
            for path in self.root.glob(f"{place}{TEMPORARY_PREFIX}*"):
                remove(path)


def _is_ours_alone(folder: Path) -> bool:
    """Whether it is a folder that nobody else has made, or can look into."""
    try:
        state = folder.lstat()
    except OSError:
        return False
    is_ours = stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid()
    return is_ours and not state.st_mode & 0o077
