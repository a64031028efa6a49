"""What one file of an archive folder is: DICOM objects, a zip of them, or a reason why not."""

import lzma
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from pipelines.core.errors import DicomError
from pipelines.core.series import ObjectHeader
from pipelines.io.attributes import MEDIA_STORAGE_SOP_CLASS_UID, WANTED, header_of, storable
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, has_magic
from pipelines.io.quick_header import QuickHeader, read_quick_header
from pipelines.io.walker import (
    TRANSFER_SYNTAX_UID,
    VALUE_LIMIT_BYTES,
    Walked,
    walk,
    walk_pixels,
)

HEAD_BYTES = PREAMBLE_BYTES + len(MAGIC)
ZIP_MAGIC = b"PK\x03\x04"
DICOMDIR_SOP_CLASS = b"1.2.840.10008.1.3.10"

MEMBER_LIMIT_BYTES = 1 << 30
"""A member of a zip that is larger is not unpacked: it has to fit in memory."""

INFLATION_LIMIT = 100
"""A zip that unpacks to more than so many times its size is a bomb: CT shrinks by 2 to 10."""

INFLATION_ALLOWANCE_BYTES = 1 << 26
"""What a small zip may unpack to in any case."""

ZIP_FAULTS = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
"""What the zipfile module raises on hostile bytes: an unknown method, a password, a wrong CRC."""


NO_HEADER = ObjectHeader()


class Kind(StrEnum):
    """What lies in a place of the archive folder; `refused` is what the system would not show."""

    INSTANCE = "instance"
    DICOMDIR = "dicomdir"
    ZIP = "zip"
    NOT_DICOM = "not-dicom"
    UNREADABLE = "unreadable"
    SKIPPED = "skipped"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file (`member_number` 0) or the n-th member of a zip, and what it was found to be."""

    member_number: int = 0
    member: str = ""
    size_bytes: int
    kind: Kind
    reason: str = ""
    header: ObjectHeader = NO_HEADER


def probe_file(path: Path, size_bytes: int) -> list[Entry]:
    """The entries of one regular file: itself first, then the members if it is a zip."""
    try:
        with path.open("rb") as stream:
            head = stream.read(HEAD_BYTES)
            if _is_zip(path, head):
                return _probe_zip(stream, size_bytes)
            quick = read_quick_header(stream.fileno())
            return [_probe_stream(stream, head, size_bytes, quick)]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        return [Entry(size_bytes=size_bytes, kind=Kind.REFUSED, reason=reason)]


def _is_zip(path: Path, head: bytes) -> bool:
    suffix = path.suffix.lower()
    return not has_magic(head) and (suffix == ".zip" or (not suffix and head[:4] == ZIP_MAGIC))


def _probe_stream(
    stream: BinaryIO, head: bytes, size_bytes: int, quick: QuickHeader | None = None
) -> Entry:
    if not has_magic(head):
        kind, reason = _without_magic(head)
        return Entry(size_bytes=size_bytes, kind=kind, reason=reason)
    try:
        walked = _walked(stream, size_bytes, quick)
    except DicomError as error:
        return Entry(size_bytes=size_bytes, kind=Kind.UNREADABLE, reason=error.message)
    header = header_of(walked)
    kind, reason = _verdict(walked, header)
    return Entry(size_bytes=size_bytes, kind=kind, reason=reason, header=header)


def _walked(stream: BinaryIO, size_bytes: int, quick: QuickHeader | None) -> Walked:
    """The wanted values of a file and whether it is whole, walked as far as that was not yet done.

    Raises DicomError UNREADABLE_DICOM.
    """
    if quick is None:
        return walk(stream, size_bytes, WANTED)
    walked = walk_pixels(stream, size_bytes, quick.pixels_at)
    for tag in WANTED & quick.values.keys():
        walked.values[tag] = quick.values[tag][:VALUE_LIMIT_BYTES]
    walked.values[TRANSFER_SYNTAX_UID] = quick.syntax.encode()
    return walked


def _without_magic(head: bytes) -> tuple[Kind, str]:
    if not head:
        return Kind.NOT_DICOM, "empty"
    # Little endian group 0002 or 0008: a data set whose preamble was cut away
    if head[:2] in {b"\x02\x00", b"\x08\x00"} and head[3:4] == b"\0" and len(head) > 8:
        return Kind.UNREADABLE, "looks like DICOM without its preamble"
    return Kind.NOT_DICOM, "no DICOM preamble"


def _verdict(walked: Walked, header: ObjectHeader) -> tuple[Kind, str]:
    if walked.values.get(MEDIA_STORAGE_SOP_CLASS_UID, b"").strip(b" \0") == DICOMDIR_SOP_CLASS:
        return Kind.DICOMDIR, "a directory of other files"
    missing = [
        keyword
        for keyword, value in (
            ("StudyInstanceUID", header.study_instance_uid),
            ("SeriesInstanceUID", header.series_instance_uid),
            ("SOPInstanceUID", header.sop_instance_uid),
        )
        if value is None
    ]
    if not missing:
        return Kind.INSTANCE, ""
    if header.truncated:
        return Kind.UNREADABLE, "ends before its header does"
    return Kind.UNREADABLE, f"no {' and no '.join(missing)}"


# --- members of a zip


def _probe_zip(stream: BinaryIO, size_bytes: int) -> list[Entry]:
    try:
        with zipfile.ZipFile(stream) as archive:
            members = list(_probe_members(archive, size_bytes))
    except ZIP_FAULTS as error:
        reason = f"not a zip that can be read ({type(error).__name__})"
        return [Entry(size_bytes=size_bytes, kind=Kind.UNREADABLE, reason=reason)]
    return [
        Entry(size_bytes=size_bytes, kind=Kind.ZIP, reason=f"{len(members)} members"),
        *members,
    ]


def _probe_members(archive: zipfile.ZipFile, size_bytes: int) -> Iterator[Entry]:
    left_bytes = INFLATION_LIMIT * size_bytes + INFLATION_ALLOWANCE_BYTES
    for number, member in enumerate(archive.infolist(), start=1):
        if member.is_dir():
            continue
        kind, reason, header = (
            Kind.UNREADABLE,
            "the zip unpacks to far more than its size",
            NO_HEADER,
        )
        if member.file_size <= left_bytes:
            left_bytes -= member.file_size
            found = _probe_member(archive, member)
            kind, reason, header = found.kind, found.reason, found.header
        yield Entry(
            member_number=number,
            member=storable(member.filename),
            size_bytes=member.file_size,
            kind=kind,
            reason=reason,
            header=header,
        )


def _probe_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Entry:
    size_bytes = member.file_size
    try:
        with archive.open(member) as stream:
            head = stream.read(HEAD_BYTES)
            if head[:4] == ZIP_MAGIC:
                reason = "a zip in a zip is not opened"
                return Entry(size_bytes=size_bytes, kind=Kind.UNREADABLE, reason=reason)
            if not has_magic(head):
                return _probe_stream(BytesIO(head), head, size_bytes)
            if size_bytes > MEMBER_LIMIT_BYTES:
                reason = f"larger than {MEMBER_LIMIT_BYTES} bytes"
                return Entry(size_bytes=size_bytes, kind=Kind.UNREADABLE, reason=reason)
            data = head + stream.read()
    except ZIP_FAULTS as error:
        reason = f"cannot be unpacked ({type(error).__name__})"
        return Entry(size_bytes=size_bytes, kind=Kind.UNREADABLE, reason=reason)
    return _probe_stream(BytesIO(data), head, len(data))
