"""Whole synthetic hospitals, small or as large as the paper's: RIS export, PACS and masks."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pipelines.phantom.hospital import (
    Fault,
    StudyPlan,
    patient_spec,
    write_study,
    write_study_mask,
)
from pipelines.phantom.masks import MaskGrid
from pipelines.phantom.noise import Dice
from pipelines.phantom.plan import CohortPlan, PlannedRow, plan_cohort
from pipelines.phantom.ris import write_ris
from pipelines.phantom.sample import write_sample
from pipelines.phantom.spec import SeriesSpec
from pipelines.phantom.thorax import PADDING_HU, Thorax, ThoraxSpec, make_thorax, outside_circle

ANATOMIES = 3
"""How many chests of each category and sex a cohort is varied from."""

_FEWEST_SLICES = 20
_FIELD_OF_VIEW_MM = 355.0


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortSummary:
    """What was written: rows of the RIS, how many of them may enter, and how many of these fail.

    `eligible` counts the good and the faulty; `quota` says how many good ones there are of each
    category.
    """

    rows: int
    eligible: int
    faulty: int
    quota: Mapping[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    matrix: int
    slices: int


def write_cohort(  # noqa: PLR0913 - each is one knob of a whole hospital
    out: Path,
    *,
    studies: int,
    seed: int = 0,
    matrix: int = 96,
    slices: int = 40,
    jobs: int = 1,
    progress: Callable[[int], None] | None = None,
) -> CohortSummary:
    """Write a cohort with `studies` good studies, each of `slices` images, into `out`.

    An image is `matrix` pixels wide and high.
    `progress` is told after each study how many are written. Any number of `jobs` (processes)
    gives the same bytes. Raises ValueError where there are too few slices to hold the faults.
    """
    if slices < _FEWEST_SLICES:
        message = f"slices is {slices}, but a faulty study needs {_FEWEST_SLICES} or more"
        raise ValueError(message)
    plan = plan_cohort(studies, seed=seed, slices=slices)
    (out / "masks").mkdir(parents=True, exist_ok=True)
    (out / "pacs").mkdir(exist_ok=True)
    write_ris(out / "ris_export.xlsx", (planned.row for planned in plan.rows))
    write = partial(_write_planned, out, _Size(matrix=matrix, slices=slices))
    for count, _ in enumerate(_each(write, plan.with_dicom, jobs), start=1):
        if progress is not None:
            progress(count)
    return summary_of(plan)


def summary_of(plan: CohortPlan) -> CohortSummary:
    """The counts of a plan."""
    return CohortSummary(
        rows=len(plan.rows),
        eligible=sum(row.ineligible is None for row in plan.rows),
        faulty=sum(row.fault is not None for row in plan.rows),
        quota=dict(plan.quota),
    )


def _each(
    write: Callable[[PlannedRow], None], rows: tuple[PlannedRow, ...], jobs: int
) -> Iterator[None]:
    if jobs <= 1:
        yield from map(write, rows)
        return
    # A forked child would inherit the threads of whatever the caller has imported.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context) as pool:
        yield from pool.map(write, rows, chunksize=4)


def _write_planned(out: Path, size: _Size, planned: PlannedRow) -> None:
    plan = _study_plan(planned, size)
    person, day = plan.row.person, plan.row.study_date
    patient = f"{person.latin_name.replace(' ', '_')}_{person.patient_id}"
    folder = out / "pacs" / f"{day:%Y-%m}" / patient / plan.spec.accession_number
    body = _varied(plan, planned.seed)
    write_study(folder, plan, body)
    write_study_mask(out / "masks", plan, body)


def _study_plan(planned: PlannedRow, size: _Size) -> StudyPlan:
    dice = Dice("study", planned.seed)
    pixel_mm = round(_FIELD_OF_VIEW_MM * dice.uniform(0.96, 1.1) / size.matrix, 3)
    corner = round(-pixel_mm * (size.matrix - 1) / 2, 3)
    descending = dice.integer(0, 1) == 1
    numbers = range(size.slices, 0, -1) if descending else range(1, size.slices + 1)
    spec = SeriesSpec(
        pixel_spacing_mm=(pixel_mm, pixel_mm),
        first_position_lps_mm=(corner, corner, round(dice.uniform(-900.0, 900.0), 1)),
        instance_numbers=numbers,
        convolution_kernel=("FC07", "FC18")[dice.integer(0, 1)],
        institution_name=f"{planned.row.facility} (фантом)",
        padding_hu=PADDING_HU,
    )
    thorax = ThoraxSpec(
        slices=size.slices,
        rows=size.matrix,
        columns=size.matrix,
        pixel_spacing_mm=(_FIELD_OF_VIEW_MM / size.matrix, _FIELD_OF_VIEW_MM / size.matrix),
        category=planned.row.category or "CT-0",
        is_female=planned.row.person.sex == "F",
        seed=planned.seed % ANATOMIES,
    )
    return StudyPlan(
        row=planned.row,
        spec=patient_spec(planned.row, spec),
        thorax=thorax,
        fault=planned.fault,
        mask=MaskGrid.THINNED if planned.has_mask else None,
    )


@lru_cache(maxsize=2 * 5 * ANATOMIES)
def _base(spec: ThoraxSpec) -> Thorax:
    return make_thorax(spec)


@lru_cache(maxsize=1)
def _grain(shape: tuple[int, int, int]) -> NDArray[np.int16]:
    return np.rint(Dice("grain").white(*shape) * 4).astype(np.int16)


def _varied(plan: StudyPlan, seed: int) -> Thorax:
    """One of the few chests, shifted in its plane and with a grain of its own."""
    dice = Dice("variation", seed)
    base = _base(replace(plan.thorax, padding_hu=-1000))
    reach = plan.thorax.rows // 32
    shift = (dice.integer(-reach, reach), dice.integer(-reach, reach))
    grain = _grain(base.voxels_hu.shape)
    turned = tuple(dice.integer(0, size - 1) for size in grain.shape)
    voxels = np.roll(base.voxels_hu, shift, axis=(1, 2)) + np.roll(grain, turned, axis=(0, 1, 2))
    voxels = np.maximum(voxels, np.int16(-1024))
    voxels[:, outside_circle(plan.thorax)] = PADDING_HU
    return Thorax(
        voxels_hu=voxels,
        lesion_mask=np.roll(base.lesion_mask, shift, axis=(1, 2)),
        lung_mask=np.roll(base.lung_mask, shift, axis=(1, 2)),
    )


__all__ = ["CohortSummary", "Fault", "summary_of", "write_cohort", "write_sample"]
