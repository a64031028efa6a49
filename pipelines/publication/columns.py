"""The columns of `studies.csv`: where their cells come from; `columns.csv` says what they mean."""

import csv
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from importlib.resources import files
from math import prod

from pipelines.core.anonymity import Quasi
from pipelines.core.published import RegistryRow
from pipelines.core.volumes import Thinned

Cell = str | int | float | None


class Kind(StrEnum):
    """What the cells of a column are, as the dictionary calls it."""

    INTEGER = "integer"
    NUMBER = "number"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A published study with all that its row may tell.

    `patient` numbers the patients of this dataset in the order of their first studies; `told` is
    what k-anonymity leaves of sex, age band and scanner.
    """

    row: RegistryRow
    study: Thinned
    split: str
    patient: int
    told: Quasi
    effective_dose_msv: float | None
    sha256: str
    mask_sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """A column: its name, unit and meaning in both languages, and the cell of a study."""

    name: str
    kind: Kind
    unit: str
    meaning_en: str
    meaning_ru: str
    cell: Callable[[Listed], Cell]


def _path(name: str | None) -> str | None:
    """A path of the registry as one that can be joined to the folder of the dataset."""
    return name.removeprefix("/") if name else None


def _mask_volume_ml(one: Listed) -> float | None:
    voxels = one.study.marked_voxels
    return None if voxels is None else round(voxels * prod(one.study.spacing_ijk_mm) / 1000, 3)


def _mask_dice(one: Listed) -> str:
    return " ".join(
        f"{pair.first}:{pair.second}:{pair.dice:.3f}" for pair in one.study.mask_agreements
    )


def _readings(one: Listed) -> str:
    return " ".join(
        f"{reading.reader}:{reading.category}" + (":expert" if reading.is_expert else "")
        for reading in one.study.readings
    )


CELLS: dict[str, Callable[[Listed], Cell]] = {
    "study_id": lambda one: one.row.study_id,
    "category": lambda one: one.row.category,
    "split": lambda one: one.split,
    "patient": lambda one: one.patient,
    "sex": lambda one: one.told.sex,
    "age_band": lambda one: one.told.age_band,
    "scanner": lambda one: one.told.scanner,
    "kernel": lambda one: one.study.acquisition.convolution_kernel,
    "kvp": lambda one: one.study.acquisition.kvp,
    "reconstruction_diameter_mm": lambda one: one.study.acquisition.reconstruction_diameter_mm,
    "columns": lambda one: one.study.shape_ijk[0],
    "rows": lambda one: one.study.shape_ijk[1],
    "slices": lambda one: one.study.shape_ijk[2],
    "slices_before": lambda one: one.study.slices_before,
    "instance_numbers": lambda one: " ".join(map(str, one.study.instance_numbers)),
    "pixel_spacing_i_mm": lambda one: one.study.spacing_ijk_mm[0],
    "pixel_spacing_j_mm": lambda one: one.study.spacing_ijk_mm[1],
    "slice_step_mm": lambda one: one.study.spacing_ijk_mm[2],
    "source_step_mm": lambda one: one.study.acquisition.source_step_mm,
    "slice_thickness_mm": lambda one: one.study.acquisition.slice_thickness_mm,
    "dose_length_product_mgy_cm": lambda one: one.study.dose_length_product_mgy_cm,
    "effective_dose_msv": lambda one: one.effective_dose_msv,
    "readings": _readings,
    "mask_volume_ml": _mask_volume_ml,
    "mask_mean_hu": lambda one: one.study.mask_mean_hu,
    "lesion_share_percent": lambda one: one.study.lesion_share_percent,
    "mask_dice": _mask_dice,
    "study_file": lambda one: _path(one.row.study_file),
    "mask_file": lambda one: _path(one.row.mask_file),
    "sha256": lambda one: one.sha256,
    "mask_sha256": lambda one: one.mask_sha256,
}
"""How the cell of each column is read off a study."""


def _described() -> dict[str, Column]:
    text = (files(__package__) / "columns.csv").read_bytes().decode("utf-8")
    return {
        row["column"]: Column(
            name=row["column"],
            kind=Kind(row["type"]),
            unit=row["unit"],
            meaning_en=row["meaning"],
            meaning_ru=row["meaning_ru"],
            cell=CELLS[row["column"]],
        )
        for row in csv.DictReader(text.splitlines())
    }


COLUMNS: dict[str, Column] = _described()
"""Every column there is, by its name, in the order of the table."""
