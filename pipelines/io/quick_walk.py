"""A walk over the top level of a CT slice's header, from its first element to its pixels.

The slices of a series differ in a dozen elements out of a hundred: runs of those that do not are
recognised by one comparison, and what is wanted of them is known already.
"""

import struct
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipelines.io.header_memory import HeaderMemory
from pipelines.io.quick_tags import PIXEL_PADDING, TAGS
from pipelines.io.walker import (
    ITEM,
    ITEM_END,
    LONG_VRS,
    SEQUENCE_END,
    SHORT_VRS,
    UNDEFINED_LENGTH,
)

DEEPEST_SKIPPED = 16
OVERLAYS, PIXELS = 0x6000, 0x7FE0

ELEMENT = struct.Struct("<LHH").unpack_from
_IMPLICIT = struct.Struct("<LL").unpack_from
LONG = struct.Struct("<L").unpack_from


def _code(vr: str | bytes) -> int:
    return int.from_bytes(vr.encode() if isinstance(vr, str) else vr, "little")


def _swapped(tag: int) -> int:
    """A tag as the one number that its four bytes are, the group in the low half; and back."""
    return tag >> 16 | (tag & 0xFFFF) << 16


SHORT_CODES = frozenset(map(_code, SHORT_VRS))
LONG_CODES = frozenset(map(_code, LONG_VRS))
_SEQUENCE, _SIGNED = _code("SQ"), _code("SS")
_NO_VR = 0
_PIXEL_CODES = frozenset({_NO_VR, _code("OB"), _code("OW")})
_WANTED = {_swapped(tag): _code(vr) for tag, vr in TAGS.values()}
_ITEM, _ITEM_END, _SEQUENCE_END = map(_swapped, (ITEM, ITEM_END, SEQUENCE_END))
_PIXEL_DATA = _swapped(0x7FE00010)


class OddHeaderError(Exception):
    """These bytes are not understood with certainty."""


@dataclass(slots=True)
class _Known:
    """A run of elements that were walked once: its bytes, and the wanted values in it."""

    content: bytes
    values: dict[int, bytes]


class QuickMemory:
    """The runs that headers of one encoding have in common, by the tag with which each begins."""

    def __init__(self) -> None:
        self.runs: dict[int, _Known] = {}
        self._memory = HeaderMemory()

    def learn(self, walk: "Walk") -> None:
        """Take in a header of which each element was walked."""
        spans = [span for span in walk.spans if span[0] >> 16 < OVERLAYS]
        self._memory.learn({tag: walk.content[at:end] for tag, at, end in spans})
        self.runs = {
            _swapped(run.first): _Known(
                run.content,
                {tag: walk.values[tag] for tag in run.elements if tag in walk.values},
            )
            for run in self._memory.runs
        }


@dataclass(slots=True)
class Walk:
    """One walk over the top level of a data set up to its pixels.

    `spans` are the elements that were walked one by one: tag, beginning and end.
    """

    content: bytes
    values: dict[int, bytes]
    runs: Mapping[int, _Known] = field(default_factory=dict)
    spans: list[tuple[int, int, int]] = field(default_factory=list)
    recognised: int = 0
    pixels_at: int = 0
    has_overlays: bool = False

    def through(self, at: int, *, is_implicit: bool) -> None:
        """Collect what is wanted; raises OddHeaderError, or struct.error where the bytes end."""
        if is_implicit:
            self._implicit(at)
        else:
            self._explicit(at)

    def _explicit(self, at: int) -> None:
        """Explicit VR Little Endian (PS3.5 7.1.2)."""
        content, element, short, runs = self.content, ELEMENT, SHORT_CODES, self.runs
        while True:
            tag, vr, length = element(content, at)
            if tag & 0xFFFF >= OVERLAYS and self._is_pixels(tag, at, vr):
                return
            if tag in runs and content.startswith(runs[tag].content, at):
                at = self._recognise(runs[tag], at)
                continue
            value_at = at + 8
            if vr not in short:
                value_at, length = _long_value(content, at, vr)
            at = self._pass(tag, vr, (at, value_at, value_at + length))

    def _implicit(self, at: int) -> None:
        """Implicit VR Little Endian (PS3.5 7.1.3)."""
        content, runs = self.content, self.runs
        if content[at + 4 : at + 6].isalpha():  # pydicom would take it for an explicit one
            raise OddHeaderError
        while True:
            tag, length = _IMPLICIT(content, at)
            if tag & 0xFFFF >= OVERLAYS and self._is_pixels(tag, at, _NO_VR):
                return
            if tag in runs and content.startswith(runs[tag].content, at):
                at = self._recognise(runs[tag], at)
                continue
            if length == UNDEFINED_LENGTH:
                raise OddHeaderError
            vr = _WANTED.get(tag, _NO_VR)
            at = self._pass(tag, vr, (at, at + 8, at + 8 + length))

    def _recognise(self, run: _Known, at: int) -> int:
        """Take over what is known of a run; where it ends."""
        if not run.values.keys().isdisjoint(self.values):
            raise OddHeaderError
        self.values.update(run.values)
        self.recognised += 1
        return at + len(run.content)

    def _pass(self, lying: int, vr: int, places: tuple[int, int, int]) -> int:
        """Keep the value of an element if it is wanted; where it ends."""
        at, value_at, end = places
        tag = _swapped(lying)
        self.spans.append((tag, at, end))
        if lying not in _WANTED:
            return end
        is_right = vr == _WANTED[lying] or (vr == _SIGNED and tag in PIXEL_PADDING)
        if not is_right or tag in self.values or vr == _SEQUENCE:
            raise OddHeaderError
        if end > len(self.content):
            raise struct.error
        self.values[tag] = self.content[value_at:end]
        return end

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
    if vr not in LONG_CODES:
        raise OddHeaderError
    (length,) = LONG(content, at + 8)
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
        tag, vr, length = ELEMENT(content, at)
        if tag & 0xFFFF == ITEM_END >> 16:
            if tag != _ITEM_END or vr or length:
                raise OddHeaderError
            return at + 8
        at += 8
        if vr in SHORT_CODES:
            at += length
            continue
        if vr not in LONG_CODES:
            raise OddHeaderError
        (length,) = LONG(content, at)
        at += 4
        if length != UNDEFINED_LENGTH:
            at += length
        elif vr == _SEQUENCE:
            at = _sequence_end(content, at, depth + 1)
        else:
            raise OddHeaderError
