"""Which slices of the chosen series thinning will keep, so that no other needs to be brought.

A folder has the headers of all slices; a PACS may answer them. Then what is kept is foreseen from
the answers alone, and believed once the slices that came have the headers that were answered.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

from pipelines.core.export_settings import EarlyExportSettings
from pipelines.core.model import Decision
from pipelines.core.series import ObjectHeader, flaw_of
from pipelines.core.slices import SliceClaim
from pipelines.core.survey import foresee
from pipelines.io.slice_table import SliceRow, row_of
from pipelines.peers.archives import Archive, ArchivedInstance
from pipelines.peers.studies import Study

OF_A_SLICE = (
    *("sop_class_uid", "series_instance_uid", "image_type", "convolution_kernel"),
    *("slice_thickness_mm", "instance_number", "rows", "columns", "frames"),
    "burned_in_annotation",
)
"""By what a slice is chosen: each must be in its header as it was answered."""

OF_A_SERIES = (
    *("study_instance_uid", "series_instance_uid", "accession_number", "patient_id"),
    *("modality", "series_number", "series_description"),
)
"""What all objects of a series share (PS3.3 C.7.1.1, C.7.2.1, C.7.3.1)."""

OF_ALL_SLICES = ("study_instance_uid", "frame_of_reference_uid")
"""Of these an archive may keep silent: those that are kept must agree on them by themselves."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyThinning:
    """The slices that are brought, and what the headers of all slices say; no rows if all are."""

    slices: Study
    rows: tuple[SliceRow, ...] = ()
    decisions: tuple[Decision, ...] = ()


def thin_early(slices: Study, archive: Archive, settings: EarlyExportSettings) -> EarlyThinning:
    """The slices of a series that thinning keeps, brought.

    All of them, where any header is not known or has a fault that the later stages have to tell.
    """
    claims = [archive.claim(one) for one in slices]
    wanted = kept_of(claims, settings)
    if wanted is None:
        return _whole(archive.receive(slices), is_known=None not in claims)
    brought = archive.receive([one for one in slices if one.header.sop_instance_uid in wanted])
    outcome = "brought; the others were foreseen to be thinned out"
    if any(archive.here(one) is None for one in slices):
        outcome += ", by the headers that the PACS answers: their pixels were not looked at"
    elif archive.is_far:
        outcome += ", but all were sent: what the PACS answers of their headers is not enough"
    value = f"{len(brought)} of {len(slices)} slices"
    return EarlyThinning(
        slices=brought,
        rows=tuple(row_of(c, is_here=c.sop_instance_uid in wanted) for c in claims if c),
        decisions=(Decision(rule="thin_early", value=value, outcome=outcome),),
    )


def kept_of(
    claims: Sequence[SliceClaim | None], settings: EarlyExportSettings
) -> frozenset[str] | None:
    """The SOPInstanceUIDs that thinning keeps; None where that is not certain by these claims."""
    known = [claim for claim in claims if claim is not None]
    if len(known) < len(claims):
        return None
    foreseen = foresee(known, minimum_slices=settings.minimum_slices, thin=settings.thin)
    if foreseen is None or len(foreseen.kept.ks) < 2:  # one slice alone does not show its step
        return None
    return frozenset(claim.sop_instance_uid for claim in foreseen.slices)


def bring_needed(
    archive: Archive, settings: EarlyExportSettings, members: Sequence[ArchivedInstance]
) -> Study:
    """The objects of a series in their order: those that thinning keeps here, of all the header.

    All of them here, unless every header is answered, and those that came are what was answered.
    """
    claims = {
        one.header.sop_instance_uid: archive.claim(one)
        for one in members
        if not flaw_of(one.header)
    }
    wanted = kept_of(list(claims.values()), settings)
    if wanted is None:
        return archive.receive(members)
    asked = [one for one in members if one.header.sop_instance_uid in wanted]
    came = archive.receive(asked)
    first = came[0].header
    is_as_answered = all(
        _is_same(before.header, after.header, OF_A_SLICE)
        and _is_same(first, after.header, OF_A_SERIES)
        and _is_claim(claims[before.header.sop_instance_uid], archive.claim(after))
        for before, after in zip(asked, came, strict=True)
    )
    if not is_as_answered:
        return archive.receive(members)
    here = {one.header.sop_instance_uid: one for one in came}
    return tuple(here.get(one.header.sop_instance_uid) or _vouched(one, first) for one in members)


def _is_same(one: ObjectHeader, other: ObjectHeader, names: Sequence[str]) -> bool:
    return all(getattr(one, name) == getattr(other, name) for name in names)


def _is_claim(answered: SliceClaim | None, read: SliceClaim | None) -> bool:
    """Whether a slice claims what was answered; its syntax is that of the file alone."""
    if answered is None or read is None:
        return False
    label, syntax = answered.plane.label, answered.transfer_syntax_uid
    known = {one.name: getattr(read, one.name) for one in fields(SliceClaim)}
    known |= {name: None for name in OF_ALL_SLICES if getattr(answered, name) is None}
    plane = replace(read.plane, label=label)
    return answered == SliceClaim(**(known | {"plane": plane, "transfer_syntax_uid": syntax}))


def _vouched(one: ArchivedInstance, of_series: ObjectHeader) -> ArchivedInstance:
    """An object with the header that was answered of it, which others of its series vouch for."""
    known = {field.name: getattr(one.header, field.name) for field in fields(ObjectHeader)}
    known |= {name: getattr(of_series, name) for name in OF_A_SERIES}
    return replace(one, header=ObjectHeader(**(known | {"has_pixels": True})))


def _whole(slices: Study, *, is_known: bool) -> EarlyThinning:
    outcome = "all are brought: their headers alone do not make one even volume"
    if not is_known:
        outcome = "all are brought: of some the header is not known before, or has a fault"
    value = f"{len(slices)} slices"
    return EarlyThinning(
        slices=slices, decisions=(Decision(rule="thin_early", value=value, outcome=outcome),)
    )
