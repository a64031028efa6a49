"""The header of a DICOM file as raw elements, found without decoding any value.

Knows Explicit and Implicit VR Little Endian of PS3.5 section 7, as the standard has them and not a
byte otherwise: whatever is odd, however a tolerant reader would take it, is not understood here,
and the file is left to pydicom. What is understood is what pydicom reads, too.
"""

import os
import struct
from dataclasses import dataclass, field

from pydicom.datadict import dictionary_VR
from pydicom.uid import (
    AllTransferSyntaxes,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
)

from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, has_magic
from pipelines.io.part10 import PIXEL_DATA, SEQUENCE_END_BYTES, UNDEFINED_LENGTH
from pipelines.io.walker import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, SHORT_VRS

WINDOWS_BYTES = (1 << 16, 1 << 20, 1 << 25)
"""How much of a file is read to find its pixels: nearly all headers are shorter than the first."""

LONGEST_REMAINS_BYTES = 1 << 20
LONGEST_PIXELS_BYTES = 1 << 28
"""Compressed pixels are searched in memory; larger ones are left to pydicom as well."""

DEEPEST_SKIPPED = 16
ITEM_GROUP = 0xFFFE
FIRST_TAG = 0x00080000
ODD_GROUP = 0x00010000
OTHER_PIXELS = frozenset({0x7FE00008, 0x7FE00009})
IS_ENCAPSULATED = {
    str(syntax): syntax.is_encapsulated
    for syntax in AllTransferSyntaxes
    if syntax not in {ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian}
}
"""The transfer syntaxes that are understood here."""

_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_LONG = struct.Struct("<L").unpack_from


class Uncertain(Exception):  # noqa: N818  no error: the slow way takes over
    """These bytes are not understood with certainty."""


class _TooShort(Uncertain):
    """The bytes end within an element."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeader:
    """Whole elements by tag, header and all, and where the value of PixelData lies in the file.

    `private` counts the elements of odd groups before the pixels, `behind` has the tags after.
    `pixels` are in memory only if they are encapsulated (without delimiter); then their length is
    undefined.
    """

    syntax: str
    is_implicit: bool
    elements: dict[int, bytes] = field(default_factory=dict)
    private: int
    behind: tuple[int, ...]
    pixel_vr: str
    pixels_start: int
    pixels_length: int
    pixels: bytes | None


def read_raw_header(descriptor: int, size_bytes: int) -> RawHeader | None:
    """The header of an open file, or None where it is not understood with certainty."""
    for window in WINDOWS_BYTES:
        content = os.pread(descriptor, window, 0)
        try:
            return _header(content, descriptor, size_bytes)
        except _TooShort:
            if len(content) < window:
                return None
        except (Uncertain, struct.error):
            return None
    return None


def value_of(element: bytes, *, is_implicit: bool) -> bytes:
    """The value of a whole element as `RawHeader` has it."""
    is_long = not is_implicit and element[4:6] in LONG_VRS
    return element[12 if is_long else 8 :]


def _header(content: bytes, descriptor: int, size_bytes: int) -> RawHeader:
    syntax, at = _meta(content)
    is_implicit = syntax == ImplicitVRLittleEndian
    elements, private, at = _before_pixels(content, at, is_implicit=is_implicit)
    _, vr, value_at, length = _element(content, at, is_implicit=is_implicit)
    if not (is_implicit or vr in {b"OB", b"OW"}):
        raise Uncertain
    pixels = _encapsulated(descriptor, value_at, size_bytes) if _is_undefined(length) else None
    if IS_ENCAPSULATED[syntax] != (pixels is not None):
        raise Uncertain
    end = value_at + (length if pixels is None else len(pixels) + len(SEQUENCE_END_BYTES))
    return RawHeader(
        syntax=syntax,
        is_implicit=is_implicit,
        elements=elements,
        private=private,
        behind=_behind(descriptor, end, size_bytes, is_implicit=is_implicit),
        pixel_vr=vr.decode() or "OW",
        pixels_start=value_at,
        pixels_length=length,
        pixels=pixels,
    )


def _before_pixels(
    content: bytes, at: int, *, is_implicit: bool
) -> tuple[dict[int, bytes], int, int]:
    """The elements of even groups, the number of others, and where PixelData begins."""
    _refuse_other_encoding(content, at, is_implicit=is_implicit)
    elements: dict[int, bytes] = {}
    private = last = 0
    while True:
        element = tag, _, value_at, length = _element(content, at, is_implicit=is_implicit)
        if tag == PIXEL_DATA:
            return elements, private, at
        if not FIRST_TAG <= tag < PIXEL_DATA or tag <= last or tag in OTHER_PIXELS:
            raise Uncertain
        end = value_at + length
        if length == UNDEFINED_LENGTH:
            end = _end(content, element, is_implicit=is_implicit)
        if end > len(content):
            raise _TooShort
        if tag & ODD_GROUP:
            private += 1
        else:
            elements[tag] = content[at:end]
        last, at = tag, end


def _meta(content: bytes) -> tuple[str, int]:
    """The transfer syntax, and where the data set begins: the group's length must say the same."""
    if not has_magic(content):
        raise Uncertain
    at = PREAMBLE_BYTES + len(MAGIC)
    tag, vr, value_at, length = _element(content, at, is_implicit=False)
    if (tag, vr, length) != (0x00020000, b"UL", 4):
        raise Uncertain
    end = at + 12 + _LONG(content, value_at)[0]
    at += 12
    syntax, last = b"", tag
    while at < end:
        tag, _, value_at, length = _element(content, at, is_implicit=False)
        if tag <= last or tag >> 16 != 2 or _is_undefined(length):
            raise Uncertain
        last, at = tag, value_at + length
        if tag == 0x00020010:
            syntax = content[value_at:at]
    text = syntax.removesuffix(b"\0").decode("latin-1")
    if at != end or text not in IS_ENCAPSULATED or len(syntax) % 2:
        raise Uncertain
    return text, end


