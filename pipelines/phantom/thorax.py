"""Voxels of a synthetic chest CT, with ground glass and consolidation as far as wanted.

The whole chest fits in the slices asked for: 300 slices of 0.8 mm are life-size, 40 are a chest
pressed flat, which still runs from below the lungs to above them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from functools import lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipelines.phantom import anatomy, vessels
from pipelines.phantom.anatomy import HEIGHT_MM, Build, Section
from pipelines.phantom.noise import Dice, Plane, Texture, blurred
from pipelines.phantom.shapes import Brush, Grid, coverage, paint

LESION_SHARES = MappingProxyType(
    {"CT-0": 0.0, "CT-1": 0.15, "CT-2": 0.36, "CT-3": 0.61, "CT-4": 0.82}
)
"""How much of the lungs is involved in each category, 0..1."""

PADDING_HU = -2048
"""What Toshiba writes outside the circle of reconstruction."""

_LOWEST_HU, _HIGHEST_HU = -1024, 3071
_GLASS_HU = -560.0
_SOLID_HU = 15.0
_REACH_MM = 260.0


class Kernel(Enum):
    """A reconstruction kernel by its ConvolutionKernel (0018,1210)."""

    SOFT = "FC07"
    SOFT_BODY = "FC18"
    LUNG = "FC51"

    @property
    def is_sharp(self) -> bool:
        """Whether it keeps fine detail, and with it the noise."""
        return self is Kernel.LUNG


@dataclass(frozen=True, slots=True, kw_only=True)
class ThoraxSpec:
    """Which chest to make, and on which grid.

    `pixel_spacing_mm` is between rows first. `centre_mm` is where the middle of the chest lies
    from the middle of the image (to the left, to the back). The build, the trees and the lesions
    follow from `seed`, the noise from `noise_seed` (or `seed`).
    """

    slices: int = 40
    rows: int = 96
    columns: int = 96
    pixel_spacing_mm: tuple[float, float] = (3.7, 3.7)
    centre_mm: tuple[float, float] = (0.0, 0.0)
    category: str = "CT-1"
    is_female: bool = False
    kernel: Kernel = Kernel.SOFT
    seed: int = 0
    noise_seed: int | None = None
    padding_hu: int = PADDING_HU


@dataclass(frozen=True, slots=True, kw_only=True)
class Thorax:
    """Voxels [k, row, column]; k runs from the feet to the head.

    `voxels_hu` is int16; the masks are uint8 and 0 or 1, and the lesions lie within the lungs.
    """

    voxels_hu: NDArray[np.int16]
    lesion_mask: NDArray[np.uint8]
    lung_mask: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class _Person:
    """What is drawn once and used at every height."""

    build: Build
    trees: vessels.Trees
    wobble: Texture
    patches: Texture
    mottle: Texture
    lattice: Texture


def make_thorax(spec: ThoraxSpec) -> Thorax:
    """The chest that `spec` describes; the same voxels for the same spec on any machine."""
    person = _person(spec.seed, spec.is_female)
    grid = _grid(spec)
    threshold = _lesion_threshold(person, grid, LESION_SHARES[spec.category])
    shape = (spec.slices, spec.rows, spec.columns)
    voxels = np.empty(shape, np.int16)
    lesion, lung = np.zeros(shape, np.uint8), np.zeros(shape, np.uint8)
    outside = outside_circle(spec)
    noise = Dice("noise", spec.seed if spec.noise_seed is None else spec.noise_seed, spec.kernel)
    for k in range(spec.slices):
        z_mm = (k + 0.5) * HEIGHT_MM / spec.slices
        hu, lesion[k], lung[k] = _slice(person, grid, z_mm, spec.kernel, threshold)
        _add_noise(hu, spec.kernel, noise)
        voxels[k] = np.clip(np.rint(hu), _LOWEST_HU, _HIGHEST_HU)
        voxels[k][outside] = spec.padding_hu
    return Thorax(voxels_hu=voxels, lesion_mask=lesion, lung_mask=lung)


@lru_cache(maxsize=8)
def _person(seed: int, is_female: bool) -> _Person:
    build = Build.of(seed, is_female=is_female)

    def texture(name: str, cell_mm: float) -> Texture:
        return Texture.over(_REACH_MM, HEIGHT_MM, cell_mm, Dice(name, seed))

    return _Person(
        build,
        vessels.grow(build, seed),
        texture("wobble", 26.0),
        texture("patches", 38.0),
        texture("mottle", 15.0),
        texture("lattice", 8.0),
    )


def _grid(spec: ThoraxSpec) -> Grid:
    between_rows, between_columns = spec.pixel_spacing_mm
    x = (np.arange(spec.columns) - (spec.columns - 1) / 2) * between_columns - spec.centre_mm[0]
    y = (np.arange(spec.rows) - (spec.rows - 1) / 2) * between_rows - spec.centre_mm[1]
    return Grid(x.astype(np.float32), y.astype(np.float32), max(spec.pixel_spacing_mm))


def outside_circle(spec: ThoraxSpec) -> NDArray[np.bool_]:
    """Where a slice [row, column] lies outside the circle that is reconstructed."""
    row = 2 * np.arange(spec.rows)[:, None] - (spec.rows - 1)
    column = 2 * np.arange(spec.columns) - (spec.columns - 1)
    outside: NDArray[np.bool_] = (row / spec.rows) ** 2 + (column / spec.columns) ** 2 > 1
    return outside


def _lesion_field(person: _Person, grid: Grid, at: Section) -> Plane:
    """How prone a place is to the disease: at the pleura, the back and the base, in patches."""
    edge = 1 - np.clip(at.lung / 34, 0, 1)
    back = np.clip((grid.y + 60) / 150, 0, 1)
    base = min(max(1.0 - at.z_mm / 260.0, 0.0), 1.0)
    patches = person.patches.plane(grid.x_mm, grid.y_mm, at.z_mm)
    mottle = person.mottle.plane(grid.x_mm, grid.y_mm, at.z_mm)
    field: Plane = edge * np.float32(0.55) + back * np.float32(0.35) + np.float32(0.2 * base)
    field += patches * np.float32(0.75) + mottle * np.float32(0.3)
    return field


def _lesion_threshold(person: _Person, grid: Grid, share: float) -> float | None:
    """The field's value that a `share` of the lungs exceeds; None for healthy lungs."""
    if share == 0.0:
        return None
    coarse = grid.thinned(64)
    values, lung_pixels = [], 0
    for z_mm in np.arange(6.0, HEIGHT_MM, 12.0).tolist():
        at = anatomy.section(person.build, coarse, z_mm)
        lung_pixels += int((at.lung > 0).sum())
        # Pixels that the chest wall shares are never marked, so the rest must make up for them.
        values.append(_lesion_field(person, coarse, at)[at.lung > 0.4 * grid.pixel_mm])
    ordered = np.sort(np.concatenate(values))
    return float(ordered[max(len(ordered) - int(share * lung_pixels), 0)])


