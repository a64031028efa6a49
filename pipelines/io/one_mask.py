"""The one mask of a study: those of its readers, placed on the grid of their image and fused.

A mask lies on all slices of its image or on an even part of them; it takes their exact affine, and
no voxel of it is moved.
"""

from collections.abc import Mapping
from dataclasses import replace
from itertools import combinations

import numpy as np

from pipelines.core.agreement import dice
from pipelines.core.errors import ItemError
from pipelines.core.grids import Mask, Volume, affine_of_slices, slices_on_grid, spacing_of
from pipelines.core.model import Decision, Fusion, MaskAgreement
from pipelines.io.fusion import fuse


def one_mask(
    masks: Mapping[str, Mask], volume: Volume, by: Fusion
) -> tuple[Mask, tuple[MaskAgreement, ...], tuple[Decision, ...]]:
    """The one mask of all readers' on a grid of their image, and how far they agree.

    Raises ItemError MASK_OFF_GRID where they do not all lie on one and the same.
    """
    placed = {reader: place_mask(mask, volume) for reader, mask in sorted(masks.items())}
    (first, decision), *others = placed.values()
    if not others:
        return first, (), (decision,)
    marks = {reader: mask.marked for reader, (mask, _) in placed.items()}
    if any(not np.array_equal(other.affine_ras, first.affine_ras) for other, _ in others) or (
        len({mark.shape for mark in marks.values()}) > 1
    ):
        raise ItemError("MASK_OFF_GRID", f"{len(marks)} readers' masks lie on different slices")
    agreements = tuple(
        MaskAgreement(first=one, second=other, dice=round(dice(marks[one], marks[other]), 6))
        for one, other in combinations(marks, 2)
    )
    marked, made_by = fuse(list(marks.values()), by)
    least = min(agreement.dice for agreement in agreements)
    fusion = Decision(
        rule="mask_fusion",
        value=f"{len(marks)} readers, Dice {least:.3f} at least",
        outcome=f"{made_by}: {int(np.count_nonzero(marked))} voxels",
    )
    fused = Mask(marked=marked, affine_ras=first.affine_ras)
    each = (replace(told, value=f"{reader}: {told.value}") for reader, (_, told) in placed.items())
    return fused, agreements, (*each, fusion)


def place_mask(mask: Mask, volume: Volume) -> tuple[Mask, Decision]:
    """The mask with the exact affine of its image, if each of its slices lies on one of the image.

    Raises ItemError MASK_OFF_GRID where it lies on neither all slices nor an even part of them.
    """
    ks = slices_on_grid(volume.affine_ras, volume.shape_ijk, mask.affine_ras, mask.marked.shape)
    if ks is None:
        raise ItemError("MASK_OFF_GRID", "the mask does not lie on slices of its image")
    every = round(spacing_of(mask.affine_ras)[2] / spacing_of(volume.affine_ras)[2])
    affine_ras = affine_of_slices(volume.affine_ras, ks, every=max(every, 1))
    all_slices = volume.shape_ijk[2]
    grid = "full" if len(ks) == all_slices else "thinned"
    decision = Decision(
        rule="mask",
        value=f"{len(ks)} of {all_slices} slices, {int(np.count_nonzero(mask.marked))} voxels",
        outcome=f"lies on the {grid} grid" if mask.marked.any() else "is empty",
    )
    return Mask(marked=mask.marked, affine_ras=affine_ras), decision
