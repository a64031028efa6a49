"""How far readers agree: weighted kappa of categories, Dice's coefficient of masks. Pure numpy.

Cohen, Psychol Bull 1968;70:213 (weighted kappa); Fleiss, Cohen and Everitt, Psychol Bull
1969;72:323 (its standard error in large samples).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pipelines.core.model import Category, Reading

Z_95 = 1.959963984540054
"""The 97.5th percentile of the normal distribution: a two-sided interval of 95 %."""

CATEGORIES = tuple(Category)
Counts = NDArray[np.int64]


class Weights(StrEnum):
    """How much a disagreement of several grades weighs: its distance, or the square of it."""

    LINEAR = "linear"
    QUADRATIC = "quadratic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kappa:
    """Cohen's kappa, with the bounds of its 95 % confidence interval, all within -1 .. 1."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderPair:
    """Two readers on the studies that both have read.

    `counts[i][j]` studies are of category i to the first reader and j to the second. A kappa is
    None where chance alone would make them agree: both give one and the same category always.
    """

    first: str
    second: str
    counts: tuple[tuple[int, ...], ...]
    linear: Kappa | None
    quadratic: Kappa | None

    @property
    def studies(self) -> int:
        """How many studies both have read."""
        return sum(map(sum, self.counts))

    @property
    def agreed(self) -> int:
        """How many of them are of the same category to both."""
        return sum(row[index] for index, row in enumerate(self.counts))


def reader_pairs(studies: Iterable[Sequence[Reading]]) -> tuple[ReaderPair, ...]:
    """Every two readers that have read a study in common, in order of their names."""
    tables: dict[tuple[str, str], Counts] = {}
    empty = len(CATEGORIES), len(CATEGORIES)
    for readings in studies:
        ordered = sorted(readings, key=lambda reading: reading.reader)
        for one, other in combinations(ordered, 2):
            pair = one.reader, other.reader
            table = tables.setdefault(pair, np.zeros(empty, dtype=np.int64))
            table[CATEGORIES.index(one.category), CATEGORIES.index(other.category)] += 1
    return tuple(
        ReaderPair(
            first=first,
            second=second,
            counts=tuple(tuple(row) for row in table.tolist()),
            linear=weighted_kappa(table, Weights.LINEAR),
            quadratic=weighted_kappa(table, Weights.QUADRATIC),
        )
        for (first, second), table in sorted(tables.items())
    )


def weighted_kappa(counts: Counts, weights: Weights) -> Kappa | None:
    """Weighted kappa of a table of counts `[first, second]`; None where it is not defined.

    Weights of agreement are 1 - d/(k-1), or 1 - d²/(k-1)², for grades d apart of k.
    """
    studies = int(counts.sum())
    if studies == 0:
        return None
    shares = counts / studies
    weight = _weights(len(counts), weights)
    of_first, of_second = shares.sum(axis=1), shares.sum(axis=0)
    observed = float((weight * shares).sum())
    by_chance = float(of_first @ weight @ of_second)
    if np.isclose(by_chance, 1.0):
        return None
    value = (observed - by_chance) / (1 - by_chance)
    # Fleiss et al. 1969, equation 8
    mean = (weight @ of_second)[:, np.newaxis] + of_first @ weight
    spread = (shares * (weight * (1 - by_chance) - mean * (1 - observed)) ** 2).sum()
    centre = (observed * by_chance - 2 * by_chance + observed) ** 2
    variance = max(float(spread - centre), 0.0) / (studies * (1 - by_chance) ** 4)
    margin = Z_95 * float(np.sqrt(variance))
    return Kappa(
        value=float(value), low=max(float(value) - margin, -1.0), high=min(value + margin, 1.0)
    )


def dice(first: NDArray[np.generic], second: NDArray[np.generic]) -> float:
    """Dice's coefficient of two masks of one shape, 0 to 1; 1 where nothing is marked in both."""
    one, other = first != 0, second != 0
    marked = np.count_nonzero(one) + np.count_nonzero(other)
    return 2 * np.count_nonzero(one & other) / marked if marked else 1.0


def _weights(grades: int, weights: Weights) -> NDArray[np.float64]:
    grade = np.arange(grades, dtype=np.float64)
    apart = np.abs(grade[:, np.newaxis] - grade) / (grades - 1)
    weight: NDArray[np.float64] = 1 - (apart if weights is Weights.LINEAR else apart**2)
    return weight
