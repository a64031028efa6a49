"""A chest as functions of height: contours, bones and great vessels of one invented person.

Heights are anatomical: 0 mm is below the lungs, `HEIGHT_MM` above their apices.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

from pipelines.phantom.noise import Dice, Plane
from pipelines.phantom.shapes import (
    Brush,
    Grid,
    coverage,
    ellipse,
    joined,
    paint,
    rounded_box,
)

HEIGHT_MM = 300.0
"""The whole range of the scan, 5 cm above to 5 cm below the lungs of a short adult."""

AIR_HU, FAT_HU, MUSCLE_HU, BLOOD_HU, LIVER_HU = -1000.0, -105.0, 52.0, 42.0, 60.0
SKIN_HU, MARROW_HU, CORTEX_HU, DISC_HU = 10.0, 190.0, 620.0, 85.0

# Columns: height, half width, half depth and centre y of the inside of the rib cage, all in mm.
_CAGE_MM = (
    (0.0, 136.0, 94.0, -4.0),
    (90.0, 138.0, 94.0, -4.0),
    (165.0, 128.0, 86.0, 0.0),
    (220.0, 106.0, 70.0, 9.0),
    (258.0, 78.0, 50.0, 20.0),
    (282.0, 50.0, 32.0, 28.0),
    (300.0, 34.0, 22.0, 32.0),
)
# Columns: height, half width and half depth of the skin.
_SKIN_MM = ((0.0, 165.0, 116.0), (150.0, 168.0, 116.0), (235.0, 172.0, 106.0), (300.0, 160.0, 84.0))


def between(table: tuple[tuple[float, ...], ...], z_mm: float) -> tuple[float, ...]:
    """A row of the table for a height between its rows."""
    above = min(max(bisect_right([row[0] for row in table], z_mm), 1), len(table) - 1)
    low, high = table[above - 1], table[above]
    part = min(max((z_mm - low[0]) / (high[0] - low[0]), 0.0), 1.0)
    return tuple(a + part * (b - a) for a, b in zip(low[1:], high[1:], strict=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class Build:
    """What differs from one person to the next; lengths are factors of the usual person."""

    width: float
    depth: float
    fat_mm: float
    heart: float
    breath_mm: float
    has_breasts: bool

    @classmethod
    def of(cls, seed: int, *, is_female: bool) -> Build:
        """The build of the person with this seed."""
        dice = Dice("build", seed)
        return cls(
            width=dice.uniform(0.92, 1.04),
            depth=dice.uniform(0.93, 1.04),
            fat_mm=dice.uniform(-6.0, 8.0),
            heart=dice.uniform(0.9, 1.12),
            breath_mm=dice.uniform(-12.0, 10.0),
            has_breasts=is_female,
        )

    def cage(self, z_mm: float) -> tuple[float, float, float]:
        """Half width, half depth and centre y of the rib cage, in mm."""
        a, b, y = between(_CAGE_MM, z_mm)
        return a * self.width, b * self.depth, y


@dataclass(frozen=True, slots=True)
class Section:
    """One height of a chest: the distances, in mm, that the tissues are drawn from."""

    z_mm: float
    skin: Plane
    cage: Plane
    lung: Plane
    above_diaphragm: Plane


def section(build: Build, grid: Grid, z_mm: float) -> Section:
    """Where skin, rib cage and lungs run at one height."""
    a, b, y = build.cage(z_mm)
    cage = rounded_box(grid, (0.0, y), (a, b), 0.5)
    cage = cage + np.minimum(grid.y, 0) * np.float32(0.1)
    above = _above_diaphragm(build, grid, z_mm)
    lung = joined(cage - 2, above, 8.0)
    lung = joined(lung, -_mediastinum(build, grid, z_mm), 9.0)
    return Section(z_mm, _skin(build, grid, z_mm), cage, lung, above)


def _skin(build: Build, grid: Grid, z_mm: float) -> Plane:
    a, b = between(_SKIN_MM, z_mm)
    a, b = a * build.width + build.fat_mm, b * build.depth + build.fat_mm
    back = (116.0 - between(_SKIN_MM, z_mm)[1]) * build.depth
    skin = rounded_box(grid, (0.0, back), (a, b), 0.62)
    if build.has_breasts and 85.0 < z_mm < 185.0:
        swell = 1.0 - ((z_mm - 135.0) / 50.0) ** 2
        for x in (-74.0, 74.0):
            breast = ellipse(grid, (x, -b + 16.0), (58.0, 16.0 + 34.0 * swell))
            skin = np.maximum(skin, breast)
    return skin


def _above_diaphragm(build: Build, grid: Grid, z_mm: float) -> Plane:
    left = grid.x > 0
    top = np.where(left, np.float32(84 + build.breath_mm), np.float32(96 + build.breath_mm))
    across = (np.abs(grid.x) - 66) * np.float32(1 / 74)
    down = (grid.y + 14) * np.float32(1 / 92)
    dome = top - 62 * (across * across + down * down)
    height: Plane = (np.float32(z_mm) - np.maximum(dome, 26)) * np.float32(0.75)
    return height


def heart_radii(build: Build, z_mm: float) -> tuple[float, float] | None:
    """Half axes of the heart at a height, in mm; None above and below it."""
    squared = 1.0 - ((z_mm - 108.0) / (64.0 * build.heart)) ** 2
    if squared <= 0.04:
        return None
    scale = squared**0.5 * build.heart
    return 62.0 * scale, 47.0 * scale


def heart_centre(z_mm: float) -> tuple[float, float]:
    """The heart's axis leans to the left as it goes down."""
    return 20.0 + (108.0 - z_mm) * 0.22, -26.0 - (108.0 - z_mm) * 0.12


