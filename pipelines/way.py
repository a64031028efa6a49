"""One study's way from the RIS to the dataset: every decision, with its rule and value."""

import re
from collections.abc import Iterable

from pipelines import selection
from pipelines.chain import BUILD_REGISTRY, SELECT
from pipelines.core.errors import SettingsError
from pipelines.core.identity import Candidate
from pipelines.core.model import Decision, Excluded, Failed
from pipelines.publish import published
from pipelines.run import Run
from pipelines.standing import Standing, State, record_of

NUMBER = re.compile(r"(?:study_)?0*(\d+)", re.IGNORECASE)
Step = dict[str, str]


def way_of(run: Run, name: str) -> list[Step]:
    """The steps of the study of that name; each has stage, rule, value, outcome and state.

    `name` is a number of the dataset, a pseudonym, an accession number or a StudyInstanceUID.
    Raises SettingsError for a name that is none of them.
    """
    candidate = candidate_named(run, name)
    if candidate is None:
        row = selection.left_out(run.workspace, name)
        if row is None:
            raise SettingsError(
                f"no study {name!r} here", hint="See `mosmed status` for the names there are."
            )
        return [_step(SELECT, row.rule, row.value, row.reason, State.EXCLUDED)]
    steps = list(_decided(SELECT, candidate.decisions, State.DONE))
    place = run.drawn().candidates.index(candidate) + 1
    place_of = f"{place} of {len(run.drawn().candidates)}"
    steps.append(_step(SELECT, "place in the draw", place_of, "ranked", State.DONE))
    for standing in run.standings().trail(candidate):
        steps += _steps_at(standing)
    return steps + _publication(run, candidate)


def candidate_named(run: Run, name: str) -> Candidate | None:
    """The study of that name, as for `way_of`; None if no candidate bears it."""
    number = NUMBER.fullmatch(name.strip())
    names = {name.strip().casefold()}
    registry = published(run.workspace)
    if number and registry:
        names |= {r.public_id for r in registry.rows if r.study_id == int(number[1])}
    for candidate in run.drawn().candidates:
        known = (candidate.public_id, candidate.accession_number, candidate.study_instance_uid)
        if any(value is not None and value.casefold() in names for value in known):
            return candidate
    return None


def _steps_at(standing: Standing) -> list[Step]:
    stage, entry = standing.stage, standing.entry
    if entry is None or standing.state is State.PENDING:
        return [_step(stage.name, "", "", "pending", State.PENDING)]
    value = record_of(entry, stage)
    if isinstance(value, Failed):
        return [_step(stage.name, value.code, value.message, "failed", State.FAILED)]
    steps = list(_decided(stage.name, value.decisions, standing.state))
    if isinstance(value, Excluded):
        return [*steps, _step(stage.name, value.rule, value.reason, "excluded", State.EXCLUDED)]
    files = entry.outputs.files if entry.outputs else 0
    return [*steps, _step(stage.name, "files", str(files), "done", State.DONE)]


def _decided(stage: str, decisions: Iterable[Decision], state: State) -> Iterable[Step]:
    return (_step(stage, d.rule, d.value, d.outcome, state) for d in decisions)


def _publication(run: Run, candidate: Candidate) -> list[Step]:
    registry = published(run.workspace)
    for row in registry.rows if registry else ():
        if row.public_id == candidate.public_id:
            return [_step(BUILD_REGISTRY, "number", str(row.study_id), row.study_file, State.DONE)]
    for left_out in registry.excluded if registry else ():
        if left_out.public_id == candidate.public_id:
            reason, excluded = left_out.reason, State.EXCLUDED
            return [_step(BUILD_REGISTRY, left_out.rule, reason, "excluded", excluded)]
    return []


def _step(stage: str, rule: str, value: str, outcome: str, state: State) -> Step:
    return {"stage": stage, "rule": rule, "value": value, "outcome": outcome, "state": str(state)}
