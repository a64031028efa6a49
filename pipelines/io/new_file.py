"""New DICOM files as bytes: start, header of the pixels, and the pixels, copied unread."""

import os
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from pipelines.core.errors import DicomError
from pipelines.core.values import PIXEL_DATA
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES

IMPLEMENTATION_CLASS_UID = "2.25.238573945062817301928374650192837465"
IMPLEMENTATION_VERSION_NAME = "MOSMED"
COPIED_AT_ONCE_BYTES = 1 << 18
"""Larger pieces make the kernel look for larger pages, which a full machine has not."""

HELD_BYTES = 1 << 22

SEQUENCE_END_BYTES = struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileRange:
    """`length` bytes from `start` of an open file, which are copied as they are.

    Or as what `mended` makes of each piece of them, which it may not make longer or shorter.
    """

    descriptor: int
    start: int
    length: int
    mended: Callable[[bytes], bytes] | None = None
    held: tuple[bytes, ...] = ()

    def once(self) -> "FileRange":
        """The same, read already if it is no more than a slice; what is longer is read again."""
        return replace(self, held=tuple(self.pieces())) if self.length <= HELD_BYTES else self

    def pieces(self) -> Iterator[bytes]:
        """What lies in the file, an even number of words at a time; less if it ends too early."""
        if self.held:
            yield from self.held if self.mended is None else map(self.mended, self.held)
            return
        at, end = self.start, self.start + self.length
        while piece := os.pread(self.descriptor, min(end - at, COPIED_AT_ONCE_BYTES), at):
            yield piece if self.mended is None else self.mended(piece)
            at += len(piece)

    def read(self) -> bytes:
        """The bytes themselves."""
        return b"".join(self.pieces())


def write_part10(path: str, head: bytes, tail: bytes | FileRange, *, name: str) -> None:
    """Write a new file.

    Raises FileExistsError, and DicomError TRUNCATED_FILE if the source ends while it is copied.
    """
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
    try:
        if isinstance(tail, bytes):
            _write_all(descriptor, head, tail)
        else:
            _copy(tail, descriptor, head, name)
    finally:
        os.close(descriptor)


def _copy(source: FileRange, target: int, head: bytes, name: str) -> None:
    """Write `head` and what lies in the source, in pieces.

    That takes less of the processor than the kernel's own copy_file_range, which goes page by page
    where source and target do not lie alike.
    """
    left = source.length
    for piece in source.pieces():
        _write_all(target, head, piece)
        head, left = b"", left - len(piece)
    if left:
        raise DicomError("TRUNCATED_FILE", f"{name}: became shorter while it was copied")
    _write_all(target, head)


def _write_all(descriptor: int, *parts: bytes) -> None:
    written = os.writev(descriptor, parts)
    if written < sum(map(len, parts)):  # a signal, or no room: what is left says which
        rest = memoryview(b"".join(parts))[written:]
        while rest:
            rest = rest[os.write(descriptor, rest) :]


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
