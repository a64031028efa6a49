"""What has to last on the disk or to appear there whole: locks, scratch folders, syncing."""

import errno
import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from pipelines.core.errors import WorkspaceError

TEMPORARY_PREFIX = ".part-"
CANNOT_BE_SYNCED = frozenset({errno.EINVAL, errno.EBADF, errno.ENOTSUP})
"""What network file systems such as CIFS answer where a folder is to be synced."""
AT_FDCWD, RENAME_EXCHANGE = -100, 2
"""Of linux/fcntl.h and linux/fs.h."""
CANNOT_BE_EXCHANGED = frozenset({errno.EINVAL, errno.ENOSYS, errno.ENOTSUP})
"""What older kernels and network file systems answer where two names are to be exchanged."""


@contextmanager
def scratch_in(out_folder: Path) -> Iterator[Path]:
    """A folder in OUT, for this process alone, in which results are made; gone at the end.

    Raises WorkspaceError while another process writes to OUT, or where there can be no such folder.
    """
    scratch = out_folder / f"{TEMPORARY_PREFIX}mosmed"
    try:
        out_folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(out_folder, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise WorkspaceError(
            f"{out_folder} cannot be made", hint="Name another folder as OUT."
        ) from error
    try:
        lock_or_refuse(descriptor, out_folder)
        if scratch.exists():
            wait_for_workers(scratch)
            shutil.rmtree(scratch)
        scratch.mkdir()
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)
    finally:
        os.close(descriptor)


def wait_for_workers(presence: Path) -> None:
    """Wait for the workers of a run that was killed; they end a moment after it."""
    descriptor = os.open(presence, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
    finally:
        os.close(descriptor)


def lock_or_refuse(descriptor: int, folder: Path) -> None:
    """Hold an open folder for this process.

    Raises WorkspaceError while another one holds it, or where the file system knows no locks.
    """
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise WorkspaceError(
            f"{folder}: another mosmed is at work here",
            hint="Wait until it has ended; nothing needs to be deleted.",
        ) from error
    except OSError as error:
        raise WorkspaceError(
            f"{folder}: cannot be locked ({error.strerror})",
            hint="Work on a disk of this machine: this one keeps nobody else from writing here.",
        ) from error


def swap_in(made: Path, place: Path) -> None:
    """Put a finished folder in its place at once; what was there before goes.

    There is no moment at which neither is in its place, where the file system can exchange names.
    """
    place.parent.mkdir(parents=True, exist_ok=True)
    old = None
    if place.exists():
        old = made if _exchanged(made, place) else _moved_away(place)
    if old is not made:
        made.rename(place)
    sync_folder(place.parent)
    if old is not None:
        remove(old)


def _exchanged(one: Path, other: Path) -> bool:
    """Exchange two names in one step, as only Linux can; whether it could."""
    import ctypes

    renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if renameat2 is None:
        return False
    if renameat2(AT_FDCWD, os.fsencode(one), AT_FDCWD, os.fsencode(other), RENAME_EXCHANGE) == 0:
        return True
    number = ctypes.get_errno()
    if number in CANNOT_BE_EXCHANGED:
        return False
    raise OSError(number, os.strerror(number), str(other))


def _moved_away(place: Path) -> Path:
    old = place.with_name(f"{TEMPORARY_PREFIX}old-{place.name}")
    if old.exists():
        remove(old)
    return place.rename(old)


def write_whole(path: Path, content: bytes, *, mode: int = 0o666) -> None:
    """Write a file that appears whole, or not at all, and survives a power cut."""
    part = path.with_name(f"{TEMPORARY_PREFIX}{path.name}")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_CREAT | os.O_EXCL | os.O_WRONLY, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
    sync_folder(path.parent)


def remove(path: Path) -> None:
    """Remove a file, a link or a folder with all that is in it."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power cut, as far as the file system can."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in CANNOT_BE_SYNCED:
            raise
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
        return sha256_in(file)


def sha256_in(file: BinaryIO | FileIO) -> str:
    """The SHA-256 of what an open file still holds, in hexadecimal."""
    return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
