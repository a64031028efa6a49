"""Studies that their owner has withdrawn for good: what the record says of them, and the sweep.

The record comes first and holds a pseudonym alone; then all that mosmed keeps of the study is
removed. Killed in between, the next command that works in the workspace finishes the removal.
"""

import shutil
from pathlib import Path

from pipelines.chain import STAGES
from pipelines.core.codec import to_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.core.model import Excluded
from pipelines.io.disk import sync_folder
from pipelines.io.json_lines import append_line, read_lines
from pipelines.io.ledger import Entry, Ledger, Outcome
from pipelines.io.workspace import Workspace

RULE, REASON = "forgotten", "its owner has withdrawn it for good"


def forgotten(workspace: Workspace) -> frozenset[str]:
    """The pseudonyms of the studies that were withdrawn.

    Raises WorkspaceError for a record that is damaged: a withdrawn study must not come back.
    """
    path = _record(workspace)
    try:
        return frozenset(line["public_id"] for line in read_lines(path))
    except KeyError as error:
        raise WorkspaceError(
            f"{path}: a line names no study", hint="Mend it, or bring back a safe copy."
        ) from error


def record(workspace: Workspace, public_id: str) -> None:
    """Note that a study is withdrawn; it is on the disk when this returns."""
    if public_id not in forgotten(workspace):
        append_line(_record(workspace), {"public_id": public_id})


def entry_of(public_id: str) -> Entry:
    """What stands for the entries of a study that was withdrawn: it is out, by a rule."""
    return Entry(
        public_id=public_id,
        fingerprint="",
        outcome=Outcome.EXCLUDED,
        record=to_jsonable(Excluded(public_id=public_id, rule=RULE, reason=REASON)),
        outputs=None,
        seconds=0.0,
        versions={},
    )


def remains(workspace: Workspace, public_id: str) -> tuple[Path, ...]:
    """The folders of a study: the results of each stage, and what lies in quarantine."""
    folders = [
        place
        for stage in STAGES
        for place in (
            workspace.stage(stage.name, private=stage.private) / public_id,
            workspace.quarantine(stage.name, public_id),
        )
    ]
    return tuple(folder for folder in folders if folder.exists())


def sweep(workspace: Workspace) -> None:
    """Remove the folders and the ledger lines of all studies that were withdrawn."""
    gone = forgotten(workspace)
    for public_id in sorted(gone):
        for folder in remains(workspace, public_id):
            shutil.rmtree(folder)
            sync_folder(folder.parent)
    for stage in STAGES if gone else ():
        folder = workspace.stage(stage.name, private=stage.private)
        Ledger(folder / "ledger.jsonl").drop(gone)


def _record(workspace: Workspace) -> Path:
    return workspace.private / "forgotten.jsonl"
