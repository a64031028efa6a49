"""The PixelData element of one slice: its words, or its one compressed frame.

The element's header is parsed here and not by a library, so that what is too short, too long or
lies about its length is refused by name before memory is given to it.
"""

import os
import struct
from collections.abc import Iterator
from io import BytesIO
from itertools import pairwise
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import DicomError
from pipelines.core.syntaxes import BIG_ENDIAN_SYNTAX
from pipelines.io.headers import InstanceHeader

PIXEL_TAG = 0x7FE00010
UNDEFINED_LENGTH = 0xFFFFFFFF
ITEM, SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
ITEM_BYTES = 8
LONG_VRS = frozenset({b"OB", b"OW", b"UN"})

SWELL_LIMIT = 4
"""A compressed frame may be so many times as large as the pixels: noise swells, but not this far"""

SWELL_ALLOWANCE_BYTES = 1 << 16
"""What a compressed frame may take in any case, for its markers."""


def read_native(header: InstanceHeader) -> NDArray[Any]:
    """The unsigned words `[row, column]` of a slice that is not compressed, in memory of their own.

    Raises DicomError TRUNCATED_FILE or BAD_PIXELS.
    """
    word = _word(header)
    with _open_pixels(header) as stream:
        wanted = _native_bytes(stream, header)
        stream.seek(wanted * max(header.frame - 1, 0), os.SEEK_CUR)
        raw = np.empty(wanted, dtype=np.uint8)
        if stream.readinto(raw.data) < wanted:  # type: ignore[attr-defined]
            raise truncated(header)
    words = raw.view(word).astype(word.newbyteorder("="), copy=False)
    return words.reshape(header.plane.rows, header.plane.columns)


def refuse_truncated(header: InstanceHeader, *, is_native: bool) -> None:
    """Raise DicomError TRUNCATED_FILE or BAD_PIXELS unless the pixels are there, to their end.

    They are weighed, not read; where the header has told their weight, the file is not opened.
    """
    if header.fragments or (is_native and header.pixels_bytes in _whole_bytes(header)):
        return
    with _open_pixels(header) as stream:
        if not is_native:
            for length in _fragments(stream, header):
                stream.seek(length, os.SEEK_CUR)
            return
        wanted = _native_bytes(stream, header)
        at = stream.tell()
        if stream.seek(0, os.SEEK_END) < at + wanted * header.frames:
            raise truncated(header)


def _native_bytes(stream: BinaryIO, header: InstanceHeader) -> int:
    """Pass the header of an element that is not compressed: how many bytes a frame of it has."""
    length = _pixel_length(stream, header)
    whole, padded = _whole_bytes(header)
    if length not in {whole, padded}:
        what = "fewer" if length < whole else "more"
        raise bad_pixels(header, f"PixelData holds {what} bytes than Rows and Columns say")
    return whole // header.frames


def _whole_bytes(header: InstanceHeader) -> tuple[int, int]:
    """How long pixels are that are not compressed: a value of odd length is padded by one byte."""
    plane = header.plane
    whole = plane.rows * plane.columns * _word(header).itemsize * header.frames
    return whole, whole + whole % 2  # PS3.5 7.1.1


def _word(header: InstanceHeader) -> np.dtype[Any]:
    if header.pixels.bits_allocated == 8:
        # Bytes in big endian words come in pairs the wrong way round; no CT is so
        if header.transfer_syntax_uid == BIG_ENDIAN_SYNTAX:
            raise bad_pixels(header, "8 bits in big endian words are not supported")
        return np.dtype(np.uint8)
    return np.dtype(">u2" if header.transfer_syntax_uid == BIG_ENDIAN_SYNTAX else "<u2")


def _open_pixels(header: InstanceHeader) -> BinaryIO:
    stream: BinaryIO = header.path.open("rb")
    if header.is_deflated:
        from pipelines.io.tolerant_header import plain_form

        stream.close()
        stream = BytesIO(plain_form(header.path))
    stream.seek(header.pixels_at)
    return stream


