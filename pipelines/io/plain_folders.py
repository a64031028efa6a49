"""What lies in a plain folder of DICOM: one item a series, and one for every file that is none.

An item is named by the path of its first file below the folder: that is shown to whoever runs the
command and stands in no output.
"""

import os
import stat
from collections import defaultdict
from pathlib import Path

from pipelines.core.errors import DicomError, ItemError, SettingsError
from pipelines.core.model import Excluded, FolderItem
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, has_magic
from pipelines.io.raw_elements import value_of
from pipelines.io.raw_header import read_elements
from pipelines.io.walker import walk

STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
UIDS = frozenset({STUDY_INSTANCE_UID, SERIES_INSTANCE_UID})
DICOM_SUFFIXES = frozenset({".dcm", ".dicom", ".dic", ".ima"})


def find_series(in_folder: Path) -> tuple[FolderItem, ...]:
    """Every series below `in_folder`, and every other file on its own, in the order of paths.

    Links are not followed. Raises SettingsError if there is no such folder.
    """
    if not in_folder.is_dir():
        raise SettingsError(f"{in_folder} is no folder", hint="Name the folder that holds DICOM.")
    groups: dict[tuple[bytes, ...], list[Path]] = defaultdict(list)
    for path in _entries(in_folder):
        groups[_series(path) or (b"", os.fsencode(path))].append(path)
    items = (
        FolderItem(name=_name(files[0], in_folder), files=tuple(files)) for files in groups.values()
    )
    return tuple(sorted(items, key=lambda item: item.name))


def refusal(item: FolderItem) -> Excluded | None:
    """Why an item is no DICOM at all; None if it is, or claims to be.

    Raises ItemError DISK for a folder that cannot be listed.
    """
    path = item.files[0]
    if path.is_symlink():
        return Excluded(public_id=item.name, rule="link", reason="links are not followed")
    if path.is_dir():
        raise ItemError("DISK", "the folder cannot be read")
    if not path.is_file():
        return Excluded(public_id=item.name, rule="special_file", reason="not a regular file")
    if not _has_magic(path) and path.suffix.lower() not in DICOM_SUFFIXES:
        return Excluded(public_id=item.name, rule="not_dicom", reason="not a DICOM file")
    return None


def _name(path: Path, in_folder: Path) -> str:
    return os.fsencode(path.relative_to(in_folder).as_posix()).decode("utf-8", "backslashreplace")


def _entries(in_folder: Path) -> list[Path]:
    """Every file, link and unreadable folder below, sorted."""
    found: list[Path] = []

    def unreadable(error: OSError) -> None:
        found.append(Path(os.fsdecode(error.filename)))

    for folder, folders, files in os.walk(in_folder, onerror=unreadable):
        links = [name for name in folders if Path(folder, name).is_symlink()]
        found += [Path(folder, name) for name in (*files, *links)]
    return sorted(found)


def _series(path: Path) -> tuple[bytes, ...] | None:
    """StudyInstanceUID and SeriesInstanceUID of a regular DICOM file that has both."""
    try:
        if not stat.S_ISREG(path.lstat().st_mode):
            return None
        with path.open("rb", buffering=0) as stream:
            values = _plain_uids(stream.fileno())
        if values is None:
            with path.open("rb") as stream:
                values = walk(stream, path.stat().st_size, UIDS).values
    except (DicomError, OSError):
        return None
    uids = tuple(values.get(tag, b"").strip(b" \0") for tag in sorted(UIDS))
    return uids if all(uids) else None


def _plain_uids(descriptor: int) -> dict[int, bytes] | None:
    """What `walk` finds in a file whose header is as it should be; None for any other."""
    found = read_elements(descriptor)
    if found is None:
        return None
    is_implicit, elements = found
    return {
        tag: value_of(elements[tag], is_implicit=is_implicit) for tag in UIDS if tag in elements
    }


def _has_magic(path: Path) -> bool:
    with path.open("rb") as stream:
        return has_magic(stream.read(PREAMBLE_BYTES + len(MAGIC)))
