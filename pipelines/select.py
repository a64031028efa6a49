"""Drawing the studies from the RIS (paper, figure 1, step 1): rules that count, then keyed ranks.

A study's rank is the HMAC-SHA256 of its number under the seed and depends on nothing else. So the
draw is the same for rows in any order, and changes only by the rows that come, go or change; a
larger draw begins with the smaller one; and since a patient enters with one study, each patient is
as likely as any other, however many studies there are of him.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from operator import attrgetter
from pathlib import Path
from typing import NamedTuple

from pipelines.core.frame import IDENTIFIED, IN, Fates, Frame
from pipelines.core.identity import Candidate, Pseudonyms, RisRow
from pipelines.core.inclusion import (
    ONE_STUDY,
    Rule,
    Rules,
    identifying_values,
    numbers,
    study_number,
)
from pipelines.core.model import Decision
from pipelines.core.patients import patient_key
from pipelines.core.places import ALL, group_of, places_of, places_with_reserves, rank_of
from pipelines.core.readings import final_category, told
from pipelines.core.select_settings import SelectSettings
from pipelines.io.spool import Spool

VERSION: int = 1

NO_GROUP = -1
DRAW = "draw"
SAID = attrgetter(*(name for name in RisRow.__dataclass_fields__ if name != "row"))
"""What a row says: all of it but where it stands."""
CONFLICTING = "other rows of the same study say something else"
REPEATED = "the same as an earlier row"
LATER = "the patient has an earlier eligible study"
HIGHER = "eligible, but of a higher rank than those drawn"


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowStep:
    """A box of the flow diagram; `unknown` counts the rows met whose value is unknown.

    They are among `excluded` if the rule is in `exclude_unknown`, else among `remaining`.
    """

    rule: str
    excluded: int
    unknown: int
    remaining: int


@dataclass(slots=True)
class RowExcluded:
    """A row that is not drawn, and why. It carries identity.

    Like a row of the RIS it is not frozen, though nobody changes it: there are nearly as many.
    """

    row: int
    accession_number: str | None
    rule: str
    value: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FramePlace:
    """A study that could be drawn: its number, rank and category. It carries identity."""

    rank: int
    study_number: str
    category: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The studies drawn and the reserves, in rank order, and what became of every other row.

    The flow begins with the rows read and ends with the draw: what it excludes is eligible, but
    has a higher rank. So rows read = all excluded + candidates. The frame is what was drawn from;
    it and the rows left out may be many: they are read from a file each time they are asked for.
    """

    candidates: tuple[Candidate, ...]
    flow: tuple[FlowStep, ...]
    excluded: Iterable[RowExcluded]
    frame: Iterable[FramePlace] = ()


class _Kept(NamedTuple):
    """What is kept of every row on the disk."""

    row: int
    accession_number: str | None
    number: str
    study_date: str
    value: str
    reason: str


Kept = tuple[int, str | None, str, str, str, str]
"""The same as it lies there: a million plain tuples are written and read in half the time."""
Eligible = tuple[int, int, RisRow]
"""A row that no rule leaves out by itself: its place among all rows, its rank, and all it says."""


@dataclass(frozen=True, slots=True)
class _Spools:
    """What lies on the disk of the rows, in the order in which they came."""

    kept: Spool[Kept]
    eligible: Spool[Eligible]


def draw(
    rows: Iterable[RisRow],
    settings: SelectSettings,
    pseudonyms: Pseudonyms,
    *,
    scratch: Path | None = None,
) -> Selection:
    """Apply the rules in their order, rank who is left, and take the first of them.

    The rows come once. What has to be kept of them lies, where it is much, in a nameless file in
    `scratch`. Raises SettingsError for a rule, a category or a number that cannot be meant.
    """
    rules, spools = Rules.of(settings), _Spools(Spool(scratch), Spool(scratch))
    frame = _judge_all(rows, settings, rules, spools)
    fates = frame.settle(rules.one_study_at, lambda asked: _numbers_of(spools.kept, asked))
    drawn = frozenset(frame.drawn(fates, list(places_with_reserves(settings).values())).tolist())
    return Selection(
        candidates=_candidates(spools.eligible, drawn, rules, pseudonyms),
        flow=_flow(frame, fates, rules, len(drawn)),
        excluded=_LeftOut(spools.kept, fates, rules.names, drawn),
        frame=_InFrame(spools.eligible, fates),
    )


def redraw(frame: Iterable[FramePlace], settings: SelectSettings) -> tuple[FramePlace, ...]:
    """The draw once more, from its frame alone: who was drawn, in rank order."""
    free = places_with_reserves(settings)
    taken = []
    for place in sorted(frame, key=attrgetter("rank", "study_number")):
        group = place.category if settings.quota else ALL
        if free.get(group, 0) > 0:
            free[group] -= 1
            taken.append(place)
    return tuple(taken)


