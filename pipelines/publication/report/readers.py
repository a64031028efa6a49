"""How far the readers of the published studies agree, in one language."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.core.agreement import Kappa, reader_pairs
from pipelines.core.model import Category, MaskAgreement, Reading
from pipelines.publication.facts import Spread
from pipelines.publication.language import Language

NOTHING = "—"


@dataclass(frozen=True, slots=True, kw_only=True)
class PairRow:
    """Two readers: on how many studies, what share of them alike, kappas with their intervals.

    `counts` has a row for each category of the first reader.
    """

    name: str
    studies: int
    same_percent: str
    linear: str
    quadratic: str
    counts: tuple[tuple[Category, tuple[int, ...]], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """Every two readers, and the Dice coefficients of their masks: how many, and their spread."""

    pairs: tuple[PairRow, ...]
    masks: int
    dice: str


def agreement_of(
    readings: Iterable[Sequence[Reading]],
    masks: Iterable[Sequence[MaskAgreement]],
    language: Language,
) -> Agreement | None:
    """The agreement over these studies; None where no two readers have anything in common."""
    pairs = tuple(
        PairRow(
            name=f"{pair.first} × {pair.second}",
            studies=pair.studies,
            same_percent=language.number(round(100 * pair.agreed / pair.studies, 1)),
            linear=_kappa(pair.linear, language),
            quadratic=_kappa(pair.quadratic, language),
            counts=tuple(zip(Category, pair.counts, strict=True)),
        )
        for pair in reader_pairs(readings)
    )
    dice = [one.dice for study in masks for one in study]
    spread = Spread.of(dice)
    if not pairs and spread is None:
        return None
    of_dice = (spread.minimum, spread.median, spread.maximum) if spread else ()
    told = " / ".join(language.number(round(value, 2)) for value in of_dice)
    return Agreement(pairs=pairs, masks=len(dice), dice=told)


def _kappa(kappa: Kappa | None, language: Language) -> str:
    if kappa is None:
        return NOTHING
    value, low, high = (language.number(round(x, 2)) for x in (kappa.value, kappa.low, kappa.high))
    return f"{value} [{low}; {high}]"
