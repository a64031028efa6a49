"""Looks for text that was burned into the pixels of a slice; the words are not read.

Text is drawn in one value, again and again: it makes a spike in the histogram, where noisy anatomy
makes none, and the pixels of that value fall into pieces of one height that stand in a line. What
is not drawn so (dark on bright, blended with the image, blurred by lossy compression, or fewer
than five letters) is not found: that is why captures and derived images are left out before.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

DRAWN_ABOVE_HU = 200
"""Text is drawn brighter than soft tissue, or it could not be read."""

SPIKE_PIXELS = 40
"""Five letters of the smallest font have so many pixels."""

SPIKE_RATIO = 8
"""How much more often than its neighbours a value must occur to be drawn, not measured."""

NEIGHBOURS_HU = 24
SAME_VALUE_HU = 2
MOST_SPIKES = 8
LETTER_HEIGHTS = (5, 64)
LETTERS_IN_A_LINE = 5
MOST_PIECES = 4000


@dataclass(frozen=True, slots=True)
class Box:
    """A piece of one value: its first column and row, its width and height, in pixels."""

    left: int
    top: int
    width: int
    height: int


def has_text(slice_hu: NDArray[np.int16]) -> bool:
    """Whether a line of drawn letters runs along either axis of a slice."""
    for value in _drawn_values(slice_hu):
        drawn = np.abs(slice_hu.astype(np.int32) - value) <= SAME_VALUE_HU
        boxes = _pieces(drawn)
        turned = [Box(box.top, box.left, box.height, box.width) for box in boxes]
        if _has_line(boxes) or _has_line(turned):
            return True
    return False


def _drawn_values(slice_hu: NDArray[np.int16]) -> list[int]:
    """The values that occur far more often than those around them."""
    bright = slice_hu[slice_hu > DRAWN_ABOVE_HU]
    if bright.size < SPIKE_PIXELS:
        return []
    counts = np.bincount(bright.astype(np.int64) - DRAWN_ABOVE_HU)
    window = np.ones(2 * NEIGHBOURS_HU + 1)
    around = (np.convolve(counts, window, mode="same") - counts) / (2 * NEIGHBOURS_HU)
    is_spike = (counts >= SPIKE_PIXELS) & (counts >= SPIKE_RATIO * around)
    spikes = np.flatnonzero(is_spike)
    most = spikes[np.argsort(counts[spikes], kind="stable")[::-1][:MOST_SPIKES]]
    return [int(value) + DRAWN_ABOVE_HU for value in most]


def _pieces(drawn: NDArray[np.bool_]) -> list[Box]:
    """The connected pieces that are as high or as wide as a letter may be."""
    import SimpleITK  # 95 MB and a third of a second, for the one slice in thousands that needs it

    labels = SimpleITK.ConnectedComponent(SimpleITK.GetImageFromArray(drawn.astype(np.uint8)), True)
    shapes = SimpleITK.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels)
    if shapes.GetNumberOfLabels() > MOST_PIECES:
        return []
    low, high = LETTER_HEIGHTS
    boxes = (Box(*shapes.GetBoundingBox(label)) for label in shapes.GetLabels())
    return [box for box in boxes if low <= max(box.width, box.height) <= high]


def _has_line(boxes: list[Box]) -> bool:
    """Whether enough pieces of one height stand side by side."""
    low, high = LETTER_HEIGHTS
    letters = [box for box in boxes if low <= box.height <= high and box.width <= 2 * box.height]
    return any(_letters_beside(first, letters) >= LETTERS_IN_A_LINE for first in letters)


def _letters_beside(first: Box, letters: list[Box]) -> int:
    """How many letters the line has that begins with this one."""
    middle, height = first.top + first.height / 2, first.height
    line = sorted(
        box.left
        for box in letters
        if abs(box.top + box.height / 2 - middle) <= 0.25 * height
        and abs(box.height - height) <= max(1, 0.15 * height)
        and box.left >= first.left
    )
    count = 1
    for left, following in pairwise(line):
        if not 0 < following - left <= 3 * height:
            break
        count += 1
    return count
