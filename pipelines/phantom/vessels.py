"""Branching trees of the lungs: arteries, and the bronchi that run beside the thick ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import dist

import numpy as np
from numpy.typing import NDArray

from pipelines.phantom.anatomy import AIR_HU, BLOOD_HU, Build
from pipelines.phantom.noise import Dice, Plane
from pipelines.phantom.shapes import Brush

Point3 = tuple[float, float, float]
"""x, y and z in mm."""

TWIGS_PER_LUNG = 420
_LARGE_MM = 2.2
"""Vessels with a larger radius have a bronchus beside them and are not marked as lesion."""

_CARINA: Point3 = (-5.0, 14.0, 190.0)
_HILA: tuple[Point3, Point3] = ((-40.0, 12.0, 158.0), (42.0, 14.0, 160.0))


@dataclass(frozen=True, slots=True)
class Branch:
    """A straight piece of a tube."""

    start: Point3
    end: Point3
    radius_mm: float


@dataclass(frozen=True, slots=True, eq=False)
class Tubes:
    """Branches, thin ones first, with the heights each of them spans."""

    branches: tuple[Branch, ...]
    low_mm: NDArray[np.float64]
    high_mm: NDArray[np.float64]

    @classmethod
    def of(cls, branches: Iterable[Branch]) -> Tubes:
        """The tubes made of these branches."""
        ordered = sorted(branches, key=lambda branch: branch.radius_mm)
        low = [min(b.start[2], b.end[2]) - b.radius_mm for b in ordered]
        high = [max(b.start[2], b.end[2]) + b.radius_mm for b in ordered]
        return cls(tuple(ordered), np.array(low), np.array(high))

    def crossing(self, z_mm: float) -> list[Branch]:
        """The branches that a slice at this height meets, thin ones first."""
        met = np.flatnonzero((self.low_mm <= z_mm) & (z_mm <= self.high_mm))
        return [self.branches[number] for number in met.tolist()]


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """All tubes of both lungs; the two main bronchi run outside them."""

    vessels: Tubes
    bronchi: Tubes
    main_bronchi: Tubes
    unmarked: Tubes


def grow(build: Build, seed: int) -> Trees:
    """The trees of the person with this seed."""
    vessels: list[Branch] = []
    for side, hilum in enumerate(_HILA):
        vessels += _tree(hilum, _targets(build, Dice("vessels", seed, side), 2 * side - 1))
    large = [branch for branch in vessels if branch.radius_mm > _LARGE_MM]
    bronchi = [_beside(branch) for branch in large]
    main = [Branch(_CARINA, (x * 0.9, y + 8, z - 4), 6.2) for x, y, z in _HILA]
    return Trees(Tubes.of(vessels), Tubes.of(bronchi), Tubes.of(main), Tubes.of(large + bronchi))


def _targets(build: Build, dice: Dice, side: int) -> list[Point3]:
    points: list[Point3] = []
    while len(points) < TWIGS_PER_LUNG:
        z = dice.uniform(30.0, 278.0)
        a, b, y_centre = build.cage(z)
        across, down = dice.uniform(0.1, 0.95), dice.uniform(-0.95, 0.95)
        if across * across + down * down < 0.88:
            points.append((side * across * a, y_centre + down * b, z))
    return points


def _tree(root: Point3, targets: list[Point3]) -> list[Branch]:
    """Join every target, near ones first, to the nearest point that was joined before it."""
    ordered = sorted(targets, key=lambda point: (dist(point, root), point))
    nodes, parents, leaves = [root], [0], [0]
    placed = np.full((2 * len(targets) + 1, 3), np.inf)
    placed[0] = root
    for target in ordered:
        near = _nearest(placed[: len(nodes)], target)
        start = nodes[near]
        x, y, z = (round(0.5 * (a + b), 3) for a, b in zip(start, target, strict=True))
        nodes += [(x, y, z - 2.0), target]
        placed[len(nodes) - 2 : len(nodes)] = nodes[-2:]
        parents += [near, len(nodes) - 2]
        leaves += [0, 1]
    for node in range(len(nodes) - 1, 0, -1):
        leaves[parents[node]] += leaves[node]
    return [
        Branch(nodes[parents[node]], nodes[node], round(0.78 * max(leaves[node], 1) ** 0.4, 4))
        for node in range(1, len(nodes))
    ]


def _nearest(placed: NDArray[np.float64], target: Point3) -> int:
    off = placed - np.array(target)
    squared = off[:, 0] * off[:, 0] + off[:, 1] * off[:, 1] + off[:, 2] * off[:, 2]
    return int(np.argmin(squared))


def _beside(branch: Branch) -> Branch:
    shift = 1.75 * branch.radius_mm

    def moved(point: Point3) -> Point3:
        return point[0], point[1] + shift, point[2]

    return Branch(moved(branch.start), moved(branch.end), 0.72 * branch.radius_mm)


def paint_vessels(hu: Plane, brush: Brush, trees: Trees, z_mm: float) -> None:
    """Paint the vessels that cross a height; twigs first, so that trunks stay whole."""
    for branch in trees.vessels.crossing(z_mm):
        brush.line(hu, _cut(branch, z_mm), branch.radius_mm, BLOOD_HU)


def paint_bronchi(hu: Plane, brush: Brush, bronchi: Tubes, z_mm: float) -> None:
    """Paint the bronchi that cross a height: a wall, then air."""
    found = bronchi.crossing(z_mm)
    for branch in found:
        wall_mm = branch.radius_mm + max(0.7, 0.22 * branch.radius_mm)
        brush.line(hu, _cut(branch, z_mm), wall_mm, -60.0)
    for branch in found:
        brush.line(hu, _cut(branch, z_mm), branch.radius_mm, AIR_HU)


def paint_unmarked(share: Plane, brush: Brush, trees: Trees, z_mm: float) -> None:
    """Set to 1 what the experts do not mark as lesion: large vessels and bronchi."""
    for branch in trees.unmarked.crossing(z_mm):
        brush.line(share, _cut(branch, z_mm), branch.radius_mm + 0.5, 1.0)


def _cut(branch: Branch, z_mm: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """The part of a branch within its own radius of a height, seen from above."""
    (x0, y0, z0), (x1, y1, z1) = branch.start, branch.end
    rise = z1 - z0
    if abs(rise) < 1e-6:
        return (x0, y0), (x1, y1)
    reach = 0.5 * branch.radius_mm
    low = min(max((z_mm - reach - z0) / rise, 0.0), 1.0)
    high = min(max((z_mm + reach - z0) / rise, 0.0), 1.0)
    return (x0 + low * (x1 - x0), y0 + low * (y1 - y0)), (
        x0 + high * (x1 - x0),
        y0 + high * (y1 - y0),
    )
