"""Plane shapes in millimetres: signed distances (inside is positive) and how they are painted.

x runs to the patient's left, y to the back, z to the head, all from the middle of the chest.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import hypot

import numpy as np

from pipelines.phantom.noise import Plane

Point = tuple[float, float]
"""x and y in mm."""


@dataclass(frozen=True, slots=True)
class Grid:
    """The pixel centres of a slice: `x_mm` one a column, `y_mm` one a row, evenly spaced."""

    x_mm: Plane
    y_mm: Plane
    pixel_mm: float

    @property
    def x(self) -> Plane:
        """The x of each column as one row, to broadcast."""
        return self.x_mm[None, :]

    @property
    def y(self) -> Plane:
        """The y of each row as one column, to broadcast."""
        return self.y_mm[:, None]

    def thinned(self, most: int) -> Grid:
        """The same plane with at most `most` pixels a side."""
        every = -(-max(len(self.x_mm), len(self.y_mm)) // most)
        return Grid(self.x_mm[::every], self.y_mm[::every], self.pixel_mm * every)

    def window(self, low: Point, high: Point) -> tuple[tuple[slice, slice], Grid]:
        """Where the box from `low` to `high` lies: [row, column] slices, and its own grid."""
        reach = 2 * self.pixel_mm
        columns = _between(self.x_mm, low[0] - reach, high[0] + reach)
        rows = _between(self.y_mm, low[1] - reach, high[1] + reach)
        return (rows, columns), Grid(self.x_mm[columns], self.y_mm[rows], self.pixel_mm)


def _between(values: Plane, low: float, high: float) -> slice:
    first, last = np.searchsorted(values, [np.float32(low), np.float32(high)])
    return slice(int(first), int(last))


def ellipse(grid: Grid, centre: Point, radii: Point) -> Plane:
    """Distance to an ellipse, right along its shorter axis and near enough elsewhere."""
    across = (grid.x - np.float32(centre[0])) / np.float32(radii[0])
    down = (grid.y - np.float32(centre[1])) / np.float32(radii[1])
    distance: Plane = (1 - np.sqrt(across * across + down * down)) * np.float32(min(radii))
    return distance


def rounded_box(grid: Grid, centre: Point, radii: Point, square: float) -> Plane:
    """Distance to an ellipse drawn towards its box: `square` 0 is round, 1 is a box."""
    across = (grid.x - np.float32(centre[0])) / np.float32(radii[0])
    down = (grid.y - np.float32(centre[1])) / np.float32(radii[1])
    x2, y2 = across * across, down * down
    corner = np.minimum(x2, 1) * np.minimum(y2, 1) * np.float32(square * square)
    distance: Plane = (1 - np.sqrt(x2 + y2 - corner)) * np.float32(min(radii))
    return distance


def capsule(grid: Grid, ends: tuple[Point, Point], radius: float) -> Plane:
    """Distance to a thick line with round ends."""
    (x0, y0), (x1, y1) = ends
    dx, dy = x1 - x0, y1 - y0
    from_x, from_y = grid.x - np.float32(x0), grid.y - np.float32(y0)
    along = (from_x * np.float32(dx) + from_y * np.float32(dy)) / np.float32(dx * dx + dy * dy)
    along = np.clip(along, 0, 1)
    off_x, off_y = from_x - along * np.float32(dx), from_y - along * np.float32(dy)
    distance: Plane = np.float32(radius) - np.sqrt(off_x * off_x + off_y * off_y)
    return distance


def joined(first: Plane, second: Plane, rounding_mm: float) -> Plane:
    """Distance to what lies in both shapes, the edge between them rounded."""
    near = np.maximum(1 - np.abs(first - second) / np.float32(rounding_mm), 0)
    distance: Plane = np.minimum(first, second) - near * near * np.float32(rounding_mm / 4)
    return distance


def coverage(distance: Plane, edge_mm: float) -> Plane:
    """How much of a pixel the shape fills, 0..1, for an edge that is `edge_mm` wide."""
    share: Plane = np.clip(distance / np.float32(edge_mm) + np.float32(0.5), 0, 1)
    return share


def paint(hu: Plane, share: Plane, value_hu: Plane | float) -> None:
    """Blend a tissue into a slice, in place."""
    hu += share * (value_hu - hu)


@dataclass(frozen=True, slots=True)
class Brush:
    """Paints small shapes into a slice [row, column] without visiting all of it."""

    grid: Grid
    edge_mm: float

    def disc(self, hu: Plane, centre: Point, radii: Point, value_hu: float) -> None:
        """Paint an ellipse."""
        low = (centre[0] - radii[0], centre[1] - radii[1])
        high = (centre[0] + radii[0], centre[1] + radii[1])
        where, near = self.grid.window(low, high)
        share = coverage(ellipse(near, centre, radii), self.edge_mm)
        paint(hu[where], share * thinness(min(radii), self.edge_mm), value_hu)

    def line(self, hu: Plane, ends: tuple[Point, Point], radius: float, value_hu: float) -> None:
        """Paint a thick line."""
        (x0, y0), (x1, y1) = ends
        if hypot(x1 - x0, y1 - y0) < radius / 4:
            self.disc(hu, ends[0], (radius, radius), value_hu)
            return
        low = (min(x0, x1) - radius, min(y0, y1) - radius)
        high = (max(x0, x1) + radius, max(y0, y1) + radius)
        where, near = self.grid.window(low, high)
        share = coverage(capsule(near, ends, radius), self.edge_mm)
        paint(hu[where], share * thinness(radius, self.edge_mm), value_hu)


def thinness(radius_mm: float, edge_mm: float) -> float:
    """How far a shape thinner than the blur is diluted, 0..1."""
    return min(1.0, 2 * radius_mm / edge_mm)
