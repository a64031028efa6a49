"""The few values of a CT slice's header that are needed, found on its first bytes.

A header that is as the standard has it, not a byte otherwise, is understood here in some ten
microseconds; whatever is odd is not, and is left to pydicom, which takes a hundred times as long.
What is understood is what pydicom reads, too: tests compare them on every file there is.

`io.raw_header` walks whole headers for the rewriter and needs every element and what stands behind
the pixels; `io.walker` takes any stream, however broken, for the index. Neither would be as quick
at this, nor this one as complete.
"""

import os
import re
import struct
from dataclasses import dataclass, field

from pipelines.io.dicom import MAGIC
from pipelines.io.walker import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED_LENGTH,
)

WINDOWS_BYTES = (1 << 13, 1 << 16, 1 << 20)
"""How much of a file is read until its pixels are found: most headers fit into the first."""

DEEPEST_SKIPPED = 16
MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
FIRST_GROUP = b"\x08\0"
OVERLAYS, PIXELS = 0x6000, 0x7FE0
META_AT, META_LENGTH = 132, b"\x02\0\0\0UL\4\0"
PIXEL_PADDING = frozenset({0x00280120, 0x00280121})
"""What is US or SS as the pixels are: both are read as words."""

IMPLICIT_SYNTAX = b"1.2.840.10008.1.2"
LITTLE_ENDIAN_SYNTAX = re.compile(rb"1\.2\.840\.10008\.1\.2(\.1|\.5|\.4\.\d+)?\0?")
"""Implicit, explicit and the encapsulated ones; big endian and deflated are left to pydicom."""

PLAIN_TEXT = re.compile(rb"[ -}]*\0*")
"""What means the same in every character set: no escape, no tilde (a Japanese one has a bar)."""

WHOLE_NUMBER = re.compile(rb" *([+-]?\d{1,10} *)?\0*")

TAGS = {
    "MediaStorageSOPClassUID": (0x00020002, "UI"),
    "SOPClassUID": (0x00080016, "UI"),
    "SOPInstanceUID": (0x00080018, "UI"),
    "ImageType": (0x00080008, "CS"),
    "Modality": (0x00080060, "CS"),
    "Manufacturer": (0x00080070, "LO"),
    "ManufacturerModelName": (0x00081090, "LO"),
    "SliceThickness": (0x00180050, "DS"),
    "KVP": (0x00180060, "DS"),
    "ReconstructionDiameter": (0x00181100, "DS"),
    "ConvolutionKernel": (0x00181210, "SH"),
    "SeriesInstanceUID": (0x0020000E, "UI"),
    "SeriesNumber": (0x00200011, "IS"),
    "InstanceNumber": (0x00200013, "IS"),
    "ImagePositionPatient": (0x00200032, "DS"),
    "ImageOrientationPatient": (0x00200037, "DS"),
    "SamplesPerPixel": (0x00280002, "US"),
    "PhotometricInterpretation": (0x00280004, "CS"),
    "NumberOfFrames": (0x00280008, "IS"),
    "Rows": (0x00280010, "US"),
    "Columns": (0x00280011, "US"),
    "PixelSpacing": (0x00280030, "DS"),
    "BitsAllocated": (0x00280100, "US"),
    "BitsStored": (0x00280101, "US"),
    "HighBit": (0x00280102, "US"),
    "PixelRepresentation": (0x00280103, "US"),
    "PixelPaddingValue": (0x00280120, "US"),
    "PixelPaddingRangeLimit": (0x00280121, "US"),
    "RescaleIntercept": (0x00281052, "DS"),
    "RescaleSlope": (0x00281053, "DS"),
    "RescaleType": (0x00281054, "LO"),
    "LossyImageCompression": (0x00282110, "CS"),
}
"""Tag and VR of the attributes that can be asked for (PS3.6)."""

_ELEMENT = struct.Struct("<LHH").unpack_from
_IMPLICIT = struct.Struct("<LL").unpack_from
_LONG = struct.Struct("<L").unpack_from


def _code(vr: str | bytes) -> int:
    return int.from_bytes(vr.encode() if isinstance(vr, str) else vr, "little")


def _as_it_lies(tag: int) -> int:
    """A tag as the one number that its four bytes are: the group stands in the low half."""
    return tag >> 16 | (tag & 0xFFFF) << 16


