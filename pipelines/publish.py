"""The last stage in a workspace: `dataset/` appears whole, and the linkage stays private."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pipelines import build_registry
from pipelines.chain import BUILD_REGISTRY, THIN
from pipelines.core.codec import digest, from_jsonable, to_jsonable
from pipelines.core.errors import MosmedError, WorkspaceError
from pipelines.core.identity import Candidate
from pipelines.core.model import Failed
from pipelines.core.published import Provenance, Registry
from pipelines.core.registry_settings import RegistrySettings
from pipelines.forgetting import forgotten
from pipelines.io.ledger import Entry, Outcome
from pipelines.io.settings_digest import settings_digest
from pipelines.io.sheets import Sheet
from pipelines.io.tables import read_table
from pipelines.io.workspace import Workspace
from pipelines.proof import Proof, Sought, prove, refuse
from pipelines.runner import Task, attempt
from pipelines.standing import Standing, record_of
from pipelines.versions import library_versions

NAME = "dataset"
OURS = (
    "dataset_registry.xlsx", "LICENSE", "README_EN.*", "README_RU.*", "studies.csv",
    "data_dictionary.csv", "DATASHEET.md", "CHANGELOG.md", "croissant.json", "datacite.json",
    "report.html", "SHA256SUMS", "studies/*/study_*.nii.gz", "masks/study_*_mask.nii.gz",
)  # fmt: skip
"""What a published folder holds; anything else in it was put there by somebody else."""
KEY, WHO = "public_id", ("accession_number", "study_instance_uid", "patient_key")
"""The columns of the linkage beside the number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Publication:
    """What lies in `dataset/`, whether this call put it there, and the proof of it."""

    registry: Registry
    is_new: bool
    proof: Proof


def published(workspace: Workspace) -> Registry | None:
    """What is published, as the ledger knows it."""
    entry = workspace.seat_of_dataset.entry()
    return from_jsonable(Registry, entry.record) if entry else None


def publish(
    workspace: Workspace,
    settings: RegistrySettings,
    finished: Sequence[Standing],
    sought: Sought,
    provenance: Provenance,
) -> Publication:
    """Publish the studies that have come through all stages, unless just this is published already.

    What the report tells beyond them, their `provenance`, makes a new publication when it changes.

    Raises PrivacyError where the proof finds one of the values `sought`, and WorkspaceError rather
    than remove a file from `dataset/` that mosmed did not make.
    """
    fingerprint = digest(
        BUILD_REGISTRY,
        build_registry.VERSION,
        settings_digest(settings),
        provenance,
        sorted(_contents(standing) for standing in finished),
    )
    seat = workspace.seat_of_dataset
    if entry := seat.entry_of(fingerprint):
        proof = prove(workspace.dataset, sought)
        refuse(proof, NAME)
        registry = from_jsonable(Registry, entry.record)
        return Publication(registry=registry, is_new=False, proof=proof)
    _refuse_foreign_files(workspace.dataset)
    items = [(_record(standing), _folder(workspace, standing)) for standing in finished]
    work = partial(build_registry.build, provenance=provenance)
    result = attempt(Task(public_id=NAME, work=work, arguments=(items, settings), folder=seat.next))
    if isinstance(result.value, Failed):
        raise MosmedError(f"{BUILD_REGISTRY}: {result.value.message}", hint=result.value.hint)
    proof = prove(seat.next, sought)
    if proof.findings:
        workspace.discard(seat.next)
    refuse(proof, NAME)
    seat.replace(
        Entry(
            public_id=NAME,
            fingerprint=fingerprint,
            outcome=Outcome.DONE,
            record=to_jsonable(result.value),
            outputs=result.outputs,
            seconds=round(result.seconds, 3),
            versions=library_versions(),
        )
    )
    return Publication(registry=result.value, is_new=True, proof=proof)


def write_linkage(
    workspace: Workspace, registry: Registry, candidates: Sequence[Candidate]
) -> Path:
    """Write who is who to `private/linkage.xlsx`, for the owner alone (mode 0600).

    Who was published from an earlier draw, and is no candidate any more, stays as it stands there.
    """
    from pipelines.io.workbook import write_workbook

    gone, path = forgotten(workspace), workspace.private / "linkage.xlsx"
    known = {
        one.public_id: (one.accession_number, one.study_instance_uid, one.patient_key)
        for one in candidates
    }
    rows = [row for row in registry.rows if row.public_id not in gone]
    if any(row.public_id not in known for row in rows):
        known = _linked(path) | known
    cells = [
        (row.study_id, row.public_id, *known.get(row.public_id, (None,) * len(WHO))) for row in rows
    ]
    sheet = Sheet(name="Linkage", header=("study_id", KEY, *WHO), rows=cells, for_people=True)
    return write_workbook(path, [sheet], mode=0o600)


def _linked(path: Path) -> dict[str, tuple[Any, ...]]:
    """Who each study is of, as it was written before."""
    if not path.exists():
        return {}
    return {str(row[KEY]): tuple(row[name] for name in WHO) for _, row in read_table(path).rows}


def _contents(standing: Standing) -> str:
    assert standing.entry is not None
    return digest(standing.entry.record, standing.entry.outputs)


def _record(standing: Standing) -> object:
    assert standing.entry is not None
    return record_of(standing.entry, THIN)


def _folder(workspace: Workspace, standing: Standing) -> Path:
    return workspace.stage(THIN.name, private=THIN.private) / standing.candidate.public_id


def _refuse_foreign_files(dataset: Path) -> None:
    foreign = [
        path
        for path in sorted(dataset.rglob("*"))
        if path.is_file() and not any(path.relative_to(dataset).match(ours) for ours in OURS)
    ]
    if foreign:
        raise WorkspaceError(
            f"{foreign[0]}: mosmed did not make this file, and would remove it",
            hint="Move it out of the dataset folder, then run the same command again.",
        )
