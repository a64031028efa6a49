"""The masks of several readers made one: by STAPLE, or by what most of them marked.

STAPLE (Warfield, Zou and Wells, IEEE Trans Med Imaging 2004;23:903) weighs each reader by how well
he agrees with what all of them make likely. It knows nothing of an image's size: what it takes
for the background is the box around everything that anyone has marked, with a margin.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.model import Fusion

LIKELY = 0.5
"""A voxel is marked where that is at least as likely as not."""

MARGIN_VOXELS = 1

Marks = NDArray[np.uint8]


def fuse(masks: Sequence[Marks], by: Fusion) -> tuple[Marks, Fusion]:
    """One mask of several on the same grid `[i, j, k]`, and how it was made.

    What all readers mark is marked, and what nobody marks is not. Where readers agree so little
    that STAPLE says otherwise, or nothing, the majority decides.
    """
    union = np.logical_or.reduce([mask != 0 for mask in masks])
    fused = np.zeros(union.shape, dtype=np.uint8, order="F")
    if not union.any():
        return fused, by
    box = _box(union)
    parts = [np.ascontiguousarray(mask[box] != 0, dtype=np.uint8) for mask in masks]
    made = staple(parts) if by is Fusion.STAPLE else None
    fused[box] = majority(parts) if made is None else made
    return fused, Fusion.MAJORITY if made is None else by


def majority(masks: Sequence[Marks]) -> Marks:
    """What more than half of the readers marked; of two readers, what both did."""
    votes = np.sum([mask != 0 for mask in masks], axis=0)
    return np.asarray(2 * votes > len(masks), dtype=np.uint8)


def staple(masks: Sequence[Marks]) -> Marks | None:
    """What STAPLE finds at least as likely as not to be marked; None where it finds no sense."""
    import SimpleITK

    sitk: Any = SimpleITK
    filter_ = sitk.STAPLEImageFilter()
    filter_.SetForegroundValue(1.0)
    filter_.SetNumberOfThreads(1)  # sums in one order: the same bytes on any machine
    likely = sitk.GetArrayFromImage(filter_.Execute([sitk.GetImageFromArray(m) for m in masks]))
    marked = likely >= LIKELY
    by_all = np.logical_and.reduce([mask != 0 for mask in masks])
    by_any = np.logical_or.reduce([mask != 0 for mask in masks])
    makes_sense = np.isfinite(likely).all() and not (by_all > marked).any()
    if not makes_sense or (marked > by_any).any():
        return None
    return np.asarray(marked, dtype=np.uint8)


def _box(union: NDArray[np.bool_]) -> tuple[slice, ...]:
    """The box around what is marked, with a margin as far as there is one."""
    sides = []
    for axis in range(union.ndim):
        others = tuple(other for other in range(union.ndim) if other != axis)
        marked = np.flatnonzero(union.any(axis=others))
        start = max(int(marked[0]) - MARGIN_VOXELS, 0)
        sides.append(slice(start, int(marked[-1]) + 1 + MARGIN_VOXELS))
    return tuple(sides)
