"""What a raw header has to say of its pixels, so that they may be copied unread.

Whatever it does not say with certainty raises Uncertain, and pydicom reads the whole file.
"""

import re

from pipelines.core.deid import Action
from pipelines.io.engine import Engine
from pipelines.io.raw_elements import Uncertain, value_of
from pipelines.io.raw_header import RawHeader
from pipelines.io.unused_bits import UnusedBits, unused_bits

SAMPLES, FRAMES, ROWS, COLUMNS, BITS = 0x00280002, 0x00280008, 0x00280010, 0x00280011, 0x00280100
BITS_STORED, HIGH_BIT, PIXEL_REPRESENTATION = 0x00280101, 0x00280102, 0x00280103
_INTEGER = re.compile(rb"[0-9]{1,9} ?")


def refuse_other_pixels(raw: RawHeader) -> None:
    """PS3.5 8.1.1: native pixels are as many as the header says, which has to be sure of it."""
    if raw.pixels is not None:
        return
    rows, columns, bits = (_short(raw, tag) for tag in (ROWS, COLUMNS, BITS))
    samples = _short(raw, SAMPLES) if SAMPLES in raw.elements else 1
    frames = b"1"
    if FRAMES in raw.elements:
        frames = value_of(raw.elements[FRAMES], is_implicit=raw.is_implicit)
    if not _INTEGER.fullmatch(frames):
        raise Uncertain
    expected = (rows * columns * (samples or 1) * (int(frames) or 1) * bits + 7) // 8
    if raw.pixels_length != expected + expected % 2:
        raise Uncertain


def unused_bits_in(raw: RawHeader) -> UnusedBits | None:
    """Which bits of native pixels are no values; None if they all are. Raises Uncertain."""
    if raw.pixels is not None:
        return None
    stored = _short(raw, BITS_STORED)
    try:
        return unused_bits(
            allocated=_short(raw, BITS),
            stored=stored,
            high=_short(raw, HIGH_BIT) if HIGH_BIT in raw.elements else stored - 1,
            is_signed=_short(raw, PIXEL_REPRESENTATION) == 1,
            is_little_endian=True,
        )
    except ValueError as error:
        raise Uncertain from error


def refuse_unknown_sign(raw: RawHeader, engine: Engine) -> None:
    """Elements that are `US or SS` in Implicit VR take their type from PixelRepresentation."""
    if raw.is_implicit:
        is_kept = engine.rules.of(PIXEL_REPRESENTATION, "US").action is Action.KEEP
        if not is_kept or _short(raw, PIXEL_REPRESENTATION) > 1:
            raise Uncertain


def _short(raw: RawHeader, tag: int) -> int:
    element = raw.elements.get(tag, b"")
    is_short = raw.is_implicit or element[4:6] == b"US"
    if len(element) != 10 or not is_short:
        raise Uncertain
    return int.from_bytes(element[8:], "little")
