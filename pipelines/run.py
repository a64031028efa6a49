"""A run: what is pending is done, a study that falls out is replaced, and the dataset is built."""

import dataclasses
import logging
from collections import Counter
from collections.abc import Collection
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

from pipelines import build_registry, selection
from pipelines.certificate import write_certificate
from pipelines.chain import ANONYMIZE, EXPORT, STAGES, THIN
from pipelines.core.addresses import shown
from pipelines.core.errors import WorkspaceError
from pipelines.core.identity import Pseudonyms
from pipelines.core.model import Ocr
from pipelines.core.places import shortfall, wanted_of
from pipelines.core.settings import Settings, export_settings
from pipelines.forgetting import sweep
from pipelines.io.index import refresh
from pipelines.io.keys import make_key, read_key
from pipelines.io.text_boxes import require_detector
from pipelines.io.workspace import Workspace
from pipelines.peers import opening
from pipelines.peers.archives import INDEX_NAME
from pipelines.peers.forecast import Forecast, forecast
from pipelines.peers.gate import Gate
from pipelines.peers.masks import unclaimed
from pipelines.proof import Sought, sought_of
from pipelines.provenance import provenance_of
from pipelines.publish import publish, published, write_linkage
from pipelines.report import RunReport, StageReport, registry_report, stage_reports
from pipelines.runner import IN_FLIGHT_PER_JOB, Result, Workers
from pipelines.selection import Drawn
from pipelines.standing import Standing, Standings, State

log = logging.getLogger(__name__)


class Listener(Protocol):
    """Who is told how a run goes on."""

    def indexed(self, done: int, total: int) -> None:
        """So many files of the PACS folder have been looked at."""

    def waiting(self, then: str) -> None:
        """The PACS may not be asked before then."""

    def asking(self, place: str, patience_minutes: float) -> None:
        """The PACS at an address is asked, and waited for so long where it does not answer."""

    def started(self, stage: str, total: int) -> None:
        """A stage begins with so many studies to do."""

    def ended(self, stage: str, result: Result) -> None:
        """A stage has come to an end with one study."""


