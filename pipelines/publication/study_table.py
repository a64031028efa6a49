"""`studies.csv`, one row a study, and `data_dictionary.csv`, which says what its columns mean."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipelines.core.anonymity import HIDDEN, ORDER, Quasi, age_band, hide_small_cells
from pipelines.core.dose import effective_dose_msv
from pipelines.core.errors import SettingsError
from pipelines.core.model import OLDEST_AGE_YEARS
from pipelines.core.published import RegistryRow
from pipelines.core.registry_settings import RegistrySettings
from pipelines.core.spelling import did_you_mean
from pipelines.core.splits import patients_in_several, split_by_patient
from pipelines.core.volumes import Acquisition, Thinned
from pipelines.publication.columns import COLUMNS, Cell, Column, Listed

TABLE_NAME, DICTIONARY_NAME = "studies.csv", "data_dictionary.csv"
DECIMALS = 6
"""More digits of a millimetre or a millisievert than anybody measures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """How many studies keep their sex, age band and scanner to themselves, and the rule: `k`."""

    k: int
    studies: int
    hidden: tuple[tuple[str, int], ...]


def columns_of(settings: RegistrySettings) -> tuple[Column, ...]:
    """The columns the settings ask for, in their order.

    Raises SettingsError for none, for one that is not there, or that is asked for twice.
    """
    if not settings.columns:
        raise SettingsError(
            "columns under [registry]: there is none", hint="Name at least study_id."
        )
    for name in settings.columns:
        if name not in COLUMNS:
            raise SettingsError(
                f"columns under [registry]: there is no column {name[:60]!r}",
                hint=f"{did_you_mean(name, COLUMNS)}There are {', '.join(COLUMNS)}.",
            )
    if len(set(settings.columns)) < len(settings.columns):
        raise SettingsError("columns under [registry]: a column is named twice")
    return tuple(COLUMNS[name] for name in settings.columns)


def list_studies(
    published: Sequence[tuple[RegistryRow, Thinned]],
    settings: RegistrySettings,
    digests: Mapping[str, str],
) -> tuple[Listed, ...]:
    """Everything the table may tell of each study; `digests` are the SHA-256 by registry path.

    Raises SettingsError for shares of the splits that cannot be used.
    """
    patients = [study.patient_pseudonym or study.public_id for _, study in published]
    categories = [row.category for row, _ in published]
    splits = split_by_patient(
        list(zip(patients, categories, strict=True)), settings.splits, seed=settings.split_seed
    )
    in_split = [splits.get(patient, "") for patient in patients]
    assert not patients_in_several(zip(patients, in_split, strict=True))
    numbers = {patient: n for n, patient in enumerate(dict.fromkeys(patients), start=1)}
    known = [_known(study, settings.age_band_years) for _, study in published]
    told = hide_small_cells(list(zip(patients, known, strict=True)), settings.k_anonymity)
    return tuple(
        Listed(
            row=row,
            study=study,
            split=in_split[n],
            patient=numbers[patients[n]],
            told=told[n],
            effective_dose_msv=effective_dose_msv(
                study.dose_length_product_mgy_cm, settings.effective_dose_msv_per_mgy_cm
            ),
            sha256=digests[row.study_file],
            mask_sha256=digests.get(row.mask_file or "", ""),
        )
        for n, (row, study) in enumerate(published)
    )


def told_of(listed: Sequence[Listed], settings: RegistrySettings) -> Told:
    """How much k-anonymity hides in the table."""
    return Told(
        k=settings.k_anonymity,
        studies=len(listed),
        hidden=tuple(
            (name, sum(getattr(one.told, name) == HIDDEN for one in listed)) for name in ORDER
        ),
    )


def table_bytes(listed: Iterable[Listed], settings: RegistrySettings) -> bytes:
    """`studies.csv`: UTF-8, LF, a point as decimal mark, an empty cell where nothing is known."""
    columns = columns_of(settings)
    rows = ([_text(column.cell(one)) for column in columns] for one in listed)
    return _csv([column.name for column in columns], rows)


def dictionary_bytes(settings: RegistrySettings) -> bytes:
    """`data_dictionary.csv`: what the columns of `studies.csv` mean, in both languages."""
    rows = (
        [column.name, str(column.kind), column.unit, column.meaning_en, column.meaning_ru]
        for column in columns_of(settings)
    )
    return _csv(["column", "type", "unit", "meaning", "meaning_ru"], rows)


def _scanner_name(acquisition: Acquisition) -> str:
    """Manufacturer and model in one; empty where neither is known."""
    names = (acquisition.manufacturer, acquisition.manufacturer_model_name)
    return " ".join(name for name in names if name)


def _known(study: Thinned, band_years: int) -> Quasi:
    return Quasi(
        sex=study.patient_sex,
        age_band=age_band(study.patient_age_years, band_years, oldest_years=OLDEST_AGE_YEARS),
        scanner=_scanner_name(study.acquisition),
    )


def _text(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.{DECIMALS}f}".rstrip("0").rstrip(".")
    return "" if cell is None else str(cell)


def _csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    memory = io.StringIO(newline="")
    writer = csv.writer(memory, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return memory.getvalue().encode("utf-8")
