"""Drawing the studies from the RIS (paper, figure 1, step 1): rules that count, then keyed ranks.

A study's rank is the HMAC-SHA256 of its number under the seed and depends on nothing else. So the
draw is the same for rows in any order, and changes only by the rows that come, go or change; a
larger draw begins with the smaller one; and since a patient enters with one study, each patient is
as likely as any other, however many studies there are of him.
"""

import hmac
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from operator import attrgetter

from pipelines.core.identity import Candidate, Pseudonyms, RisRow
from pipelines.core.inclusion import (
    UNKNOWN_IDENTITY,
    Rule,
    identifying_values,
    identity_fault,
    numbers,
    patient_key,
    refuse_bad_settings,
    row_rules,
    study_number,
)
from pipelines.core.model import Category, Decision
from pipelines.core.readings import final_category, told
from pipelines.core.settings import SelectSettings

VERSION: int = 1

ALL = "all"
"""The name of the one group of places there is without a quota."""
RANK_BITS = 63
ONE_STUDY = "one_study_per_patient"
DRAW = "draw"
DATA = attrgetter(*(name for name in RisRow.__dataclass_fields__ if name != "row"))


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """A box of the flow diagram; `unknown` counts the rows met whose value is unknown.

    They are among `excluded` if the rule is in `exclude_unknown`, else among `remaining`.
    """

    rule: str
    excluded: int
    unknown: int
    remaining: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RowExcluded:
    """A row that is not drawn, and why. It carries identity."""

    row: int
    accession_number: str | None
    rule: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The studies drawn and the reserves, in rank order, and what became of every other row.

    The flow begins with the rows read and ends with the draw: what it excludes is eligible, but
    has a higher rank. So rows read = all excluded + candidates.
    """

    candidates: tuple[Candidate, ...]
    flow: tuple[FlowStep, ...]
    excluded: tuple[RowExcluded, ...]


@dataclass(slots=True)
class _Frame:
    """The rows still in, and the account of those that are not."""

    rows: list[RisRow]
    flow: list[FlowStep]
    excluded: list[RowExcluded]

    def close(self, rule: str, remaining: list[RisRow], *, unknown: int = 0) -> None:
        gone = len(self.rows) - len(remaining)
        step = FlowStep(rule=rule, excluded=gone, unknown=unknown, remaining=len(remaining))
        self.flow.append(step)
        self.rows = remaining

    def exclude(self, row: RisRow, rule: str, value: str, reason: str) -> None:
        self.excluded.append(
            RowExcluded(
                row=row.row,
                accession_number=row.accession_number,
                rule=rule,
                value=value,
                reason=reason,
            )
        )


def draw(rows: Iterable[RisRow], settings: SelectSettings, pseudonyms: Pseudonyms) -> Selection:
    """Apply the rules in their order, rank who is left, and take the first of them.

    Raises SettingsError for a rule, a category or a number that cannot be meant.
    """
    refuse_bad_settings(settings)
    rules = row_rules(settings)
    frame = _Frame(sorted(rows, key=attrgetter("row")), [], [])
    frame.close("read", frame.rows)
    for name in settings.rules:
        if name == "identified":
            _keep_identified(frame)
        elif name == ONE_STUDY:
            _keep_earliest(frame)
        else:
            _keep_those_in(frame, rules[name])
    return _take_first(frame, settings, rules, pseudonyms)


def admitted(
    candidates: Iterable[Candidate], settings: SelectSettings, is_out: Callable[[Candidate], bool]
) -> tuple[Candidate, ...]:
    """Who fills the places: the first in rank order that are not out, in each category of a quota.

    `is_out` is asked only while there is a place to fill, so that it may be what exports a study.
    """
    free = Counter(_places(settings))
    taken = []
    for candidate in sorted(candidates, key=attrgetter("rank", "public_id")):
        group = _group(candidate.category, settings)
        if free[group] > 0 and not is_out(candidate):
            free[group] -= 1
            taken.append(candidate)
    return tuple(taken)


def shortfall(taken: Iterable[Candidate], settings: SelectSettings) -> dict[str, int]:
    """How many places stay empty, by category of the quota or under "all"; full ones left out."""
    filled = Counter(_group(candidate.category, settings) for candidate in taken)
    return {
        group: places - filled[group]
        for group, places in _places(settings).items()
        if places > filled[group]
    }


def _keep_those_in(frame: _Frame, rule: Rule) -> None:
    remaining = []
    unknown = 0
    for row in frame.rows:
        value, is_in = rule.judge(row)
        unknown += is_in is None
        if is_in or (is_in is None and not rule.excludes_unknown):
            remaining.append(row)
        else:
            reason = "unknown" if is_in is None else rule.reason
            frame.exclude(row, rule.name, value, reason)
    frame.close(rule.name, remaining, unknown=unknown)


# --- the rules that look at several rows


def _keep_identified(frame: _Frame) -> None:
    """Keep the rows that say which study and which patient, each study once.

    A study is known by its accession number and by its UID: rows that share one of them must
    agree in everything, or nobody can say which of them is right.
    """
    known = [(row, numbers(row)) for row in frame.rows]
    faults = [identity_fault(row, named) for row, named in known]
    first, conflicting = _same_studies(
        pair for pair, fault in zip(known, faults, strict=True) if not fault
    )
    remaining = []
    for (row, named), fault in zip(known, faults, strict=True):
        if fault:
            reason = fault
        elif not conflicting.isdisjoint(named):
            reason = "other rows of the same study say something else"
        elif first[named[0]] is not row:
            reason = "the same as an earlier row"
        else:
            remaining.append(row)
            continue
        frame.exclude(row, "identified", named[0] if named else "", reason)
    unknown = sum(fault in UNKNOWN_IDENTITY for fault in faults)
    frame.close("identified", remaining, unknown=unknown)


def _same_studies(
    known: Iterable[tuple[RisRow, Sequence[str]]],
) -> tuple[dict[str, RisRow], set[str]]:
    """The first row of each number, and the numbers whose rows differ."""
    first: dict[str, RisRow] = {}
    conflicting = set()
    for row, named in known:
        for number in named:
            other = first.setdefault(number, row)
            if other is not row and DATA(other) != DATA(row):
                conflicting.add(number)
    return first, conflicting


def _keep_earliest(frame: _Frame) -> None:
    """Keep of each patient the earliest study; of one day, the one with the lowest number."""
    earliest: dict[str, tuple[date, str]] = {}
    ages = [
        (patient_key(row), (row.study_date or date.max, study_number(row))) for row in frame.rows
    ]
    for patient, age in ages:
        earliest[patient] = min(age, earliest.get(patient, age))
    remaining = []
    for row, (patient, age) in zip(frame.rows, ages, strict=True):
        if earliest[patient] == age:
            remaining.append(row)
        else:
            day = str(row.study_date or "")
            frame.exclude(row, ONE_STUDY, day, "the patient has an earlier eligible study")
    unknown = sum(row.study_date is None for row in frame.rows)
    frame.close(ONE_STUDY, remaining, unknown=unknown)


# --- the draw


def _take_first(
    frame: _Frame, settings: SelectSettings, rules: Mapping[str, Rule], pseudonyms: Pseudonyms
) -> Selection:
    # each category has all the reserves: in proportion, a rare one would have next to none
    places = Counter({group: n + settings.reserves for group, n in _places(settings).items() if n})
    seed = settings.seed.encode("utf-8", "surrogatepass")
    ranked = sorted((_rank(seed, row), study_number(row), row) for row in frame.rows)
    drawn, candidates = [], []
    for rank, _, row in ranked:
        group = _group(row.category, settings)
        if places[group] > 0:
            places[group] -= 1
            drawn.append(row)
            passed = (*(_decision(name, row, rules) for name in settings.rules), *_read(row))
            candidates.append(_candidate(row, rank, passed, pseudonyms))
        else:
            frame.exclude(row, DRAW, str(rank), "eligible, but of a higher rank than those drawn")
    frame.close(DRAW, drawn)
    excluded = sorted(frame.excluded, key=attrgetter("row"))
    return Selection(candidates=tuple(candidates), flow=tuple(frame.flow), excluded=tuple(excluded))


def _rank(seed: bytes, row: RisRow) -> int:
    """The first 63 bits of HMAC-SHA256: a number of the study alone, that stays if others come."""
    digest = hmac.digest(seed, study_number(row).encode("utf-8", "surrogatepass"), "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - RANK_BITS)


def _places(settings: SelectSettings) -> dict[str, int]:
    return dict(settings.quota) or {ALL: settings.studies}


def _group(category: Category | None, settings: SelectSettings) -> str:
    return (category or "") if settings.quota else ALL


def _candidate(
    row: RisRow, rank: int, decisions: tuple[Decision, ...], pseudonyms: Pseudonyms
) -> Candidate:
    return Candidate(
        public_id=pseudonyms.study(study_number(row)),
        rank=rank,
        patient_key=patient_key(row),
        accession_number=row.accession_number,
        study_instance_uid=row.study_instance_uid,
        category=row.category,
        patient_age_years=row.patient_age_years,
        patient_sex=row.patient_sex,
        expected_instances=row.expected_instances,
        identifying_values=identifying_values(row),
        readings=row.readings,
        decisions=decisions,
    )


def _read(row: RisRow) -> tuple[Decision, ...]:
    """What the readers of a study say, and by which rule its category follows."""
    outcome = final_category(row.readings)[1]
    note = Decision(rule="readings", value=told(row.readings), outcome=outcome)
    return (note,) if row.readings else ()


def _decision(name: str, row: RisRow, rules: Mapping[str, Rule]) -> Decision:
    if name == "identified":
        return Decision(rule=name, value=study_number(row), outcome="passed")
    if name == ONE_STUDY:
        value = str(row.study_date or "")
        return Decision(rule=name, value=value, outcome="the patient's earliest eligible study")
    value, is_in = rules[name].judge(row)
    return Decision(rule=name, value=value, outcome="passed" if is_in else "unknown, may pass")
