"""One study in an archive: all its objects, each once, and the one series that is taken."""

from collections.abc import Callable, Iterable, Sequence
from itertools import groupby
from math import inf

from pipelines.core.choice import Choice, choose_series, next_look
from pipelines.core.errors import ItemError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Candidate
from pipelines.core.model import Decision
from pipelines.core.series import (
    SR_STORAGE,
    ObjectHeader,
    SeriesSummary,
    flaw_of,
    summarize,
)
from pipelines.io.attributes import canonical_accession
from pipelines.peers.archives import Archive, ArchivedInstance

Study = tuple[ArchivedInstance, ...]
Decisions = tuple[Decision, ...]
Bring = Callable[[Sequence[ArchivedInstance]], Study]


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
                f"{len(more) + 1} objects that differ bear the SOPInstanceUID of {numbered(first)}",
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


def look_and_choose(
    study: Study, archive: Archive, settings: ExportSettings, bring: Bring
) -> tuple[Study, Choice]:
    """The choice among the series, and the study with all that was received to take it.

    `bring` gives all objects of a series with their headers, whether it receives them or not.
    """
    while look := next_look([one.header for one in study], settings):
        wanted = []
        for uid in look.series_instance_uids:
            members = [one for one in study if one.header.series_instance_uid == uid]
            wanted += [_middle_of(members)] if look.is_probe else members
        came = archive.receive(wanted) if look.is_probe else bring(wanted)
        now = dict(zip(map(_sop_instance_uid, wanted), came, strict=True))
        study = tuple(now.get(_sop_instance_uid(one), one) for one in study)
    return study, choose_series(summarize([one.header for one in study]), settings)


def _middle_of(series: list[ArchivedInstance]) -> ArchivedInstance:
    """The object that tells most of a series: what is odd in it stands at its ends."""
    return sorted(series, key=_order)[len(series) // 2]


def is_report(header: ObjectHeader) -> bool:
    """Whether an object is a structured report (PS3.4 B.5)."""
    return (header.sop_class_uid or "").startswith(SR_STORAGE)


def split(study: Study, series: SeriesSummary) -> tuple[Study, Study]:
    """The images of the series by instance number, and all other objects of the study."""

    def is_slice(one: ArchivedInstance) -> bool:
        header = one.header
        return header.series_instance_uid == series.series_instance_uid and not flaw_of(header)

    slices = sorted((one for one in study if is_slice(one)), key=_order)
    return tuple(slices), in_order(one for one in study if not is_slice(one))


def in_order(objects: Iterable[ArchivedInstance]) -> Study:
    """Objects by their series, and within it by instance number."""
    return tuple(
        sorted(objects, key=lambda one: (one.header.series_instance_uid or "", *_order(one)))
    )


def refuse_truncated(slices: Study) -> None:
    """Raise ItemError TRUNCATED_FILE where an image of the series ends before its pixels do."""
    cut = [one for one in slices if one.header.truncated or not one.header.has_pixels]
    if cut:
        names = ", ".join(numbered(one) for one in cut[:5])
        more = f" and {len(cut) - 5} more" if len(cut) > 5 else ""
        raise ItemError("TRUNCATED_FILE", f"{names}{more}: the pixels are not all there")


def set_aside(others: Study, series: SeriesSummary) -> Decisions:
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


def numbered(one: ArchivedInstance) -> str:
    """What an object is called in messages: by its InstanceNumber, never by a UID."""
    number = one.header.instance_number
    return "an instance without number" if number is None else f"instance {number}"
