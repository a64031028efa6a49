"""What a reader has drawn in DICOM, brought onto the grid of its image: pure numpy.

A frame of a segmentation and a contour of a structure set each name their own place; it is where
they say, or it is refused: nothing is resampled, moved to the nearest slice, or guessed.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.choice import is_like
from pipelines.core.errors import ItemError
from pipelines.core.grids import LPS_TO_RAS, Affine, Mask

PLACE_TOLERANCE_MM = 0.1
"""How far a drawing may lie from the slice it is on: planning systems write tenths of a mm."""

CROSSINGS_AT_ONCE = 1 << 20
"""So many crossings of edges and rows are held in memory at a time."""

Marked = NDArray[np.bool_]
Points = NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """The image that is drawn on: its grid, and by which UIDs a drawing may refer to it.

    `affine_ras` is RAS+ in mm of voxels `[i, j, k]`; `uids` are the SOPInstanceUIDs of its images.
    """

    affine_ras: Affine
    shape_ijk: tuple[int, int, int]
    uids: frozenset[str]
    frame_of_reference_uid: str

    def refuse_strangers(self, frame_of_reference_uid: str, referenced: Iterable[str]) -> None:
        """Raise ItemError MASK_OTHER_IMAGE for what was drawn in another frame of reference.

        What refers to a slice of this image is of this image, whatever else it says.
        """
        is_ours = frame_of_reference_uid and frame_of_reference_uid == self.frame_of_reference_uid
        if not is_ours and self.uids.isdisjoint(referenced):
            message = "it refers to no slice of the image, nor to its FrameOfReferenceUID"
            raise ItemError("MASK_OTHER_IMAGE", message)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frame:
    """What is marked `[row, column]` in one plane, `affine_lps` of `[column, row, 0]`."""

    marked: Marked
    affine_lps: Affine


def choose_labels(labels: Mapping[int, str], wanted: Sequence[str]) -> tuple[int, ...]:
    """The numbers of the labels that are wanted, by number or by name as in SQL LIKE.

    Raises ItemError MASK_LABELS where none is, or where nothing says which of several is meant.
    """
    if not wanted:
        if len(labels) != 1:
            raise ItemError("MASK_LABELS", f"it has {len(labels)} labels, and none is chosen")
        return tuple(labels)
    chosen = tuple(
        number
        for number, name in labels.items()
        if any(want.strip() == str(number) or is_like(name, want) for want in wanted)
    )
    if not chosen:
        raise ItemError("MASK_LABELS", f"none of its {len(labels)} labels is one that is wanted")
    return chosen


def mask_of_frames(frames: Iterable[Frame], target: Target) -> Mask:
    """The union of frames on the grid of the image; frames without a mark may lie anywhere.

    Raises ItemError MASK_OFF_SLICES where a marked pixel lies on none of the image.
    """
    marked = np.zeros(target.shape_ijk, dtype=np.uint8, order="F")
    off = 0
    for frame in frames:
        places = np.argwhere(frame.marked)[:, ::-1]
        if not len(places):
            continue
        indices = _indices(frame, places, target)
        if indices is None:
            off += 1
        else:
            marked[tuple(indices.T)] = 1
    if off:
        raise ItemError("MASK_OFF_SLICES", f"{off} marked frames lie on no slice of the image")
    return Mask(marked=marked, affine_ras=target.affine_ras)


def mask_of_contours(contours: Sequence[Points], target: Target) -> Mask:
    """What contours enclose by the even-odd rule, at the centres of voxels.

    A contour is `[point, 3]` in LPS+ mm. Contours of one slice count together: one within another
    is a hole, and a keyhole needs no care. The same contour twice is one contour. Raises
    ItemError MASK_OFF_SLICES or MASK_NOT_PLANAR.
    """
    by_k: dict[int, dict[bytes, Points]] = {}
    off = tilted = 0
    step_mm = float(np.linalg.norm(target.affine_ras[:3, 2]))
    ras_to_ijk: Points = np.linalg.inv(target.affine_ras)
    for contour in contours:
        ijk = _ijk(contour, ras_to_ijk)
        k = round(float(ijk[:, 2].mean()))
        away_mm = np.abs(ijk[:, 2] - k) * step_mm
        if away_mm.max() <= PLACE_TOLERANCE_MM and 0 <= k < target.shape_ijk[2]:
            by_k.setdefault(k, {})[_corners(ijk[:, :2])] = ijk[:, :2]
        elif np.ptp(ijk[:, 2]) * step_mm > 2 * PLACE_TOLERANCE_MM:
            tilted += 1
        else:
            off += 1
    if tilted:
        raise ItemError("MASK_NOT_PLANAR", f"{tilted} contours are not parallel to the slices")
    if off:
        raise ItemError("MASK_OFF_SLICES", f"{off} contours lie on no slice of the image")
    marked = np.zeros(target.shape_ijk, dtype=np.uint8, order="F")
    for k, distinct in by_k.items():
        marked[:, :, k] = enclosed(list(distinct.values()), target.shape_ijk[:2])
    return Mask(marked=marked, affine_ras=target.affine_ras)


def enclosed(contours: Sequence[Points], shape: Sequence[int]) -> Marked:
    """The pixels `[i, j]` whose centres closed contours `[point, (i, j)]` enclose, even-odd."""
    width, height = shape
    toggles = np.zeros((width + 1, height), dtype=np.uint8)
    starts = np.concatenate(list(contours))
    ends = np.concatenate([np.roll(contour, -1, axis=0) for contour in contours])
    low, high = np.minimum(starts[:, 1], ends[:, 1]), np.maximum(starts[:, 1], ends[:, 1])
    # Half open, so that a corner on a row counts for one of its two edges
    first = np.clip(np.ceil(low), 0, height).astype(np.int64)
    counts = np.clip(np.ceil(high), 0, height).astype(np.int64) - first
    for part in _parts(counts):
        edges = np.repeat(np.arange(part.start, part.stop), counts[part])
        nth = np.arange(len(edges)) - np.repeat(
            np.cumsum(counts[part]) - counts[part], counts[part]
        )
        rows = first[edges] + nth
        along = (rows - starts[edges, 1]) / (ends[edges, 1] - starts[edges, 1])
        crossings = starts[edges, 0] + along * (ends[edges, 0] - starts[edges, 0])
        columns = np.clip(np.ceil(crossings), 0, width).astype(np.int64)
        np.bitwise_xor.at(toggles, (columns, rows), 1)
    inside: Marked = np.bitwise_xor.accumulate(toggles[:width], axis=0).astype(np.bool_)
    return inside


def _parts(counts: NDArray[np.int64]) -> Iterable[slice]:
    """Ranges of edges that have no more crossings together than memory is there for."""
    group = (np.cumsum(counts) - counts) // CROSSINGS_AT_ONCE
    bounds = [0, *(np.flatnonzero(np.diff(group)) + 1).tolist(), len(counts)]
    return [slice(start, stop) for start, stop in pairwise(bounds)]


def _ijk(points_lps: Points, ras_to_ijk: Points) -> Points:
    homogeneous = np.column_stack([points_lps, np.ones(len(points_lps))])
    ijk: Points = (homogeneous @ (ras_to_ijk @ LPS_TO_RAS).T)[:, :3]
    return ijk


def _corners(points: Points) -> bytes:
    """The same for a contour wherever it starts and whichever way it runs."""
    return np.unique(np.round(points, 3) + 0.0, axis=0).tobytes()


def _indices(frame: Frame, places: NDArray[np.intp], target: Target) -> NDArray[np.intp] | None:
    """The voxels `[point, (i, j, k)]` at pixels `[point, (column, row)]`; None where there is none.

    The outermost marked pixels must lie on voxels, and so do all between them.
    """
    to_ijk = np.linalg.inv(target.affine_ras) @ LPS_TO_RAS @ frame.affine_lps
    points = np.column_stack([places, np.zeros(len(places)), np.ones(len(places))])
    ijk = (points @ to_ijk.T)[:, :3]
    nearest = np.rint(ijk)
    away_mm = np.linalg.norm((ijk - nearest) @ target.affine_ras[:3, :3].T, axis=1)
    inside = (nearest >= 0).all() and (nearest < target.shape_ijk).all()
    is_alike = np.allclose(np.abs(np.linalg.det(to_ijk[:2, :2])), 1, atol=0.01)
    if not inside or not is_alike or away_mm.max() > PLACE_TOLERANCE_MM:
        return None
    return nearest.astype(np.intp)