def _pixel_length(stream: BinaryIO, header: InstanceHeader) -> int:
    """Pass the header of the PixelData element and return the length it gives (PS3.5 7.1)."""
    order = ">" if header.transfer_syntax_uid == BIG_ENDIAN_SYNTAX else "<"
    head = stream.read(8)
    if len(head) < 8:
        raise truncated(header)
    group, element = struct.unpack_from(order + "HH", head)
    if group << 16 | element != PIXEL_TAG:
        raise bad_pixels(header, "PixelData is missing")
    if head[4:6] not in LONG_VRS:
        return int(struct.unpack_from(order + "L", head, 4)[0])
    rest = stream.read(4)
    if len(rest) < 4:
        raise truncated(header)
    return int(struct.unpack(order + "L", rest)[0])


def read_frame(header: InstanceHeader) -> bytes:
    """The one frame of encapsulated PixelData, its fragments joined (PS3.5 A.4).

    Raises DicomError TRUNCATED_FILE or BAD_PIXELS.
    """
    fragments: list[bytes] = []
    with _open_pixels(header) as stream:
        for at, length in header.fragments or _places(stream, header)[1:]:
            stream.seek(at)
            fragments.append(stream.read(length))
            if len(fragments[-1]) < length:
                raise truncated(header)
    return b"".join(fragments)


def fragments_of_frames(
    header: InstanceHeader, extended_offsets: bytes
) -> list[tuple[tuple[int, int], ...]]:
    """Offset and length of each fragment of each frame of encapsulated PixelData, walked once.

    Frames of one fragment each need no table of offsets; where there are more fragments the table
    (PS3.5 A.4) has to say where each frame begins. Raises DicomError TRUNCATED_FILE or BAD_PIXELS.
    """
    with _open_pixels(header) as stream:
        (table_at, table_bytes), *places = _places(stream, header)
        stream.seek(table_at)
        table = np.frombuffer(stream.read(table_bytes // 4 * 4), dtype="<u4").tolist()
    if extended_offsets:
        table = np.frombuffer(extended_offsets[: 8 * header.frames], dtype="<u8").tolist()
    first = table_at + table_bytes + ITEM_BYTES
    starts = [at - first for at, _ in places]
    if len(places) == header.frames and (sorted(table) != starts or table == starts):
        return [(place,) for place in places]
    if len(table) != header.frames or table[0] or sorted(set(table)) != table:
        raise bad_pixels(header, "no table of offsets says in order where its frames begin")
    if not set(table) <= set(starts):
        raise bad_pixels(header, "the frames do not begin where their table of offsets says")
    begins = [*(starts.index(offset) for offset in table), len(places)]
    return [tuple(places[begin:end]) for begin, end in pairwise(begins)]


def _places(stream: BinaryIO, header: InstanceHeader) -> list[tuple[int, int]]:
    """Offset and length of each item of encapsulated pixels: the table of offsets comes first."""
    places = []
    for length in _fragments(stream, header):
        places.append((stream.tell(), length))
        stream.seek(length, os.SEEK_CUR)
    if not places:
        raise bad_pixels(header, "the pixels hold nothing, not even a table of offsets")
    return places


def _fragments(stream: BinaryIO, header: InstanceHeader) -> Iterator[int]:
    """The lengths of the items of encapsulated pixels; whoever asks has to pass their content."""
    plane = header.plane
    room = SWELL_ALLOWANCE_BYTES + plane.rows * plane.columns * 2 * SWELL_LIMIT * header.frames
    if _pixel_length(stream, header) != UNDEFINED_LENGTH:
        raise bad_pixels(header, "the pixels are not encapsulated as their transfer syntax asks")
    while (length := _item_length(stream, header)) is not None:
        room -= length
        if room < 0:
            raise bad_pixels(header, "the compressed frame is far larger than its pixels")
        yield length


def _item_length(stream: BinaryIO, header: InstanceHeader) -> int | None:
    """The length of the next item; None at the end of the sequence."""
    head = stream.read(8)
    if len(head) < 8:
        raise truncated(header)
    group, element, length = struct.unpack("<HHL", head)
    tag = group << 16 | element
    if tag == SEQUENCE_END:
        return None
    if tag != ITEM or length == UNDEFINED_LENGTH:
        raise bad_pixels(header, "the fragments of the frame are not items")
    return int(length)


def bad_pixels(header: InstanceHeader, why: str) -> DicomError:
    """The error for pixels that are not what the header says."""
    return DicomError("BAD_PIXELS", f"{header.name}: {why}")


def truncated(header: InstanceHeader) -> DicomError:
    """The error for a file that was cut off."""
    return DicomError("TRUNCATED_FILE", f"{header.name}: the file ends before its pixels do")