# --- reading the rows, once


def _judge_all(
    rows: Iterable[RisRow], settings: SelectSettings, rules: Rules, spools: _Spools
) -> Frame:
    """Judge each row by itself, and keep what decides about it."""
    frame, groups = Frame(), {group: at for at, group in enumerate(places_of(settings))}
    for row in rows:
        named, patient = numbers(row), patient_key(row)
        number = named[0] if named else ""
        fate = rules.judged(row, named, patient)
        frame.add(row.row, rule=fate.rule, unknown=fate.unknown)
        value, day = fate.value, ""
        if fate.rule != IDENTIFIED:
            frame.name(named, hash(SAID(row)))
        if rules.lets_compete(fate):
            day = str(row.study_date or "")
            frame.compete(patient, row.study_date or date.max)
        if fate.rule == IN:
            rank = rank_of(number, settings.seed)
            frame.rank(rank, groups.get(group_of(row.category, settings), NO_GROUP))
            value = str(rank)
            spools.eligible.append((len(frame) - 1, rank, row))
        spools.kept.append((row.row, row.accession_number, number, day, value, fate.reason))
    return frame


def _numbers_of(spool: Spool[Kept], rows: Collection[int]) -> dict[int, str]:
    """The numbers of the studies of these rows."""
    return {at: _Kept(*kept).number for at, kept in enumerate(spool) if at in rows}


# --- what the draw has come to


@dataclass(frozen=True, slots=True)
class _LeftOut:
    """The rows that are not drawn, each with the first rule that leaves it out."""

    spool: Spool[Kept]
    fates: Fates
    names: tuple[str, ...]
    drawn: Collection[int]

    def __iter__(self) -> Iterator[RowExcluded]:
        differs = self.fates.rule == IN
        differs |= self.fates.is_conflicting | self.fates.is_repeated
        if ONE_STUDY in self.names:
            differs |= self.fates.rule == self.names.index(ONE_STUDY)
        fates = zip(self.spool, self.fates.rule.tolist(), differs.tolist(), strict=True)
        for at, (kept, rule, is_settled) in enumerate(fates):
            if not is_settled:
                row, accession_number, _, _, value, reason = kept
                yield RowExcluded(row, accession_number, self.names[rule], value, reason)
            elif at not in self.drawn:
                yield self._excluded(at, _Kept(*kept))

    def _excluded(self, at: int, kept: _Kept) -> RowExcluded:
        """A row that is left out for what other rows say."""
        rule = int(self.fates.rule[at])
        if rule == IN:
            name, value, reason = DRAW, kept.value, HIGHER
        elif self.fates.is_conflicting[at] or self.fates.is_repeated[at]:
            reason = CONFLICTING if self.fates.is_conflicting[at] else REPEATED
            name, value = self.names[rule], kept.number
        else:
            name, value, reason = ONE_STUDY, kept.study_date, LATER
        return RowExcluded(kept.row, kept.accession_number, name, value, reason)


@dataclass(frozen=True, slots=True)
class _InFrame:
    """What the draw was made from."""

    spool: Spool[Eligible]
    fates: Fates

    def __iter__(self) -> Iterator[FramePlace]:
        for at, rank, row in self.spool:
            if self.fates.rule[at] == IN:
                number, category = study_number(row), row.category or ""
                yield FramePlace(rank=rank, study_number=number, category=category)


def _flow(frame: Frame, fates: Fates, rules: Rules, drawn: int) -> tuple[FlowStep, ...]:
    remaining = len(fates.rule)
    steps = [FlowStep(rule="read", excluded=0, unknown=0, remaining=remaining)]
    for at, name in enumerate(rules.names):
        excluded, unknown = frame.counts(fates, at)
        remaining -= excluded
        steps.append(FlowStep(rule=name, excluded=excluded, unknown=unknown, remaining=remaining))
    last = FlowStep(rule=DRAW, excluded=remaining - drawn, unknown=0, remaining=drawn)
    return (*steps, last)


def _candidates(
    spool: Spool[Eligible], drawn: Collection[int], rules: Rules, pseudonyms: Pseudonyms
) -> tuple[Candidate, ...]:
    """Those that are drawn, in rank order."""
    found = []
    for at, rank, row in spool:
        if at in drawn:
            passed = (*(_decision(name, row, rules.rows) for name in rules.names), *_read(row))
            found.append(_candidate(row, rank, passed, pseudonyms))
    return tuple(sorted(found, key=lambda one: (one.rank, one.public_id)))


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