_SHORT_CODES = frozenset(map(_code, SHORT_VRS))
_LONG_CODES = frozenset(map(_code, LONG_VRS))
_SEQUENCE, _SIGNED = _code("SQ"), _code("SS")
_NO_VR = 0
_PIXEL_CODES = frozenset({_NO_VR, _code("OB"), _code("OW")})
_WANTED = {_as_it_lies(tag): (tag, _code(vr)) for tag, vr in TAGS.values()}
_ITEM, _ITEM_END, _SEQUENCE_END = map(_as_it_lies, (ITEM, ITEM_END, SEQUENCE_END))
_PIXEL_DATA = _as_it_lies(0x7FE00010)


class OddHeaderError(Exception):
    """These bytes are not understood with certainty."""


@dataclass(frozen=True, slots=True)
class QuickHeader:
    """Raw values by tag, where the PixelData element stands, and whether overlays precede it.

    `pixels_bytes` is the length that this element gives, if the file holds so many.
    """

    syntax: str
    values: dict[int, bytes]
    pixels_at: int
    pixels_bytes: int | None
    has_overlays: bool

    def texts(self, keyword: str) -> tuple[str, ...]:
        """All values as stripped text, none where the attribute is absent or empty.

        Raises OddHeaderError for what is no plain text or no number of the attribute's kind.
        """
        tag, vr = TAGS[keyword]
        return texts_of(self.values.get(tag, b""), vr)


def texts_of(raw: bytes, vr: str) -> tuple[str, ...]:
    """The values of an element as stripped text; raises OddHeaderError."""
    if vr == "US":
        if len(raw) not in {0, 2}:
            raise OddHeaderError
        return (str(raw[0] | raw[1] << 8),) if raw else ()
    pattern = WHOLE_NUMBER if vr == "IS" else PLAIN_TEXT
    if not pattern.fullmatch(raw):
        raise OddHeaderError
    stripped = (text.strip(" \0") for text in raw.decode("ascii").split("\\"))
    return tuple(text for text in stripped if text)


def read_quick_header(descriptor: int) -> QuickHeader | None:
    """The header of an open file, or None where it is not understood with certainty."""
    for window in WINDOWS_BYTES:
        content = os.pread(descriptor, window, 0)
        try:
            return _header(content, descriptor)
        except struct.error:  # the bytes end within an element
            if len(content) < window:
                return None
        except OddHeaderError:
            return None
    return None


def _header(content: bytes, descriptor: int) -> QuickHeader:
    syntax, sop_class, at = _meta(content)
    if content[at : at + 2] != FIRST_GROUP:
        raise OddHeaderError
    walk = _Walk(content, {MEDIA_STORAGE_SOP_CLASS_UID: sop_class})
    if syntax == IMPLICIT_SYNTAX:
        walk.implicit(at)
        value_at = walk.pixels_at + 8
    else:
        walk.explicit(at)
        value_at = walk.pixels_at + 12
    (length,) = _LONG(content, value_at - 4)
    return QuickHeader(
        syntax=syntax.decode(),
        values=walk.values,
        pixels_at=walk.pixels_at,
        pixels_bytes=length if value_at + length <= os.fstat(descriptor).st_size else None,
        has_overlays=walk.has_overlays,
    )


def _meta(content: bytes) -> tuple[bytes, bytes, int]:
    """Transfer syntax and SOP class of the file meta, and where the data set begins."""
    if content[META_AT - len(MAGIC) : META_AT + 8] != MAGIC + META_LENGTH:
        raise OddHeaderError
    end = META_AT + 12 + _LONG(content, META_AT + 8)[0]
    at, last = META_AT + 12, 2
    values = {}
    while at < end:
        tag, vr, length = _ELEMENT(content, at)
        # In group 0002 the order of tags is that of the numbers that their bytes are
        if tag & 0xFFFF != 2 or tag <= last:
            raise OddHeaderError
        value_at = at + 8
        if vr in _LONG_CODES:
            length, value_at = _LONG(content, at + 8)[0], at + 12
        elif vr not in _SHORT_CODES:
            raise OddHeaderError
        at, last = value_at + length, tag
        values[tag >> 16] = content[value_at:at]
    syntax = values.get(0x0010, b"")
    if at != end or not LITTLE_ENDIAN_SYNTAX.fullmatch(syntax) or len(syntax) % 2:
        raise OddHeaderError
    return syntax.rstrip(b"\0"), values.get(0x0002, b""), end


