"""The selection as it lies on the disk: the ranked candidates, the flow, and who was left out."""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter
from pathlib import Path
from typing import Any

from pipelines import select
from pipelines.chain import SELECT
from pipelines.core.addresses import shown
from pipelines.core.codec import canonical_json, digest, from_jsonable, to_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Candidate, Pseudonyms, has_identity, nobody
from pipelines.core.inclusion import study_number
from pipelines.core.select_settings import SelectSettings
from pipelines.core.settings import Settings
from pipelines.forgetting import forgotten
from pipelines.io import audit
from pipelines.io.disk import sha256_of
from pipelines.io.ledger import Entry, Outcome
from pipelines.io.record_table import RecordTable, write_records
from pipelines.io.same_patients import read_same_patients
from pipelines.io.sealing import seal
from pipelines.io.settings_digest import settings_digest
from pipelines.io.sheets import Sheet
from pipelines.io.workspace import Workspace
from pipelines.peers.readings import open_readings, with_readings
from pipelines.peers.ris import open_ris
from pipelines.select import FlowStep, FramePlace, RowExcluded, Selection
from pipelines.versions import library_versions

EXCLUDED, FRAME = "excluded.csv", "frame.csv"
PLACE = ("rank", "study_number")
BEGINS, DRAWN, BLANKED = "select begins", "select", "select without what was withdrawn"
"""What the audit trail calls it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The selection that holds: who may be drawn, and how many each rule left out."""

    candidates: tuple[Candidate, ...]
    flow: tuple[FlowStep, ...]
    unreadable: dict[str, int]
    is_new: bool = False


def draw(
    settings: Settings, pseudonyms: Pseudonyms, scratch: Path
) -> tuple[Selection, dict[str, int]]:
    """Read the RIS and draw; with how many cells of a column are unreadable.

    Nothing is left in `scratch`: what is too much for memory lies there in a nameless file.
    """
    source, readings = open_ris(settings.select, settings.export), open_readings(settings.select)
    same = read_same_patients(settings.select.same_patients)
    rows = same.marked(with_readings(source.rows(), readings, pseudonyms))
    drawn = select.draw(rows, settings.select, pseudonyms, scratch=scratch)
    return drawn, {**source.unreadable, **readings.unreadable}


def ensure(workspace: Workspace, settings: Settings, key: bytes, *, again: bool = False) -> Drawn:
    """The selection of these settings from this RIS: the one on the disk, or else a new draw.

    A database is asked once, and `again` only on request: what it holds changes every minute.
    """
    fingerprint = _fingerprint(settings.select, key)
    if not again and workspace.seat_of_selection.entry_of(fingerprint):
        return load(workspace)
    asked = _asked(settings.select)
    # The seed is fixed before the frame is known, and told after it: nobody can shop for one
    audit.note(workspace.private, BEGINS, seed_sha256=text_digest(settings.select.seed), **asked)
    selection, unreadable = draw(settings, Pseudonyms(key), workspace.private)
    if _fingerprint(settings.select, key) != fingerprint:
        raise WorkspaceError(
            "the RIS export, or a list beside it, was changed while it was read",
            hint="Wait until it is written, then run the same command again.",
        )
    selection = _blanked(selection, forgotten(workspace))
    told = asked | _told(settings.select, selection, unreadable)
    _record(workspace, fingerprint, (selection, unreadable), what=DRAWN, told=told)
    return Drawn(
        candidates=selection.candidates,
        flow=selection.flow,
        unreadable=unreadable,
        is_new=True,
    )


def _fingerprint(settings: SelectSettings, key: bytes) -> str:
    return digest(SELECT, select.VERSION, settings_digest(settings), digest(key.hex()))


def is_there(workspace: Workspace) -> bool:
    """Whether studies have been selected here."""
    return workspace.seat_of_selection.place.is_dir()


def load(workspace: Workspace) -> Drawn:
    """The selection on the disk, whatever the settings say now.

    Raises WorkspaceError when nothing was selected yet, or it cannot be read any more.
    """
    folder = workspace.seat_of_selection.place
    if not is_there(workspace):
        raise WorkspaceError(
            f"{workspace.root}: no studies have been selected yet", hint="Run: mosmed select"
        )
    try:
        return Drawn(
            candidates=_load(folder / "candidates.json", Candidate),
            flow=_load(folder / "flow.json", FlowStep),
            unreadable=json.loads((folder / "unreadable.json").read_bytes()),
        )
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        raise WorkspaceError(
            f"{folder}: the selection is damaged ({type(error).__name__})",
            hint="Run: mosmed select --again",
        ) from error


def blank(workspace: Workspace) -> bool:
    """Take the identity of the studies that were withdrawn out of the selection on the disk.

    Whether there was any; the draw itself, and so the fingerprint it holds for, do not change.
    """
    folder, names = workspace.seat_of_selection.place, forgotten(workspace)
    entry = workspace.seat_of_selection.entry()
    if not names or entry is None or not workspace.seat_of_selection.entry_of(entry.fingerprint):
        return False
    drawn = load(workspace)
    if not any(c.public_id in names and has_identity(c) for c in drawn.candidates):
        return False
    before = Selection(
        candidates=drawn.candidates,
        flow=drawn.flow,
        excluded=RecordTable(folder / EXCLUDED, RowExcluded),
        frame=RecordTable(folder / FRAME, FramePlace),
    )
    after = _blanked(before, names)
    made = (after, drawn.unreadable)
    _record(workspace, entry.fingerprint, made, what=BLANKED, told={})
    return True


