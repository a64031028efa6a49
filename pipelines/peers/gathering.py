"""All that is brought of one study, before any of it is laid where it belongs."""

from dataclasses import dataclass
from functools import partial

from pipelines.core.export_settings import EarlyExportSettings, ExportSettings
from pipelines.core.identity import Candidate
from pipelines.core.series import DOSE_REPORT, ObjectHeader
from pipelines.io.slice_table import SliceRow
from pipelines.peers.archives import Archive
from pipelines.peers.early import EarlyThinning, bring_needed, thin_early
from pipelines.peers.masks import find_masks
from pipelines.peers.retired import count_with, retired_in, without_retired
from pipelines.peers.studies import (
    Decisions,
    Study,
    completeness,
    find_study,
    in_order,
    is_report,
    look_and_choose,
    refuse_truncated,
    set_aside,
    split,
    without_duplicates,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gathered:
    """What was brought: slices and other objects, and the table of all slices if not all are.

    `reason` says why no series is taken; it is empty if one is.
    """

    reason: str = ""
    slices: Study = ()
    others: Study = ()
    rows: tuple[SliceRow, ...] = ()
    decisions: Decisions = ()


def gather(candidate: Candidate, settings: ExportSettings, archive: Archive) -> Gathered:
    """Find a study, choose among its series, and bring what is wanted of it.

    Raises ItemError where the study is absent, ambiguous or not whole; PeerError.
    """
    early = thinning_of(candidate, settings)
    found, notes = find_study(candidate, archive)
    study, collapsed = without_duplicates(found, archive)
    retired = retired_in(study, archive)
    complete = completeness(count_with(study, retired), candidate.expected_instances)
    study, rejected, lost = without_retired(study, retired)
    bring = archive.receive if early is None else partial(bring_needed, archive, early)
    study, choice = look_and_choose(study, archive, settings, bring)
    decisions = (*notes, *collapsed, *complete, *rejected, *choice.decisions)
    if choice.series is None:
        return Gathered(reason="; ".join([choice.reason, *lost]), decisions=decisions)
    slices, others = split(study, choice.series)
    refuse_truncated(slices)
    others = _bring_others(others, archive, settings)
    thinned = EarlyThinning(slices=slices) if early is None else thin_early(slices, archive, early)
    return Gathered(
        slices=thinned.slices,
        others=others,
        rows=thinned.rows,
        decisions=(*decisions, *set_aside(others, choice.series), *thinned.decisions),
    )


def thinning_of(candidate: Candidate, settings: ExportSettings) -> EarlyExportSettings | None:
    """By which rules a study is thinned before it is brought; None if it is not.

    A mask may have been drawn on any slice, and asks for it.
    """
    if not isinstance(settings, EarlyExportSettings):
        return None
    return None if settings.study_masks or find_masks(candidate, settings) else settings


def wants(header: ObjectHeader, settings: ExportSettings) -> bool:
    """Whether an object that is no slice of the series is wanted, or may turn out to be.

    To thin early is to want no other images; but of a whole study any structured report may tell
    the dose, and does so either way.
    """
    if settings.study_masks or (settings.whole_study and not settings.thin_early):
        return True
    if header.sop_class_uid is None and not header.is_whole:
        return header.modality in {None, "SR"}
    return is_report(header) if settings.whole_study else header.sop_class_uid == DOSE_REPORT


def _bring_others(others: Study, archive: Archive, settings: ExportSettings) -> Study:
    came = archive.receive([one for one in others if wants(one.header, settings)])
    return in_order(one for one in came if wants(one.header, settings))
