"""Capital letters drawn as pixels, so that burned-in text needs no font and never changes."""

from __future__ import annotations

from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

# Five columns a letter, the lowest bit is the top of seven rows.
_COLUMNS = MappingProxyType(
    {
        "A": "7E1111117E", "B": "7F49494936", "C": "3E41414122", "D": "7F4141221C",
        "E": "7F49494941", "F": "7F09090901", "G": "3E4149497A", "H": "7F0808087F",
        "I": "00417F4100", "J": "2040413F01", "K": "7F08142241", "L": "7F40404040",
        "M": "7F020C027F", "N": "7F0408107F", "O": "3E4141413E", "P": "7F09090906",
        "Q": "3E4151215E", "R": "7F09192946", "S": "4649494931", "T": "01017F0101",
        "U": "3F4040403F", "V": "1F2040201F", "W": "3F4038403F", "X": "6314081463",
        "Y": "0708700807", "Z": "6151494543", "0": "3E5149453E", "1": "00427F4000",
        "2": "4261514946", "3": "2141454B31", "4": "1814127F10", "5": "2745454539",
        "6": "3C4A494930", "7": "0171090503", "8": "3649494936", "9": "064949291E",
        "-": "0808080808", ".": "0060600000", ":": "0036360000", "/": "2010080402",
        "*": "14083E0814", " ": "0000000000", "^": "0402010204",
    }
)  # fmt: skip
_UNKNOWN = "7F4141417F"


def lettered(lines: list[str], *, scale: int = 1) -> NDArray[np.uint8]:
    """The lines as white (255) on black (0), [row, column]; unknown letters become boxes."""
    longest = max(len(line) for line in lines)
    page = np.zeros((10 * len(lines) + 2, 6 * longest + 2), np.uint8)
    for row, line in enumerate(lines):
        for column, letter in enumerate(line.upper()):
            top, left = 10 * row + 2, 6 * column + 2
            page[top : top + 7, left : left + 5] = _glyph(letter)
    return np.repeat(np.repeat(page, scale, axis=0), scale, axis=1)


def _glyph(letter: str) -> NDArray[np.uint8]:
    columns = bytes.fromhex(_COLUMNS.get(letter, _UNKNOWN))
    bits = [[255 * (column >> row & 1) for column in columns] for row in range(7)]
    return np.array(bits, np.uint8)