def _blanked(selection: Selection, names: Collection[str]) -> Selection:
    """The selection without the identity of these studies: they keep their places, and are out."""
    if not names:
        return selection
    gone = [candidate for candidate in selection.candidates if candidate.public_id in names]
    accessions = {candidate.accession_number for candidate in gone} - {None}
    studies = {study_number(candidate) for candidate in gone}
    return replace(
        selection,
        candidates=tuple(
            nobody(candidate) if candidate.public_id in names else candidate
            for candidate in selection.candidates
        ),
        excluded=(
            replace(row, accession_number=None, value="")
            if row.accession_number in accessions
            else row
            for row in selection.excluded
        ),
        frame=(
            replace(place, study_number="") if place.study_number in studies else place
            for place in selection.frame
        ),
    )


def _asked(settings: SelectSettings) -> dict[str, str]:
    """What is asked of which RIS, without a password and without a word of the answer."""
    ris = settings.ris
    file = {"source_sha256": sha256_of(ris)} if isinstance(ris, Path) and ris.is_file() else {}
    return {
        "source": shown(ris) if isinstance(ris, str) else Path(ris or "").name,
        "query_sha256": text_digest(settings.query) if settings.query else "",
        "settings_sha256": settings_digest(settings),
        "rules": canonical_json(settings.rules),
        **file,
    }


def _told(
    settings: SelectSettings, selection: Selection, unreadable: Mapping[str, int]
) -> dict[str, str]:
    """What a draw has come to: how many, by which rule, and the seed."""
    return {
        "seed": settings.seed,
        "studies": str(settings.studies),
        "reserves": str(settings.reserves),
        "quota": canonical_json(settings.quota),
        "rows": str(selection.flow[0].remaining),
        "drawn": str(len(selection.candidates)),
        "excluded": canonical_json({step.rule: step.excluded for step in selection.flow[1:]}),
        "unreadable": canonical_json(unreadable),
        "version": library_versions()["mosmed"],
    }


def text_digest(text: str) -> str:
    """The SHA-256 under which the audit trail knows a text that it does not tell."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def _record(
    workspace: Workspace,
    fingerprint: str,
    made: tuple[Selection, dict[str, int]],
    *,
    what: str,
    told: Mapping[str, str],
) -> None:
    """Tell the audit trail of a selection, record it, and put it in its place."""
    selection, unreadable = made
    seat = workspace.seat_of_selection
    part = seat.next
    workspace.discard(part)
    part.mkdir(parents=True)
    _write(part, selection, unreadable)
    outputs = seal(part)
    digests = {
        "frame_sha256": sha256_of(part / FRAME),
        "candidates_sha256": sha256_of(part / "candidates.json"),
    }
    audit.note(workspace.private, what, **told, **digests)
    seat.replace(
        Entry(
            public_id=seat.place.name,
            fingerprint=fingerprint,
            outcome=Outcome.DONE,
            record={"candidates": len(selection.candidates)},
            outputs=outputs,
            seconds=0.0,
            versions=library_versions(),
        )
    )


def left_out(workspace: Workspace, name: str) -> RowExcluded | None:
    """The row of the RIS that a rule left out, by its accession number or row number."""
    path, wanted = workspace.seat_of_selection.place / EXCLUDED, name.strip().casefold()
    if not wanted or not path.exists():
        return None
    rows: Iterable[RowExcluded] = RecordTable(path, RowExcluded)
    for row in rows:
        if wanted in (f"row {row.row}", (row.accession_number or "").casefold()):
            return row
    return None


def _load(path: Path, kind: type[Any]) -> tuple[Any, ...]:
    return tuple(from_jsonable(kind, item) for item in json.loads(path.read_bytes()))


def _write(folder: Path, selection: Selection, unreadable: dict[str, int]) -> None:
    from pipelines.io.workbook import write_workbook

    (folder / "unreadable.json").write_text(canonical_json(unreadable), "utf-8")
    (folder / "candidates.json").write_text(canonical_json(selection.candidates), "utf-8")
    (folder / "flow.json").write_text(canonical_json(selection.flow), "utf-8")
    write_records(folder / EXCLUDED, RowExcluded, selection.excluded)
    write_records(folder / FRAME, FramePlace, sorted(selection.frame, key=attrgetter(*PLACE)))
    write_workbook(folder / "selection.xlsx", _sheets(selection))


def _sheets(selection: Selection) -> Sequence[Sheet]:
    """What a person wants to see of a selection: the flow, and the ranked studies."""
    flow = [tuple(to_jsonable(step).values()) for step in selection.flow]
    header = tuple(to_jsonable(selection.flow[0])) if selection.flow else ("rule",)
    ranked = [
        (number, c.public_id, c.accession_number, c.study_instance_uid, c.category,
         c.patient_age_years, c.patient_sex, c.expected_instances)
        for number, c in enumerate(selection.candidates, start=1)
    ]  # fmt: skip
    columns = ("order", "public_id", "accession_number", "study_instance_uid", "category",
               "patient_age_years", "patient_sex", "expected_instances")  # fmt: skip
    return (
        Sheet(name="Flow", header=header, rows=flow, for_people=True),
        Sheet(name="Ranked studies", header=columns, rows=ranked, for_people=True),
    )
