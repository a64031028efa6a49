"""Objects that the hospital has rejected: they are in the archive, and are not to be used."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from pipelines.core.errors import DicomError
from pipelines.core.model import Decision
from pipelines.core.series import KEY_OBJECTS, ObjectHeader, flaw_of, summarize
from pipelines.io.rejection import NOTE_LIMIT_BYTES, read_rejection
from pipelines.peers.archives import Archive
from pipelines.peers.studies import Decisions, Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Retired:
    """Why objects of a study are retired, by SOPInstanceUID; `unread` notes tell nobody."""

    reasons: dict[str, str]
    unread: int = 0


def retired_in(study: Study, archive: Archive) -> Retired:
    """What the rejection notes of a study say: each is received and read."""
    reasons: dict[str, str] = {}
    unread = 0
    for one in archive.receive([one for one in study if _may_be_note(one.header)]):
        if one.header.sop_class_uid != KEY_OBJECTS:
            continue
        if one.header.truncated or one.size_bytes > NOTE_LIMIT_BYTES:
            unread += 1
            continue
        try:
            note = read_rejection(archive.content(one), one.header.study_instance_uid or "")
        except DicomError:
            unread += 1
            continue
        if note is not None:
            # Of several notes the reason that comes first is told, whatever their order
            reasons |= {
                uid: min(note.reason, reasons.get(uid, note.reason)) for uid in note.objects
            }
    return Retired(reasons=reasons, unread=unread)


def _may_be_note(header: ObjectHeader) -> bool:
    """Whether an object may be a rejection note."""
    if header.sop_class_uid is None and not header.is_whole:
        return header.modality == "KO"
    return header.sop_class_uid == KEY_OBJECTS


def count_with(study: Study, retired: Retired) -> int:
    """How many objects a study has with those that are retired, be they still there or not."""
    return len({one.header.sop_instance_uid for one in study} | retired.reasons.keys())


def without_retired(study: Study, retired: Retired) -> tuple[Study, Decisions, tuple[str, ...]]:
    """The study without its retired objects, and which series have no image left.

    They stand among the decisions, too: nothing is left out without a line that says so.
    """
    left = tuple(one for one in study if one.header.sop_instance_uid not in retired.reasons)
    gone = [one.header for one in study if one.header.sop_instance_uid in retired.reasons]
    has_images = {one.header.series_instance_uid for one in left if not flaw_of(one.header)}
    decisions, lost = [], []
    for series in summarize(gone):
        headers = [h for h in gone if h.series_instance_uid == series.series_instance_uid]
        why = _told(retired.reasons[header.sop_instance_uid or ""] for header in headers)
        is_lost = bool(series.images) and series.series_instance_uid not in has_images
        value = f"{len(headers)} objects of {series}"
        outcome = f"{why}: not used" + "; no image of the series is left" * is_lost
        decisions.append(Decision(rule="rejected", value=value, outcome=outcome))
        lost += [f"{series}: {why}"] if is_lost else []
    if retired.unread:
        value = f"{retired.unread} key object documents"
        outcome = "cannot be read: whether they reject anything is not known"
        decisions.append(Decision(rule="rejected", value=value, outcome=outcome))
    return left, tuple(decisions), tuple(lost)


def _told(reasons: Iterable[str]) -> str:
    return ", ".join(sorted(Counter(reasons)))
