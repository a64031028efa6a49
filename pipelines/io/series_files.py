"""The CT series below a plain folder, and what else lies there: every file is in one item.

Names are those of the folders, never of a patient: the series in IN/a/b is called a/b, several of
them a/b_1, a/b_2 by SeriesNumber, and a series in IN itself is called as IN is. What is no CT is
gathered into one item a folder, `a/b/other-files`; what claims to be DICOM and cannot be read, into
`a/b/unreadable-files`, for it may be a slice that is lost.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from stat import S_ISDIR, S_ISLNK, S_ISREG

from pipelines.core.dictionary import CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE
from pipelines.core.errors import DicomError
from pipelines.core.fields import Fields
from pipelines.core.model import FolderItem
from pipelines.io.dicom import (
    MAGIC,
    PREAMBLE_BYTES,
    has_magic,
)
from pipelines.io.headers import InstanceHeader, header_of
from pipelines.io.quick_header import QuickHeader, read_quick_header
from pipelines.io.quick_walk import OddHeaderError
from pipelines.io.tree import walk_files

OTHER_FILES = "other-files"
UNREADABLE_FILES = "unreadable-files"
GLANCE_KEYWORDS = (
    "SOPClassUID",
    "MediaStorageSOPClassUID",
    "SeriesInstanceUID",
    "SeriesNumber",
)
NAMED_AT_MOST = 5

HEADERS_HELD = 20_000
"""Of so many slices the headers are kept in memory (30 MB); those of more are read again."""

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
    """A file at first sight: what it is, why, and the series it belongs to.

    `header` is that of a slice, if it was understood at once.
    """

    path: Path
    kind: Kind
    why: str = ""
    series_number: int = 0
    series_instance_uid: str = ""
    header: InstanceHeader | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesItem(FolderItem):
    """A series, and what was seen of its files when it was found: nothing if there was too much."""

    glances: tuple[Glance, ...]


def glance(path: Path) -> Glance:
    """What a file is taken for; no file makes it fail."""
    try:
        mode = path.lstat().st_mode
        if S_ISDIR(mode):
            return Glance(path=path, kind=Kind.UNREADABLE, why="a folder that cannot be listed")
        if not S_ISREG(mode):
            why = "a symbolic link" if S_ISLNK(mode) else "no regular file"
            return Glance(path=path, kind=Kind.OTHER, why=why)
        return _at_first_sight(path)
    except DicomError as error:
        return Glance(path=path, kind=Kind.UNREADABLE, why=error.message)
    except OSError as error:
        return Glance(path=path, kind=Kind.UNREADABLE, why=os.strerror(error.errno or 0))


def _at_first_sight(path: Path) -> Glance:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        quick = read_quick_header(descriptor)
        head = b"" if quick else os.pread(descriptor, PREAMBLE_BYTES + len(MAGIC), 0)
    finally:
        os.close(descriptor)
    if quick is None and not has_magic(head):
        return _without_magic(path, head)
    if quick is not None:
        try:
            return _of_dicom(path, quick.texts, quick)
        except OddHeaderError:
            pass
    from pipelines.io.tolerant_header import read_texts

    return _of_dicom(path, read_texts(path, GLANCE_KEYWORDS).__getitem__, None)


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
    is_much = sum(map(len, series.values())) > HEADERS_HELD
    items: list[FolderItem] = [
        SeriesItem(
            name=names.of(place),
            files=tuple(each.path for each in members),
            glances=() if is_much else tuple(members),
        )
        for place, members in _by_folder(in_folder, series.values())
    ]
    for (folder, kind), paths in sorted(rest.items()):
        items.append(FolderItem(name=names.of(folder / kind), files=tuple(sorted(paths))))
    return tuple(items)


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
        folder = Path(os.path.commonpath({each.path.parent for each in members}))
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


def _of_dicom(
    path: Path, texts: Callable[[str], tuple[str, ...]], quick: QuickHeader | None
) -> Glance:
    classes = texts("SOPClassUID") or texts("MediaStorageSOPClassUID")
    if not classes:
        return Glance(path=path, kind=Kind.UNREADABLE, why="SOPClassUID is missing")
    if classes[0] not in CT_CLASSES:
        return Glance(path=path, kind=Kind.OTHER, why=_name_of(classes[0]))
    series = texts("SeriesInstanceUID")
    if not series:
        return Glance(path=path, kind=Kind.UNREADABLE, why="SeriesInstanceUID is missing")
    return Glance(
        path=path,
        kind=Kind.SLICE,
        series_number=Fields(texts, path.name).whole_number("SeriesNumber") or 0,
        series_instance_uid=" ".join(series),
        header=None if quick is None else header_of(path, quick),
    )


def _name_of(sop_class_uid: str) -> str:
    from pydicom._uid_dict import UID_dictionary

    return UID_dictionary.get(sop_class_uid, ("other DICOM",))[0]
