"""Anonymize one study: only original CT images pass, by rules that are compiled from one recipe.

What leaves this stage holds no identity: its records start anew, its files are named by keyed
UIDs, and each file is searched for what was taken out of it before it is written.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.deid import Rules
from pipelines.core.errors import ItemError, PrivacyError, SettingsError
from pipelines.core.identity import Exported, Pseudonyms
from pipelines.core.model import (
    Deidentified,
    Excluded,
    FolderItem,
    Ocr,
    ReaderMask,
    Sex,
)
from pipelines.core.ocr_settings import OcrSettings
from pipelines.core.patient_settings import PatientSettings
from pipelines.core.profile import profile
from pipelines.core.traces import Traces, traces_of
from pipelines.io.ct_objects import Facts, patient_key_of
from pipelines.io.deidentified_series import DeidentifiedSeries
from pipelines.io.engine import Engine
from pipelines.io.keys import read_key
from pipelines.io.plain_folders import find_series, refusal
from pipelines.io.profile_options import options_of
from pipelines.io.same_patients import read_same_patients

VERSION: int = 9

TABLES = (AnonymizeSettings, PatientSettings, OcrSettings)
"""The settings it is told on plain folders."""

SERIES_FOLDER = "series"

find = find_series


def work(
    exported: Exported, settings: AnonymizeSettings, source: Path, folder: Path
) -> Deidentified | Excluded:
    """Write the series of one study without identity into `folder`, as `<SOPInstanceUID>.dcm`.

    Excluded where no object is an original CT image. Raises DicomError for a file that is not
    whole and PrivacyError where identity is left.
    """
    files = sorted((source / SERIES_FOLDER).glob("*.dcm"))
    if len(files) != exported.instances:
        raise ItemError(
            "INCOMPLETE_STUDY", f"{len(files)} files of {exported.instances} lie in the export"
        )
    pseudonyms = Pseudonyms(_key(settings))
    engine = Engine(
        rules=rules_of(settings),
        pseudonyms=pseudonyms,
        patient=pseudonyms.patient(exported.patient_key),
        known=traces_of(exported.identifying_values),
        shift_days=pseudonyms.shift_days(exported.patient_key, settings.maximum_shift_days),
    )
    series = DeidentifiedSeries(folder=folder, total=len(files), rules=engine.rules)
    for number, file in enumerate(files, start=1):
        series.add(file, number, lambda _facts: engine)
    if not series.paths:
        return series.excluded(exported.public_id)
    _pass_on_table(source, folder, engine)
    return Deidentified(
        public_id=exported.public_id,
        category=exported.category,
        patient_age_years=series.age_years(exported.patient_age_years),
        patient_sex=series.sex(exported.patient_sex),
        patient_pseudonym=engine.patient,
        dose_length_product_mgy_cm=exported.dose_length_product_mgy_cm,
        readings=exported.readings,
        decisions=series.decisions(),
        instances=len(series.paths),
        masks=_masks(exported.masks, source, folder, pseudonyms),
    )


def _pass_on_table(source: Path, folder: Path, engine: Engine) -> None:
    """Write what the export knows of slices that it has not brought: numbers, under keyed UIDs.

    Raises PrivacyError IDENTITY_LEFT.
    """
    from pipelines.io.slice_table import TABLE_NAME, read_table, table_bytes  # needs NumPy

    rows = read_table(source / TABLE_NAME)
    if rows is None:
        return
    uid = engine.pseudonyms.uid
    content = table_bytes(
        [replace(row, sop_instance_uid=uid(row.sop_instance_uid)) for row in rows]
    )
    if engine.known.found_in(content):
        raise PrivacyError("IDENTITY_LEFT", "a value would be in the table of all slices")
    (folder / TABLE_NAME).write_bytes(content)


def work_plain(
    item: FolderItem,
    settings: AnonymizeSettings,
    patients: PatientSettings,
    looking: OcrSettings,
    folder: Path,
) -> Deidentified | Excluded:
    """Write the objects of one item of a plain folder into `folder`, sorted by their pseudonyms.

    They are named `<patient>/<StudyInstanceUID>/<SeriesInstanceUID>/<SOPInstanceUID>.dcm`. Their
    pixels are looked at only where an OCR is asked for.
    """
    if excluded := refusal(item):
        return excluded
    rules, pseudonyms = rules_of(settings), Pseudonyms(_key(settings))
    same = read_same_patients(patients.same_patients)

    def engine(facts: Facts) -> Engine:
        key = same.main(patient_key_of(facts))
        return Engine(
            rules=rules,
            pseudonyms=pseudonyms,
            patient=pseudonyms.patient(key),
            known=Traces(frozenset()),
            shift_days=pseudonyms.shift_days(key, settings.maximum_shift_days),
        )

    series = DeidentifiedSeries(folder=folder, total=len(item.files), rules=rules, is_tree=True)
    for number, file in enumerate(item.files, start=1):
        series.add(file, number, engine)
    if not series.paths:
        return series.excluded(item.name)
    if looking.ocr is not Ocr.OFF:
        from pipelines.io.pixels_with_text import refuse_text  # needs NumPy

        refuse_text([folder / path for path in series.paths], looking.ocr)
    return Deidentified(
        public_id=series.paths[0].partition("/")[0],
        category=None,
        patient_age_years=series.age_years(None),
        patient_sex=series.sex(Sex.OTHER),
        decisions=series.decisions(),
        instances=len(series.paths),
    )


def rules_of(settings: AnonymizeSettings) -> Rules:
    """The shipped rules and the user's recipes, compiled; raises SettingsError with file:line.

    The shipped recipe is what deid's parser makes of it: a test, not every run, proves that.
    """
    options = options_of(settings)
    if not settings.recipes:
        return profile(options)
    from pipelines.io.recipe import load

    return load(options, settings.recipes)


def _key(settings: AnonymizeSettings) -> bytes:
    if settings.key is None:
        raise SettingsError("no key for the pseudonyms", hint="Name a key file with --key.")
    return read_key(settings.key)


def _masks(
    masks: Sequence[ReaderMask], source: Path, folder: Path, pseudonyms: Pseudonyms
) -> tuple[ReaderMask, ...]:
    """The masks with nothing but geometry and voxels, in order of their readers' pseudonyms."""
    from pipelines.io.mask_header import clean_mask  # gzip, and most studies have no mask

    named = [(pseudonyms.reader(one.reader) if one.reader else "", one.file) for one in masks]
    cleaned = []
    for number, (reader, file) in enumerate(sorted(named), start=1):
        clean_mask(source / Path(file).name, folder / f"mask-{number}.nii.gz")
        cleaned.append(ReaderMask(file=f"mask-{number}.nii.gz", reader=reader))
    return tuple(cleaned)
