"""What lies in a plain folder of DICOM: one item a series, and one for every file that is none.

An item is named by the path of its first file below the folder: that is shown to whoever runs the
command and stands in no output.
"""

import os
from collections import defaultdict
from pathlib import Path, PurePath

from pipelines.core.errors import DicomError, ItemError, SettingsError
from pipelines.core.model import Excluded, FolderItem
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, has_magic
from pipelines.io.raw_elements import value_of
from pipelines.io.raw_header import HeaderReader
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
    groups: dict[tuple[bytes, ...], list[str]] = defaultdict(list)
    reader = HeaderReader()
    for path, is_file in _entries(in_folder):
        groups[(is_file and _series(path, reader)) or (b"", os.fsencode(path))].append(path)
    items = (_item(paths, in_folder) for paths in groups.values())
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


def _item(paths: list[str], in_folder: Path) -> FolderItem:
    files = tuple(map(Path, paths))
    name = os.fsencode(files[0].relative_to(in_folder).as_posix())
    return FolderItem(name=name.decode("utf-8", "backslashreplace"), files=files)


def _entries(in_folder: Path) -> list[tuple[str, bool]]:
    """Every file, link and unreadable folder below, in the order of paths; whether it is a file."""
    found: dict[str, bool] = {}
    folders = [str(in_folder)]
    while folders:
        folder = folders.pop()
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    else:
                        found[entry.path] = entry.is_file(follow_symlinks=False)
        except OSError:
            found[folder] = False
    return sorted(found.items(), key=lambda one: PurePath(one[0]).parts)


def _series(path: str, reader: HeaderReader) -> tuple[bytes, ...] | None:
    """StudyInstanceUID and SeriesInstanceUID of a DICOM file that has both."""
    try:
        values = _plain_uids(path, reader)
        if values is None:
            with Path(path).open("rb") as stream:
                values = walk(stream, os.fstat(stream.fileno()).st_size, UIDS).values
    except (DicomError, OSError):
        return None
    uids = tuple(values.get(tag, b"").strip(b" \0") for tag in sorted(UIDS))
    return uids if all(uids) else None


def _plain_uids(path: str, reader: HeaderReader) -> dict[int, bytes] | None:
    """What `walk` finds in a file whose header is as it should be; None for any other."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        found = reader.elements(descriptor)
    finally:
        os.close(descriptor)
    if found is None:
        return None
    is_implicit, elements = found
    return {
        tag: value_of(elements[tag], is_implicit=is_implicit) for tag in UIDS if tag in elements
    }


def _has_magic(path: Path) -> bool:
    with path.open("rb") as stream:
        return has_magic(stream.read(PREAMBLE_BYTES + len(MAGIC)))
