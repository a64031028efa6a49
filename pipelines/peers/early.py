"""Which slices of the chosen series thinning will keep, so that no other needs to be brought."""

from dataclasses import dataclass

from pipelines.core.errors import DicomError
from pipelines.core.export_settings import EarlyExportSettings, ExportSettings
from pipelines.core.model import Decision
from pipelines.core.survey import foresee
from pipelines.io.headers import InstanceHeader, read_header
from pipelines.io.pixels import refuse_by_header
from pipelines.io.slice_table import SliceRow, row_of
from pipelines.peers.archives import Archive
from pipelines.peers.studies import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class EarlyThinning:
    """The slices that are brought, and what the headers of all slices say; no rows if all are."""

    slices: Study
    rows: tuple[SliceRow, ...] = ()
    decisions: tuple[Decision, ...] = ()


def thin_early(
    slices: Study, archive: Archive, settings: ExportSettings, *, has_masks: bool
) -> EarlyThinning:
    """The slices of a series that have to be brought.

    All of them, where early thinning is not asked for, where any header has a fault that the later
    stages have to tell, and where a mask may have been drawn on any of them.
    """
    if not isinstance(settings, EarlyExportSettings) or has_masks:
        return EarlyThinning(slices=slices)
    paths = [archive.here(one) for one in slices]
    try:
        headers = [read_header(path) for path in paths if path is not None]
        is_fit = len(headers) == len(paths) and all(map(_is_fit, headers))
    except DicomError:
        is_fit = False
    if not is_fit:
        return _whole(slices)
    foreseen = foresee(headers, minimum_slices=settings.minimum_slices, thin=settings.thin)
    if foreseen is None or len(foreseen.kept.ks) < 2:  # one slice alone does not show its step
        return _whole(slices)
    wanted = {header.path for header in foreseen.slices}
    brought = tuple(one for one, path in zip(slices, paths, strict=True) if path in wanted)
    outcome = "brought; the others were foreseen to be thinned out"
    value = f"{len(brought)} of {len(slices)} slices"
    return EarlyThinning(
        slices=brought,
        rows=tuple(row_of(header, is_here=header.path in wanted) for header in headers),
        decisions=(Decision(rule="thin_early", value=value, outcome=outcome),),
    )


def _is_fit(header: InstanceHeader) -> bool:
    """Whether nothing but its pixels could speak against a slice; raises DicomError."""
    refuse_by_header(header)
    return header.image_type[:1] == ("ORIGINAL",) and not header.has_overlays


def _whole(slices: Study) -> EarlyThinning:
    outcome = "all are brought: their headers alone do not make one even volume"
    value = f"{len(slices)} slices"
    return EarlyThinning(
        slices=slices, decisions=(Decision(rule="thin_early", value=value, outcome=outcome),)
    )
