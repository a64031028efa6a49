"""What a run has come to, stage by stage, in numbers that add up."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from pipelines.chain import STAGES, Stage
from pipelines.core.model import Excluded, Failed
from pipelines.core.published import Registry
from pipelines.select import FlowStep
from pipelines.standing import Standing, State, record_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """Why studies fell out at a stage: `code` is a rule or a fault, `example` one of them."""

    state: State
    code: str
    studies: tuple[str, ...]
    example: str
    hint: str
    privacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StageReport:
    """How many studies a stage has done now, kept from before, left out, failed and has to do."""

    stage: str
    done: int
    kept: int
    excluded: int
    failed: int
    pending: int
    reasons: tuple[Reason, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What a command has come to.

    `opened` counts the studies that were tried: those asked for, and the reserves that stood in.
    Of those `published`, `masked` have a mask; `unclaimed_masks` counts the files that are named
    like no study of the draw. `untold` are the settings under [registry] that a dataset to be given
    away should have.
    """

    wanted: int
    opened: int
    published: int | None
    shortfall: dict[str, int]
    flow: tuple[FlowStep, ...]
    stages: tuple[StageReport, ...]
    dataset: Path | None = None
    masked: int = 0
    unclaimed_masks: int = 0
    untold: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0 all well, 3 some failed or too few are left, 4 identity was found."""
        reasons = [reason for stage in self.stages for reason in stage.reasons]
        if any(reason.privacy for reason in reasons):
            return 4
        failed = any(reason.state is State.FAILED for reason in reasons)
        return 3 if failed or self.shortfall else 0


def stage_reports(
    trails: Iterable[list[Standing]], is_new: Callable[[Standing], bool]
) -> tuple[StageReport, ...]:
    """The report of each stage that works on one study at a time.

    Every study that was opened is counted at every stage it came to, exactly once.
    """
    steps: dict[str, list[Standing]] = defaultdict(list)
    for trail in trails:
        for standing in trail:
            steps[standing.stage.name].append(standing)
    return tuple(_stage_report(stage, steps[stage.name], is_new) for stage in STAGES)


def _stage_report(
    stage: Stage, steps: list[Standing], is_new: Callable[[Standing], bool]
) -> StageReport:
    counts = dict.fromkeys(State, 0)
    new = 0
    for standing in steps:
        counts[standing.state] += 1
        is_done = standing.state is State.DONE
        new += is_done and is_new(standing)
    return StageReport(
        stage=stage.name,
        done=new,
        kept=counts[State.DONE] - new,
        excluded=counts[State.EXCLUDED],
        failed=counts[State.FAILED],
        pending=counts[State.PENDING],
        reasons=_reasons(stage, steps),
    )


def _reasons(stage: Stage, steps: list[Standing]) -> tuple[Reason, ...]:
    """The reasons of a stage, grouped by code, the most frequent first."""
    groups: dict[tuple[State, str], list[Excluded | Failed]] = defaultdict(list)
    for standing in steps:
        if standing.entry is not None and standing.state in (State.EXCLUDED, State.FAILED):
            value = record_of(standing.entry, stage)
            groups[standing.state, value.code].append(value)
    reasons = [reason_of(state, code, values) for (state, code), values in groups.items()]
    return tuple(sorted(reasons, key=lambda reason: (-len(reason.studies), reason.code)))


def reason_of(state: State, code: str, values: list[Excluded | Failed]) -> Reason:
    """One reason for all the studies that share it."""
    first = values[0]
    return Reason(
        state=state,
        code=code,
        studies=tuple(value.public_id for value in values),
        example=first.message if isinstance(first, Failed) else first.reason,
        hint=first.hint if isinstance(first, Failed) else "",
        privacy=isinstance(first, Failed) and first.privacy,
    )


def registry_report(registry: Registry, *, is_new: bool) -> StageReport:
    """The report of the last stage, which has all studies together."""
    groups: dict[str, list[Excluded | Failed]] = defaultdict(list)
    for excluded in registry.excluded:
        groups[excluded.rule].append(excluded)
    published = len(registry.rows)
    return StageReport(
        stage="build-registry",
        done=published if is_new else 0,
        kept=0 if is_new else published,
        excluded=len(registry.excluded),
        failed=0,
        pending=0,
        reasons=tuple(reason_of(State.EXCLUDED, rule, group) for rule, group in groups.items()),
    )
