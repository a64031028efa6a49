"""The files below a folder that nobody vouches for: no link is followed, nothing is left out."""

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import PeerError

NO_ARCHIVE_HINT = "Mount it, or name another folder as `pacs` under [export]."


@dataclass(frozen=True, slots=True)
class Found:
    """A place in the tree, relative and undecoded; `oddity` says why it is not to be opened."""

    path: bytes
    size_bytes: int
    mtime_ns: int
    oddity: str = ""
    is_refused: bool = False


def folders_below(
    top: Path, refused: Callable[[OSError], None]
) -> Iterator[tuple[Path, list[str], list[str]]]:
    """Each folder from `top` on, the names of the folders in it, and those of everything else.

    As os.walk, which before Python 3.12 calls itself for each level: a deep tree ends it. Links are
    no folders; the order is that of names.
    """
    pending = [top]
    while pending:
        place = pending.pop()
        folders: list[str] = []
        others: list[str] = []
        try:
            with os.scandir(place) as entries:
                for entry in entries:
                    is_folder = entry.is_dir(follow_symlinks=False)
                    (folders if is_folder else others).append(entry.name)
        except OSError as error:
            refused(error)
            continue
        folders.sort()
        yield place, folders, sorted(others)
        pending += [place / name for name in reversed(folders)]


def tree_of(root: Path, *, besides: Path) -> Iterator[Found]:
    """Every file below `root` but `besides`, and every folder that cannot be listed.

    Raises PeerError where `root` is no folder or cannot be listed.
    """
    if not root.is_dir():
        raise PeerError(f"the archive folder {root} is not there", hint=NO_ARCHIVE_HINT)
    top, ours = os.fsencode(root.resolve()), os.fsencode(besides.resolve())
    folders = [b""]
    while folders:
        folder = folders.pop()
        try:
            entries = _listed(top, folder)
        except OSError as error:
            if not folder:
                raise PeerError(
                    f"the archive folder {root} cannot be listed", hint=NO_ARCHIVE_HINT
                ) from error
            yield _refused(folder, error)
            continue
        for entry in entries:
            path = folder + b"/" + entry.name if folder else entry.name
            if entry.is_dir(follow_symlinks=False):
                folders.append(path)
            elif not entry.path.startswith(ours):
                yield _found(path, entry)


def walk_files(folder: Path) -> Iterator[Path]:
    """Every file and link below a folder, in order of name, then each folder that cannot be listed.

    Folders behind links are not entered. Raises OSError where `folder` itself cannot be listed.
    """
    refused: list[OSError] = []
    for parent, _, names in folders_below(folder, refused.append):
        yield from (parent / name for name in names)
    for error in refused:
        if Path(error.filename) == folder:
            raise error
        yield Path(error.filename)


def _listed(top: bytes, folder: bytes) -> list["os.DirEntry[bytes]"]:
    with os.scandir(top + b"/" + folder if folder else top) as listing:
        return list(listing)


def _refused(path: bytes, error: OSError) -> Found:
    return Found(path, 0, 0, error.strerror or type(error).__name__, is_refused=True)


def _found(path: bytes, entry: "os.DirEntry[bytes]") -> Found:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return _refused(path, error)
    oddity = ""
    if stat.S_ISLNK(status.st_mode):
        oddity = "a symbolic link is not followed"
    elif not stat.S_ISREG(status.st_mode):
        oddity = "not a regular file"
    return Found(path, status.st_size, status.st_mtime_ns, oddity)
