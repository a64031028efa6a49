"""The rows of a RIS while a draw is made: what decides about each, in a hundred bytes.

Numbers of studies and patients are kept as 128-bit digests, so that a million rows are told from
one another, and grouped by study and by patient, in memory that does not depend on their texts.
"""

from array import array
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

IN = -1
"""The fate of a row that no rule leaves out; another one is the place of the rule that does."""
DIGEST_BYTES = 16
NUMBERS_AT_ONCE = 1000
IDENTIFIED = 0
"""The rule that is always the first."""
Indices = NDArray[np.intp]
NumbersOf = Callable[[Collection[int]], Mapping[int, str]]


@dataclass(frozen=True, slots=True)
class Fates:
    """What becomes of each row, by its place in the order in which they came.

    `rule` is the place of the rule that leaves it out, or IN; `is_conflicting` tells the rows that
    contradict others of the same study, `is_repeated` those that say the same as an earlier one.
    """

    rule: NDArray[np.int8]
    is_conflicting: NDArray[np.bool_]
    is_repeated: NDArray[np.bool_]


class Frame:
    """Rows are added one by one, each with what it is asked for, and settled together."""

    def __init__(self) -> None:
        self._row = array("q")
        self._rule = array("b")
        self._unknown = array("L")
        self._data = array("q")
        self._names = bytearray()
        self._numbers: list[str] = []
        self._named = array("b")
        self._patients = bytearray()
        self._competing = array("q")
        self._day = array("q")
        self._ranked = array("q")
        self._rank = array("Q")
        self._group = array("b")

    def __len__(self) -> int:
        return len(self._row)

    def add(self, row: int, *, rule: int, unknown: int) -> None:
        """Another row, the rule that leaves it out by itself, and a bit for each unknown value."""
        self._row.append(row)
        self._rule.append(rule)
        self._unknown.append(unknown)
        self._data.append(0)
        self._named.append(0)

    def name(self, numbers: Sequence[str], data: int) -> None:
        """The numbers of the study of the last row; `data` is equal for rows that say the same."""
        self._data[-1] = data
        self._named[-1] = len(numbers)
        self._numbers += numbers
        if len(self._numbers) >= NUMBERS_AT_ONCE:
            self._digest_numbers()

    def compete(self, patient: str, day: date) -> None:
        """The last row may be the one study of its patient; the earliest will be."""
        self._patients += _digest(patient)
        self._competing.append(len(self._row) - 1)
        self._day.append(day.toordinal())

    def rank(self, rank: int, group: int) -> None:
        """The last row may be drawn: its rank, and the group whose places it may take."""
        self._ranked.append(len(self._row) - 1)
        self._rank.append(rank)
        self._group.append(group)

    def settle(self, one_study_at: int | None, numbers_of: NumbersOf) -> Fates:
        """What becomes of each row; `one_study_at` is the place of that rule, if it is there.

        `numbers_of` is asked for the numbers of the studies that a patient had on one day.
        """
        fates = Fates(
            rule=np.array(self._rule, dtype=np.int8),
            is_conflicting=np.zeros(len(self._row), dtype=np.bool_),
            is_repeated=np.zeros(len(self._row), dtype=np.bool_),
        )
        self._digest_numbers()
        if self._names:
            self._tell_studies_apart(fates)
        fates.rule[fates.is_conflicting | fates.is_repeated] = IDENTIFIED
        if one_study_at is not None and self._competing:
            later = self._later_studies(fates, one_study_at, numbers_of)
            fates.rule[later] = one_study_at
        return fates

    def counts(self, fates: Fates, rule: int) -> tuple[int, int]:
        """How many rows a rule leaves out, and how many come to it with an unknown value."""
        comes = (fates.rule == IN) | (fates.rule >= rule)
        is_unknown = np.array(self._unknown)[comes] >> rule & 1
        return int(np.count_nonzero(fates.rule == rule)), int(np.count_nonzero(is_unknown))

    def drawn(self, fates: Fates, places: Sequence[int]) -> Indices:
        """The rows of the least ranks, so many of each group."""
        ranked = np.array(self._ranked, dtype=np.intp)
        rank, group = np.array(self._rank), np.array(self._group)
        is_in = fates.rule[ranked] == IN
        chosen = [
            inside[np.argsort(rank[inside], kind="stable")[:wanted]]
            for number, wanted in enumerate(places)
            for inside in [np.flatnonzero(is_in & (group == number))]
        ]
        return np.sort(ranked[np.concatenate(chosen)]) if chosen else ranked[:0]

    def _digest_numbers(self) -> None:
        self._names += b"".join(map(_digest, self._numbers))
        self._numbers.clear()

    def _tell_studies_apart(self, fates: Fates) -> None:
        """Rows that share a number are one study: equal ones are one row, others contradict."""
        times = np.array(self._named)
        named = np.repeat(np.arange(len(times)), times)
        is_first_name = np.diff(named, prepend=-1) > 0
        order, group = _grouped(self._names, np.array(self._row)[named])
        named = named[order]
        data = np.array(self._data)[named]
        first = np.flatnonzero(np.diff(group, prepend=-1))
        differs = np.zeros(len(first), dtype=np.bool_)
        differs[group[data != data[first][group]]] = True
        fates.is_conflicting[named[differs[group]]] = True
        is_later = is_first_name[order] & (named != named[first][group])
        fates.is_repeated[named[is_later]] = True
        fates.is_repeated[fates.is_conflicting] = False

    def _later_studies(self, fates: Fates, at: int, numbers_of: NumbersOf) -> Indices:
        """The rows that come to the rule, but whose patient has an earlier study."""
        competing = np.array(self._competing, dtype=np.intp)
        comes = (fates.rule[competing] == IN) | (fates.rule[competing] >= at)
        competing, day = competing[comes], np.array(self._day)[comes]
        order, group = _grouped(self._patients, day, where=comes)
        competing, day = competing[order], day[order]
        first = np.flatnonzero(np.diff(group, prepend=-1))
        is_first_day = day == day[first][group]
        is_tied = is_first_day & (np.bincount(group, weights=is_first_day)[group] > 1)
        later = [competing[~is_first_day]]
        if is_tied.any():
            later.append(_not_the_lowest(competing[is_tied], group[is_tied], numbers_of))
        return np.concatenate(later)


