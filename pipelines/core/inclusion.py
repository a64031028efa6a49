"""The rules of inclusion (paper, criteria of inclusion and exclusion), each about one row alone.

Each rule knows three answers, in, out and unknown: an unknown saturation is not a good one.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Any, NamedTuple

from pipelines.core.errors import SettingsError
from pipelines.core.frame import IDENTIFIED, IN
from pipelines.core.identity import Candidate, RisRow
from pipelines.core.model import Category, Sex
from pipelines.core.patients import canonical
from pipelines.core.readings import final_category
from pipelines.core.select_settings import SELECTION_RULES, SelectSettings
from pipelines.core.spelling import did_you_mean, fold

SEARCHABLE_CHARACTERS = 4
"""Shorter values are met by chance, and cannot be looked for in files."""
ABBREVIATION_LETTERS = 3
"""So many capitals at most are an abbreviation, which is whole: ОМС does not begin Омск."""
WILDCARD = re.compile(r"[*?\\\x00-\x1f]")
"""What a PACS takes for a pattern or for two values (PS3.4 C.2.2.2), so never a key to ask with."""
NO_STUDY = "no accession number and no StudyInstanceUID"
NO_PATIENT = "no PatientID, nor both name and day of birth"
ONE_STUDY = "one_study_per_patient"
UNKNOWN_IDENTITY = (NO_STUDY, NO_PATIENT)
NAME_PARTS = re.compile(rf"[^\W\d_]{{{SEARCHABLE_CHARACTERS},}}")
VERDICTS_REMEMBERED = 1 << 16
WORDS_OF = {
    "modality": "modalities",
    "body_part": "body_parts",
    "facility": "facilities",
    "referrer": "referrers",
    "payer": "payers",
}
"""The settings that hold the words of a rule."""

Verdict = tuple[str, bool | None]
"""The value met, and whether it is let in; None where it is unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """A rule that looks at one row alone."""

    name: str
    reason: str
    judge: Callable[[RisRow], Verdict]
    excludes_unknown: bool


class Fate(NamedTuple):
    """What a row comes to by itself: the place of the rule that leaves it out, or IN; and why.

    `unknown` has a bit for each rule that met an unknown value, by the rule's place.
    """

    rule: int
    value: str
    reason: str
    unknown: int


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of a draw in their order; `rows` are those that look at one row alone."""

    names: tuple[str, ...]
    rows: Mapping[str, Rule]
    in_order: tuple[tuple[int, Rule], ...]
    one_study_at: int | None

    @classmethod
    def of(cls, settings: SelectSettings) -> "Rules":
        """The rules that the settings name; raises SettingsError where they cannot be meant."""
        _refuse_bad_settings(settings)
        names, rows = settings.rules, row_rules(settings)
        in_order = tuple((at, rows[name]) for at, name in enumerate(names) if name in rows)
        return cls(names, rows, in_order, names.index(ONE_STUDY) if ONE_STUDY in names else None)

    def judged(self, row: RisRow, known: Sequence[str], patient: str) -> Fate:
        """What a row comes to by itself, its study's numbers and its patient's key being known."""
        if fault := _identity_fault(known, patient):
            number = known[0] if known else ""
            return Fate(IDENTIFIED, number, fault, int(fault in UNKNOWN_IDENTITY) << IDENTIFIED)
        at = self.one_study_at
        unknown = 0 if at is None or row.study_date is not None else 1 << at
        for place, rule in self.in_order:
            value, is_in = rule.judge(row)
            if is_in is None:
                unknown |= 1 << place
            if not is_in and (is_in is not None or rule.excludes_unknown):
                return Fate(place, value, "unknown" if is_in is None else rule.reason, unknown)
        return Fate(IN, "", "", unknown)

    def lets_compete(self, fate: Fate) -> bool:
        """Whether such a row comes to the rule of one study per patient."""
        at = self.one_study_at
        return at is not None and (fate.rule == IN or fate.rule > at)


def row_rules(settings: SelectSettings) -> dict[str, Rule]:
    """The rules that look at one row alone, by name."""
    start, end = settings.window_start, settings.window_end
    youngest, lowest = settings.minimum_age_years, settings.minimum_spo2_percent
    judges: dict[str, tuple[str, Callable[[RisRow], Verdict]]] = {
        "modality": ("not CT", _worded("modality", settings.modalities)),
        "body_part": ("not of the chest", _worded("body_part", settings.body_parts)),
        "window": (
            f"not from {start} to {end}",
            _valued("study_date", lambda day: start <= day <= end),
        ),
        "facility": ("not an outpatient facility", _worded("facility", settings.facilities)),
        "referrer": ("not from a general practitioner", _worded("referrer", settings.referrers)),
        "payer": ("not compulsory insurance", _worded("payer", settings.payers)),
        "age": (
            f"younger than {youngest}",
            _valued("patient_age_years", lambda age: age >= youngest),
        ),
        "pregnancy": ("pregnant", _not_pregnant),
        "spo2": (f"SpO2 under {lowest:g} %", _valued("spo2_percent", lambda spo2: spo2 >= lowest)),
        "category": ("no final category", _categorized),
    }
    # A study without a category has no place in the dataset, whatever `exclude_unknown` says.
    unknown_out = {*settings.exclude_unknown, "category"}
    return {
        name: Rule(name=name, reason=reason, judge=judge, excludes_unknown=name in unknown_out)
        for name, (reason, judge) in judges.items()
    }


def _valued(name: str, is_in: Callable[[Any], bool]) -> Callable[[RisRow], Verdict]:
    value_of = attrgetter(name)

    @lru_cache(maxsize=VERDICTS_REMEMBERED)
    def verdict(value: Any) -> Verdict:
        if value is None:
            return "", None
        return f"{value:g}" if isinstance(value, float) else str(value), is_in(value)

    return lambda row: verdict(value_of(row))


def _worded(name: str, words: Sequence[str]) -> Callable[[RisRow], Verdict]:
    begins = re.compile("|".join(_beginning(word.strip()) for word in words if word.strip()))
    return _valued(name, lambda text: begins.search(fold(text)) is not None)


def _beginning(word: str) -> str:
    """A pattern for folded text that begins a word with `word`, or is it if an abbreviation."""
    is_whole = word.isalpha() and word.isupper() and len(word) <= ABBREVIATION_LETTERS
    return r"(?<![^\W_])" + re.escape(fold(word)) + (r"(?![^\W\d_])" if is_whole else "")


def _categorized(row: RisRow) -> Verdict:
    """Whether there is a final category; where readers have left none, why not."""
    if row.category is not None:
        return row.category, True
    return (final_category(row.readings)[1] if row.readings else ""), None


def _not_pregnant(row: RisRow) -> Verdict:
    if row.is_pregnant is None and row.patient_sex is Sex.MALE:
        return "male", True
    if row.is_pregnant is None:
        return "", None
    return ("yes", False) if row.is_pregnant else ("no", True)


# --- names of studies and patients


def study_number(row: RisRow | Candidate) -> str:
    """What the study is called to be ranked and named: the accession number, else the UID."""
    return canonical(row.accession_number) or canonical(row.study_instance_uid)


def numbers(row: RisRow) -> tuple[str, ...]:
    """Accession number and UID, as far as known."""
    both = canonical(row.accession_number), canonical(row.study_instance_uid)
    return tuple(filter(None, both))


def _identity_fault(known: Sequence[str], patient: str) -> str:
    """Why these numbers and this patient's key do not say which study of whom; empty if they do."""
    if not known:
        return NO_STUDY
    if any(map(WILDCARD.search, known)):
        return "the number holds a character that asks for many studies"
    return "" if patient else NO_PATIENT


