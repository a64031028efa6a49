"""Export one study of the drawing frame from the archive: whole, proven, and its series chosen."""

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.choice import choose_series
from pipelines.core.errors import DicomError, ItemError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Candidate, Exported
from pipelines.core.model import OLDEST_AGE_YEARS, Decision, Excluded, ReaderMask, Sex
from pipelines.core.traces import traces_of
from pipelines.io.slice_table import TABLE_NAME, table_bytes
from pipelines.peers.archives import Archive, ArchivedInstance
from pipelines.peers.gathering import Gathered, gather
from pipelines.peers.masks import digest_of, drawn_in_study, find_masks
from pipelines.peers.opening import open_archive
from pipelines.peers.studies import Decisions, Study, is_report, numbered

if TYPE_CHECKING:  # pydicom is loaded by who exports, not by who looks at what was exported
    from pipelines.io.subject import Subject

VERSION: int = 8

SERIES_FOLDER, OTHER_FOLDER = "series", "other"
SCRATCH_FOLDER = "receiving"
"""Where an archive may keep what it has received; gone when the study is exported."""

NAMES_THE_PATIENT = "not told: it would quote the patient's name or number"


def work(
    candidate: Candidate, settings: ExportSettings, source: Path, folder: Path
) -> Exported | Excluded:
    """Copy the study of `candidate` into `folder`: `series/`, `other/`, and its mask.

    `source` holds the index of the archive folder. Raises ItemError where the study is absent,
    ambiguous or not whole; a study without exactly one fitting series is Excluded.
    """
    from pipelines.io.dose_report import read_doses

    with closing(open_archive(settings, source=source, scratch=folder / SCRATCH_FOLDER)) as archive:
        gathered = archive.steady(lambda: gather(candidate, settings, archive))
        gathered = _without_values(gathered, candidate)
        if gathered.reason:
            return Excluded(
                public_id=candidate.public_id,
                rule="series",
                reason=gathered.reason,
                decisions=gathered.decisions,
            )
        slices, others = gathered.slices, gathered.others
        subject, unread = _copy(archive, slices, others, folder)
        if gathered.rows:
            (folder / TABLE_NAME).write_bytes(table_bytes(gathered.rows))
        unread = (*archive.notes(), *unread)
    dose_length_product_mgy_cm, dose = read_doses(_report_paths(others, folder))
    masks, drawn = _bring_masks(candidate, settings, folder, others)
    exported = Exported(
        public_id=candidate.public_id,
        patient_key=candidate.patient_key,
        category=candidate.category,
        patient_age_years=candidate.patient_age_years,
        patient_sex=candidate.patient_sex,
        instances=len(slices),
        identifying_values=candidate.identifying_values,
        dose_length_product_mgy_cm=dose_length_product_mgy_cm,
        readings=candidate.readings,
        masks=masks,
        decisions=(*gathered.decisions, *unread, dose, *drawn),
    )
    return _with_subject(exported, subject)


def outside(candidate: Candidate, settings: ExportSettings) -> str:
    """A digest of the study's masks; empty without any.

    Raises SettingsError where no study could be exported by these settings.
    """
    choose_series((), settings)
    try:
        return digest_of(find_masks(candidate, settings))
    except ItemError as error:
        return error.code


def _without_values(gathered: Gathered, candidate: Candidate) -> Gathered:
    """The same, saying nothing of series whose descriptions name the patient or a number of his."""
    known = traces_of(candidate.identifying_values)

    def said(text: str) -> str:
        return NAMES_THE_PATIENT if known.found_in(text.encode()) else text

    return replace(
        gathered,
        reason=said(gathered.reason),
        decisions=tuple(
            replace(one, value=said(one.value), outcome=said(one.outcome))
            for one in gathered.decisions
        ),
    )


# --- copying


def _copy(
    archive: Archive, slices: Study, others: Study, folder: Path
) -> "tuple[Subject, Decisions]":
    """Copy the objects under running numbers; gives the person their headers speak of.

    Age and sex are those of the series alone: what else is exported does not change them.
    """
    from pipelines.io.subject import merged, read_subject

    subjects, unread = [], 0
    for one, path in _places(slices, folder / SERIES_FOLDER):
        archive.fetch(one, path)
        subjects.append(read_subject(path, name=numbered(one)))
    person = merged(subjects)
    for one, path in _places(others, folder / OTHER_FOLDER):
        archive.fetch(one, path)
        try:
            subjects.append(read_subject(path, name=numbered(one)))
        except DicomError:
            unread += 1
    note = Decision(
        rule="identity",
        value=f"{unread} other objects",
        outcome="their headers could not be read for the person's name",
    )
    everything = merged(subjects)
    person = replace(person, identifying_values=everything.identifying_values)
    return person, (note,) if unread else ()


def _report_paths(others: Study, folder: Path) -> list[Path]:
    """The structured reports, as they were copied: one of them may tell the dose."""
    return [path for one, path in _places(others, folder / OTHER_FOLDER) if is_report(one.header)]


def _places(study: Study, folder: Path) -> list[tuple[ArchivedInstance, Path]]:
    if study:
        folder.mkdir(exist_ok=True)
    width = max(4, len(str(len(study))))
    return [(one, folder / f"{k:0{width}}.dcm") for k, one in enumerate(study, start=1)]


def _bring_masks(
    candidate: Candidate, settings: ExportSettings, folder: Path, others: Study
) -> tuple[tuple[ReaderMask, ...], Decisions]:
    """The masks of a study in `folder`, on the slices of its series."""
    from pipelines.io.mask_files import bring_mask

    found = find_masks(candidate, settings)
    if not found and settings.study_masks:
        found = drawn_in_study([path for _, path in _places(others, folder / OTHER_FOLDER)])
    masks: list[ReaderMask] = []
    decisions: list[Decision] = []
    for number, one in enumerate(found, start=1):
        to = folder / f"mask-{number}"
        brought = bring_mask(one.path, folder / SERIES_FOLDER, settings, to)
        masks.append(ReaderMask(file=brought.file, reader=one.reader))
        decisions += brought.decisions
    return tuple(masks), tuple(decisions)


# --- the person


def _with_subject(exported: Exported, subject: "Subject") -> Exported:
    """Add what the headers say of the person; the RIS goes before the headers."""
    age, sex = exported.patient_age_years, exported.patient_sex
    if age is None and len(subject.ages_years) == 1:
        age = subject.ages_years[0]
    if sex is Sex.OTHER and len(subject.sexes) == 1 and subject.sexes[0] in set(Sex):
        sex = Sex(subject.sexes[0])
    values = {*exported.identifying_values, *subject.identifying_values}
    return replace(
        exported,
        patient_age_years=None if age is None else min(age, OLDEST_AGE_YEARS),
        patient_sex=sex,
        identifying_values=tuple(sorted(values)),
    )
