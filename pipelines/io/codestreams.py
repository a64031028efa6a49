"""What a compressed frame says about itself, read before a decoder is let at it.

A decoder allocates what the frame asks for, and gives numbers where a lossy frame poses as a
lossless one: so size, channels and reversibility are read from the markers first.
"""

import struct
from dataclasses import dataclass

START_OF_CODESTREAM = b"\xff\x4f\xff\x51"
"""SOC and SIZ, the first two markers of JPEG 2000 (ISO/IEC 15444-1 A.4, A.5)."""

JP2_BOXES_BYTES = 512
"""Some writers wrap the codestream in JP2 boxes, which DICOM forbids (PS3.5 A.4.4): look so far."""

END_OF_IMAGE = b"\xff\xd9"
JPEG_SEQUENTIAL_SIZES = frozenset({0xC0, 0xC1, 0xC2, 0xC3, 0xF7})
"""Start of frame: baseline, extended, progressive, lossless (T.81 table B.1), JPEG-LS (T.87)."""

LOSSLESS_JPEG, JPEG_LS = 0xC3, 0xF7
START_OF_SCAN = 0xDA
CODING_STYLE = 0xFF52
REVERSIBLE_WAVELET = 1
"""The 5-3 filter; 0 is the irreversible 9-7 (ISO/IEC 15444-1 table A.20)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameClaim:
    """What the frame's own markers say: `is_reversible` is about the transform, not the history."""

    rows: int
    columns: int
    channels: int
    is_reversible: bool


def has_end(frame: bytes) -> bool:
    """Whether the last marker is the end of the image, padding aside."""
    return frame[-64:].rstrip(b"\0\xff").endswith(END_OF_IMAGE)


def read_jpeg_claim(frame: bytes) -> FrameClaim | None:
    """The claim of a JPEG or JPEG-LS frame; None where its markers make no sense."""
    size: tuple[int, int, int, int] | None = None
    for marker, body in _jpeg_segments(frame):
        if marker in JPEG_SEQUENTIAL_SIZES and len(body) >= 6:
            rows, columns, channels = struct.unpack_from(">xHHB", body)
            size = marker, rows, columns, channels
        elif marker == START_OF_SCAN and size is not None:
            kind, rows, columns, channels = size
            return FrameClaim(
                rows=rows,
                columns=columns,
                channels=channels,
                is_reversible=_is_reversible_scan(kind, body),
            )
    return None


def _is_reversible_scan(kind: int, scan: bytes) -> bool:
    """Whether a scan drops nothing: no point transform (T.81 B.2.3), no NEAR (T.87 C.2.3)."""
    parameters = scan[1 + 2 * scan[0] :] if scan else b""
    if len(parameters) < 3:
        return False
    if kind == LOSSLESS_JPEG:
        return parameters[2] & 0x0F == 0
    return kind == JPEG_LS and parameters[0] == 0 and parameters[2] == 0


def _jpeg_segments(frame: bytes) -> list[tuple[int, bytes]]:
    """The marker segments up to the first scan, as (marker, body)."""
    segments: list[tuple[int, bytes]] = []
    at = 2 if frame[:2] == b"\xff\xd8" else len(frame)
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker = frame[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        length = int.from_bytes(frame[at + 2 : at + 4], "big")
        segments.append((marker, frame[at + 4 : at + 2 + length]))
        if marker == START_OF_SCAN or length < 2:
            break
        at += 2 + length
    return segments


def read_jpeg2000_claim(frame: bytes) -> FrameClaim | None:
    """The claim of a JPEG 2000 or HTJ2K frame; None where its markers make no sense."""
    start = frame.find(START_OF_CODESTREAM, 0, JP2_BOXES_BYTES)
    if start < 0 or len(frame) < start + 45:
        return None
    right, bottom, left, top = struct.unpack_from(">4L", frame, start + 8)
    (channels,) = struct.unpack_from(">H", frame, start + 40)
    transform = _wavelet(frame, start + 2)
    if transform is None:
        return None
    return FrameClaim(
        rows=bottom - top,
        columns=right - left,
        channels=channels,
        is_reversible=transform == REVERSIBLE_WAVELET,
    )


def _wavelet(frame: bytes, at: int) -> int | None:
    """The wavelet that the coding style default names (ISO/IEC 15444-1 A.6.1)."""
    while at + 4 <= len(frame) and frame[at] == 0xFF:
        marker, length = struct.unpack_from(">HH", frame, at)
        if marker == CODING_STYLE:
            return frame[at + 13] if at + 13 < len(frame) else None
        if length < 2:
            return None
        at += 2 + length
    return None
