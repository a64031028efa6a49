"""Where each study stands between the stages.

It is never stored: it follows from the ledgers and the settings, so that a changed setting makes
stale just its own stage and what follows, and a study that falls out makes room for a reserve.
"""

from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipelines.chain import ANONYMIZE, EXPORT, STAGES, Stage
from pipelines.core.codec import digest, from_jsonable, to_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Candidate
from pipelines.core.model import Excluded, Failed
from pipelines.core.places import admitted
from pipelines.core.settings import Settings
from pipelines.forgetting import entry_of, forgotten
from pipelines.io.disk import swap_in, sync_folder
from pipelines.io.ledger import OTHER_VERSION, Entry, Ledger, Outcome, Outputs
from pipelines.io.sealing import is_whole
from pipelines.io.settings_digest import settings_digest
from pipelines.io.workspace import Workspace
from pipelines.runner import Result, Task
from pipelines.versions import library_versions


class State(StrEnum):
    """What can be said of a study at a stage."""

    PENDING = "pending"
    EXCLUDED = "excluded"
    FAILED = "failed"
    DONE = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Where a study stands at one stage: what the stage is given, and its entry if it has one.

    `record` lies in the folder `source`, which holds `outputs`.
    """

    candidate: Candidate
    stage: Stage
    state: State
    fingerprint: str
    record: Any
    source: Path
    outputs: Outputs | None
    entry: Entry | None = None

    @property
    def is_out(self) -> bool:
        """Whether the study has fallen out, so that a reserve may stand in for it."""
        return self.state in (State.EXCLUDED, State.FAILED)


class Standings:
    """The standing of every candidate, kept up to date while stages are run."""

    def __init__(
        self, workspace: Workspace, settings: Settings, candidates: tuple[Candidate, ...]
    ) -> None:
        self.candidates = candidates
        self._workspace = workspace
        self._settings = settings
        self._ledgers = {
            stage.name: Ledger(self._records(stage) / "ledger.jsonl") for stage in STAGES
        }
        self._settings_digests = {
            stage.name: settings_digest(stage.settings_of(settings)) for stage in STAGES
        }
        self._tried: set[tuple[str, str]] = set()
        self._whole: dict[tuple[str, str], bool] = {}
        self._outside: dict[tuple[str, str], str] = {}
        self._forgotten = forgotten(workspace)
        self._trails: dict[str, dict[frozenset[str], list[Standing]]] = {}

    def folder(self, stage: Stage) -> Path:
        """Where a stage keeps its results."""
        if stage is EXPORT and self._settings.export.in_memory:
            return self._workspace.in_memory
        return self._records(stage)

    def _records(self, stage: Stage) -> Path:
        """Where a stage keeps its ledger."""
        return self._workspace.stage(stage.name, private=stage.private)

    def trail(self, candidate: Candidate, *, retry: Collection[str] = ()) -> list[Standing]:
        """The stages a study has been through, the last one being where it stands."""
        trails = self._trails.setdefault(candidate.public_id, {})
        key = frozenset(retry)
        if candidate.public_id in self._forgotten:
            return [self._withdrawn(candidate)]
        if key not in trails:
            trails[key] = self._walk(candidate, retry)
        return trails[key]

    def _withdrawn(self, candidate: Candidate) -> Standing:
        return Standing(
            candidate=candidate,
            stage=STAGES[0],
            state=State.EXCLUDED,
            fingerprint="",
            record=candidate,
            source=self._workspace.archive,
            outputs=None,
            entry=entry_of(candidate.public_id),
        )

    def _walk(self, candidate: Candidate, retry: Collection[str]) -> list[Standing]:
        record: Any = candidate
        source = self._workspace.archive
        outputs: Outputs | None = None
        steps: list[Standing] = []
        for stage in STAGES:
            fingerprint = self._fingerprint(stage, candidate.public_id, record, outputs)
            entry = self._ledgers[stage.name].get(candidate.public_id)
            state = self._state_at(stage, entry, fingerprint, retry)
            steps.append(
                Standing(
                    candidate=candidate,
                    stage=stage,
                    state=state,
                    fingerprint=fingerprint,
                    record=record,
                    source=source,
                    outputs=outputs,
                    entry=entry,
                )
            )
            if entry is None or state is not State.DONE:
                break
            record = record_of(entry, stage)
            source = self.folder(stage) / candidate.public_id
            outputs = entry.outputs
        return steps

    def of(self, candidate: Candidate, *, retry: Collection[str] = ()) -> Standing:
        """Where a study stands; one that failed at a stage in `retry` is pending there once."""
        return self.trail(candidate, retry=retry)[-1]

    def admitted(self, *, retry: Collection[str] = ()) -> tuple[Standing, ...]:
        """The studies that are in: the first in rank order that have not fallen out."""
        return tuple(one for one in self._asked_for(retry) if not one.is_out)

    def opened(self) -> tuple[Standing, ...]:
        """The studies that are in, and those that fell out before them, in rank order.

        A reserve that stood in once, and is not needed any more, is none of them: what is told of a
        run follows from what there is, not from what was met on the way.
        """
        return self._asked_for(())

    def _asked_for(self, retry: Collection[str]) -> tuple[Standing, ...]:
        """The studies that were looked at until all places were filled."""
        asked: list[Standing] = []

        def is_out(candidate: Candidate) -> bool:
            asked.append(self.of(candidate, retry=retry))
            return asked[-1].is_out

        admitted(self.candidates, self._settings.select, is_out)
        return tuple(asked)

    def is_new(self, standing: Standing) -> bool:
        """Whether the stage was run for this study since these standings were made."""
        return (standing.stage.name, standing.candidate.public_id) in self._tried

    def task(self, standing: Standing) -> Task:
        """What is to be called for a pending study."""
        stage, public_id = standing.stage, standing.candidate.public_id
        return Task(
            public_id=public_id,
            work=stage.work,
            arguments=(standing.record, stage.settings_of(self._settings), standing.source),
            folder=self._workspace.temporary(self.folder(stage), public_id),
        )

    def settle(self, standing: Standing, result: Result, task: Task) -> Outcome:
        """Record a result and put it in its place, or first a failure into quarantine.

        Its place is empty meanwhile: an older line of the ledger could take the new for its own.
        """
        stage, public_id = standing.stage, result.public_id
        place = self.folder(stage) / public_id
        quarantine = self._workspace.quarantine(stage.name, public_id)
        if isinstance(result.value, Failed):
            outcome = Outcome.FAILED
            remains = self._remains(stage, task)
            self._workspace.put_in_quarantine(remains, quarantine, to_jsonable(result.value))
        else:
            self._workspace.discard(quarantine)
            if isinstance(result.value, Excluded):
                outcome = Outcome.EXCLUDED
                self._workspace.discard(task.folder)
            else:
                outcome = Outcome.DONE
                self._empty(place)
        self._ledgers[stage.name].append(
            Entry(
                public_id=public_id,
                fingerprint=standing.fingerprint,
                outcome=outcome,
                record=to_jsonable(result.value),
                outputs=result.outputs,
                seconds=round(result.seconds, 3),
                versions=library_versions(),
            )
        )
        if outcome is Outcome.DONE:
            swap_in(task.folder, place)
        self._tried.add((stage.name, public_id))
        self._whole[stage.name, public_id] = outcome is Outcome.DONE
        if stage is ANONYMIZE and self._settings.export.in_memory:
            self._workspace.discard(self.folder(EXPORT) / public_id)
            self._whole[EXPORT.name, public_id] = False
        self._trails.pop(public_id, None)
        return outcome

    def _empty(self, place: Path) -> None:
        if place.exists():
            self._workspace.discard(place)
            sync_folder(place.parent)

    def _remains(self, stage: Stage, task: Task) -> Path:
        """What a failed study left; nothing of it may come from memory to the disk."""
        if not self._settings.export.in_memory or stage not in (EXPORT, ANONYMIZE):
            return task.folder
        self._workspace.discard(task.folder)
        return self._workspace.temporary(self._records(stage), task.public_id)

    def _state_at(
        self, stage: Stage, entry: Entry | None, fingerprint: str, retry: Collection[str]
    ) -> State:
        if entry is None or entry.fingerprint != fingerprint:
            return State.PENDING
        if entry.outcome is Outcome.EXCLUDED:
            return State.EXCLUDED
        tried = (stage.name, entry.public_id) in self._tried
        if entry.outcome is Outcome.FAILED:
            return State.PENDING if stage.name in retry and not tried else State.FAILED
        if self._is_whole(stage, entry) or (stage is EXPORT and self._is_spent(entry, retry)):
            return State.DONE
        return State.PENDING

    def _is_spent(self, entry: Entry, retry: Collection[str]) -> bool:
        """Whether what was exported is no longer there, but has come through `anonymize`."""
        record, public_id = record_of(entry, EXPORT), entry.public_id
        fingerprint = self._fingerprint(ANONYMIZE, public_id, record, entry.outputs)
        next_entry = self._ledgers[ANONYMIZE.name].get(public_id)
        return self._state_at(ANONYMIZE, next_entry, fingerprint, retry) is not State.PENDING

    def _is_whole(self, stage: Stage, entry: Entry) -> bool:
        key = (stage.name, entry.public_id)
        if key not in self._whole:
            assert entry.outputs is not None
            self._whole[key] = is_whole(self.folder(stage) / entry.public_id, entry.outputs)
        return self._whole[key]

    def _fingerprint(
        self, stage: Stage, public_id: str, record: Any, outputs: Outputs | None
    ) -> str:
        key = (stage.name, public_id)
        if stage.outside is not None and key not in self._outside:
            self._outside[key] = stage.outside(record, stage.settings_of(self._settings))
        return digest(
            stage.name, stage.version, self._settings_digests[stage.name],
            record, outputs, self._outside.get(key, ""),
        )  # fmt: skip


def record_of(entry: Entry, stage: Stage) -> Any:
    """The record, Excluded or Failed that an entry holds.

    Raises WorkspaceError for one that this version of mosmed cannot read.
    """
    kinds = {Outcome.DONE: stage.gives, Outcome.EXCLUDED: Excluded, Outcome.FAILED: Failed}
    try:
        return from_jsonable(kinds[entry.outcome], entry.record)
    except (KeyError, TypeError, ValueError) as error:
        raise WorkspaceError(
            f"{entry.public_id}: what {stage.name} has recorded is of another version of mosmed",
            hint=OTHER_VERSION,
        ) from error
