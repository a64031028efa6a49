"""What the published folder tells of how it was made: counted from the ledgers, about nobody."""

from collections import Counter
from collections.abc import Sequence

from pipelines.certificate import rules_told, work_told
from pipelines.chain import SELECT
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.published import Deidentification, Flow, Loss, Provenance
from pipelines.report import stage_reports
from pipelines.select import DRAW, FlowStep
from pipelines.standing import Standing, State

Trail = list[Standing]


def provenance_of(
    steps: Sequence[FlowStep],
    trails: Sequence[Trail],
    settings: AnonymizeSettings,
    *,
    values_sought: int,
) -> Provenance:
    """The flow from the RIS through the studies that were opened, and their de-identification."""
    rules, work = rules_told(settings), work_told(trails)
    return Provenance(
        flow=_flow_of(steps, trails),
        deidentification=Deidentification(
            profile=tuple((one["code"], one["meaning"]) for one in rules["profile"]),
            loosened=tuple(rules["loosened"]),
            objects=work["objects"],
            elements=tuple(work["elements"].items()),
            values_sought=values_sought,
        ),
        versions=_versions(trails),
    )


def _flow_of(steps: Sequence[FlowStep], trails: Sequence[Trail]) -> Flow:
    """Where everything went that the RIS holds; it adds up, or this is a bug."""
    rules = [step for step in steps if step.rule != DRAW]
    ends = Counter(trail[-1].state for trail in trails)
    flow = Flow(
        rows=rules[0].remaining + rules[0].excluded,
        losses=(
            *(Loss(stage=SELECT, code=s.rule, count=s.excluded) for s in rules if s.excluded),
            *_fallen_out(trails),
        ),
        eligible=rules[-1].remaining,
        opened=len(trails),
        pending=ends[State.PENDING],
        came_through=ends[State.DONE],
    )
    assert flow.is_conserved, flow
    return flow


def _fallen_out(trails: Sequence[Trail]) -> list[Loss]:
    return [
        Loss(
            stage=stage.stage,
            code=reason.code,
            count=len(reason.studies),
            is_failure=reason.state is State.FAILED,
        )
        for stage in stage_reports(trails, lambda _: False)
        for reason in stage.reasons
    ]


def _versions(trails: Sequence[Trail]) -> tuple[tuple[str, str], ...]:
    """The software of all stages, by name; several versions of one stand side by side."""
    met: dict[str, set[str]] = {}
    for entry in (standing.entry for trail in trails for standing in trail if standing.entry):
        for name, version in entry.versions.items():
            met.setdefault(name, set()).add(version)
    return tuple((name, ", ".join(sorted(met[name]))) for name in sorted(met, key=str.casefold))