def _not_the_lowest(rows: Indices, group: Indices, numbers_of: NumbersOf) -> Indices:
    """The rows but the one with the lowest number in each group."""
    numbers = numbers_of(set(rows.tolist()))
    lowest: dict[int, tuple[str, int]] = {}
    for row, patient in zip(rows.tolist(), group.tolist(), strict=True):
        mine = numbers[row], row
        lowest[patient] = min(mine, lowest.get(patient, mine))
    kept = {row for _, row in lowest.values()}
    return np.array([row for row in rows.tolist() if row not in kept], dtype=np.intp)


def _grouped(
    digests: bytearray, then: NDArray[np.int64], *, where: NDArray[np.bool_] | None = None
) -> tuple[Indices, Indices]:
    """The order by digest and `then`, and the number of the group of each place in that order."""
    pairs = np.frombuffer(digests, dtype=np.uint64).reshape(-1, DIGEST_BYTES // 8)
    pairs = pairs if where is None else pairs[where]
    order = np.lexsort((then, pairs[:, 1], pairs[:, 0]))
    is_new = np.zeros(len(order), dtype=np.bool_)
    for half in pairs.T:
        ordered = half[order]
        is_new[1:] |= ordered[1:] != ordered[:-1]
    return order, np.cumsum(is_new)


def _digest(text: str) -> bytes:
    return sha256(text.encode("utf-8", "surrogatepass")).digest()[:DIGEST_BYTES]
