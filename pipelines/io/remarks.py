"""What stands in compressed frames beside their pixels: remarks, which may say anything.

JPEG and JPEG-LS have comments and segments of applications (T.81 B.2.4.5, B.2.4.6), JPEG 2000 has
comments (ISO/IEC 15444-1 A.9.2) and, where DICOM's rule is broken, boxes of text (annex I); and
after its end a frame may go on. No decoder of grey pixels needs them. They are overwritten with
zeros where they stand, so that the code of the pixels stays as it is, byte for byte.
"""

import re
import struct
from collections.abc import Iterator
from typing import TypeAlias

from pipelines.io.codestreams import START_OF_CODESTREAM, START_OF_SCAN
from pipelines.io.walker import ITEM

START_OF_IMAGE = b"\xff\xd8"
JP2_SIGNATURE = b"\0\0\0\x0cjP  "
NEEDED_BOXES = frozenset({b"jP  ", b"ftyp", b"jp2h"})
CODESTREAM_BOX = b"jp2c"
STARTS = (START_OF_IMAGE, START_OF_CODESTREAM, JP2_SIGNATURE)
"""With what the first fragment of a frame begins; a run-length coded one begins with none."""

JPEG_END, JPEG_COMMENT, APPLICATIONS = 0xD9, 0xFE, range(0xE0, 0xF0)
WITHOUT_LENGTH = frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers that stand alone: TEM, restarts, another start (T.81 table B.1)."""
LOSSLESS_LS = 0xF7
_JPEG_MARKER, _LS_MARKER = re.compile(rb"\xff[\x01-\xfe]"), re.compile(rb"\xff[\x80-\xfe]")
"""In the code of pixels FF is followed by 00, and in JPEG-LS by a byte below 80 (T.87 A.1)."""

_NUMBERS = re.compile(
    rb"JFIF\0.{7}\0\0|SPIFF\0.{24}|\0\0\0\x01" + START_OF_IMAGE + rb"|Adobe.{7}", re.DOTALL
)
"""Segments of sizes and colours, without a thumbnail (T.871 10.1, T.84 F.2.1): they may stay."""

_MAKER = re.compile(rb"(?:Created by (?:GDCM/)?OpenJPEG version |Kakadu-v?)[0-9.]{1,8}")
"""What encoders of JPEG 2000 write into every frame."""

TILE_PART, TILE_DATA, COMMENT_2000, END_2000 = 0x90, 0x93, 0x64, 0xD9
EMPTY_ITEM = struct.pack("<HHL", ITEM >> 16, ITEM & 0xFFFF, 0)

FILL = b"\0\xff"
"""What may stand before a marker or behind the end, and says nothing."""

Span: TypeAlias = tuple[int, int]
"""Where something begins and ends."""


def silenced(items: bytes) -> tuple[bytes, int]:
    """Encapsulated pixels (PS3.5 A.4) without remarks, and how many there were.

    `items` are the offset table and the fragments, whole, without delimiter. An offset table that
    does not say where fragments begin is a remark, too, and is emptied.
    """
    places = list(_places(items))
    silent, remarks = bytearray(items), 0
    for frame in _frames(items, places[1:]):
        content = b"".join(items[at:end] for at, end in frame)
        for start, end in _remarks(content):
            if content[start:end].strip(FILL):
                remarks += 1
                _overwrite(silent, frame, (start, end))
    if places and not _is_table(items, places):
        silent[: places[0][1]] = EMPTY_ITEM
        remarks += 1
    return (bytes(silent) if remarks else items), remarks


def _places(items: bytes) -> Iterator[Span]:
    """Where the value of each item lies."""
    at = 0
    while at + 8 <= len(items):
        (length,) = struct.unpack_from("<L", items, at + 4)
        yield at + 8, at + 8 + length
        at += 8 + length


def _is_table(items: bytes, places: list[Span]) -> bool:
    """Whether the first item is empty, or has offsets of fragments from the first (PS3.5 A.4)."""
    (start, end), fragments = places[0], places[1:]
    if (end - start) % 4:
        return False
    offsets = struct.unpack_from(f"<{(end - start) // 4}L", items, start)
    return {at - 8 - end for at, _ in fragments}.issuperset(offsets)


def _frames(items: bytes, fragments: list[Span]) -> list[list[Span]]:
    """The fragments of each frame."""
    frames: list[list[Span]] = []
    for at, end in fragments:
        if not frames or items.startswith(STARTS, at):
            frames.append([])
        frames[-1].append((at, end))
    return frames


def _overwrite(silent: bytearray, frame: list[Span], remark: Span) -> None:
    """Put zeros in the place of a remark, which may go over several fragments of its frame."""
    before = 0
    for at, end in frame:
        start, stop = (min(max(place - before, 0), end - at) for place in remark)
        silent[at + start : at + stop] = bytes(stop - start)
        before += end - at


def _remarks(frame: bytes) -> Iterator[Span]:
    if frame.startswith(START_OF_IMAGE):
        return _in_jpeg(frame)
    if frame.startswith((START_OF_CODESTREAM, JP2_SIGNATURE)):
        return _in_jpeg_2000(frame)
    return iter(())


def _in_jpeg(frame: bytes) -> Iterator[Span]:
    pattern, at, is_scan = _JPEG_MARKER, len(START_OF_IMAGE), False
    while found := pattern.search(frame, at):
        if not is_scan:
            yield at, found.start()
        at, kind = found.end(), frame[found.end() - 1]
        if kind == JPEG_END:
            yield at, len(frame)
            return
        if kind in WITHOUT_LENGTH:
            continue
        end = at + int.from_bytes(frame[at : at + 2], "big")
        is_told = kind in APPLICATIONS and not _NUMBERS.fullmatch(frame, at + 2, end)
        if is_told or kind == JPEG_COMMENT:
            yield at + 2, min(end, len(frame))
        if kind == LOSSLESS_LS:
            pattern = _LS_MARKER
        at, is_scan = end, kind == START_OF_SCAN


def _in_jpeg_2000(frame: bytes) -> Iterator[Span]:
    at = 0
    if frame.startswith(JP2_SIGNATURE):
        boxes = list(_boxes(frame))
        yield from (content for kind, content in boxes if kind not in NEEDED_BOXES)
        at = frame.find(START_OF_CODESTREAM, boxes[-1][1][1])
    at, end_of_tile = at + 2, 0
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        kind = frame[at + 1]
        if kind == TILE_DATA and end_of_tile > at:
            at = end_of_tile
            continue
        (length,) = struct.unpack_from(">H", frame, at + 2)
        if kind == TILE_PART:
            end_of_tile = _end_of_tile(frame, at)
        if kind == COMMENT_2000 and not _MAKER.fullmatch(frame, at + 6, at + 2 + length):
            yield at + 6, min(at + 2 + length, len(frame))
        if kind in {TILE_DATA, END_2000} or length < 2:
            break
        at += 2 + length
    if frame[at : at + 2] == b"\xff\xd9":
        yield at + 2, len(frame)


def _end_of_tile(frame: bytes, at: int) -> int:
    """Where a tile-part ends; the last one may leave that to the end of the codestream (A.4.2)."""
    length = int.from_bytes(frame[at + 6 : at + 10], "big")
    return at + length if length else max(frame.find(b"\xff\xd9", at), 0)


def _boxes(frame: bytes) -> Iterator[tuple[bytes, Span]]:
    """The boxes before that of the codestream: kind and content; the last one ends where it begins.

    Whatever makes no sense ends them.
    """
    at = 0
    while at + 8 <= len(frame):
        length, kind = struct.unpack_from(">L4s", frame, at)
        if kind == CODESTREAM_BOX or length < 8:
            break
        yield kind, (at + 8, min(at + length, len(frame)))
        at += length
