"""The files below a folder that nobody vouches for: no link is followed, nothing is left out."""

import os
import stat
from collections.abc import Iterator
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
    for parent, folders, files in os.walk(folder, onerror=refused.append):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted([*files, *links]):
            yield Path(parent) / name
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
