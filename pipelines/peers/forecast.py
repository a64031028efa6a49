"""What an export would fetch, asked by queries alone: nothing is transferred, nothing is kept."""

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
from pipelines.peers.opening import open_archive
from pipelines.peers.studies import Study, completeness, find_study, may_be_dose_report

USUAL_SIDE_PIXELS = 512
PIXEL_BYTES, HEADER_BYTES = 2, 4096


@dataclass(slots=True, kw_only=True)
class Forecast:
    """How much would be fetched; bytes that a PACS does not tell are counted by the matrix."""

    studies: int = 0
    series: int = 0
    instances: int = 0
    size_bytes: int = 0
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
            objects = _wanted(candidate, settings, source, scratch)
        except ItemError as error:
            fall_out[error.code] += 1
            continue
        if not objects:
            fall_out["series"] += 1
            continue
        total.studies += 1
        total.series += len({one.header.series_instance_uid for one in objects})
        total.instances += len(objects)
        total.size_bytes += sum(one.size_bytes or _estimate(one.header) for one in objects)
        total.is_estimate |= not all(one.size_bytes for one in objects)
    total.fall_out = dict(sorted(fall_out.items()))
    return total


def _wanted(candidate: Candidate, settings: ExportSettings, source: Path, scratch: Path) -> Study:
    """The objects of a study that would be fetched; none where no series can match."""
    with closing(open_archive(settings, source=source, scratch=scratch)) as archive:
        found, _ = find_study(candidate, archive)
    study = _each_once(found)
    completeness(len(study), candidate.expected_instances)
    best = choose_series(summarize([one.header for one in study]), settings).best
    if not best:
        return ()
    if settings.whole_study:
        return study
    chosen = best[0].series_instance_uid
    return tuple(
        one
        for one in study
        if one.header.series_instance_uid == chosen or may_be_dose_report(one.header)
    )


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
