"""A walk over the top level of a DICOM file that ends before the pixels, whatever the bytes say.

Parsing every header with a full reader takes a millisecond a file, and a full reader can be made
to recurse, allocate or loop. This walk knows the encodings of PS3.5 section 7 and nothing else: it
keeps the raw values asked for, proves that the pixel data are all there, and takes bounded time.
"""

import struct
from dataclasses import dataclass, field
from io import BytesIO
from typing import BinaryIO

from pipelines.core.errors import DicomError
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, has_magic
from pipelines.io.inflating import inflated

UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, ITEM_END, SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
TRANSFER_SYNTAX_UID = 0x00020010
IMPLICIT_LITTLE_ENDIAN = b"1.2.840.10008.1.2"
DEFLATED_LITTLE_ENDIAN = b"1.2.840.10008.1.2.1.99"
EXPLICIT_BIG_ENDIAN = b"1.2.840.10008.1.2.2"
LONG_VRS = frozenset(
    {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
)
"""VRs whose length takes 32 bits (PS3.5 table 7.1-1)."""

_SHORT_VRS = "AE AS AT CS DA DS DT FL FD IS LO LT PN SH SL SS ST TM UI UL US"
SHORT_VRS = frozenset(vr.encode() for vr in _SHORT_VRS.split(" "))
"""VRs whose length takes 16 bits (PS3.5 table 7.1-2)."""

VALUE_LIMIT_BYTES = 4096
"""Of a value no more than this is kept: the longest that is asked for has 64 characters a value."""

ELEMENT_LIMIT = 2_000_000
"""Elements and items walked in one file: twenty times a multi-frame CT of a thousand frames."""


@dataclass(slots=True)
class Walked:
    """Raw values by tag, and where the pixel data stand: `pixel_bytes` is None if encapsulated."""

    values: dict[int, bytes] = field(default_factory=dict)
    is_little_endian: bool = True
    has_pixels: bool = False
    pixel_bytes: int | None = None
    truncated: bool = False


@dataclass(slots=True)
class _Element:
    tag: int
    length: int
    value_at: int


def walk(stream: BinaryIO, size_bytes: int, wanted: frozenset[int]) -> Walked:
    """The `wanted` top-level values of a DICOM file, and whether the file is whole.

    Raises DicomError UNREADABLE_DICOM where the bytes are not DICOM or need unbounded work.
    """
    stream.seek(0)
    if not has_magic(stream.read(PREAMBLE_BYTES + len(MAGIC))):
        raise DicomError("UNREADABLE_DICOM", "no DICOM preamble")
    walked = Walked()
    cursor = _Cursor(stream, size_bytes, PREAMBLE_BYTES + len(MAGIC))
    cursor.collect(walked, wanted | {TRANSFER_SYNTAX_UID}, within_group=0x0002)
    if not walked.truncated:
        syntax = walked.values.get(TRANSFER_SYNTAX_UID, b"").strip(b" \0")
        if syntax == DEFLATED_LITTLE_ENDIAN:
            cursor = _inflated(cursor, walked)
        walked.is_little_endian = syntax != EXPLICIT_BIG_ENDIAN
        cursor.use_byte_order(is_little_endian=walked.is_little_endian)
        cursor.collect(walked, wanted)
    return walked


def walk_pixels(stream: BinaryIO, size_bytes: int, at: int) -> Walked:
    """What `walk` finds of the PixelData element that begins at `at`, in a little endian file.

    Raises DicomError UNREADABLE_DICOM as `walk` does.
    """
    walked = Walked()
    _Cursor(stream, size_bytes, at).collect(walked, frozenset())
    return walked


def _inflated(cursor: "_Cursor", walked: Walked) -> "_Cursor":
    """A cursor on the inflated data set (PS3.5 A.5); a stream cut short gives what it holds."""
    cursor.stream.seek(cursor.at)
    data, is_whole = inflated(cursor.stream.read())
    walked.truncated = not is_whole
    return _Cursor(BytesIO(data), len(data), 0)


class _Cursor:
    """A position in the bytes: reads element headers, skips values, never past the end."""

    def __init__(self, stream: BinaryIO, size_bytes: int, at: int) -> None:
        self.stream = stream
        self.size_bytes = size_bytes
        self.at = at
        self._element_at = at
        self.steps_left = ELEMENT_LIMIT
        self.use_byte_order(is_little_endian=True)

    def use_byte_order(self, *, is_little_endian: bool) -> None:
        order = "<" if is_little_endian else ">"
        self._tag = struct.Struct(order + "HH")
        self._short = struct.Struct(order + "H")
        self._long = struct.Struct(order + "L")

    def collect(self, walked: Walked, wanted: frozenset[int], within_group: int = 0) -> None:
        """Keep the wanted values up to the pixel data, or up to the end of `within_group`."""
        is_explicit = self._looks_explicit()
        while (element := self._element(is_explicit=is_explicit)) is not None:
            if within_group and element.tag >> 16 != within_group:
                self.at = self._element_at
                return
            if element.tag in PIXEL_TAGS:
                self._weigh_pixels(element, walked, is_explicit=is_explicit)
                return
            if not self._keep_or_skip(element, walked, wanted, is_explicit=is_explicit):
                walked.truncated = True
                return
        walked.truncated |= self._element_at != self.size_bytes

    def _keep_or_skip(
        self, element: _Element, walked: Walked, wanted: frozenset[int], *, is_explicit: bool
    ) -> bool:
        if element.length == UNDEFINED_LENGTH:
            return self._skip_nested(is_explicit=is_explicit)
        if element.tag in wanted and element.length <= self.size_bytes - element.value_at:
            walked.values[element.tag] = self.stream.read(min(element.length, VALUE_LIMIT_BYTES))
        self.at = element.value_at + element.length
        return self.at <= self.size_bytes

    def _weigh_pixels(self, element: _Element, walked: Walked, *, is_explicit: bool) -> None:
        walked.has_pixels = True
        if element.length == UNDEFINED_LENGTH:
            walked.truncated |= not self._skip_nested(is_explicit=is_explicit)
        else:
            walked.pixel_bytes = element.length
            walked.truncated |= element.value_at + element.length > self.size_bytes

    def _looks_explicit(self) -> bool:
        """Whether a data set starts with a VR; what the transfer syntax claims is often wrong."""
        self.stream.seek(self.at)
        return _is_vr(self.stream.read(6)[4:6])

    def _element(self, *, is_explicit: bool) -> _Element | None:
        """The next element's header, or None where the bytes end; PS3.5 7.1.2 and 7.1.3."""
        self.steps_left -= 1
        if self.steps_left < 0:
            raise DicomError("UNREADABLE_DICOM", f"more than {ELEMENT_LIMIT} elements")
        self._element_at = self.at
        self.stream.seek(self.at)
        head = self.stream.read(8)
        if len(head) < 8:
            return None
        group, number = self._tag.unpack_from(head)
        tag, self.at = group << 16 | number, self.at + 8
        # Items and delimiters have no VR (PS3.5 7.5); a missing VR is read as implicit
        if group == 0xFFFE or not is_explicit or not _is_vr(head[4:6]):
            return _Element(tag, self._long.unpack_from(head, 4)[0], self.at)
        if head[4:6] not in LONG_VRS:
            return _Element(tag, self._short.unpack_from(head, 6)[0], self.at)
        length = self.stream.read(4)
        if len(length) < 4:
            return None
        self.at += 4
        return _Element(tag, self._long.unpack(length)[0], self.at)

    def _skip_nested(self, *, is_explicit: bool) -> bool:
        """Pass a value of undefined length, however deep; False where the bytes end within it."""
        # None stands for a sequence (items follow), a bool for an item of explicit or implicit VR
        open_levels: list[bool | None] = [None]
        while open_levels:
            level = open_levels[-1]
            element = self._element(is_explicit=is_explicit if level is None else level)
            if element is None or (
                element.length != UNDEFINED_LENGTH
                and element.value_at + element.length > self.size_bytes
            ):
                return False
            if level is None and element.tag not in {ITEM, SEQUENCE_END}:
                raise DicomError("UNREADABLE_DICOM", "a sequence holds something but items")
            if element.tag in {SEQUENCE_END, ITEM_END}:
                open_levels.pop()
            elif element.length == UNDEFINED_LENGTH:
                open_levels.append(self._looks_explicit() if level is None else None)
            else:
                self.at = element.value_at + element.length
        return True


def _is_vr(raw: bytes) -> bool:
    return len(raw) == 2 and b"A" <= raw[:1] <= b"Z" and b"A" <= raw[1:] <= b"Z"
