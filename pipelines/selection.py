"""The selection as it lies on the disk: the ranked candidates, the flow, and who was left out."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines import select
from pipelines.chain import SELECT
from pipelines.core.codec import canonical_json, digest, from_jsonable, to_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Candidate, Pseudonyms
from pipelines.core.settings import SelectSettings
from pipelines.io.ledger import Entry, Ledger, Outcome
from pipelines.io.workbook import Sheet, write_workbook
from pipelines.io.workspace import Workspace, is_whole, seal, swap_in
from pipelines.peers.ris import open_ris
from pipelines.select import FlowStep, Selection
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
    source = open_ris(settings)
    drawn = select.draw(source.rows(), settings, pseudonyms)
    return drawn, dict(source.unreadable)


def ensure(workspace: Workspace, settings: SelectSettings, key: bytes) -> Drawn:
    """The selection of these settings from this RIS: the one on the disk, or else a new draw."""
    folder = workspace.stage(SELECT, private=True)
    ledger = Ledger(folder / "ledger.jsonl")
    fingerprint = digest(SELECT, select.VERSION, settings_digest(settings), digest(key.hex()))
    entry = ledger.get(NAME)
    if _holds(entry, fingerprint, folder / NAME):
        return load(workspace)
    selection, unreadable = draw(settings, Pseudonyms(key))
    made = workspace.temporary(folder, NAME)
    workspace.discard(made)
    made.mkdir(parents=True)
    _write(made, selection, unreadable)
    outputs = seal(made)
    swap_in(made, folder / NAME)
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
