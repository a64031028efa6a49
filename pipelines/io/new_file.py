"""New DICOM files as bytes: start, header of the pixels, and the pixels, copied by the kernel."""

import errno
import os
import struct
from dataclasses import dataclass
from io import FileIO
from pathlib import Path

from pipelines.core.errors import DicomError
from pipelines.core.values import PIXEL_DATA
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES

IMPLEMENTATION_CLASS_UID = "2.25.238573945062817301928374650192837465"
IMPLEMENTATION_VERSION_NAME = "MOSMED"
COPIED_AT_ONCE_BYTES = 1 << 22
SEQUENCE_END_BYTES = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRange:
    """`length` bytes from `start` of an open file, which are copied without being read."""

    descriptor: int
    start: int
    length: int

    def read(self) -> bytes:
        """The bytes themselves."""
        return os.pread(self.descriptor, self.length, self.start)


def write_part10(path: Path, head: bytes, tail: bytes | FileRange, *, name: str) -> None:
    """Write a new file; raises DicomError TRUNCATED_FILE if the source ends while it is copied."""
    with path.open("wb", buffering=0) as target:
        _write_all(target, head)
        if isinstance(tail, bytes):
            _write_all(target, tail)
        else:
            _copy(tail, target, name)


def _write_all(target: FileIO, content: bytes) -> None:
    rest = memoryview(content)
    while rest:
        rest = rest[target.write(rest) :]


def _copy(source: FileRange, target: FileIO, name: str) -> None:
    at, end = source.start, source.start + source.length
    while at < end:
        copied = _copy_some(source.descriptor, target, at, min(end - at, COPIED_AT_ONCE_BYTES))
        if not copied:
            raise DicomError("TRUNCATED_FILE", f"{name}: became shorter while it was copied")
        at += copied


def _copy_some(descriptor: int, target: FileIO, at: int, count: int) -> int:
    """How many bytes were copied: by the kernel where it can, else through memory."""
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(descriptor, target.fileno(), count, offset_src=at)
        except OSError as error:
            if error.errno not in {errno.EXDEV, errno.EINVAL, errno.EOPNOTSUPP, errno.ENOSYS}:
                raise
    content = os.pread(descriptor, count, at)
    _write_all(target, content)
    return len(content)


def encode_start(*, sop_class_uid: str, sop_instance_uid: str, syntax: str) -> bytes:
    """The preamble, zeroed, and the file meta information, as `encode_part10` writes them."""
    meta = b"".join(
        (
            struct.pack("<HH2s2xLH", 2, 1, b"OB", 2, 0x0100),
            _meta_element(0x02, b"UI", sop_class_uid),
            _meta_element(0x03, b"UI", sop_instance_uid),
            _meta_element(0x10, b"UI", syntax),
            _meta_element(0x12, b"UI", IMPLEMENTATION_CLASS_UID),
            _meta_element(0x13, b"SH", IMPLEMENTATION_VERSION_NAME),
        )
    )
    group_length = struct.pack("<HH2sHL", 2, 0, b"UL", 4, len(meta))
    return bytes(PREAMBLE_BYTES) + MAGIC + group_length + meta


def _meta_element(number: int, vr: bytes, text: str) -> bytes:
    value = text.encode()
    value += (b"\0" if vr == b"UI" else b" ") * (len(value) % 2)
    return struct.pack("<HH2sH", 2, number, vr, len(value)) + value


def pixel_header(
    vr: str, length: int, *, is_implicit: bool, is_little_endian: bool = True
) -> bytes:
    """The header of PixelData (7FE0,0010), whose value has `length` bytes."""
    order = "<" if is_little_endian else ">"
    tag = struct.pack(order + "HH", PIXEL_DATA >> 16, PIXEL_DATA & 0xFFFF)
    if is_implicit:
        return tag + struct.pack("<I", length)
    return tag + vr.encode() + bytes(2) + struct.pack(order + "I", length)