@dataclass(slots=True)
class _Walk:
    """One walk over the top level of a data set up to its pixels."""

    content: bytes
    values: dict[int, bytes]
    pixels_at: int = 0
    has_overlays: bool = field(default=False)

    def explicit(self, at: int) -> None:
        """Collect what is wanted in Explicit VR Little Endian (PS3.5 7.1.2)."""
        content, element, short, wanted = self.content, _ELEMENT, _SHORT_CODES, _WANTED
        while True:
            tag, vr, length = element(content, at)
            if tag & 0xFFFF >= OVERLAYS and self._is_pixels(tag, at, vr):
                return
            value_at = at + 8
            if vr not in short:
                value_at, length = _long_value(content, at, vr)
            at = value_at + length
            if tag in wanted:
                self._keep(tag, vr, value_at, at)

    def implicit(self, at: int) -> None:
        """Collect what is wanted in Implicit VR Little Endian (PS3.5 7.1.3)."""
        content = self.content
        if content[at + 4 : at + 6].isalpha():  # pydicom would take it for an explicit one
            raise OddHeaderError
        while True:
            tag, length = _IMPLICIT(content, at)
            if tag & 0xFFFF >= OVERLAYS and self._is_pixels(tag, at, _NO_VR):
                return
            if length == UNDEFINED_LENGTH:
                raise OddHeaderError
            value_at, at = at + 8, at + 8 + length
            if tag in _WANTED:
                self._keep(tag, _WANTED[tag][1], value_at, at)

    def _keep(self, lying: int, vr: int, value_at: int, end: int) -> None:
        tag, right = _WANTED[lying]
        if (vr != right and not (vr == _SIGNED and tag in PIXEL_PADDING)) or tag in self.values:
            raise OddHeaderError
        if end > len(self.content):
            raise struct.error
        self.values[tag] = self.content[value_at:end]

    def _is_pixels(self, tag: int, at: int, vr: int) -> bool:
        """Note what stands behind the wanted groups; whether it is the PixelData element."""
        group = tag & 0xFFFF
        if group >> 8 == OVERLAYS >> 8:
            self.has_overlays = True
        if group < PIXELS or tag == group:
            return False
        self.pixels_at = at
        if tag != _PIXEL_DATA or vr not in _PIXEL_CODES:
            raise OddHeaderError
        return True


def _long_value(content: bytes, at: int, vr: int) -> tuple[int, int]:
    """Where a value begins whose length takes 32 bits, and that length."""
    if vr not in _LONG_CODES:
        raise OddHeaderError
    (length,) = _LONG(content, at + 8)
    if length != UNDEFINED_LENGTH:
        return at + 12, length
    if vr != _SEQUENCE:
        raise OddHeaderError
    return _sequence_end(content, at + 12), 0


def _sequence_end(content: bytes, at: int, depth: int = 0) -> int:
    """Where a sequence of undefined length ends (PS3.5 7.5.2), in Explicit VR Little Endian."""
    if depth > DEEPEST_SKIPPED:
        raise OddHeaderError
    while True:
        tag, length = _IMPLICIT(content, at)
        at += 8
        if tag == _SEQUENCE_END and not length:
            return at
        if tag != _ITEM:
            raise OddHeaderError
        at = _item_end(content, at, depth) if length == UNDEFINED_LENGTH else at + length


def _item_end(content: bytes, at: int, depth: int) -> int:
    """Where an item of undefined length ends whose content begins at `at`."""
    while True:
        tag, vr, length = _ELEMENT(content, at)
        if tag & 0xFFFF == ITEM_END >> 16:
            if tag != _ITEM_END or vr or length:
                raise OddHeaderError
            return at + 8
        at += 8
        if vr in _SHORT_CODES:
            at += length
            continue
        if vr not in _LONG_CODES:
            raise OddHeaderError
        (length,) = _LONG(content, at)
        at += 4
        if length != UNDEFINED_LENGTH:
            at += length
        elif vr == _SEQUENCE:
            at = _sequence_end(content, at, depth + 1)
        else:
            raise OddHeaderError
