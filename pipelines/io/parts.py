"""A part of a file of any kind, unpacked, in which somebody looks for identity."""

import io
from dataclasses import dataclass
from typing import BinaryIO

PART_LIMIT_BYTES = 1 << 28


class UnreadableError(ValueError):
    """A file that cannot be looked into; the message says why and holds nothing of its content."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a file: `place` says which, `is_numbers` that text is there by chance only."""

    place: str
    content: BinaryIO
    is_numbers: bool = False


def held(place: str, content: bytes, *, is_numbers: bool = False) -> Part:
    """A part that is held in memory."""
    return Part(place, io.BytesIO(content), is_numbers)
