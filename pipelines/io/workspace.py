"""The folders of one dataset in the making, the lock on them, and results that appear whole.

WORKSPACE/
  mosmed.toml     the settings
  private/        mode 0700: key, selection, export, ledgers of both, linkage, quarantine, log
  work/           anonymize, convert, thin: no identity from here on
  dataset/        what is published
"""

import fcntl
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

from pipelines.core.codec import digest
from pipelines.core.errors import WorkspaceError
from pipelines.io.ledger import Outputs

SETTINGS_NAME = "mosmed.toml"
TEMPORARY_PREFIX = ".part-"
MEMORY = Path("/dev/shm")  # noqa: S108  a disk in memory, not one that lasts


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
        """Where tracebacks go: they may name files, so the log is private."""
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
            state = self.in_memory.lstat()
        except OSError as error:
            raise WorkspaceError(
                f"{MEMORY}: no folder in memory can be made ({error.strerror})",
                hint="Set in_memory under [export] to false; private/ then holds the exports.",
            ) from error
        if not stat.S_ISDIR(state.st_mode) or state.st_uid != os.getuid() or state.st_mode & 0o077:
            raise WorkspaceError(
                f"{self.in_memory} is not ours alone", hint="Look who made it, and remove it."
            )

    @property
    def dataset(self) -> Path:
        """What is published."""
        return self.root / "dataset"

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
            _lock_or_refuse(file.fileno(), self.root)
            wait_for_workers(self.private)
            self._sweep()
            try:
                yield
            finally:
                self._sweep()

    def _sweep(self) -> None:
        """Remove what a process that was killed or stopped left half-made."""
        self.discard(self.in_memory)
        for pattern in (f"private/*/{TEMPORARY_PREFIX}*", f"work/*/{TEMPORARY_PREFIX}*",
                        f"{TEMPORARY_PREFIX}*"):  # fmt: skip
            for path in self.root.glob(pattern):
                shutil.rmtree(path)


@contextmanager
def scratch_in(out_folder: Path) -> Iterator[Path]:
    """A folder in OUT, for this process alone, in which results are made; gone at the end.

    Raises WorkspaceError while another process writes to OUT.
    """
    out_folder.mkdir(parents=True, exist_ok=True)
    scratch = out_folder / f"{TEMPORARY_PREFIX}mosmed"
    descriptor = os.open(out_folder, os.O_RDONLY)
    try:
        _lock_or_refuse(descriptor, out_folder)
        if scratch.exists():
            wait_for_workers(scratch)
            shutil.rmtree(scratch)
        scratch.mkdir()
        yield scratch
        shutil.rmtree(scratch)
    finally:
        os.close(descriptor)


def wait_for_workers(presence: Path) -> None:
    """Wait for the workers of a run that was killed; they end a moment after it."""
    descriptor = os.open(presence, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def _lock_or_refuse(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        raise WorkspaceError(
            f"{folder}: another mosmed is at work here",
            hint="Wait until it has ended; nothing needs to be deleted.",
        ) from error


def seal(folder: Path) -> Outputs:
    """Sync every file below a folder to the disk, and say what there is."""
    listed = []
    for path in _files(folder):
        with path.open("rb") as file:
            listed.append(
                (str(path.relative_to(folder)), os.fstat(file.fileno()).st_size, _sha256(file))
            )
            os.fsync(file.fileno())
    for path in (folder, *(p for p in folder.rglob("*") if p.is_dir())):
        sync_folder(path)
    return Outputs(
        files=len(listed), size_bytes=sum(size for _, size, _ in listed), sha256=digest(listed)
    )


def is_whole(folder: Path, outputs: Outputs) -> bool:
    """Whether the folder still holds what was sealed, by number and size of the files."""
    if not folder.is_dir():
        return False
    sizes = list(_sizes(folder))
    return (len(sizes), sum(sizes)) == (outputs.files, outputs.size_bytes)


def _sizes(folder: Path) -> Iterator[int]:
    """The sizes of all files below a folder; a thousand studies are looked at before each run."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path))
            elif entry.is_file():
                yield entry.stat().st_size


def swap_in(made: Path, place: Path) -> None:
    """Put a finished folder in its place at once; what was there before goes."""
    place.parent.mkdir(parents=True, exist_ok=True)
    if place.exists():
        old = place.with_name(f"{TEMPORARY_PREFIX}old-{place.name}")
        if old.exists():
            shutil.rmtree(old)
        place.rename(old)
        made.rename(place)
        shutil.rmtree(old)
    else:
        made.rename(place)
    sync_folder(place.parent)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sync_all(folder: Path) -> None:
    """Make all that lies on the file system of `folder` survive a power cut.

    One call for a whole series: syncing file by file takes a hundred times the processor's time,
    since each waits for a commit of its own.
    """
    import ctypes

    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if syncfs is None:  # not on macOS
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if syncfs(descriptor):
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    finally:
        os.close(descriptor)


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file's content, in hexadecimal."""
    with path.open("rb") as file:
        return _sha256(file)


def _sha256(file: object) -> str:
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