class Run:
    """One command's work on a workspace: locked, or just looked at with `jobs=0`."""

    def __init__(
        self, workspace: Workspace, settings: Settings, listener: Listener, *, jobs: int = 1
    ) -> None:
        self.workspace = workspace
        self.settings = _with_key(workspace, settings, is_new=jobs > 0)
        self._listener = listener
        self._jobs = jobs
        self._gate = Gate(settings.export, opening.CLOCK)
        self._drawn: Drawn | None = None
        self._standings: Standings | None = None

    def select(self, *, again: bool = False) -> Drawn:
        """Draw from the RIS, unless the selection on the disk is what the settings ask for."""
        assert self.settings.anonymize.key is not None
        key = read_key(self.settings.anonymize.key)
        self.sweep()
        self._drawn = selection.ensure(self.workspace, self.settings, key, again=again)
        return self._drawn

    def refuse_unusable(self) -> None:
        """Raise SettingsError for what the last stage would refuse: it is hours away."""
        build_registry.refuse_unusable(self.settings.registry)

    def is_drawn(self) -> bool:
        """Whether there is a selection on the disk, whatever the settings say now."""
        return selection.is_there(self.workspace)

    def preview(self) -> Drawn:
        """What `select` would draw; writes nothing."""
        assert self.settings.anonymize.key is not None
        pseudonyms = Pseudonyms(read_key(self.settings.anonymize.key))
        private = self.workspace.private
        made, unreadable = selection.draw(self.settings, pseudonyms, private)
        return Drawn(candidates=made.candidates, flow=made.flow, unreadable=unreadable, is_new=True)

    def advance(self, stages: Collection[str]) -> None:
        """Run these stages for every study that is in, until none of them is pending there."""
        self.sweep()
        if self.settings.thin.ocr is not Ocr.OFF and THIN.name in stages:
            require_detector()
        standings = self.standings()
        is_indexed = False
        if self.settings.export.in_memory and EXPORT.name in stages:
            self.workspace.make_in_memory()
            stages = {*stages, ANONYMIZE.name}
        with Workers(self._jobs, presence=self.workspace.private) as workers:
            while pending := self._pending(stages):
                if pending[0].stage is EXPORT:
                    self._gate.pass_through(len(pending), self._listener.waiting)
                if pending[0].stage is EXPORT and not is_indexed:
                    self._index()
                    is_indexed = True
                self._run_stage(pending, standings, workers)

    def build(self) -> bool:
        """Publish the studies that have come through; whether there was anything new to publish.

        Raises WorkspaceError while no study has come through.
        """
        self.sweep()
        finished = [s for s in self.standings().admitted() if s.state is State.DONE]
        if not finished:
            raise WorkspaceError(
                f"{self.workspace.root}: no study has come through yet", hint="Run: mosmed run"
            )
        trails, sought = self._trails(), self.sought()
        provenance = provenance_of(
            self.drawn().flow,
            trails,
            self.settings.anonymize,
            values_sought=len(sought.needles.texts),
        )
        made = publish(self.workspace, self.settings.registry, finished, sought, provenance)
        write_linkage(self.workspace, made.registry, self.drawn().candidates)
        write_certificate(self.workspace, self.settings.anonymize, trails, made.proof)
        return made.is_new

    def build_if_any(self) -> bool:
        """Publish, if a single study has come through; whether anything was new."""
        is_any = any(s.state is State.DONE for s in self.standings().admitted())
        return is_any and self.build()

    def sought(self) -> Sought:
        """What may not be found in anything that is published."""
        return sought_of(self._trails(), self.settings.registry)

    def sweep(self) -> None:
        """Finish the removal of studies that their owner has withdrawn."""
        sweep(self.workspace)
        if selection.blank(self.workspace):
            self._drawn = self._standings = None

    def report(self, *, is_new: bool = False) -> RunReport:
        """What there is now; `is_new` says whether this command has published it."""
        drawn, standings = self.drawn(), self.standings()
        opened = standings.opened()
        trails = [standings.trail(standing.candidate) for standing in opened]
        stages: tuple[StageReport, ...] = stage_reports(trails, standings.is_new)
        registry = published(self.workspace)
        if registry is not None:
            stages += (registry_report(registry, is_new=is_new),)
        return RunReport(
            wanted=wanted_of(self.settings.select),
            opened=len(opened),
            published=len(registry.rows) if registry is not None else None,
            shortfall=shortfall(
                [standing.candidate for standing in standings.admitted()], self.settings.select
            ),
            flow=drawn.flow,
            stages=stages,
            dataset=self.workspace.dataset if registry is not None else None,
            masked=sum(bool(row.mask_file) for row in registry.rows) if registry is not None else 0,
            unclaimed_masks=unclaimed(drawn.candidates, self.settings.export),
            untold=self.settings.registry.untold if registry is not None else (),
        )

    def forecast(self) -> Forecast:
        """What an export would fetch now; nothing is transferred, and no study's state changes.

        Raises PeerError where the archive cannot be asked.
        """
        pending = [
            standing.candidate
            for standing in self.standings().admitted(retry=[EXPORT.name])
            if standing.state is State.PENDING and standing.stage is EXPORT
        ]
        with TemporaryDirectory() as scratch:
            source = self.workspace.archive
            if isinstance(self.settings.export.pacs, Path):
                source = source if (source / INDEX_NAME).exists() else Path(scratch)
                refresh(self.settings.export.pacs, source / INDEX_NAME, jobs=self._jobs)
            settings = export_settings(self.settings)
            return forecast(pending, settings, source=source, scratch=Path(scratch) / "none")

    def pending_counts(self, stages: Collection[str]) -> dict[str, int]:
        """How many studies a run of these stages would begin with at each; changes nothing."""
        pending = Counter(
            standing.stage.name
            for standing in self.standings().admitted(retry=stages)
            if standing.state is State.PENDING
        )
        return {
            stage.name: pending[stage.name]
            for stage in STAGES
            if stage.name in stages and pending[stage.name]
        }

    def drawn(self) -> Drawn:
        """The selection on the disk."""
        if self._drawn is None:
            self._drawn = selection.load(self.workspace)
        return self._drawn

    def standings(self) -> Standings:
        """Where every study stands."""
        if self._standings is None:
            self._standings = Standings(self.workspace, self.settings, self.drawn().candidates)
        return self._standings

    def _trails(self) -> list[list[Standing]]:
        standings = self.standings()
        return [standings.trail(standing.candidate) for standing in standings.opened()]

    def _pending(self, stages: Collection[str]) -> list[Standing]:
        """The studies pending at the first of these stages at which any is.

        While the PACS may not be asked, what was fetched before goes first.
        """
        admitted = self.standings().admitted(retry=stages)
        waiting = [s for s in admitted if s.state is State.PENDING and s.stage.name in stages]
        if not self._gate.is_open():
            waiting = [s for s in waiting if s.stage is not EXPORT] or waiting
        if self.settings.export.in_memory:
            return self._next_in_memory(waiting)
        first = min((STAGES.index(standing.stage) for standing in waiting), default=0)
        return [standing for standing in waiting if standing.stage is STAGES[first]]

    def _next_in_memory(self, waiting: list[Standing]) -> list[Standing]:
        """So many exports as are soon anonymized, so that few are in memory at a time."""
        for stage in (ANONYMIZE, EXPORT, *STAGES):
            due = [standing for standing in waiting if standing.stage is stage]
            if due:
                return due[: self._jobs * IN_FLIGHT_PER_JOB] if stage is EXPORT else due
        return []

    def _run_stage(self, pending: list[Standing], standings: Standings, workers: Workers) -> None:
        stage = pending[0].stage
        by_id = {standing.candidate.public_id: standing for standing in pending}
        tasks = {public_id: standings.task(standing) for public_id, standing in by_id.items()}
        self._listener.started(stage.name, len(tasks))
        handed_out = takewhile(
            lambda _: stage is not EXPORT or self._gate.is_open(), tasks.values()
        )
        for result in workers.run(handed_out):
            standings.settle(by_id[result.public_id], result, tasks[result.public_id])
            log.info("%s %s: %s", stage.name, result.public_id, type(result.value).__name__)
            self._listener.ended(stage.name, result)

    def _index(self) -> None:
        """Bring the index of the PACS folder up to date; a PACS itself needs none."""
        folder = self.workspace.archive
        folder.mkdir(parents=True, exist_ok=True)
        pacs = opening.named_pacs(self.settings.export)
        if isinstance(pacs, str):
            self._listener.asking(shown(pacs), self.settings.export.patience_minutes)
        else:
            refresh(pacs, folder / INDEX_NAME, jobs=self._jobs, progress=self._listener.indexed)


def _with_key(workspace: Workspace, settings: Settings, *, is_new: bool) -> Settings:
    """The settings with the key of the pseudonyms; a workspace that is new is given one.

    Raises WorkspaceError for a workspace without a key where none may be made.
    """
    if settings.anonymize.key is not None:
        return settings
    if not workspace.key.exists():
        if not is_new:
            raise WorkspaceError(
                f"{workspace.root}: nothing has been done here yet", hint="Run: mosmed select"
            )
        workspace.make_folders()
        make_key(workspace.key)
    return dataclasses.replace(
        settings, anonymize=dataclasses.replace(settings.anonymize, key=workspace.key)
    )
