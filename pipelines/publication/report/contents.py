"""What a report tells, before it is put into words: every number computed from the records."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pipelines.core.anonymity import HIDDEN
from pipelines.core.model import Category, MaskAgreement, Reading
from pipelines.core.published import Provenance
from pipelines.core.registry_settings import RegistrySettings
from pipelines.publication.columns import Listed
from pipelines.publication.facts import Facts, facts_of

Value = TypeVar("Value", str, float)


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One study as the report tells it.

    `sex`, `age_band` and `scanner` are what `studies.csv` tells: `*` is hidden, empty unknown.
    `preview` is the picture of it, an SVG file of mosmed's own; empty if there is none.
    """

    number: str
    category: Category
    has_mask: bool
    slices: int
    step_mm: float
    sex: str
    age_band: str
    scanner: str
    kernel: str | None
    source_step_mm: float | None
    thickness_mm: float | None
    lung_mean_hu: float | None
    effective_dose_msv: float | None
    readings: tuple[Reading, ...] = ()
    mask_agreements: tuple[MaskAgreement, ...] = ()
    preview: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    """All that a report tells; `provenance` is None for a dataset made without a workspace."""

    settings: RegistrySettings
    facts: Facts
    studies: tuple[Study, ...]
    provenance: Provenance | None


def contents_of(
    listed: Sequence[Listed],
    previews: Sequence[str],
    settings: RegistrySettings,
    *,
    provenance: Provenance | None,
    digits: int,
) -> Contents:
    """The contents of a report on the studies that are published; one preview for each."""
    return Contents(
        settings=settings,
        facts=facts_of([one.study for one in listed]),
        studies=tuple(
            _study(one, preview, frozenset(settings.columns), digits=digits)
            for one, preview in zip(listed, previews, strict=True)
        ),
        provenance=provenance,
    )


def _study(one: Listed, preview: str, columns: frozenset[str], *, digits: int) -> Study:
    """A study as the report tells it: what `columns` leave out of `studies.csv` is not told."""
    study, acquisition = one.study, one.study.acquisition
    return Study(
        number=f"{one.row.study_id:0{digits}d}",
        category=one.row.category,
        has_mask=one.row.mask_file is not None,
        slices=study.shape_ijk[2],
        step_mm=round(study.spacing_ijk_mm[2], 3),
        sex=one.told.sex if "sex" in columns else HIDDEN,
        age_band=one.told.age_band if "age_band" in columns else HIDDEN,
        scanner=one.told.scanner if "scanner" in columns else HIDDEN,
        kernel=acquisition.convolution_kernel if "kernel" in columns else None,
        source_step_mm=acquisition.source_step_mm if "source_step_mm" in columns else None,
        thickness_mm=acquisition.slice_thickness_mm if "slice_thickness_mm" in columns else None,
        lung_mean_hu=study.lung_mean_hu,
        effective_dose_msv=one.effective_dose_msv if "effective_dose_msv" in columns else None,
        readings=study.readings if "readings" in columns else (),
        mask_agreements=study.mask_agreements,
        preview=preview,
    )


def distinct(values: Iterable[Value | None]) -> tuple[Value, ...]:
    """Each value that is known, once, in order."""
    return tuple(sorted({value for value in values if value}))


def counted(values: Iterable[str]) -> tuple[tuple[str, int], ...]:
    """Each value with how often it occurs, the most frequent first."""
    counts = Counter(values)
    return tuple(sorted(counts.items(), key=lambda one: (-one[1], one[0])))


def known(values: Sequence[float | None]) -> list[float]:
    """The values that are there."""
    return [value for value in values if value is not None]
