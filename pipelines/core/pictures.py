"""Two small pictures of a published volume, as a radiologist looks at it: pure numpy.

An axial and a coronal slice in the lung window, the patient's right on the viewer's left, front
and head up. Where a mask marks something they show where it marks most, else where the lungs are
widest. A pixel is the mean of the voxels it covers within its slice; slices are never mixed.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipelines.core.field_of_view import aerated
from pipelines.core.grids import Mask, Volume, spacing_of

LUNG_CENTRE_HU, LUNG_WIDTH_HU = -600, 1500
"""The usual lung window: -1350 HU is black, 150 HU is white."""

LONGEST_SIDE = 192
"""Pixels along i and j at most: 1110 studies at this size make a report of some 12 MB."""

LOOKED_AT_EVERY = 4
"""The lungs are looked for in one voxel of so many along i and j, which finds the same slice."""

Grey = NDArray[np.uint8]
Marked = NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """Grey values `[row, column]`, how large they are, and where a mask marks, if it does here.

    `outline` is a path of SVG in pixels, around every pixel in which anything is marked.
    """

    grey: Grey
    width_mm: float
    height_mm: float
    outline: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Preview:
    """What is shown of a study, and the mean of its aerated lung, None where it shows none."""

    axial: Picture
    coronal: Picture
    lung_mean_hu: float | None


def preview_of(volume: Volume, mask: Mask | None) -> Preview:
    """The pictures of a volume that is stored LAS, with its mask on the same grid."""
    lungs, lung_mean_hu = _lungs(volume.voxels_hu)
    marked = None if mask is None or not mask.marked.any() else mask.marked.astype(bool)
    j, k = _fullest(lungs, LOOKED_AT_EVERY) if marked is None else _fullest(marked, 1)
    dx_mm, dy_mm, dz_mm = spacing_of(volume.affine_ras)
    ni, nj, nk = volume.shape_ijk
    return Preview(
        axial=_picture(
            volume.voxels_hu[:, ::-1, k].T,
            None if marked is None else marked[:, ::-1, k].T,
            size_mm=(ni * dx_mm, nj * dy_mm),
            pixels=(_fitting(ni), _fitting(nj)),
        ),
        coronal=_picture(
            volume.voxels_hu[:, j, ::-1].T,
            None if marked is None else marked[:, j, ::-1].T,
            size_mm=(ni * dx_mm, nk * dz_mm),
            pixels=(_fitting(ni), nk),
        ),
        lung_mean_hu=lung_mean_hu,
    )


def windowed(hu: NDArray[np.float64]) -> Grey:
    """Hounsfield units as grey values in the lung window."""
    black_hu = LUNG_CENTRE_HU - LUNG_WIDTH_HU / 2
    grey = np.rint((hu - black_hu) * (255 / LUNG_WIDTH_HU))
    return grey.clip(0, 255).astype(np.uint8)


def shrunk(values: NDArray[np.float64], *, pixels: tuple[int, int]) -> NDArray[np.float64]:
    """The means of `values` `[row, column]` over a grid of so many columns and rows, no more."""
    for axis, count in enumerate(reversed(pixels)):
        starts = np.arange(count) * values.shape[axis] // count
        sizes = np.diff(starts, append=values.shape[axis])
        sums = np.add.reduceat(values, starts, axis=axis)
        values = sums / (sizes if axis == 1 else sizes[:, np.newaxis])
    return values


def outline_of(marked: Marked) -> str:
    """The border of what is marked `[row, column]`, as a path of SVG with (0, 0) in the corner."""
    padded = np.pad(marked, 1)
    across = padded[1:, 1:-1] != padded[:-1, 1:-1]  # between a row and the one above it
    along = (padded[1:-1, 1:] != padded[1:-1, :-1]).T
    return "".join(
        f"M{start} {line}h{end - start}" for line, start, end in _runs(across)
    ) + "".join(f"M{line} {start}v{end - start}" for line, start, end in _runs(along))


def _runs(edges: Marked) -> list[tuple[int, int, int]]:
    """Where edges that follow one another begin and end: line, first, one behind the last."""
    return [
        (line, int(start), int(end))
        for line, row in enumerate(edges)
        for start, end in list(pairwise(np.flatnonzero(np.diff(row, prepend=False, append=False))))[
            ::2
        ]
    ]


def _picture(
    slice_hu: NDArray[np.int16],
    marked: Marked | None,
    *,
    size_mm: tuple[float, float],
    pixels: tuple[int, int],
) -> Picture:
    outline = ""
    if marked is not None:
        outline = outline_of(shrunk(marked.astype(np.float64), pixels=pixels) > 0)
    return Picture(
        grey=windowed(shrunk(slice_hu.astype(np.float64), pixels=pixels)),
        width_mm=size_mm[0],
        height_mm=size_mm[1],
        outline=outline,
    )


def _fitting(voxels: int) -> int:
    return min(voxels, LONGEST_SIDE)


def _lungs(voxels_hu: NDArray[np.int16]) -> tuple[Marked, float | None]:
    """Where lung is in a coarser volume, and the mean of it in HU."""
    coarse = voxels_hu[::LOOKED_AT_EVERY, ::LOOKED_AT_EVERY]
    lungs = np.stack([aerated(coarse[:, :, k])[0] for k in range(coarse.shape[2])], axis=2)
    return lungs, float(np.mean(coarse[lungs])) if lungs.any() else None


def _fullest(marked: Marked, every: int) -> tuple[int, int]:
    """The j and the k at which most is marked; the middle ones where nothing is."""
    if not marked.any():
        return marked.shape[1] * every // 2, marked.shape[2] // 2
    return int(np.argmax(marked.sum(axis=(0, 2)))) * every, int(np.argmax(marked.sum(axis=(0, 1))))
