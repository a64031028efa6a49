"""The header of a DICOM file as raw elements: Part 10, meta information, and where the pixels are.

What is understood is what pydicom reads, too; a file that is odd in any way is left to it.
"""

import os
from dataclasses import dataclass, field
from typing import NamedTuple

from pipelines.core.dictionary import is_encapsulated
from pipelines.core.values import PIXEL_DATA
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, has_magic
from pipelines.io.header_memory import HeaderMemory
from pipelines.io.new_file import SEQUENCE_END_BYTES
from pipelines.io.raw_elements import (
    ITEM_GROUP,
    ODD_GROUP,
    RawElement,
    TooShort,
    Uncertain,
    element_at,
    end_of,
    refuse_other_encoding,
)
from pipelines.io.walker import (
    DEFLATED_LITTLE_ENDIAN,
    EXPLICIT_BIG_ENDIAN,
    IMPLICIT_LITTLE_ENDIAN,
    ITEM,
    SEQUENCE_END,
    UNDEFINED_LENGTH,
)

WINDOWS_BYTES = (1 << 14, 1 << 18, 1 << 25)
"""How much of a file is read to find its pixels: nearly all headers are shorter than the first."""

LONGEST_REMAINS_BYTES = 1 << 20
LONGEST_PIXELS_BYTES = 1 << 28
"""Compressed pixels are searched in memory; larger ones are left to pydicom as well."""

FIRST_TAG = 0x00080000
OTHER_PIXELS = frozenset({0x7FE00008, 0x7FE00009})
OTHER_ENCODINGS = frozenset({EXPLICIT_BIG_ENDIAN, DEFLATED_LITTLE_ENDIAN})


@dataclass(frozen=True, slots=True, kw_only=True)
class RawHeader:
    """Whole elements by tag, header and all, and where the value of PixelData lies in the file.

    `elements` are those of even groups, `private` of odd ones before the pixels; `behind` has the
    tags after. `pixels` are in memory only if they are encapsulated (without delimiter); then
    their length is undefined.
    """

    syntax: str
    is_implicit: bool
    elements: dict[int, bytes] = field(default_factory=dict)
    private: dict[int, bytes] = field(default_factory=dict)
    behind: tuple[int, ...]
    pixel_vr: str
    pixels_start: int
    pixels_length: int
    pixels: bytes | None


class _Start(NamedTuple):
    syntax: str
    is_implicit: bool
    is_compressed: bool
    at: int


class HeaderReader:
    """Reads one header after another; what they share is not taken apart again."""

    def __init__(self) -> None:
        self._explicit, self._implicit = HeaderMemory(), HeaderMemory()

    def read(self, descriptor: int, size_bytes: int) -> RawHeader | None:
        """The header of an open file, or None where it is not understood with certainty."""
        for window in WINDOWS_BYTES:
            content = os.pread(descriptor, window, 0)
            try:
                return self._header(content, descriptor, size_bytes)
            except TooShort:
                if len(content) < window:
                    return None
            except Uncertain:
                return None
        return None

    def elements(self, descriptor: int) -> tuple[bool, dict[int, bytes]] | None:
        """The elements before native pixels, without a look at what follows; the encoding first.

        None where they are not understood with certainty, or do not fit in the smallest window.
        """
        content = os.pread(descriptor, WINDOWS_BYTES[0], 0)
        elements: dict[int, bytes] = {}
        try:
            start = _start(content)
            pixels = self._before_pixels(content, start, (elements, {}))
        except Uncertain:
            return None
        is_native = not start.is_compressed and pixels[3] != UNDEFINED_LENGTH
        return (start.is_implicit, elements) if is_native else None

    def _header(self, content: bytes, descriptor: int, size_bytes: int) -> RawHeader:
        start = _start(content)
        elements: dict[int, bytes] = {}
        private: dict[int, bytes] = {}
        _, vr, value_at, length = self._before_pixels(content, start, (elements, private))
        is_implicit = start.is_implicit
        if not (is_implicit or vr in {b"OB", b"OW"}):
            raise Uncertain
        pixels = None
        if length == UNDEFINED_LENGTH:
            pixels = _encapsulated(descriptor, value_at, size_bytes)
        if start.is_compressed != (pixels is not None):
            raise Uncertain
        end = value_at + (length if pixels is None else len(pixels) + len(SEQUENCE_END_BYTES))
        return RawHeader(
            syntax=start.syntax,
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
        self, content: bytes, start: _Start, into: tuple[dict[int, bytes], dict[int, bytes]]
    ) -> RawElement:
        """Note the elements of even and of odd groups; the header of PixelData comes back."""
        memory = self._implicit if start.is_implicit else self._explicit
        elements, private = into
        at, last, recognised = start.at, 0, 0
        runs = iter(memory.runs)
        run = next(runs, None)
        while True:
            while run is not None and run.first <= last:
                run = next(runs, None)
            if run is not None and content.startswith(run.content, at):
                elements.update(run.elements)
                private.update(run.private)
                last, at, recognised = run.last, at + len(run.content), recognised + 1
                continue
            element = element_at(content, at, is_implicit=start.is_implicit)
            tag = element[0]
            if tag == PIXEL_DATA:
                if recognised < len(memory.runs) or not recognised:
                    memory.learn(dict(sorted((elements | private).items())))
                return element
            if not FIRST_TAG <= tag < PIXEL_DATA or tag <= last or tag in OTHER_PIXELS:
                raise Uncertain
            end = end_of(content, element, is_implicit=start.is_implicit)
            if end > len(content):
                raise TooShort
            (private if tag & ODD_GROUP else elements)[tag] = content[at:end]
            last, at = tag, end