def _mediastinum(build: Build, grid: Grid, z_mm: float) -> Plane:
    wide = 25.0 if z_mm < 215.0 else 25.0 + (z_mm - 215.0) * 0.12
    shape = ellipse(grid, (2.0, 10.0), (wide, 66.0))
    shape = np.maximum(shape, ellipse(grid, (0.0, 70.0), (27.0, 27.0)))
    shape = np.maximum(shape, ellipse(grid, (2.0, -70.0), (9.0, 30.0)))
    shape = np.maximum(shape, ellipse(grid, (24.0, 42.0), (16.0, 16.0)))
    radii = heart_radii(build, z_mm)
    if radii is not None:
        around = (radii[0] + 5.0, radii[1] + 5.0)
        shape = np.maximum(shape, ellipse(grid, heart_centre(z_mm), around))
    if 140.0 < z_mm < 208.0:
        shape = np.maximum(shape, ellipse(grid, (2.0, -18.0), (38.0, 34.0)))
    return shape


def paint_soft(hu: Plane, grid: Grid, at: Section, edge_mm: float, wobble: Plane) -> None:
    """Paint skin, fat, muscle and what fills the rib cage; `wobble` (mm) unsettles the borders."""
    paint(hu, coverage(at.skin, edge_mm), SKIN_HU)
    paint(hu, coverage(at.skin - 2.5, edge_mm), FAT_HU)
    muscle_mm = 15.0 + max(at.z_mm - 165.0, 0.0) * 0.36
    muscle = np.minimum(at.cage + np.float32(muscle_mm) + wobble, at.skin - 7 - wobble)
    paint(hu, coverage(muscle, edge_mm), MUSCLE_HU)
    gap = np.abs(at.cage + 12 + wobble)
    paint(hu, coverage(2 - gap, edge_mm) * np.float32(0.5), FAT_HU)
    paint(hu, coverage(at.cage, edge_mm), -75.0)
    _paint_belly(hu, grid, at, edge_mm)


def _paint_belly(hu: Plane, grid: Grid, at: Section, edge_mm: float) -> None:
    if at.z_mm > 120.0:
        return
    below = np.minimum(at.cage - 2, -at.above_diaphragm - 1)
    paint(hu, coverage(np.minimum(below, 28 - grid.x - grid.y / 4), edge_mm), LIVER_HU)
    spleen = joined(below, ellipse(grid, (88.0, 42.0), (46.0, 40.0)), 6.0)
    paint(hu, coverage(spleen, edge_mm), 52.0)
    stomach = joined(below, ellipse(grid, (76.0, -34.0), (44.0, 34.0)), 6.0)
    paint(hu, coverage(stomach, edge_mm), 38.0)
    paint(hu, coverage(np.minimum(stomach - 4, -46 - grid.y), edge_mm), AIR_HU)


def paint_bones(hu: Plane, brush: Brush, build: Build, at: Section) -> None:
    """Paint ribs, sternum, spine and shoulder blades."""
    _paint_ribs(hu, brush, at)
    a, b, y = build.cage(at.z_mm)
    if 95.0 < at.z_mm < 235.0:
        front = y - b - 5.0
        _bone(hu, brush, ((-13.0, front), (13.0, front)), 6.5)
    if 165.0 < at.z_mm < 285.0:
        for side in (-1.0, 1.0):
            inner, outer = (side * (a * 0.5 + 22.0), 92.0), (side * (a * 0.5 + 76.0), 48.0)
            _bone(hu, brush, (inner, outer), 4.0)
    if at.z_mm > 262.0:
        for side in (-1.0, 1.0):
            _bone(hu, brush, ((side * 24.0, -24.0), (side * 112.0, -8.0)), 5.5)
    _paint_spine(hu, brush, at.z_mm)


