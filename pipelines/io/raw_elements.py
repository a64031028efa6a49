"""Raw elements of data sets in Little Endian, found without decoding any value.

Knows Explicit and Implicit VR of PS3.5 section 7 as the standard has them and not a byte otherwise:
whatever is odd, however a tolerant reader would take it, is not understood here.
"""

import struct
from typing import TypeAlias

from pipelines.core.dictionary import vr_of
from pipelines.io.walker import ITEM, ITEM_END, LONG_VRS, SEQUENCE_END, SHORT_VRS, UNDEFINED_LENGTH

DEEPEST_SKIPPED = 16
ITEM_GROUP = 0xFFFE
ODD_GROUP = 0x00010000

_EXPLICIT = struct.Struct("<HH2sH").unpack_from
_IMPLICIT = struct.Struct("<HHL").unpack_from
_LONG = struct.Struct("<L").unpack_from

RawElement: TypeAlias = tuple[int, bytes, int, int]
"""Tag, VR (empty if implicit), where the value begins, and its length."""

Span: TypeAlias = tuple[int, int, int]
"""Tag, and where the whole element begins and ends."""


class Uncertain(Exception):  # noqa: N818  no error: the slow way takes over
    """These bytes are not understood with certainty."""


class TooShort(Uncertain):
    """The bytes end within an element."""


def element_at(content: bytes, at: int, *, is_implicit: bool) -> RawElement:
    """The element whose header begins at `at`; raises Uncertain."""
    try:
        if is_implicit:
            group, number, length = _IMPLICIT(content, at)
            return group << 16 | number, b"", at + 8, length
        group, number, vr, length = _EXPLICIT(content, at)
        if vr in SHORT_VRS:
            return group << 16 | number, vr, at + 8, length
        if vr in LONG_VRS:
            return group << 16 | number, vr, at + 12, _LONG(content, at + 8)[0]
    except struct.error as error:
        raise TooShort from error
    raise Uncertain


def end_of(content: bytes, element: RawElement, *, is_implicit: bool, depth: int = 0) -> int:
    """Where an element ends; it may be behind the end of `content`. Raises Uncertain."""
    tag, vr, value_at, length = element
    if length != UNDEFINED_LENGTH:
        return value_at + length
    if not _is_sequence(content, tag, vr, value_at):
        raise Uncertain
    return items_at(content, value_at, length, is_implicit=is_implicit, depth=depth)[1]


def value_of(element: bytes, *, is_implicit: bool) -> bytes:
    """The value of a whole element."""
    is_long = not is_implicit and element[4:6] in LONG_VRS
    return element[12 if is_long else 8 :]


def items_at(
    content: bytes, at: int, length: int, *, is_implicit: bool, depth: int = 0
) -> tuple[list[list[Span]], int]:
    """The elements of each item of a sequence whose value begins at `at`, and where it ends.

    Raises Uncertain for what is not whole, or nests deeper than an enhanced CT.
    """
    if depth > DEEPEST_SKIPPED:
        raise Uncertain
    stop = None if length == UNDEFINED_LENGTH else at + length
    items: list[list[Span]] = []
    while stop is None or at < stop:
        tag, _, at, length = _item_header(content, at)
        if tag == SEQUENCE_END and stop is None and not length:
            return items, at
        if tag != ITEM:
            raise Uncertain
        spans, at = _item_at(content, at, length, is_implicit=is_implicit, depth=depth + 1)
        items.append(spans)
    if at != stop:
        raise Uncertain
    return items, at


def _item_header(content: bytes, at: int) -> RawElement:
    """The header of an item or a delimiter, which have no VR in any encoding (PS3.5 7.5)."""
    return element_at(content, at, is_implicit=True)


def _item_at(
    content: bytes, at: int, length: int, *, is_implicit: bool, depth: int
) -> tuple[list[Span], int]:
    """The elements of the item whose content begins at `at`, and where it ends."""
    stop = None if length == UNDEFINED_LENGTH else at + length
    if length:
        refuse_other_encoding(content, at, is_implicit=is_implicit)
    spans: list[Span] = []
    while stop is None or at < stop:
        if stop is None and _is_tag(content, at, ITEM_END):
            if _item_header(content, at)[3]:
                raise Uncertain
            return spans, at + 8
        element = element_at(content, at, is_implicit=is_implicit)
        if element[0] >> 16 == ITEM_GROUP:
            raise Uncertain
        start, at = at, end_of(content, element, is_implicit=is_implicit, depth=depth)
        spans.append((element[0], start, at))
    if at != stop:
        raise Uncertain
    return spans, at


def refuse_other_encoding(content: bytes, at: int, *, is_implicit: bool) -> None:
    """A length that looks like a VR: pydicom would take the data set for an explicit one."""
    first, second = content[at + 4 : at + 6].ljust(2)
    if is_implicit and 0x40 < first < 0x5B and 0x40 < second < 0x5B:
        raise Uncertain


def _is_sequence(content: bytes, tag: int, vr: bytes, value_at: int) -> bool:
    if vr:
        return vr == b"SQ"
    try:
        return vr_of(tag) == "SQ"
    except KeyError:
        if not tag & ODD_GROUP:
            raise Uncertain from None  # it may be one of a range
        return _is_tag(content, value_at, ITEM)  # as pydicom looks, too


def _is_tag(content: bytes, at: int, tag: int) -> bool:
    return content[at : at + 4] == struct.pack("<HH", tag >> 16, tag & 0xFFFF)
