"""Bits of native pixels beside those that are stored, where old overlays may show a name.

BitsStored and HighBit say which bits of a word are the image (PS3.5 8.1.1). Others were once used
for overlays (PS3.3 C.9.2, retired), and stay when the group 60xx that told of them goes. No reader
needs them. Where any says something, all of the image are cleared: to zeros, or to the sign of a
negative value. What holds nothing but zeros or signs there is not touched, byte for byte.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

UNUSED_BITS = "unused bits"
"""As what images are counted whose unused bits were cleared."""

BYTE = 8
EVERY_BYTE = bytes(range(256))

Table: TypeAlias = tuple[int, bytes]
"""Which byte of a word, and what becomes of each value that it may have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class UnusedBits:
    """Where bits are unused: the words' size, and ways to write them that say nothing.

    The first of `forms` is the one that others are brought to; each is what becomes of the bytes
    of a word that have unused bits.
    """

    word_bytes: int
    forms: tuple[tuple[Table, ...], ...]

    def say_something(self, pieces: Callable[[], Iterable[bytes]]) -> bool:
        """Whether an image, in pieces of whole words, is written in none of the forms."""
        return not any(all(self._has(form, one) for one in pieces()) for form in self.forms)

    def cleared(self, content: bytes) -> bytes:
        """Whole words with nothing in their unused bits."""
        new = bytearray(content)
        for place, table in self.forms[0]:
            new[place :: self.word_bytes] = new[place :: self.word_bytes].translate(table)
        return bytes(new)

    def _has(self, form: tuple[Table, ...], content: bytes) -> bool:
        return not any(
            content[place :: self.word_bytes].translate(None, _untouched(table))
            for place, table in form
        )


@lru_cache(maxsize=16)
def unused_bits(
    *, allocated: int, stored: int, high: int, is_signed: bool, is_little_endian: bool
) -> UnusedBits | None:
    """Which bits of the words of an image are unused; None if all of them are its values.

    Raises ValueError for what cannot be, and for signed values that leave whole bytes unused: no
    CT image has so few bits (PS3.3 C.8.2.1.1), and the sign of one byte would stand in another.
    """
    if not (0 < stored <= allocated and stored - 1 <= high < allocated):
        raise ValueError("BitsStored and HighBit do not fit in BitsAllocated")
    if stored == allocated:
        return None
    if allocated % BYTE or (is_signed and high < allocated - BYTE):
        raise ValueError("values of so few bits in such words are not understood")
    used = ((1 << stored) - 1) << (high + 1 - stored)
    masks = used.to_bytes(allocated // BYTE, "little" if is_little_endian else "big")
    top = len(masks) - 1 if is_little_endian else 0
    zeros = {place: bytes(byte & mask for byte in EVERY_BYTE) for place, mask in enumerate(masks)}
    forms = [zeros]
    if is_signed:
        sign, above = 1 << high % BYTE, 0xFF << high % BYTE & 0xFF
        signs = bytes(byte | above if byte & sign else byte for byte in zeros[top])
        forms = [{**zeros, top: signs}, zeros]
    return UnusedBits(
        word_bytes=len(masks),
        forms=tuple(
            tuple((place, table) for place, table in form.items() if table != EVERY_BYTE)
            for form in forms
        ),
    )


@lru_cache(maxsize=16)
def _untouched(table: bytes) -> bytes:
    """The bytes that stay what they are."""
    return bytes(byte for byte, new in enumerate(table) if byte == new)
