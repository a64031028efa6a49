"""What only the owner of a workspace may do: tell who a study is of, and withdraw it for good.

Both are noted in `private/audit.jsonl`: who, when and which pseudonym, never the identity.
"""

from dataclasses import dataclass

from pipelines import forgetting
from pipelines.core.errors import SettingsError
from pipelines.core.identity import Candidate
from pipelines.core.traces import traces_of
from pipelines.io import audit
from pipelines.io.workspace import Workspace
from pipelines.publish import published, write_linkage
from pipelines.run import Run
from pipelines.way import candidate_named


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who a study is of; None is what the RIS does not say."""

    study_file: str | None
    public_id: str
    accession_number: str | None
    study_instance_uid: str | None
    patient_key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawal:
    """A study that is withdrawn, or would be: `folders` below the workspace hold its data."""

    public_id: str
    folders: tuple[str, ...]
    is_published: bool


def reidentify(run: Run, name: str) -> Identity:
    """Who the study of that name is of; noted before it is told.

    Raises SettingsError for a name nobody bears, or whose study was withdrawn.
    """
    candidate = _candidate(run, name)
    if candidate.public_id in forgetting.forgotten(run.workspace):
        raise SettingsError(
            f"{candidate.public_id} was withdrawn: nobody knows any more who it is of",
            hint="The RIS alone can tell.",
        )
    audit.note(run.workspace.private, "reidentify", public_id=candidate.public_id)
    return Identity(
        study_file=_study_file(run.workspace, candidate.public_id),
        public_id=candidate.public_id,
        accession_number=candidate.accession_number,
        study_instance_uid=candidate.study_instance_uid,
        patient_key=candidate.patient_key,
    )


def withdrawal(run: Run, name: str) -> Withdrawal:
    """What `forget` would remove; changes nothing. Raises SettingsError for a name nobody bears."""
    public_id = _candidate(run, name).public_id
    workspace = run.workspace
    folders = forgetting.remains(workspace, public_id)
    return Withdrawal(
        public_id=public_id,
        folders=tuple(str(folder.relative_to(workspace.root)) for folder in folders),
        is_published=_study_file(workspace, public_id) is not None,
    )


def forget(run: Run, name: str) -> Withdrawal:
    """Withdraw the study of that name for good: first the record, then all that is kept of it.

    The published folder changes with the next `build-registry`. Raises SettingsError for a name
    nobody bears.
    """
    candidate = _candidate(run, name)
    gone = withdrawal(run, name)
    audit.note(run.workspace.private, "forget", public_id=gone.public_id)
    forgetting.record(run.workspace, gone.public_id)
    _clean_log(run.workspace, candidate)
    run.sweep()
    if registry := published(run.workspace):
        write_linkage(run.workspace, registry, run.drawn().candidates)
    return gone


def _candidate(run: Run, name: str) -> Candidate:
    candidate = candidate_named(run, name)
    if candidate is None:
        raise SettingsError(
            f"no study {name!r} here", hint="See `mosmed status` for the names there are."
        )
    return candidate


def _study_file(workspace: Workspace, public_id: str) -> str | None:
    registry = published(workspace)
    rows = registry.rows if registry else ()
    return next((row.study_file for row in rows if row.public_id == public_id), None)


def _clean_log(workspace: Workspace, candidate: Candidate) -> None:
    """Take out of the log the lines that hold a value of the patient: older tracebacks named files.

    The log is open while a command runs, so it is written in place.
    """
    traces = traces_of(candidate.identifying_values)
    if not workspace.log.exists() or not traces.texts:
        return
    with workspace.log.open("r+b") as file:
        lines = file.read().splitlines(keepends=True)
        file.seek(0)
        file.writelines(line for line in lines if not traces.found_in(line))
        file.truncate()