def _start(content: bytes) -> _Start:
    """What the file meta information says, and where the data set begins."""
    syntax, is_compressed, at = _meta(content)
    is_implicit = syntax == IMPLICIT_LITTLE_ENDIAN.decode()
    refuse_other_encoding(content, at, is_implicit=is_implicit)
    return _Start(syntax, is_implicit, is_compressed, at)


def _meta(content: bytes) -> tuple[str, bool, int]:
    """The transfer syntax, whether it encapsulates pixels, and where the data set begins.

    The length of the group must say the same.
    """
    if not has_magic(content):
        raise Uncertain
    at = PREAMBLE_BYTES + len(MAGIC)
    tag, vr, value_at, length = element_at(content, at, is_implicit=False)
    if (tag, vr, length) != (0x00020000, b"UL", 4):
        raise Uncertain
    end = value_at + 4 + int.from_bytes(content[value_at : value_at + 4], "little")
    at = value_at + 4
    syntax, last = b"", tag
    while at < end:
        tag, _, value_at, length = element_at(content, at, is_implicit=False)
        if tag <= last or tag >> 16 != 2 or length == UNDEFINED_LENGTH:
            raise Uncertain
        last, at = tag, value_at + length
        if tag == 0x00020010:
            syntax = content[value_at:at]
    text = syntax.removesuffix(b"\0")
    is_compressed = is_encapsulated(text.decode("latin-1"))
    if at != end or len(syntax) % 2 or is_compressed is None or text in OTHER_ENCODINGS:
        raise Uncertain
    return text.decode(), is_compressed, end


def _encapsulated(descriptor: int, start: int, size_bytes: int) -> bytes:
    """The fragments up to the delimiter (PS3.5 A.4), each of which has to be whole."""
    if size_bytes - start > LONGEST_PIXELS_BYTES:
        raise Uncertain
    content = os.pread(descriptor, size_bytes - start, start)
    at = 0
    while len(content) >= at + 8:
        tag, _, value_at, length = element_at(content, at, is_implicit=True)
        if tag == SEQUENCE_END and not length:
            return content[:at]
        if tag != ITEM:
            break
        at = value_at + length
    raise Uncertain


def _behind(descriptor: int, at: int, size_bytes: int, *, is_implicit: bool) -> tuple[int, ...]:
    """The tags of the elements behind the pixels, which have to be whole."""
    if not 0 <= size_bytes - at <= LONGEST_REMAINS_BYTES:
        raise Uncertain
    if at == size_bytes:
        return ()
    content = os.pread(descriptor, size_bytes - at, at)
    tags, at = [PIXEL_DATA], 0
    while at < len(content):
        element = element_at(content, at, is_implicit=is_implicit)
        if element[0] <= tags[-1] or element[0] >> 16 == ITEM_GROUP:
            raise Uncertain
        tags.append(element[0])
        at = end_of(content, element, is_implicit=is_implicit)
    if at != len(content):
        raise Uncertain
    return tuple(tags[1:])
