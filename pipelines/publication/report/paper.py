"""The paper's table 1 and 2 beside what a dataset holds (Digital Diagnostics 2020;1(1):49-59)."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.core.model import Category, Sex
from pipelines.publication.facts import Facts, permille
from pipelines.publication.language import Language

STUDIES = 1110
CATEGORIES = {
    Category.CT_0: 254,
    Category.CT_1: 684,
    Category.CT_2: 125,
    Category.CT_3: 45,
    Category.CT_4: 2,
}
SEXES_PERCENT = {Sex.MALE: 42, Sex.FEMALE: 56, Sex.OTHER: 2}
AGES_YEARS = (18, 47, 97)
MASKS = 50
STEP_MM, SOURCE_STEP_MM, THICKNESS_MM = 8.0, 0.8, 1.0
KERNELS = ("FC07", "FC18")
"""Those of the series that were published; the lung series (FC51) of the protocol were not."""

SCANNERS = ("TOSHIBA Aquilion",)
ONE_OF = 10
MOST_LISTED = 4
NOTHING = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One line of the comparison; `is_same` is None where the two cannot be the same or not."""

    label: str
    paper: str
    here: str
    is_same: bool | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Acquired:
    """How the studies were scanned: each value once, in order; hidden and unknown ones left out."""

    source_steps_mm: tuple[float, ...]
    thicknesses_mm: tuple[float, ...]
    kernels: tuple[str, ...]
    scanners: tuple[str, ...]


def rows_of(facts: Facts, acquired: Acquired, language: Language) -> list[Row]:
    """The lines of the comparison, in one language."""
    words = language.words
    return [
        Row(label=words["studies"], paper=str(STUDIES), here=str(facts.studies),
            is_same=facts.studies == STUDIES),
        *_category_rows(facts, language),
        _sexes(facts, words["sexes"]),
        _ages(facts, language),
        Row(label=words["masks"], paper=f"{MASKS} · CT-1", here=_masks(facts),
            is_same=_masks(facts) == f"{MASKS} · CT-1"),
        *_thinning_rows(facts, language),
        *_acquisition_rows(acquired, language),
    ]  # fmt: skip


def _category_rows(facts: Facts, language: Language) -> list[Row]:
    def said(count: int, share_permille: int) -> str:
        return f"{count} · {language.number(share_permille / 10)} %"

    return [
        Row(
            label=str(one.category),
            paper=said(CATEGORIES[one.category], permille(CATEGORIES[one.category], STUDIES)),
            here=said(one.studies, one.permille),
            is_same=one.studies == CATEGORIES[one.category],
        )
        for one in facts.categories
    ]


def _sexes(facts: Facts, label: str) -> Row:
    here = dict(facts.sexes_percent)
    return Row(
        label=label,
        paper=" / ".join(str(SEXES_PERCENT[sex]) for sex in Sex),
        here=" / ".join(str(here[sex]) for sex in Sex),
        is_same=here == SEXES_PERCENT,
    )


def _ages(facts: Facts, language: Language) -> Row:
    """Ages of 90 and more are published as 90: so they are the same wherever both are."""
    spread = facts.ages_years
    ages = () if spread is None else (spread.minimum, spread.median, spread.maximum)
    here, there = (list(map(language.age, each)) for each in (ages, AGES_YEARS))
    return Row(
        label=language.words["ages"],
        paper=" / ".join(map(str, AGES_YEARS)),
        here=" / ".join(here) or NOTHING,
        is_same=here == there,
    )


def _masks(facts: Facts) -> str:
    where = ", ".join(str(one.category) for one in facts.categories if one.masks)
    return f"{facts.masks} · {where}" if where else "0"


def _thinning_rows(facts: Facts, language: Language) -> list[Row]:
    words, number = language.words, language.number
    steps = [step for step, _ in facts.steps_mm]
    said = words["one_of_value"]
    return [
        Row(label=words["one_of"], paper=said.format(count=ONE_OF),
            here=said.format(count=facts.one_of), is_same=facts.one_of == ONE_OF),
        Row(label=words["step"], paper=number(STEP_MM), here=_listed(steps, language),
            is_same=steps == [STEP_MM]),
    ]  # fmt: skip


def _acquisition_rows(acquired: Acquired, language: Language) -> list[Row]:
    numbers = (
        ("source_step", (SOURCE_STEP_MM,), acquired.source_steps_mm),
        ("thickness", (THICKNESS_MM,), acquired.thicknesses_mm),
    )
    names = (("kernels", KERNELS, acquired.kernels), ("scanners", SCANNERS, acquired.scanners))
    told = [
        *((key, _listed(paper, language), _listed(here, language), set(here) == set(paper))
          for key, paper, here in numbers),
        *((key, ", ".join(paper), ", ".join(here) or NOTHING, set(here) == set(paper))
          for key, paper, here in names),
    ]  # fmt: skip
    return [
        Row(
            label=language.words[key],
            paper=paper,
            here=here,
            is_same=None if here == NOTHING else is_same,
        )
        for key, paper, here, is_same in told
    ]


def _listed(values: Sequence[float], language: Language) -> str:
    if len(values) > MOST_LISTED:
        return f"{language.number(values[0])} … {language.number(values[-1])}"
    return ", ".join(map(language.number, values)) or NOTHING
