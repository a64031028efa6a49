"""Randomness that is the same on every machine, and smooth textures made of it.

Only `PCG64.random_raw` is drawn from: numpy promises that stream for ever, which it does not do for
the distributions of `Generator`. Voxels see nothing but + - * / sqrt, which IEEE 754 rounds
in one way only; so float32 is enough for equal bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

Item = TypeVar("Item")

Plane: TypeAlias = NDArray[np.floating[Any]]
"""One float32 a pixel, [row, column]; numpy's types cannot say that a Python factor keeps it so."""

_BYTE_SUM_MEAN = 4 * 127.5
_BYTE_SUM_STD = 147.8


def label_number(*labels: object) -> int:
    """A 128-bit number that depends on the labels only."""
    text = "\x1f".join(str(label) for label in labels)
    return int.from_bytes(sha256(text.encode()).digest()[:16], "big")


def made_uid(*labels: object) -> str:
    """A UID under 2.25 (PS3.5 B.2) that depends on the labels only."""
    return f"2.25.{label_number('uid', *labels)}"


class Dice:
    """A stream of random numbers named by its labels."""

    def __init__(self, *labels: object) -> None:
        self._bits = np.random.PCG64(label_number(*labels))

    def uniform(self, low: float, high: float) -> float:
        """A number from [low, high), rounded to 1e-6 so that it prints and hashes alike."""
        word = int(self._bits.random_raw())
        return round(low + (high - low) * (word >> 11) * 2.0**-53, 6)

    def integer(self, low: int, high: int) -> int:
        """A whole number from low to high, both included."""
        return low + int(self._bits.random_raw()) % (high - low + 1)

    def shuffled(self, items: list[Item]) -> list[Item]:
        """The items in a random order; the list given is left alone."""
        mixed = list(items)
        for last in range(len(mixed) - 1, 0, -1):
            other = self.integer(0, last)
            mixed[last], mixed[other] = mixed[other], mixed[last]
        return mixed

    def white(self, *shape: int) -> NDArray[np.float32]:
        """Near-Gaussian noise of mean 0 and deviation 1, independent from voxel to voxel.

        A sum of four bytes: exact in integers, and within 3.5 deviations.
        """
        count = int(np.prod(shape))
        words = np.asarray(self._bits.random_raw((count + 1) // 2), dtype="<u8")
        quads = words.view(np.uint8).reshape(-1, 4)[:count].astype(np.int16)
        total = (quads[:, 0] + quads[:, 1]) + (quads[:, 2] + quads[:, 3])
        unit = (total.astype(np.float32) - np.float32(_BYTE_SUM_MEAN)) / np.float32(_BYTE_SUM_STD)
        return unit.reshape(shape)


@dataclass(frozen=True, slots=True)
class Texture:
    """Smooth noise of about -1..1 in millimetres: random values on a lattice, blended between.

    `lattice` is [z, y, x], `cell_mm` its mesh in all three directions, `origin_mm` the (x, y, z)
    of its first corner.
    """

    lattice: NDArray[np.float32]
    cell_mm: float
    origin_mm: tuple[float, float, float]

    @classmethod
    def over(cls, reach_mm: float, height_mm: float, cell_mm: float, dice: Dice) -> Texture:
        """A texture for x and y in ±reach_mm and z in 0..height_mm."""
        across = int(2 * reach_mm / cell_mm) + 3
        up = int(height_mm / cell_mm) + 4
        lattice = dice.white(up, across, across) * np.float32(0.6)
        return cls(lattice, cell_mm, (-reach_mm - cell_mm, -reach_mm - cell_mm, -cell_mm))

    def plane(self, x_mm: Plane, y_mm: Plane, z_mm: float) -> Plane:
        """The values at one height; `x_mm` has one entry a column and `y_mm` one a row."""
        depth, rows, columns = self.lattice.shape
        below, part = self._cell(z_mm - self.origin_mm[2], depth)
        flat = self.lattice[below] * (1.0 - part) + self.lattice[below + 1] * part
        i, wx = self._cells(x_mm - np.float32(self.origin_mm[0]), columns)
        j, wy = self._cells(y_mm - np.float32(self.origin_mm[1]), rows)
        by_row = flat[j] * (1 - wy)[:, None] + flat[j + 1] * wy[:, None]
        blended: Plane = by_row[:, i] * (1 - wx) + by_row[:, i + 1] * wx
        return blended

    def _cell(self, distance_mm: float, size: int) -> tuple[int, float]:
        steps = min(max(distance_mm / self.cell_mm, 0.0), size - 1.001)
        part = steps - int(steps)
        return int(steps), part * part * (3.0 - 2.0 * part)

    def _cells(self, distance_mm: Plane, size: int) -> tuple[NDArray[np.intp], Plane]:
        steps = np.clip(distance_mm / np.float32(self.cell_mm), 0, np.float32(size - 1.001))
        corner = steps.astype(np.intp)
        part = steps - corner.astype(np.float32)
        return corner, part * part * (3 - 2 * part)


def blurred(plane: Plane) -> Plane:
    """The plane after a 3 x 3 binomial filter, edges repeated."""
    wide = np.pad(plane, 1, mode="edge")
    tall = wide[:-2] + 2 * wide[1:-1] + wide[2:]
    smooth: Plane = (tall[:, :-2] + 2 * tall[:, 1:-1] + tall[:, 2:]) * np.float32(1 / 16)
    return smooth
