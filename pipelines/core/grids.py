"""Voxel grids in the world, and how they are stored: pure numpy.

All affines are RAS+ in mm and give voxel centres of `[i, j, k]`. The published dataset stores i to
Left, j to Anterior, k to Superior ("LAS") for every patient position: that is reached by swapping
and flipping axes alone, so that no voxel is ever interpolated.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Affine = NDArray[np.float64]
Scalar = TypeVar("Scalar", bound=np.generic)
Part = tuple[slice, slice, slice]

GRID_TOLERANCE_MM = 0.05
"""How far the corners of a mask's slice may lie from those of the slice it was drawn on."""

AFFINE_DECIMALS = 6
"""Affines are rounded to 1e-6 mm, so that noise of floating point is never published."""

POSITION_DECIMALS = 3
"""Positions that are told are rounded to 1 µm: what is beyond is noise of 32 bits."""

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
LAS_SIGNS = (-1.0, 1.0, 1.0)


@dataclass(frozen=True, slots=True)
class Reorientation:
    """Swaps and flips of axes: `axes[new]` is the old axis, `flips[new]` whether it is reversed."""

    axes: tuple[int, int, int]
    flips: tuple[bool, bool, bool]

    def apply(self, voxels: NDArray[Scalar]) -> NDArray[Scalar]:
        """The voxels in the new order: a view, nothing is copied."""
        steps = tuple(slice(None, None, -1 if flip else 1) for flip in self.flips)
        return voxels.transpose(self.axes)[steps]

    def apply_affine(self, affine_ras: Affine, shape: Sequence[int]) -> Affine:
        """The affine of the voxels in the new order; `shape` is the old one."""
        old_from_new = np.zeros((4, 4))
        old_from_new[3, 3] = 1.0
        for new, (old, flip) in enumerate(zip(self.axes, self.flips, strict=True)):
            old_from_new[old, new] = -1.0 if flip else 1.0
            old_from_new[old, 3] = shape[old] - 1.0 if flip else 0.0
        return cleaned(affine_ras @ old_from_new)

    def apply_shape(self, shape: Sequence[int]) -> tuple[int, int, int]:
        """The shape of the voxels in the new order."""
        i, j, k = (shape[old] for old in self.axes)
        return i, j, k

    def apply_slice(self, rows_columns: NDArray[Scalar]) -> NDArray[Scalar]:
        """One DICOM slice `[row, column]` as `[j, i]` of the new order, a view."""
        return self.apply(rows_columns.T[:, :, np.newaxis])[:, :, 0].T

    def part_of(self, kept: slice, shape: Sequence[int]) -> Part:
        """Where the slices `kept` of the new third axis lie in the old order of `shape`."""
        places = range(shape[self.axes[2]])[:: -1 if self.flips[2] else 1][kept]
        part = [slice(None)] * 3
        part[self.axes[2]] = slice(min(places), max(places) + 1, kept.step)
        i, j, k = part
        return i, j, k

    @property
    def is_identity(self) -> bool:
        """Whether nothing is swapped and nothing flipped."""
        return self.axes == (0, 1, 2) and not any(self.flips)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Grid:
    """How many voxels there are along i, j and k, and the RAS+ affine in mm that places them."""

    shape_ijk: tuple[int, int, int]
    affine_ras: Affine

    def stored_by(self, storage: Reorientation) -> "Grid":
        """The same voxels in another order."""
        return Grid(
            shape_ijk=storage.apply_shape(self.shape_ijk),
            affine_ras=storage.apply_affine(self.affine_ras, self.shape_ijk),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Volume:
    """Hounsfield units `[i, j, k]` and the RAS+ affine in mm that places them."""

    voxels_hu: NDArray[np.int16]
    affine_ras: Affine

    @property
    def shape_ijk(self) -> tuple[int, int, int]:
        """The number of voxels along i, j and k."""
        i, j, k = self.voxels_hu.shape
        return i, j, k

    @property
    def grid(self) -> Grid:
        """Where its voxels lie."""
        return Grid(shape_ijk=self.shape_ijk, affine_ras=self.affine_ras)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Mask:
    """What is marked, 0 or 1 `[i, j, k]`, and the RAS+ affine in mm that places it."""

    marked: NDArray[np.uint8]
    affine_ras: Affine


def cleaned(affine_ras: Affine) -> Affine:
    """The affine rounded to 1e-6 mm and without negative zeros."""
    rounded: Affine = np.round(affine_ras, AFFINE_DECIMALS) + 0.0
    return rounded


def as_stored(affine_ras: Affine) -> Affine:
    """The affine as it is read back from a file, which holds 32 bits of each number."""
    return cleaned(cleaned(affine_ras).astype(np.float32).astype(np.float64))


def positions_of(affine_ras: Affine, slices: int) -> tuple[float, ...]:
    """How far along the third axis, in mm from the scanner's origin, each slice k lies."""
    direction = affine_ras[:3, 2] / np.linalg.norm(affine_ras[:3, 2])
    starts = affine_ras[:3, 3] + np.arange(slices)[:, np.newaxis] * affine_ras[:3, 2]
    positions: list[float] = (np.round(starts @ direction, POSITION_DECIMALS) + 0.0).tolist()
    return tuple(positions)


def spacing_of(affine_ras: Affine) -> tuple[float, float, float]:
    """The distance in mm between voxel centres along i, j and k."""
    i, j, k = np.round(np.linalg.norm(affine_ras[:3, :3], axis=0), AFFINE_DECIMALS).tolist()
    return i, j, k


def las_storage(affine_ras: Affine) -> Reorientation:
    """The swaps and flips that bring voxels as near to LAS as they go without interpolation."""
    directions = affine_ras[:3, :3] / np.linalg.norm(affine_ras[:3, :3], axis=0)

    def nearness(axes: tuple[int, ...]) -> float:
        return math.prod(abs(float(directions[world, axis])) for world, axis in enumerate(axes))

    i, j, k = max(permutations(range(3)), key=nearness)
    flips = [directions[w, axis] * LAS_SIGNS[w] < 0 for w, axis in enumerate((i, j, k))]
    return Reorientation((i, j, k), (bool(flips[0]), bool(flips[1]), bool(flips[2])))


def slices_on_grid(
    grid: Affine, grid_shape: Sequence[int], part: Affine, part_shape: Sequence[int]
) -> tuple[int, ...] | None:
    """For each slice k of `part` the slice of `grid` on which it lies; None if one lies on none.

    Both affines are RAS+ in mm of voxels `[i, j, k]`; all four corners of a slice must agree
    within GRID_TOLERANCE_MM, and k must ascend in both.
    """
    if tuple(part_shape[:2]) != tuple(grid_shape[:2]):
        return None
    last_i, last_j = grid_shape[0] - 1, grid_shape[1] - 1
    corners = np.array([[0, 0], [last_i, 0], [0, last_j], [last_i, last_j]], dtype=float)
    part_k = np.arange(part_shape[2])
    nearest = np.rint((np.linalg.inv(grid) @ part @ _corners(corners[:1], part_k))[0, 2])
    if not _ascends_within(nearest, grid_shape[2]):
        return None
    apart = part @ _corners(corners, part_k) - grid @ _corners(corners, nearest)
    if np.linalg.norm(apart[:, :3], axis=1).max() > GRID_TOLERANCE_MM:
        return None
    return tuple(int(k) for k in nearest)


def affine_of_slices(affine_ras: Affine, kept: Sequence[int], *, every: int) -> Affine:
    """The affine of the slices `kept` alone, which are `every` slices apart."""
    old_from_new = np.diag([1.0, 1.0, float(every), 1.0])
    old_from_new[2, 3] = kept[0]
    return cleaned(affine_ras @ old_from_new)


def _corners(corners_ij: NDArray[np.float64], ks: NDArray[np.generic]) -> NDArray[np.float64]:
    """Homogeneous voxel indices `[corner, 4, k]` of the corners of the slices `ks`."""
    points = np.ones((len(corners_ij), 4, len(ks)))
    points[:, :2, :] = corners_ij[:, :, np.newaxis]
    points[:, 2, :] = ks
    return points


def _ascends_within(ks: NDArray[np.float64], slices: int) -> bool:
    inside = np.isfinite(ks).all() and ks[0] >= 0 and ks[-1] < slices
    return bool(inside and (np.diff(ks) > 0).all())