def identifying_values(row: RisRow) -> tuple[str, ...]:
    """What must not be found in anything published: numbers, name and its parts, day of birth."""
    birth, name = row.patient_birth_date, row.patient_name or ""
    numbers = (row.accession_number, row.study_instance_uid, row.patient_id)
    days = (f"{birth:%Y%m%d}", f"{birth:%d.%m.%Y}") if birth else ()
    values = {name, *NAME_PARTS.findall(name), *days, *filter(None, numbers)}
    return tuple(sorted(value for value in values if len(value) >= SEARCHABLE_CHARACTERS))


# --- the settings


def _refuse_bad_settings(settings: SelectSettings) -> None:
    """Raise SettingsError for a rule, a category or a number that cannot be meant."""
    for name in (*settings.rules, *settings.exclude_unknown):
        _refuse_stranger("rule", name, SELECTION_RULES)
    for name in settings.quota:
        _refuse_stranger("category", name, tuple(Category))
    for problem, hint in _contradictions(settings):
        raise SettingsError(f"[select] {problem}", hint=hint)


def _refuse_stranger(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        raise SettingsError(
            f"[select] there is no {kind} '{name}'",
            hint=f"{did_you_mean(name, known)}There are {', '.join(known)}.",
        )


def _contradictions(settings: SelectSettings) -> Iterator[tuple[str, str]]:
    if settings.rules[:1] != ("identified",):
        yield "rules must begin with 'identified'", "A study without a number cannot be exported."
    if len(set(settings.rules)) < len(settings.rules):
        yield "rules names a rule twice", "Take one of the two out."
    if min(settings.studies, settings.reserves, *settings.quota.values(), 0) < 0:
        yield "studies, reserves and quota cannot be negative", "Set them to 0 or more."
    if settings.window_start > settings.window_end:
        yield "window_start is after window_end", "Exchange the two."
    for rule, key in WORDS_OF.items():
        if rule in settings.rules and not any(word.strip() for word in getattr(settings, key)):
            yield f"{key} is empty", f"Name one, or take '{rule}' out of rules to allow any."