def _bone(hu: Plane, brush: Brush, ends: tuple[tuple[float, float], ...], radius: float) -> None:
    line = (ends[0], ends[1])
    brush.line(hu, line, radius, CORTEX_HU)
    brush.line(hu, line, radius - 2.0, MARROW_HU)


def _paint_ribs(hu: Plane, brush: Brush, at: Section) -> None:
    grid = brush.grid
    # Ribs fall from back to front, so one slice cuts many of them obliquely.
    rise = (np.float32(at.z_mm) + (95 - grid.y) * np.float32(0.55)) / 27
    off_axis = np.abs(rise - np.floor(rise) - np.float32(0.5)) * 27
    rib = joined(4 - np.abs(at.cage + 5), (6 - off_axis) * np.float32(1.4), 3.0)
    edge = brush.edge_mm
    gristle = np.clip((-58 - grid.y) / 12, 0, 1)
    hard = coverage(rib, edge)
    paint(hu, hard * (1 - gristle), CORTEX_HU)
    paint(hu, coverage(rib - 2, edge) * (1 - gristle), MARROW_HU)
    paint(hu, hard * gristle, 105.0)


def _paint_spine(hu: Plane, brush: Brush, z_mm: float) -> None:
    level = z_mm % 27.0
    is_disc = level < 5.0
    brush.disc(hu, (0.0, 72.0), (18.5, 15.0), DISC_HU if is_disc else CORTEX_HU)
    if not is_disc:
        brush.disc(hu, (0.0, 72.0), (16.0, 12.5), MARROW_HU)
    brush.disc(hu, (0.0, 94.0), (13.5, 12.0), 480.0)
    if 9.0 < level < 20.0:
        for side in (-1.0, 1.0):
            _bone(hu, brush, ((side * 11.0, 92.0), (side * 36.0, 86.0)), 5.0)
    _bone(hu, brush, ((0.0, 103.0), (0.0, 112.0)), 4.0)
    brush.disc(hu, (0.0, 93.0), (9.5, 8.5), 25.0)


def paint_mediastinum(hu: Plane, brush: Brush, build: Build, z_mm: float) -> None:
    """Paint heart, great vessels, gullet and windpipe."""
    radii = heart_radii(build, z_mm)
    if radii is not None:
        brush.disc(hu, heart_centre(z_mm), radii, 44.0)
    brush.disc(hu, (6.0, 40.0), (8.0, 6.0), 34.0)
    brush.disc(hu, (7.0, 39.0), (2.0, 1.5), -500.0)
    if z_mm < 206.0:
        brush.disc(hu, (24.0, 43.0), (12.5, 12.5), BLOOD_HU)
    _paint_great_vessels(hu, brush, z_mm)
    if z_mm > 186.0:
        brush.disc(hu, (-5.0, 14.0), (11.0, 10.5), 20.0)
        brush.disc(hu, (-5.0, 14.0), (8.8, 8.6), AIR_HU)


def _paint_great_vessels(hu: Plane, brush: Brush, z_mm: float) -> None:
    if 132.0 < z_mm < 200.0:
        brush.disc(hu, (-12.0, -22.0), (15.5, 15.5), BLOOD_HU)
    if 196.0 < z_mm < 212.0:
        brush.line(hu, ((-6.0, -24.0), (20.0, 2.0)), 12.5, BLOOD_HU)
        brush.line(hu, ((20.0, 2.0), (24.0, 42.0)), 12.5, BLOOD_HU)
    if 140.0 < z_mm < 182.0:
        brush.disc(hu, (18.0, -30.0), (13.0, 13.0), BLOOD_HU)
    if 158.0 < z_mm < 174.0:
        brush.line(hu, ((16.0, -26.0), (-36.0, 2.0)), 9.5, BLOOD_HU)
        brush.line(hu, ((18.0, -26.0), (42.0, 12.0)), 9.5, BLOOD_HU)
    if 138.0 < z_mm < 240.0:
        brush.disc(hu, (-32.0, -14.0), (9.0, 9.0), BLOOD_HU)
    if z_mm > 212.0:
        for x, y, radius in ((-20.0, -6.0, 6.5), (3.0, -8.0, 4.5), (18.0, 8.0, 5.0)):
            brush.disc(hu, (x, y), (radius, radius), BLOOD_HU)


def paint_table(hu: Plane, grid: Grid, back_mm: float, edge_mm: float) -> None:
    """Paint the couch, a curved shell with a light core, under a back at y = `back_mm`."""
    sag = np.float32(back_mm + 9) - grid.x * grid.x * np.float32(0.00042)
    depth = grid.y - sag
    inside = np.minimum(np.minimum(depth, 26 - depth), 205 - np.abs(grid.x))
    paint(hu, coverage(inside, edge_mm), -280.0)
    paint(hu, coverage(inside - 3, edge_mm), -930.0)
