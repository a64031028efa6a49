"""The results of a stage on the disk: sealed when they are made, and looked at before each run."""

import os
from collections.abc import Iterator
from pathlib import Path

from pipelines.core.codec import digest
from pipelines.io.disk import sha256_in, sync_all, sync_folder
from pipelines.io.ledger import Outputs

FEW_FILES = 8
"""So many files are synced one by one, which waits for nobody else's writing; more at once."""


def seal(folder: Path) -> Outputs:
    """Sync every file below a folder to the disk, and say what there is."""
    paths = _files(folder)
    are_few = len(paths) <= FEW_FILES
    listed = []
    for path in paths:
        with path.open("rb", buffering=0) as file:
            size_bytes = os.fstat(file.fileno()).st_size
            listed.append((str(path.relative_to(folder)), size_bytes, sha256_in(file)))
            if are_few:
                os.fsync(file.fileno())
    if are_few:
        for place in (folder, *(path for path in folder.rglob("*") if path.is_dir())):
            sync_folder(place)
    else:
        sync_all(folder)
    return Outputs(
        files=len(listed), size_bytes=sum(size for _, size, _ in listed), sha256=digest(listed)
    )


def is_whole(folder: Path, outputs: Outputs) -> bool:
    """Whether the folder still holds what was sealed, by number and size of the files."""
    try:
        sizes = list(_sizes(folder))
    except (FileNotFoundError, NotADirectoryError):  # also while another process replaces it
        return False
    return (len(sizes), sum(sizes)) == (outputs.files, outputs.size_bytes)


def _sizes(folder: Path) -> Iterator[int]:
    """The sizes of all files below a folder; a thousand studies are looked at before each run."""
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                yield from _sizes(Path(entry.path))
            elif entry.is_file():
                yield entry.stat().st_size


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())
