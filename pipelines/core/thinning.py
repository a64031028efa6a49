"""Which slices of a stack are kept, by what is said of them alone: no pixel is needed.

As published, those whose InstanceNumber (0020,0013) is a multiple of ten (paper, figure 1 step 5).
Thinning commutes with everything before it, so whoever asks first saves all others the work.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import ItemError
from pipelines.core.model import Decision, ThinBy


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """The slices k that are kept, by what `numbers` they were counted, and why so.

    `all_numbers` are the InstanceNumbers of all slices, from the feet up.
    """

    ks: tuple[int, ...]
    numbers: tuple[int, ...]
    all_numbers: tuple[int | None, ...]
    decision: Decision


def choose_slices(instance_numbers: Sequence[int | None], settings: ThinSettings) -> Kept:
    """The slices that are kept, given the InstanceNumber of each k from the feet up.

    Where the numbers do not step by one along the axis, in either direction, the rank from the
    feet (1, 2, 3 ...) stands in. Raises ItemError NOTHING_KEPT.
    """
    every, offset = settings.every, settings.offset
    fault = fault_of_numbers(instance_numbers)
    by_rank = settings.by is ThinBy.POSITION or fault is not None
    ranks = range(1, len(instance_numbers) + 1)
    counted = ranks if by_rank else [number for number in instance_numbers if number is not None]
    ks = tuple(k for k, number in enumerate(counted) if number % every == offset)
    if not ks:
        what = "ranks" if by_rank else "instance numbers"
        message = f"none of the {what} of {len(counted)} slices leaves {offset} by {every}"
        raise ItemError("NOTHING_KEPT", message)
    decision = Decision(
        rule="thin",
        value=_value_of(instance_numbers, fault, settings),
        outcome=f"kept {len(ks)} of {len(counted)} slices by "
        + ("rank from the feet" if by_rank else f"InstanceNumber % {every} = {offset}"),
    )
    return Kept(
        ks=ks,
        numbers=tuple(counted[k] for k in ks),
        all_numbers=tuple(instance_numbers),
        decision=decision,
    )


def fault_of_numbers(instance_numbers: Sequence[int | None]) -> str | None:
    """Why slices cannot be counted by these numbers; None if they step by one along the axis."""
    present = [number for number in instance_numbers if number is not None]
    if len(present) < len(instance_numbers):
        return f"{len(instance_numbers) - len(present)} InstanceNumbers are missing"
    if len(set(present)) < len(present):
        return "InstanceNumbers are repeated"
    steps = {after - before for before, after in pairwise(present)}
    if steps <= {1} or steps <= {-1}:
        return None
    return "InstanceNumbers do not step by one along the axis"


def _value_of(numbers: Sequence[int | None], fault: str | None, settings: ThinSettings) -> str:
    if settings.by is ThinBy.POSITION:
        return "by = position"
    return fault or f"InstanceNumber {numbers[0]} .. {numbers[-1]} from the feet"
