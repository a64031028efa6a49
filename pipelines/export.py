"""Export one study of the drawing frame from the archive: whole, proven, and its series chosen."""

import hashlib
import shutil
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from pipelines.core.choice import choose_series
from pipelines.core.errors import DicomError, ItemError, SettingsError
from pipelines.core.identity import Candidate, Exported
from pipelines.core.model import Decision, Excluded, ReaderMask, Sex
from pipelines.core.settings import ExportSettings
from pipelines.io.attributes import canonical_accession
from pipelines.io.dose_report import SR_STORAGE, read_doses
from pipelines.io.subject import Subject, merged, read_subject
from pipelines.peers.archives import Archive, ArchivedInstance
from pipelines.peers.opening import open_archive
from pipelines.peers.studies import (
    Decisions,
    Study,
    completeness,
    dose_reports,
    find_study,
    look_and_choose,
    numbered,
    refuse_truncated,
    set_aside,
    split,
    without_duplicates,
)

VERSION: int = 3

SERIES_FOLDER, OTHER_FOLDER = "series", "other"
SCRATCH_FOLDER = "receiving"
"""Where an archive may keep what it has received; gone when the study is exported."""

MASK_SUFFIXES = (".nii.gz", ".nii")
OLDEST_AGE_YEARS = 90
"""Older patients are so few that the age would name them: 90 stands for 90 and older."""


def work(
    candidate: Candidate, settings: ExportSettings, source: Path, folder: Path
) -> Exported | Excluded:
    """Copy the study of `candidate` into `folder`: `series/`, `other/`, and its mask.

    `source` holds the index of the archive folder. Raises ItemError where the study is absent,
    ambiguous or not whole; a study without exactly one fitting series is Excluded.
    """
    with closing(open_archive(settings, source=source, scratch=folder / SCRATCH_FOLDER)) as archive:
        found, notes = find_study(candidate, archive)
        study, collapsed = without_duplicates(found, archive)
        complete = completeness(len(study), candidate.expected_instances)
        study, choice = look_and_choose(study, archive, settings)
        decisions = (*notes, *collapsed, *complete, *choice.decisions)
        if choice.series is None:
            return Excluded(
                public_id=candidate.public_id,
                rule="series",
                reason=choice.reason,
                decisions=decisions,
            )
        slices, others = split(study, choice.series)
        refuse_truncated(slices)
        others = archive.receive(others) if settings.whole_study else dose_reports(others, archive)
        subject, unread = _copy(archive, slices, others, folder)
        unread = (*archive.notes(), *unread)
    dose_length_product_mgy_cm, dose = read_doses(_report_paths(others, folder))
    masks = _copy_mask(candidate, settings, folder)
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
        decisions=(*decisions, *set_aside(others, choice.series), *unread, dose),
    )
    return with_subject(exported, subject)


def outside(candidate: Candidate, settings: ExportSettings) -> str:
    """The SHA-256 of the study's mask; empty without one.

    Raises SettingsError where no study could be exported by these settings.
    """
    choose_series((), settings)
    try:
        mask = find_mask(candidate, settings)
    except ItemError as error:
        return error.code
    if mask is None:
        return ""
    with mask.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- copying


def _copy(
    archive: Archive, slices: Study, others: Study, folder: Path
) -> tuple[Subject, Decisions]:
    """Copy the objects under running numbers; gives the person their headers speak of."""
    subjects, unread = [], 0
    for one, path in _places(slices, folder / SERIES_FOLDER):
        archive.fetch(one, path)
        subjects.append(read_subject(path, name=numbered(one)))
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
    return merged(subjects), (note,) if unread else ()


def _report_paths(others: Study, folder: Path) -> list[Path]:
    """The structured reports, as they were copied: one of them may tell the dose."""
    return [
        path
        for one, path in _places(others, folder / OTHER_FOLDER)
        if (one.header.sop_class_uid or "").startswith(SR_STORAGE)
    ]


def _places(study: Study, folder: Path) -> list[tuple[ArchivedInstance, Path]]:
    if study:
        folder.mkdir(exist_ok=True)
    width = max(4, len(str(len(study))))
    return [(one, folder / f"{k:0{width}}.dcm") for k, one in enumerate(study, start=1)]


def _copy_mask(
    candidate: Candidate, settings: ExportSettings, folder: Path
) -> tuple[ReaderMask, ...]:
    mask = find_mask(candidate, settings)
    if mask is None:
        return ()
    name = "mask" + next(end for end in MASK_SUFFIXES if mask.name.lower().endswith(end))
    shutil.copyfile(mask, folder / name)
    return (ReaderMask(file=name),)


def find_mask(candidate: Candidate, settings: ExportSettings) -> Path | None:
    """The mask of a study, by the accession number or StudyInstanceUID that the RIS gives.

    Raises ItemError MASK_AMBIGUOUS for several, SettingsError where the folder is not there.
    """
    if settings.masks is None:
        return None
    if not settings.masks.is_dir():
        raise SettingsError(
            f"the folder of masks {settings.masks} is not there",
            hint="Mount it, or name another one as `masks` under [export]; empty for no masks.",
        )
    keys = [key for key in (candidate.accession_number, candidate.study_instance_uid) if key]
    stems = {canonical_accession(key + end) for key in keys for end in ("", "_mask")}
    # The names are compared, never joined: an accession number may hold a slash
    masks = [path for path in settings.masks.iterdir() if _stem(path) in stems and path.is_file()]
    if len(masks) > 1:
        raise ItemError("MASK_AMBIGUOUS", f"{len(masks)} files are named like the study's mask")
    return masks[0] if masks else None


def _stem(path: Path) -> str | None:
    end = next((end for end in MASK_SUFFIXES if path.name.lower().endswith(end)), None)
    return None if end is None else canonical_accession(path.name[: -len(end)])


# --- the person


def with_subject(exported: Exported, subject: Subject) -> Exported:
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
