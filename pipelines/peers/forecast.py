"""What an export would fetch, asked by queries: nothing is kept, and only rejection notes come."""

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.core.choice import choose_series
from pipelines.core.errors import ItemError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.identity import Candidate
from pipelines.core.series import CT_SOP_CLASSES, ObjectHeader, summarize
from pipelines.peers.archives import ArchivedInstance
from pipelines.peers.early import kept_of
from pipelines.peers.gathering import thinning_of, wants
from pipelines.peers.opening import open_archive
from pipelines.peers.retired import count_with, retired_in, without_retired
from pipelines.peers.studies import Study, completeness, find_study, split

USUAL_SIDE_PIXELS = 512
PIXEL_BYTES, HEADER_BYTES = 2, 4096


@dataclass(slots=True, kw_only=True)
class Forecast:
    """How much would be fetched; bytes that a PACS does not tell are counted by the matrix.

    `spared_instances` are the slices that are left where they are, as thinning would drop them.
    """

    studies: int = 0
    series: int = 0
    instances: int = 0
    size_bytes: int = 0
    spared_instances: int = 0
    spared_bytes: int = 0
    is_estimate: bool = False
    fall_out: dict[str, int] = field(default_factory=dict)


def forecast(
    candidates: Iterable[Candidate], settings: ExportSettings, *, source: Path, scratch: Path
) -> Forecast:
    """What `export` would fetch for these studies, as far as it can be known before.

    Raises PeerError, SettingsError where the archive cannot be asked.
    """
    total = Forecast()
    fall_out: Counter[str] = Counter()
    for candidate in candidates:
        try:
            objects, spared = _wanted(candidate, settings, source, scratch)
        except ItemError as error:
            fall_out[error.code] += 1
            continue
        if not objects:
            fall_out["series"] += 1
            continue
        total.studies += 1
        total.series += len({one.header.series_instance_uid for one in objects})
        total.instances += len(objects)
        total.size_bytes += _bytes_of(objects)
        total.spared_instances += len(spared)
        total.spared_bytes += _bytes_of(spared)
        total.is_estimate |= not all(one.size_bytes for one in objects)
    total.fall_out = dict(sorted(fall_out.items()))
    return total


def _wanted(
    candidate: Candidate, settings: ExportSettings, source: Path, scratch: Path
) -> tuple[Study, Study]:
    """The objects of a study that would be fetched, none where no series can match; and the spared.

    A PACS that does not tell which series it will be is taken at its word for the best one.
    """
    with closing(open_archive(settings, source=source, scratch=scratch)) as archive:
        found, _ = find_study(candidate, archive)
        study = _each_once(found)
        retired = retired_in(study, archive)
        completeness(count_with(study, retired), candidate.expected_instances)
        study, _, _ = without_retired(study, retired)
        best = choose_series(summarize([one.header for one in study]), settings).best
        if not best:
            return (), ()
        slices, others = split(study, best[0])
        others = tuple(one for one in others if wants(one.header, settings))
        early = thinning_of(candidate, settings)
        kept = None if early is None else kept_of([archive.claim(one) for one in slices], early)
    if kept is None:
        return (*slices, *others), ()
    brought = tuple(one for one in slices if one.header.sop_instance_uid in kept)
    spared = tuple(one for one in slices if one.header.sop_instance_uid not in kept)
    return (*brought, *others), spared


def _bytes_of(study: Study) -> int:
    return sum(one.size_bytes or _estimate(one.header) for one in study)


def _each_once(found: Study) -> Study:
    by_uid: dict[str | None, ArchivedInstance] = {}
    for one in found:
        by_uid.setdefault(one.header.sop_instance_uid, one)
    return tuple(by_uid.values())


def _estimate(header: ObjectHeader) -> int:
    """The size of an object uncompressed, by its matrix or the usual one of CT."""
    if header.sop_class_uid is not None and header.sop_class_uid not in CT_SOP_CLASSES:
        return HEADER_BYTES
    rows, columns = header.rows or USUAL_SIDE_PIXELS, header.columns or USUAL_SIDE_PIXELS
    return HEADER_BYTES + PIXEL_BYTES * rows * columns * (header.frames or 1)