def _slice(
    person: _Person, grid: Grid, z_mm: float, kernel: Kernel, threshold: float | None
) -> tuple[Plane, NDArray[np.bool_], NDArray[np.bool_]]:
    """One slice in HU without noise, its lesions and its lungs, all [row, column]."""
    edge_mm = max(1.0 if kernel.is_sharp else 1.7, grid.pixel_mm)
    brush = Brush(grid, edge_mm)
    at = anatomy.section(person.build, grid, z_mm)
    hu = np.full(at.cage.shape, np.float32(anatomy.AIR_HU))
    anatomy.paint_table(hu, grid, 118.0 * person.build.depth + person.build.fat_mm, edge_mm)
    wobble = person.wobble.plane(grid.x_mm, grid.y_mm, z_mm)
    anatomy.paint_soft(hu, grid, at, edge_mm, wobble * 4)
    anatomy.paint_bones(hu, brush, person.build, at)
    anatomy.paint_mediastinum(hu, brush, person.build, z_mm)
    lung_hu, involved = _lung_tissue(person, grid, at, threshold)
    lung_share = coverage(at.lung, edge_mm)
    vessels.paint_vessels(lung_hu, brush, person.trees, z_mm)
    vessels.paint_bronchi(lung_hu, brush, person.trees.bronchi, z_mm)
    paint(hu, lung_share, lung_hu)
    vessels.paint_bronchi(hu, brush, person.trees.main_bronchi, z_mm)
    tubes = np.zeros_like(hu)
    vessels.paint_unmarked(tubes, brush, person.trees, z_mm)
    lung = (at.lung > 0) & (tubes < 0.5)
    if kernel.is_sharp:
        hu += (hu - blurred(hu)) * np.float32(0.7)
    return hu, lung & involved & (lung_share > np.float32(0.9)), lung


def _lung_tissue(
    person: _Person, grid: Grid, at: Section, threshold: float | None
) -> tuple[Plane, NDArray[np.bool_]]:
    """Parenchyma in HU, the disease in it, and where it is involved."""
    mottle = person.mottle.plane(grid.x_mm, grid.y_mm, at.z_mm)
    fine = person.lattice.plane(grid.x_mm, grid.y_mm, at.z_mm)
    hu: Plane = -872 + np.clip((grid.y + 90) / 180, 0, 1) * 50 + mottle * 16 + fine * 16
    _paint_fissures(hu, grid, at.z_mm)
    if threshold is None:
        return hu, np.zeros(hu.shape, np.bool_)
    over = _lesion_field(person, grid, at) - np.float32(threshold)
    glass = np.clip(over / np.float32(0.16) + np.float32(0.5), 0, 1)
    # Crazy paving: thin walls where the fine texture changes sign.
    paving = np.clip(1 - np.abs(fine) / np.float32(0.3), 0, 1) * 85
    paint(hu, glass, _GLASS_HU + mottle * 45 + paving)
    solid = np.clip((over + fine * np.float32(0.12) - np.float32(0.62)) / np.float32(0.2), 0, 1)
    paint(hu, solid, _SOLID_HU + fine * 14)
    return hu, over > 0


def _paint_fissures(hu: Plane, grid: Grid, z_mm: float) -> None:
    left = grid.x > 0
    oblique = (z_mm - 150) * np.float32(0.62) - np.abs(grid.x) * np.float32(0.1) + 8
    off_oblique = np.abs(grid.y - oblique - np.float32(5) * left)
    blur_mm = max(1.6, grid.pixel_mm)
    strength = 150 * min(1.0, 1.6 / blur_mm)
    hu += np.clip(1 - off_oblique / np.float32(blur_mm), 0, 1) * np.float32(strength)


def _add_noise(hu: Plane, kernel: Kernel, dice: Dice) -> None:
    """Add the scanner's noise in place: fine for the lung kernel, smeared for the soft ones."""
    rows, columns = hu.shape
    if kernel.is_sharp:
        hu += dice.white(rows, columns) * np.float32(28)
        return
    smeared = blurred(dice.white(rows, columns))
    hu += smeared * np.float32(17)
