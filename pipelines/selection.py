"""The selection as it lies on the disk: the ranked candidates, the flow, and who was left out."""

import csv
import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pipelines import select
from pipelines.chain import SELECT
from pipelines.core.codec import canonical_json, digest, from_jsonable, to_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Candidate, Pseudonyms
from pipelines.core.model import Sex
from pipelines.core.settings import SelectSettings
from pipelines.forgetting import forgotten
from pipelines.io.ledger import Entry, Ledger, Outcome
from pipelines.io.workbook import Sheet, write_workbook
from pipelines.io.workspace import Workspace, is_whole, seal, swap_in
from pipelines.peers.readings import open_readings, with_readings
from pipelines.peers.ris import open_ris
from pipelines.select import FlowStep, RowExcluded, Selection
from pipelines.standing import settings_digest
from pipelines.versions import library_versions

NAME = "selection"


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    """The selection that holds: who may be drawn, and how many each rule left out."""

    candidates: tuple[Candidate, ...]
    flow: tuple[FlowStep, ...]
    unreadable: dict[str, int]
    is_new: bool = False


def draw(settings: SelectSettings, pseudonyms: Pseudonyms) -> tuple[Selection, dict[str, int]]:
    """Read the RIS and draw, writing nothing; with how many cells of a column are unreadable."""
    source, readings = open_ris(settings), open_readings(settings)
    rows = with_readings(source.rows(), readings, pseudonyms)
    drawn = select.draw(rows, settings, pseudonyms)
    return drawn, {**source.unreadable, **readings.unreadable}


def ensure(workspace: Workspace, settings: SelectSettings, key: bytes) -> Drawn:
    """The selection of these settings from this RIS: the one on the disk, or else a new draw."""
    folder = workspace.stage(SELECT, private=True)
    ledger = Ledger(folder / "ledger.jsonl")
    fingerprint = digest(SELECT, select.VERSION, settings_digest(settings), digest(key.hex()))
    entry = ledger.get(NAME)
    if _holds(entry, fingerprint, folder / NAME):
        return load(workspace)
    selection, unreadable = draw(settings, Pseudonyms(key))
    selection = _blanked(selection, forgotten(workspace))
    _record(workspace, ledger, fingerprint, (selection, unreadable))
    return Drawn(
        candidates=selection.candidates,
        flow=selection.flow,
        unreadable=unreadable,
        is_new=True,
    )


def load(workspace: Workspace) -> Drawn:
    """The selection on the disk, whatever the settings say now.

    Raises WorkspaceError when nothing was selected yet.
    """
    folder = workspace.stage(SELECT, private=True) / NAME
    if not folder.is_dir():
        raise WorkspaceError(
            f"{workspace.root}: no studies have been selected yet", hint="Run: mosmed select"
        )
    return Drawn(
        candidates=_load(folder / "candidates.json", Candidate),
        flow=_load(folder / "flow.json", FlowStep),
        unreadable=json.loads((folder / "unreadable.json").read_bytes()),
    )


def blank(workspace: Workspace) -> bool:
    """Take the identity of the studies that were withdrawn out of the selection on the disk.

    Whether there was any; the draw itself, and so the fingerprint it holds for, do not change.
    """
    folder = workspace.stage(SELECT, private=True)
    ledger = Ledger(folder / "ledger.jsonl")
    entry, names = ledger.get(NAME), forgotten(workspace)
    if not names or entry is None or not (folder / NAME).is_dir():
        return False
    drawn = load(workspace)
    with (folder / NAME / "excluded.csv").open(encoding="utf-8", newline="") as file:
        excluded = tuple(
            RowExcluded(**{**row, "row": int(row["row"])})  # type: ignore[arg-type]
            for row in csv.DictReader(file)
        )
    before = Selection(candidates=drawn.candidates, flow=drawn.flow, excluded=excluded)
    after = _blanked(before, names)
    if after == before:
        return False
    _record(workspace, ledger, entry.fingerprint, (after, drawn.unreadable))
    return True


def _blanked(selection: Selection, names: Collection[str]) -> Selection:
    """The selection without the identity of these studies: they keep their places, and are out."""
    gone = {c.accession_number for c in selection.candidates if c.public_id in names} - {None}
    return replace(
        selection,
        candidates=tuple(
            Candidate(
                public_id=candidate.public_id,
                rank=candidate.rank,
                patient_key="",
                accession_number=None,
                study_instance_uid=None,
                category=candidate.category,
                patient_age_years=None,
                patient_sex=Sex.OTHER,
                expected_instances=None,
                identifying_values=(),
            )
            if candidate.public_id in names
            else candidate
            for candidate in selection.candidates
        ),
        excluded=tuple(
            replace(row, accession_number=None, value="") if row.accession_number in gone else row
            for row in selection.excluded
        ),
    )


def _record(
    workspace: Workspace, ledger: Ledger, fingerprint: str, made: tuple[Selection, dict[str, int]]
) -> None:
    """Put a selection in its place, and then record it."""
    selection, unreadable = made
    folder = workspace.stage(SELECT, private=True)
    part = workspace.temporary(folder, NAME)
    workspace.discard(part)
    part.mkdir(parents=True)
    _write(part, selection, unreadable)
    outputs = seal(part)
    swap_in(part, folder / NAME)
    ledger.append(
        Entry(
            public_id=NAME,
            fingerprint=fingerprint,
            outcome=Outcome.DONE,
            record={"candidates": len(selection.candidates)},
            outputs=outputs,
            seconds=0.0,
            versions=library_versions(),
        )
    )


def left_out(workspace: Workspace, name: str) -> dict[str, str] | None:
    """The row of the RIS that a rule left out, by its accession number or row number."""
    path = workspace.stage(SELECT, private=True) / NAME / "excluded.csv"
    if not path.exists():
        return None
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if name.casefold() in (row["accession_number"].casefold(), f"row {row['row']}"):
                return row
    return None


def _holds(entry: Entry | None, fingerprint: str, folder: Path) -> bool:
    return (
        entry is not None
        and entry.fingerprint == fingerprint
        and entry.outputs is not None
        and is_whole(folder, entry.outputs)
    )


def _load(path: Path, kind: type[Any]) -> tuple[Any, ...]:
    return tuple(from_jsonable(kind, item) for item in json.loads(path.read_bytes()))


def _write(folder: Path, selection: Selection, unreadable: dict[str, int]) -> None:
    (folder / "unreadable.json").write_text(canonical_json(unreadable), "utf-8")
    (folder / "candidates.json").write_text(canonical_json(selection.candidates), "utf-8")
    (folder / "flow.json").write_text(canonical_json(selection.flow), "utf-8")
    with (folder / "excluded.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(("row", "accession_number", "rule", "value", "reason"))
        for row in selection.excluded:
            writer.writerow((row.row, row.accession_number, row.rule, row.value, row.reason))
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
