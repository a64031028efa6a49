"""Export one study of the drawing frame from the archive: whole, proven, and its series chosen."""

import hashlib
import shutil
from contextlib import closing
from dataclasses import replace
from itertools import groupby
from math import inf
from pathlib import Path

from pipelines.core.errors import DicomError, ItemError, SettingsError
from pipelines.core.identity import Candidate, Exported
from pipelines.core.model import Decision, Excluded, ReaderMask, Sex
from pipelines.core.series import SeriesSummary, choose_series, flaw_of, summarize
from pipelines.core.settings import ExportSettings
from pipelines.io.attributes import canonical_accession
from pipelines.io.subject import Subject, merged, read_subject
from pipelines.peers.archives import INDEX_NAME, Archive, ArchivedInstance, open_archive

VERSION: int = 2

SERIES_FOLDER, OTHER_FOLDER = "series", "other"
MASK_SUFFIXES = (".nii.gz", ".nii")
OLDEST_AGE_YEARS = 90
"""Older patients are so few that the age would name them: 90 stands for 90 and older."""

Study = tuple[ArchivedInstance, ...]
Decisions = tuple[Decision, ...]


def work(
    candidate: Candidate, settings: ExportSettings, source: Path, folder: Path
) -> Exported | Excluded:
    """Copy the study of `candidate` into `folder`: `series/`, `other/`, and its mask.

    `source` holds the index of the archive folder. Raises ItemError where the study is absent,
    ambiguous or not whole; a study without exactly one fitting series is Excluded.
    """
    with closing(open_archive(settings, source / INDEX_NAME)) as archive:
        found, notes = find_study(candidate, archive)
        study, collapsed = without_duplicates(found, archive)
        complete = completeness(len(study), candidate.expected_instances)
        choice = choose_series(summarize([one.header for one in study]), settings)
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
        subject, unread = _copy(archive, slices, others if settings.whole_study else (), folder)
    masks = _copy_mask(candidate, settings, folder)
    exported = Exported(
        public_id=candidate.public_id,
        patient_key=candidate.patient_key,
        category=candidate.category,
        patient_age_years=candidate.patient_age_years,
        patient_sex=candidate.patient_sex,
        instances=len(slices),
        identifying_values=candidate.identifying_values,
        readings=candidate.readings,
        masks=masks,
        decisions=(*decisions, *_set_aside(others, choice.series), *unread),
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


# --- the study


def find_study(candidate: Candidate, archive: Archive) -> tuple[Study, Decisions]:
    """All objects of one study; raises ItemError NOT_IN_ARCHIVE, AMBIGUOUS_STUDY, TRUNCATED_FILE.

    What ends before it names its series may belong to the one that is wanted: it is not guessed.
    """
    found = archive.find(
        accession_number=candidate.accession_number,
        study_instance_uid=candidate.study_instance_uid,
    )
    study = tuple(one for one in found if one.has_uids)
    studies = {one.header.study_instance_uid for one in study}
    if len(studies) > 1:
        raise ItemError("AMBIGUOUS_STUDY", f"the accession number stands on {len(studies)} studies")
    cut = sum(one.header.truncated for one in found if not one.has_uids)
    if cut:
        raise ItemError("TRUNCATED_FILE", f"objects end before their header does: {cut}")
    if not study:
        raise ItemError("NOT_IN_ARCHIVE", _absence(candidate, archive))
    return study, (*_without_uids(len(found) - len(study)), *_other_accession(candidate, study))


def _without_uids(objects: int) -> Decisions:
    outcome = "left out: they lack the UID of their study, series or self"
    return (Decision(rule="uids", value=f"{objects} objects", outcome=outcome),) * bool(objects)


def _other_accession(candidate: Candidate, study: Study) -> Decisions:
    """A note where a study that was found by its UID bears another accession number."""
    wanted = canonical_accession(candidate.accession_number or "")
    others = sum(canonical_accession(one.header.accession_number or "") != wanted for one in study)
    outcome = "bear another AccessionNumber than the RIS, but its StudyInstanceUID"
    note = Decision(rule="accession", value=f"{others} of {len(study)} objects", outcome=outcome)
    return (note,) if wanted and others else ()


def _absence(candidate: Candidate, archive: Archive) -> str:
    by_accession = candidate.study_instance_uid and archive.find(
        accession_number=candidate.accession_number, study_instance_uid=None
    )
    if by_accession:
        return "the accession number is in the archive, but with another StudyInstanceUID"
    return "the archive has no object of this study"


def without_duplicates(found: Study, archive: Archive) -> tuple[Study, Decisions]:
    """Each object once; raises ItemError CONFLICTING_DUPLICATE where two differ under one UID."""
    kept = []
    for _, copies in groupby(sorted(found, key=_sop_instance_uid), key=_sop_instance_uid):
        first, *more = sorted(copies, key=lambda one: (one.path, one.member_number))
        if any(one.size_bytes != first.size_bytes for one in more) or (
            more and len({archive.digest(one) for one in (first, *more)}) > 1
        ):
            raise ItemError(
                "CONFLICTING_DUPLICATE",
                f"{len(more) + 1} objects that differ bear the SOPInstanceUID of "
                f"{_numbered(first)}",
            )
        kept.append(first)
    if len(kept) == len(found):
        return tuple(kept), ()
    outcome = "identical bytes, each object is taken once"
    value = f"{len(found) - len(kept)} copies"
    return tuple(kept), (Decision(rule="duplicates", value=value, outcome=outcome),)


def completeness(objects: int, expected: int | None) -> Decisions:
    """How many objects there are against what the RIS expects; raises INCOMPLETE_STUDY."""
    if expected is None:
        outcome = "the RIS does not say how many to expect"
        return (Decision(rule="completeness", value=f"{objects} objects", outcome=outcome),)
    value = f"{objects} of {expected} objects"
    if objects < expected:
        raise ItemError("INCOMPLETE_STUDY", value)
    outcome = "complete" if objects == expected else "more than the RIS expects, all are taken"
    return (Decision(rule="completeness", value=value, outcome=outcome),)


def split(study: Study, series: SeriesSummary) -> tuple[Study, Study]:
    """The images of the series by instance number, and all other objects of the study."""

    def is_slice(one: ArchivedInstance) -> bool:
        header = one.header
        return header.series_instance_uid == series.series_instance_uid and not flaw_of(header)

    slices = sorted((one for one in study if is_slice(one)), key=_order)
    others = sorted(
        (one for one in study if not is_slice(one)),
        key=lambda one: (one.header.series_instance_uid or "", *_order(one)),
    )
    return tuple(slices), tuple(others)


def refuse_truncated(slices: Study) -> None:
    """Raise ItemError TRUNCATED_FILE where an image of the series ends before its pixels do."""
    cut = [one for one in slices if one.header.truncated or not one.header.has_pixels]
    if cut:
        names = ", ".join(_numbered(one) for one in cut[:5])
        more = f" and {len(cut) - 5} more" if len(cut) > 5 else ""
        raise ItemError("TRUNCATED_FILE", f"{names}{more}: the pixels are not all there")


def _set_aside(others: Study, series: SeriesSummary) -> Decisions:
    """What of the chosen series itself is no image of it, and what else is cut short."""
    inside = sum(one.header.series_instance_uid == series.series_instance_uid for one in others)
    cut = sum(one.header.truncated for one in others)
    notes = []
    if inside:
        outcome = "localizers or derived images within the chosen series, set aside"
        notes.append(Decision(rule="images", value=f"{inside} objects", outcome=outcome))
    if cut:
        outcome = "cut short, but not in the chosen series"
        notes.append(Decision(rule="truncated", value=f"{cut} objects", outcome=outcome))
    return tuple(notes)


def _sop_instance_uid(one: ArchivedInstance) -> str:
    return one.header.sop_instance_uid or ""


def _order(one: ArchivedInstance) -> tuple[float, str]:
    number = one.header.instance_number
    return inf if number is None else number, _sop_instance_uid(one)


def _numbered(one: ArchivedInstance) -> str:
    number = one.header.instance_number
    return "an instance without number" if number is None else f"instance {number}"


# --- copying


def _copy(
    archive: Archive, slices: Study, others: Study, folder: Path
) -> tuple[Subject, Decisions]:
    """Copy the objects under running numbers; gives the person their headers speak of."""
    subjects, unread = [], 0
    for one, path in _places(slices, folder / SERIES_FOLDER):
        archive.fetch(one, path)
        subjects.append(read_subject(path, name=_numbered(one)))
    for one, path in _places(others, folder / OTHER_FOLDER):
        archive.fetch(one, path)
        try:
            subjects.append(read_subject(path, name=_numbered(one)))
        except DicomError:
            unread += 1
    note = Decision(
        rule="identity",
        value=f"{unread} other objects",
        outcome="their headers could not be read for the person's name",
    )
    return merged(subjects), (note,) if unread else ()


def _places(study: Study, folder: Path) -> list[tuple[ArchivedInstance, Path]]:
    if study:
        folder.mkdir()
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