def _element(content: bytes, at: int, *, is_implicit: bool) -> tuple[int, bytes, int, int]:
    """Tag, VR (empty if implicit), where the value begins, and its length."""
    if len(content) < at + 8:
        raise _TooShort
    if is_implicit:
        group, number, length = _IMPLICIT(content, at)
        return group << 16 | number, b"", at + 8, length
    group, number, vr, length = _EXPLICIT(content, at)
    if vr in SHORT_VRS:
        return group << 16 | number, vr, at + 8, length
    if vr in LONG_VRS:
        if len(content) < at + 12:
            raise _TooShort
        return group << 16 | number, vr, at + 12, _LONG(content, at + 8)[0]
    raise Uncertain


def _end(
    content: bytes, element: tuple[int, bytes, int, int], *, is_implicit: bool, depth: int = 0
) -> int:
    """Where an element ends."""
    tag, vr, value_at, length = element
    if not _is_undefined(length):
        return value_at + length
    if depth > DEEPEST_SKIPPED or not _is_sequence(content, tag, vr, value_at):
        raise Uncertain
    at = value_at
    while True:
        if len(content) < at + 8:
            raise _TooShort
        group, number, length = _IMPLICIT(content, at)
        at += 8
        if group << 16 | number == SEQUENCE_END and not length:
            return at
        if group << 16 | number != ITEM:
            raise Uncertain
        at = _item_end(content, at, length, is_implicit=is_implicit, depth=depth + 1)


def _item_end(content: bytes, at: int, length: int, *, is_implicit: bool, depth: int) -> int:
    """Where an item ends whose content begins at `at`."""
    stop = None if _is_undefined(length) else at + length
    if length:
        _refuse_other_encoding(content, at, is_implicit=is_implicit)
    while stop is None or at < stop:
        if len(content) < at + 8:
            raise _TooShort
        if stop is None and _is_tag(content, at, ITEM_END):
            if _LONG(content, at + 4)[0]:
                raise Uncertain
            return at + 8
        element = _element(content, at, is_implicit=is_implicit)
        if element[0] >> 16 == ITEM_GROUP:
            raise Uncertain
        at = _end(content, element, is_implicit=is_implicit, depth=depth)
    if at != stop:
        raise Uncertain
    return at


def _is_sequence(content: bytes, tag: int, vr: bytes, value_at: int) -> bool:
    if vr:
        return vr == b"SQ"
    try:
        return dictionary_VR(tag) == "SQ"
    except KeyError:  # then pydicom, too, looks whether an item follows
        return _is_tag(content, value_at, ITEM)


def _refuse_other_encoding(content: bytes, at: int, *, is_implicit: bool) -> None:
    """A length that looks like a VR: pydicom would take the data set for an explicit one."""
    first, second = content[at + 4 : at + 6].ljust(2)
    if is_implicit and 0x40 < first < 0x5B and 0x40 < second < 0x5B:
        raise Uncertain


def _is_tag(content: bytes, at: int, tag: int) -> bool:
    return content[at : at + 4] == struct.pack("<HH", tag >> 16, tag & 0xFFFF)


def _is_undefined(length: int) -> bool:
    return length == UNDEFINED_LENGTH


def _encapsulated(descriptor: int, start: int, size_bytes: int) -> bytes:
    """The fragments up to the delimiter (PS3.5 A.4), each of which has to be whole."""
    if size_bytes - start > LONGEST_PIXELS_BYTES:
        raise Uncertain
    content = os.pread(descriptor, size_bytes - start, start)
    at = 0
    while len(content) >= at + 8:
        group, number, length = _IMPLICIT(content, at)
        if group << 16 | number == SEQUENCE_END and not length:
            return content[:at]
        if group << 16 | number != ITEM:
            break
        at += 8 + length
    raise Uncertain


def _behind(descriptor: int, at: int, size_bytes: int, *, is_implicit: bool) -> tuple[int, ...]:
    """The tags of the elements behind the pixels, which have to be whole."""
    if not 0 <= size_bytes - at <= LONGEST_REMAINS_BYTES:
        raise Uncertain
    content = os.pread(descriptor, size_bytes - at, at)
    tags, at = [PIXEL_DATA], 0
    while at < len(content):
        element = _element(content, at, is_implicit=is_implicit)
        if element[0] <= tags[-1] or element[0] >> 16 == ITEM_GROUP:
            raise Uncertain
        tags.append(element[0])
        at = _end(content, element, is_implicit=is_implicit)
    if at != len(content):
        raise Uncertain
    return tuple(tags[1:])
