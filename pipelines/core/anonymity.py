"""k-anonymity of what is published of people (Sweeney 2002): nobody stands out by what is known.

Sex, age band and scanner are what a neighbour may know of somebody. Each combination of them that
is published is shared by at least k patients. Where it would not be, values are hidden in a fixed
order, and only where it is needed:

1. the scanner of the rows in combinations of fewer than k patients;
2. then the age band of those rows that are still in such a combination;
3. then the sex of what is left;
4. if fewer than k patients are left then, the smallest combinations are hidden whole, one after
   the other, until the hidden ones are k.

What turns out to be the same in all rows of a combination is shown again: hiding it hid nothing.
"""

from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

Value = TypeVar("Value", bound=Hashable)

HIDDEN = "*"
"""Stands for a value that is known and not told."""


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Quasi:
    """What may be known of a person from elsewhere; empty is unknown, `*` is hidden."""

    sex: str
    age_band: str
    scanner: str


NOTHING_TOLD = Quasi(sex=HIDDEN, age_band=HIDDEN, scanner=HIDDEN)
ORDER = ("sex", "age_band", "scanner")
STEPS: tuple[Callable[[Quasi], Quasi], ...] = (
    lambda quasi: replace(quasi, scanner=HIDDEN),
    lambda quasi: replace(quasi, scanner=HIDDEN, age_band=HIDDEN),
    lambda _: NOTHING_TOLD,
)


def age_band(age_years: int | None, width_years: int, *, oldest_years: int) -> str:
    """The band of an age: ``40-49``, or ``90+`` from `oldest_years` on; empty if unknown."""
    if age_years is None:
        return ""
    if age_years >= oldest_years:
        return f"{oldest_years}+"
    start = age_years - age_years % width_years
    end = min(start + width_years, oldest_years) - 1
    return f"{start}-{end}" if end > start else str(start)


def hide_small_cells(rows: Sequence[tuple[str, Quasi]], k: int) -> tuple[Quasi, ...]:
    """What may be told of each row (patient, what is known), so that k patients share it.

    The order of the rows does not matter. With fewer than k patients in all, nothing is told.
    """
    patients = [patient for patient, _ in rows]
    told = [quasi for _, quasi in rows]
    if len(set(patients)) < k:
        return (NOTHING_TOLD,) * len(rows)
    for step in STEPS:
        sizes = _sizes(patients, told)
        told = [step(quasi) if sizes[quasi] < k else quasi for quasi in told]
    told = _with_enough_hidden(patients, told, k)
    return _shown_again([quasi for _, quasi in rows], told)


def _sizes(patients: Sequence[str], told: Sequence[Quasi]) -> Mapping[Quasi, int]:
    cells: dict[Quasi, set[str]] = {}
    for patient, quasi in zip(patients, told, strict=True):
        cells.setdefault(quasi, set()).add(patient)
    return {quasi: len(people) for quasi, people in cells.items()}


def _with_enough_hidden(patients: Sequence[str], told: Sequence[Quasi], k: int) -> list[Quasi]:
    """Hide the smallest combinations whole while the hidden patients are some, but fewer than k."""
    hidden = list(told)
    while 0 < (sizes := _sizes(patients, hidden)).get(NOTHING_TOLD, 0) < k and len(sizes) > 1:
        smallest = min((size, quasi) for quasi, size in sizes.items() if quasi != NOTHING_TOLD)[1]
        hidden = [NOTHING_TOLD if quasi == smallest else quasi for quasi in hidden]
    return hidden


def _shown_again(known: Sequence[Quasi], told: Sequence[Quasi]) -> tuple[Quasi, ...]:
    """Each cell with the values that all of its rows have in common."""
    common: dict[Quasi, Quasi] = {}
    for before, after in zip(known, told, strict=True):
        met = common.setdefault(after, before)
        common[after] = Quasi(
            **{
                name: getattr(met, name) if getattr(met, name) == getattr(before, name) else HIDDEN
                for name in ORDER
            }
        )
    return tuple(common[quasi] for quasi in told)
