"""Every number of the README, computed from the records of the studies that are published."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import gcd
from statistics import median
from typing import TypeVar

from pipelines.core.model import Category, Sex
from pipelines.core.volumes import Thinned

Value = TypeVar("Value", float, tuple[int, int])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The least, the median and the greatest of some values."""

    minimum: float
    median: float
    maximum: float

    @classmethod
    def of(cls, values: Iterable[float]) -> "Spread | None":
        """The spread of the values; None where there are none."""
        known = sorted(values)
        if not known:
            return None
        return cls(minimum=known[0], median=median(known), maximum=known[-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Which slices were kept: InstanceNumber % `every` == `remainder` in `studies` studies."""

    every: int
    remainder: int
    studies: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CategoryFacts:
    """How many studies a category has, with their share of all, and how many of them a mask."""

    category: Category
    studies: int
    permille: int
    masks: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a dataset holds, as numbers.

    `patients` is None where it is not known; ages of 90 stand for 90 and older; `sexes_percent`
    are whole and sum to 100 (or to 0 without studies); `matrices` and `steps_mm` count studies;
    `one_of` is how many slices there were for each one that was kept, `rule` how they were chosen.
    """

    studies: int
    patients: int | None
    masks: int
    categories: tuple[CategoryFacts, ...]
    sexes_percent: tuple[tuple[Sex, int], ...]
    ages_years: Spread | None
    unknown_ages: int
    slices: Spread | None
    slices_before: Spread | None
    steps_mm: tuple[tuple[float, int], ...]
    matrices: tuple[tuple[tuple[int, int], int], ...]
    pixels_mm: Spread | None
    one_of: int
    rule: Rule | None


def facts_of(studies: Sequence[Thinned]) -> Facts:
    """Count what is published; the order of the studies does not matter."""
    ages = [s.patient_age_years for s in studies if s.patient_age_years is not None]
    by_sex = Counter(study.patient_sex for study in studies)
    return Facts(
        studies=len(studies),
        patients=_patients(studies),
        masks=sum(study.mask is not None for study in studies),
        categories=_categories(studies),
        sexes_percent=tuple(zip(Sex, shares([by_sex[sex] for sex in Sex]), strict=True)),
        ages_years=Spread.of(ages),
        unknown_ages=len(studies) - len(ages),
        slices=Spread.of(study.shape_ijk[2] for study in studies),
        slices_before=Spread.of(study.slices_before for study in studies),
        steps_mm=_counted(round(study.spacing_ijk_mm[2], 3) for study in studies),
        matrices=_counted(study.shape_ijk[:2] for study in studies),
        pixels_mm=Spread.of(round(study.spacing_ijk_mm[0], 3) for study in studies),
        one_of=_one_of(studies),
        rule=rule_of(studies),
    )


def _patients(studies: Sequence[Thinned]) -> int | None:
    pseudonyms = {study.patient_pseudonym for study in studies}
    return None if None in pseudonyms else len(pseudonyms)


def shares(counts: Sequence[int]) -> list[int]:
    """Whole per cents that sum to 100: what rounding down loses goes to the largest remainders.

    All are 0 where there is nothing to share.
    """
    total = sum(counts)
    if total == 0:
        return [0 for _ in counts]
    parts = [100 * count // total for count in counts]
    by_remainder = sorted(range(len(counts)), key=lambda n: (-(100 * counts[n] % total), n))
    for n in by_remainder[: 100 - sum(parts)]:
        parts[n] += 1
    return parts


def rule_of(studies: Sequence[Thinned]) -> Rule | None:
    """The rule by InstanceNumber (0020,0013) that most of the studies obey.

    It is read off the slices that are there, not off a setting. None where no study has two
    slices, or where most studies obey no common rule that leaves slices out.
    """
    steps = Counter(
        (every, study.instance_numbers[0] % every)
        for study in studies
        if (every := _step(study.instance_numbers)) > 1
    )
    if not steps:
        return None
    every, remainder = min(steps, key=lambda step: (-steps[step], step))
    obeying = sum(
        all(number % every == remainder for number in study.instance_numbers) for study in studies
    )
    if 2 * obeying <= len(studies):
        return None
    return Rule(every=every, remainder=remainder, studies=obeying)


def _categories(studies: Sequence[Thinned]) -> tuple[CategoryFacts, ...]:
    counts = Counter(study.category for study in studies)
    masks = Counter(study.category for study in studies if study.mask is not None)
    return tuple(
        CategoryFacts(
            category=category,
            studies=counts[category],
            permille=permille(counts[category], len(studies)),
            masks=masks[category],
        )
        for category in Category
    )


def permille(count: int, total: int) -> int:
    """The share of a category rounded for itself, halves up, as the paper's table 1 has it."""
    return (2000 * count + total) // (2 * total) if total else 0


def _one_of(studies: Sequence[Thinned]) -> int:
    kept = sum(study.shape_ijk[2] for study in studies)
    return round(sum(study.slices_before for study in studies) / kept) if kept else 1


def _step(numbers: tuple[int, ...]) -> int:
    return gcd(*(number - numbers[0] for number in numbers[1:])) if numbers else 0


def _counted(values: Iterable[Value]) -> tuple[tuple[Value, int], ...]:
    return tuple(sorted(Counter(values).items()))
