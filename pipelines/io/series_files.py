"""The CT series below a plain folder, and what else lies there: every file is in one item.

Names are those of the folders, never of a patient: the series in IN/a/b is called a/b, several of
them a/b_1, a/b_2 by SeriesNumber, and a series in IN itself is called as IN is. What is no CT is
gathered into one item a folder, `a/b/other-files`; what claims to be DICOM and cannot be read, into
`a/b/unreadable-files`, for it may be a slice that is lost.
"""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from stat import S_ISLNK, S_ISREG

from pydicom._uid_dict import UID_dictionary

from pipelines.core.errors import DicomError
from pipelines.core.model import FolderItem
from pipelines.core.slices import CT_IMAGE_STORAGE
from pipelines.io.dicom import (
    ENHANCED_CT_IMAGE_STORAGE,
    MAGIC,
    PREAMBLE_BYTES,
    has_magic,
)
from pipelines.io.fields import fields_of
from pipelines.io.headers import read_attributes

OTHER_FILES = "other-files"
UNREADABLE_FILES = "unreadable-files"
GLANCE_KEYWORDS = ("SOPClassUID", "SeriesInstanceUID", "SeriesNumber")
NAMED_AT_MOST = 5
LEGACY_CONVERTED_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2.2"
CT_CLASSES = frozenset(
    {CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE, LEGACY_CONVERTED_CT_IMAGE_STORAGE}
)
"""What is CT, even where it cannot be converted: it fails by name and is not passed over."""


class Kind(IntEnum):
    """What a file is taken for at first sight."""

    SLICE = 0
    UNREADABLE = 1
    OTHER = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A file at first sight: what it is, why, and the series it belongs to."""

    path: Path
    kind: Kind
    why: str = ""
    series_number: int = 0
    series_instance_uid: str = ""


def glance(path: Path) -> Glance:
    """What a file is taken for; no file makes it fail."""
    try:
        mode = path.lstat().st_mode
        if not S_ISREG(mode):
            why = "a symbolic link" if S_ISLNK(mode) else "no regular file"
            return Glance(path=path, kind=Kind.OTHER, why=why)
        with path.open("rb") as file:
            head = file.read(PREAMBLE_BYTES + len(MAGIC))
        if not has_magic(head):
            return _without_magic(path, head)
        return _of_dicom(path)
    except DicomError as error:
        return Glance(path=path, kind=Kind.UNREADABLE, why=error.message)
    except OSError as error:
        return Glance(path=path, kind=Kind.UNREADABLE, why=os.strerror(error.errno or 0))


def find_series(in_folder: Path) -> tuple[FolderItem, ...]:
    """One item for each CT series anywhere below `in_folder`, and the rest; links are not followed.

    A series that lies in several folders is called by the deepest folder that holds all of it.
    """
    seen = [glance(path) for path in walk_files(in_folder)]
    series: dict[str, list[Glance]] = defaultdict(list)
    rest: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for each in seen:
        if each.kind is Kind.SLICE:
            series[each.series_instance_uid].append(each)
        else:
            kind = OTHER_FILES if each.kind is Kind.OTHER else UNREADABLE_FILES
            rest[each.path.parent, kind].append(each.path)
    names = UniqueNames(in_folder)
    items = [
        FolderItem(name=names.of(place), files=tuple(each.path for each in members))
        for place, members in _by_folder(in_folder, series.values())
    ]
    for (folder, kind), paths in sorted(rest.items()):
        items.append(FolderItem(name=names.of(folder / kind), files=tuple(sorted(paths))))
    return tuple(items)


def walk_files(folder: Path) -> Iterator[Path]:
    """Every file below a folder, in order of name; folders behind links are not entered."""
    for parent, folders, files in os.walk(folder):
        links = [name for name in folders if (Path(parent) / name).is_symlink()]
        folders[:] = sorted(set(folders) - set(links))
        for name in sorted([*files, *links]):
            yield Path(parent) / name


def tell(glances: Iterable[Glance]) -> str:
    """A sentence on files that are no slices: the first few by name."""
    told = [f"{each.path.name} ({each.why})" for each in glances]
    more = f" and {len(told) - NAMED_AT_MOST} more" if len(told) > NAMED_AT_MOST else ""
    return ", ".join(told[:NAMED_AT_MOST]) + more


class UniqueNames:
    """Names of items that mirror the tree of IN, each given once."""

    def __init__(self, in_folder: Path) -> None:
        self._in_folder = in_folder
        self._taken: set[str] = set()

    def of(self, place: Path) -> str:
        """The path of `place` from IN, or IN's own name, numbered if it is taken."""
        relative = place.relative_to(self._in_folder).as_posix()
        wanted = (self._in_folder.name or "series") if relative == "." else relative
        name, number = wanted, 1
        while name in self._taken:
            number += 1
            name = f"{wanted}_{number}"
        self._taken.add(name)
        return name


def _by_folder(
    in_folder: Path, series: Iterable[list[Glance]]
) -> Iterator[tuple[Path, list[Glance]]]:
    """Each series with its folder, to whose name a number is added if the folder holds several."""
    by_folder: dict[Path, list[list[Glance]]] = defaultdict(list)
    for members in series:
        folder = Path(os.path.commonpath([each.path.parent for each in members]))
        by_folder[folder].append(members)
    for folder, siblings in sorted(by_folder.items()):
        ordered = sorted(siblings, key=lambda m: (m[0].series_number, m[0].series_instance_uid))
        inside = folder / folder.name if folder == in_folder else folder
        for number, members in enumerate(ordered, start=1):
            several = len(siblings) > 1
            yield (inside.with_name(f"{inside.name}_{number}") if several else folder), members


def _without_magic(path: Path, head: bytes) -> Glance:
    # Group 0002 or 0008, little endian: a data set whose preamble was cut away
    if head[:2] in {b"\x02\0", b"\x08\0"} and head[3:4] == b"\0":
        why = "looks like DICOM without its preamble"
        return Glance(path=path, kind=Kind.UNREADABLE, why=why)
    return Glance(path=path, kind=Kind.OTHER, why="not DICOM" if head else "empty")


def _of_dicom(path: Path) -> Glance:
    dataset = read_attributes(path, GLANCE_KEYWORDS).dataset
    fields, meta = fields_of(dataset, path.name), fields_of(dataset.file_meta, path.name)
    named = fields.texts("SOPClassUID") or meta.texts("MediaStorageSOPClassUID")
    if not named:
        return Glance(path=path, kind=Kind.UNREADABLE, why="SOPClassUID is missing")
    if named[0] not in CT_CLASSES:
        why = UID_dictionary.get(named[0], ("other DICOM",))[0]
        return Glance(path=path, kind=Kind.OTHER, why=why)
    series = fields.texts("SeriesInstanceUID")
    if not series:
        return Glance(path=path, kind=Kind.UNREADABLE, why="SeriesInstanceUID is missing")
    return Glance(
        path=path,
        kind=Kind.SLICE,
        series_number=fields.whole_number("SeriesNumber") or 0,
        series_instance_uid=" ".join(series),
    )
