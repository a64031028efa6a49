"""Looks for text that was burned into the pixels of a slice; the words are not read.

Text is drawn in one value, again and again: it makes a spike in the histogram, where noisy anatomy
makes none, and the pixels of that value fall into pieces of one height that stand in a line. Dark
text, which is drawn in the lowest value there is, lies between something brighter on both sides of
each stroke, as clipped air and padding do not. What is not drawn so (blended with the image, or
fewer than five letters) is for the eye of an OCR: `pipelines.io.text_boxes`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.core.model import Ocr
from pipelines.io import text_boxes

Marks = NDArray[np.bool_]

DRAWN_ABOVE_HU = 200
"""Bright text is brighter than soft tissue, or it could not be read."""

DRAWN_BELOW_HU = -200
"""Dark text is darker than fat, or it could not be read."""

CONTRAST_HU = 400
"""How much brighter than dark text its ground is: more than lung is brighter than air."""

DRAWN_PIXELS = 40
"""Five letters of the smallest font have so many pixels."""

SPIKE_RATIO = 8
"""How much more often than its neighbours a value must occur to be drawn, not measured."""

NEIGHBOURS_HU = 24
SAME_VALUE_HU = 2
MOST_SPIKES = 8
WIDEST_STROKE = 16
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


class Sight(Enum):
    """What a look at a slice comes to."""

    CLEAR = "nothing was drawn"
    SUSPICIOUS = "something was drawn, but no line of letters"
    TEXT = "a line of letters was drawn"


def shows_text(slice_hu: NDArray[np.int16], ocr: Ocr) -> bool:
    """Whether text stands on a slice of HU (rows, columns), by our look and, if asked, an OCR's.

    Raises SettingsError where the extra `ocr` is needed and not installed.
    """
    sight = look(slice_hu)
    if sight is Sight.TEXT:
        return True
    is_asked = ocr is Ocr.ALL or (ocr is Ocr.SUSPICIOUS and sight is Sight.SUSPICIOUS)
    return is_asked and text_boxes.has_text(slice_hu)


def look(slice_hu: NDArray[np.int16]) -> Sight:
    """Whether a line of drawn letters runs along either axis of a slice of HU (rows, columns)."""
    sight = Sight.CLEAR
    for drawn, around in _drawn(slice_hu):
        sight = Sight.SUSPICIOUS
        boxes = _pieces(around, drawn)
        turned = [Box(box.top, box.left, box.height, box.width) for box in boxes]
        if _has_line(boxes) or _has_line(turned):
            return Sight.TEXT
    return sight


def _drawn(slice_hu: NDArray[np.int16]) -> Iterator[tuple[Marks, Marks]]:
    """What was drawn in one value, and the same with what of its letters is smoothed away."""
    for value in _drawn_values(slice_hu):
        drawn = np.abs(slice_hu.astype(np.int32) - value) <= SAME_VALUE_HU
        yield drawn, drawn
        yield drawn, slice_hu > value // 2
    strokes = _dark_strokes(slice_hu)
    if np.count_nonzero(strokes) >= DRAWN_PIXELS:
        yield strokes, strokes


def _drawn_values(slice_hu: NDArray[np.int16]) -> list[int]:
    """The bright values that occur far more often than those around them."""
    bright = slice_hu[slice_hu > DRAWN_ABOVE_HU]
    if bright.size < DRAWN_PIXELS:
        return []
    counts = np.bincount(bright.astype(np.int64) - DRAWN_ABOVE_HU)
    none = np.zeros(NEIGHBOURS_HU + 1, counts.dtype)
    below = np.cumsum(np.concatenate((none, counts, none[1:])))
    window = 2 * NEIGHBOURS_HU + 1
    around = (below[window:] - below[:-window] - counts) / (window - 1)
    is_spike = (counts >= DRAWN_PIXELS) & (counts >= SPIKE_RATIO * around)
    spikes = np.flatnonzero(is_spike)
    most = spikes[np.argsort(counts[spikes], kind="stable")[::-1][:MOST_SPIKES]]
    return [int(value) + DRAWN_ABOVE_HU for value in most]


def _dark_strokes(slice_hu: NDArray[np.int16]) -> Marks:
    """What has the lowest value, is as thin as a stroke, and lies between brighter pixels."""
    strokes = np.zeros(slice_hu.shape, np.bool_)
    lowest = int(slice_hu.min())
    drawn = slice_hu <= lowest + SAME_VALUE_HU
    if lowest <= DRAWN_BELOW_HU and np.count_nonzero(drawn) >= DRAWN_PIXELS:
        ground = slice_hu > lowest + CONTRAST_HU
        for axis in (0, 1):
            strokes.ravel()[_runs_between(drawn, ground, axis)] = True
    return strokes


def _runs_between(drawn: Marks, ground: Marks, axis: int) -> NDArray[np.intp]:
    """Where in memory the short runs along an axis lie that have ground next but one to both ends.

    Not next to them: the edge of a letter may be smoothed.
    """
    is_drawn, is_ground = drawn.ravel(), ground.ravel()
    size, stride = drawn.shape[axis], 1 if axis == 1 else drawn.shape[1]
    starts = np.flatnonzero(is_drawn[stride:] > is_drawn[:-stride]) + stride
    begins = starts // stride % size
    fits = (begins > 0) & is_ground[starts - stride * np.minimum(begins, 2)]
    starts, begins = starts[fits], begins[fits]
    # Of the few that are left each is followed for as long as a stroke may be, and one pixel more
    steps = np.arange(WIDEST_STROKE + 1)
    room = (size - 1 - begins)[:, np.newaxis]
    ahead = starts[:, np.newaxis] + stride * np.minimum(steps, room)
    lengths = (is_drawn[ahead] | (steps > room)).argmin(axis=1)
    behind = starts + stride * np.minimum(lengths + 1, room[:, 0])
    lengths[~is_ground[behind]] = 0
    found: NDArray[np.intp] = ahead[steps < lengths[:, np.newaxis]]
    return found


def _pieces(around: Marks, drawn: Marks) -> list[Box]:
    """The connected pieces with something drawn in them that are as high or wide as a letter."""
    import SimpleITK  # 95 MB and a third of a second, for the one slice in thousands that needs it

    labels = SimpleITK.ConnectedComponent(
        SimpleITK.GetImageFromArray(around.astype(np.uint8)), True
    )
    shapes = SimpleITK.LabelShapeStatisticsImageFilter()
    shapes.Execute(labels)
    if shapes.GetNumberOfLabels() > MOST_PIECES:
        return []
    with_drawn = np.unique(SimpleITK.GetArrayViewFromImage(labels)[drawn & around])
    low, high = LETTER_HEIGHTS
    boxes = (Box(*shapes.GetBoundingBox(int(label))) for label in with_drawn)
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
