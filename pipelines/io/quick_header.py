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
from dataclasses import dataclass

from pipelines.io.dicom import MAGIC
from pipelines.io.quick_tags import TAGS
from pipelines.io.quick_walk import (
    ELEMENT,
    LONG,
    LONG_CODES,
    SHORT_CODES,
    OddHeaderError,
    QuickMemory,
    Walk,
)

WINDOWS_BYTES = (1 << 13, 1 << 16, 1 << 20)
"""How much of a file is read until its pixels are found: most headers fit into the first."""

MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
FIRST_GROUP = b"\x08\0"
META_AT, META_LENGTH = 132, b"\x02\0\0\0UL\4\0"

IMPLICIT_SYNTAX = b"1.2.840.10008.1.2"
LITTLE_ENDIAN_SYNTAX = re.compile(rb"1\.2\.840\.10008\.1\.2(\.1|\.5|\.4\.\d+)?\0?")
"""Implicit, explicit and the encapsulated ones; big endian and deflated are left to pydicom."""

PLAIN_TEXT = re.compile(rb"[ -}]*\0*")
"""What means the same in every character set: no escape, no tilde (a Japanese one has a bar)."""

WHOLE_NUMBER = re.compile(rb" *([+-]?\d{1,10} *)?\0*")

IMPLICIT, EXPLICIT = QuickMemory(), QuickMemory()
"""What headers had in common so far: it makes reading quicker, and changes nothing of it."""


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
    is_implicit = syntax == IMPLICIT_SYNTAX
    memory = IMPLICIT if is_implicit else EXPLICIT
    values = {MEDIA_STORAGE_SOP_CLASS_UID: sop_class}
    walk = Walk(content, values.copy(), memory.runs)
    walk.through(at, is_implicit=is_implicit)
    if walk.recognised < len(memory.runs) or not walk.recognised:
        walk = Walk(content, values)
        walk.through(at, is_implicit=is_implicit)
        memory.learn(walk)
    value_at = walk.pixels_at + (8 if is_implicit else 12)
    (length,) = LONG(content, value_at - 4)
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
    end = META_AT + 12 + LONG(content, META_AT + 8)[0]
    at, last = META_AT + 12, 2
    values = {}
    while at < end:
        tag, vr, length = ELEMENT(content, at)
        # In group 0002 the order of tags is that of the numbers that their bytes are
        if tag & 0xFFFF != 2 or tag <= last:
            raise OddHeaderError
        value_at = at + 8
        if vr in LONG_CODES:
            length, value_at = LONG(content, at + 8)[0], at + 12
        elif vr not in SHORT_CODES:
            raise OddHeaderError
        at, last = value_at + length, tag
        values[tag >> 16] = content[value_at:at]
    syntax = values.get(0x0010, b"")
    if at != end or not LITTLE_ENDIAN_SYNTAX.fullmatch(syntax) or len(syntax) % 2:
        raise OddHeaderError
    return syntax.rstrip(b"\0"), values.get(0x0002, b""), end
