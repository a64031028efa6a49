"""The draw: every row is accounted for, and chance depends on the seed and the study alone."""

import csv
import hashlib
import hmac
import tracemalloc
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from operator import attrgetter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core.errors import SettingsError
from pipelines.core.identity import Candidate, Pseudonyms, RisRow
from pipelines.core.inclusion import row_rules
from pipelines.core.model import Category, Sex
from pipelines.core.places import admitted, shortfall
from pipelines.core.select_settings import SELECTION_RULES, SelectSettings
from pipelines.io.spool import IN_MEMORY_BYTES
from pipelines.peers.ris import open_ris
from pipelines.select import draw

KEY = Pseudonyms(b"key of the tests")
PASSES = RisRow(
    row=2,
    accession_number="A1",
    study_instance_uid="1.2.1",
    issuer_of_patient_id="MOS",
    patient_id="P1",
    patient_name="Иванов^Пётр Лев",
    patient_birth_date=date(1973, 5, 9),
    patient_sex=Sex.FEMALE,
    patient_age_years=46,
    study_date=date(2020, 3, 15),
    modality="КТ",
    body_part="КТ ОГК",
    is_pregnant=False,
    spo2_percent=97.0,
    payer="ОМС",
    referrer="врач-терапевт участковый",
    facility="ГП № 12",
    category=Category.CT_1,
    expected_instances=800,
)
HITS = {
    "identified": {"accession_number": "A*"},
    "modality": {"modality": "MG"},
    "body_part": {"body_part": "Голова"},
    "window": {"study_date": date(2020, 4, 26)},
    "facility": {"facility": "Стационар ГКБ 1"},
    "referrer": {"referrer": "хирург"},
    "payer": {"payer": "ДМС"},
    "age": {"patient_age_years": 17},
    "pregnancy": {"is_pregnant": True},
    "spo2": {"spo2_percent": 92.9},
}
UNKNOWN = {
    "modality": {"modality": None},
    "body_part": {"body_part": None},
    "window": {"study_date": None},
    "facility": {"facility": None},
    "referrer": {"referrer": None},
    "payer": {"payer": None},
    "age": {"patient_age_years": None},
    "pregnancy": {"is_pregnant": None},
    "spo2": {"spo2_percent": None},
}


def passing(number, **changes):
    """A row of its own study and patient that every rule lets in."""
    own = {
        "row": number + 2,
        "accession_number": f"A{number}",
        "study_instance_uid": f"1.2.{number}",
        "patient_id": f"P{number}",
    }
    return replace(PASSES, **(own | changes))


def select(rows, **changes):
    """The draw, with the rows left out and the frame as they can be compared."""
    drawn = draw(rows, SelectSettings(**changes), KEY)
    excluded = tuple(sorted(drawn.excluded, key=attrgetter("row")))
    return replace(
        drawn, excluded=excluded, frame=tuple(sorted(drawn.frame, key=attrgetter("rank")))
    )


def numbers(selection):
    return [candidate.accession_number for candidate in selection.candidates]


def account(selection):
    return {entry.accession_number: entry.rule for entry in selection.excluded}


@st.composite
def cohorts(draw_value):
    """Rows of a few patients, some of which a rule leaves out, some repeated or contradictory."""
    count = draw_value(st.integers(0, 25))
    rows = []
    for at in range(count):
        changes = draw_value(st.sampled_from([{}, {}, {}, *HITS.values(), *UNKNOWN.values()]))
        who = {
            "accession_number": f"A{draw_value(st.integers(0, 20))}",
            "study_instance_uid": None,
            "patient_id": f"P{draw_value(st.integers(0, 10))}",
            "study_date": date(2020, 3, 1) + timedelta(days=draw_value(st.integers(0, 5))),
            "category": draw_value(st.sampled_from([*Category, None])),
        }
        rows.append(passing(at, **(who | changes)))
    repeated = draw_value(st.sets(st.integers(0, 24)))
    return rows + [replace(rows[at], row=100 + at) for at in sorted(repeated) if at < count]


# --- the rules


def test_a_row_that_meets_every_criterion_is_drawn():
    [candidate] = select([PASSES]).candidates

    assert candidate.accession_number == "A1"
    assert [decision.rule for decision in candidate.decisions] == list(SELECTION_RULES)


@pytest.mark.parametrize("rule", HITS)
def test_a_row_is_left_out_by_the_rule_it_breaks_and_says_so(rule):
    selection = select([passing(1, **HITS[rule]), passing(2)])

    [entry] = selection.excluded
    assert (entry.rule, entry.row) == (rule, 3)
    assert entry.reason
    assert numbers(selection) == ["A2"]
    assert [step.rule for step in selection.flow if step.excluded] == [rule]


@pytest.mark.parametrize("rule", [rule for rule in HITS if rule != "identified"])
def test_a_rule_that_is_taken_out_leaves_nobody_out(rule):
    rules = tuple(name for name in SELECTION_RULES if name != rule)

    assert numbers(select([passing(1, **HITS[rule])], rules=rules)) == ["A1"]


@pytest.mark.parametrize("rule", UNKNOWN)
@pytest.mark.parametrize("excludes", [True, False])
def test_unknown_is_neither_yes_nor_no_and_is_counted(rule, excludes):
    selection = select(
        [passing(1, **UNKNOWN[rule]), passing(2)], exclude_unknown=(rule,) if excludes else ()
    )

    step = next(step for step in selection.flow if step.rule == rule)
    assert (step.unknown, step.excluded) == (1, int(excludes))
    assert len(selection.candidates) == 2 - excludes


@pytest.mark.parametrize(
    ("changes", "is_in"),
    [
        ({"study_date": date(2020, 3, 1)}, True),
        ({"study_date": date(2020, 4, 25)}, True),
        ({"study_date": date(2020, 2, 29)}, False),
        ({"patient_age_years": 18}, True),
        ({"spo2_percent": 93.0}, True),
        ({"spo2_percent": 92.99}, False),
        ({"patient_sex": Sex.MALE, "is_pregnant": None}, True),
        ({"modality": "кt"}, True),
        ({"modality": "СТ"}, True),
        ({"modality": "CT/PT"}, True),
        ({"modality": "PROTOCT"}, False),
        ({"body_part": "ЛЁГКИЕ"}, True),
        ({"body_part": "CT_CHEST"}, True),
        ({"body_part": "органы грудной клетки"}, True),
        ({"payer": "Омская страховая"}, False),
        ({"payer": "children's fund"}, False),
        ({"payer": "полис омс"}, True),
        ({"facility": "ГП12"}, True),
        ({"facility": "городская поликлиника"}, True),
        ({"referrer": "gp"}, True),
    ],
)
def test_bounds_are_kept_and_words_are_met_at_their_beginning(changes, is_in):
    selection = select([passing(1, **changes)], exclude_unknown=("pregnancy",))

    assert bool(selection.candidates) is is_in


def test_a_study_without_a_category_is_drawn_only_where_the_rule_is_off():
    row = passing(1, category=None)
    rules = tuple(name for name in SELECTION_RULES if name != "category")

    assert not select([row], exclude_unknown=()).candidates
    assert numbers(select([row], rules=rules)) == ["A1"]


def test_the_first_rule_that_hits_counts():
    selection = select([passing(1, modality="MG", patient_age_years=5, payer="ДМС")])

    assert account(selection) == {"A1": "modality"}


# --- who is who


@pytest.mark.parametrize(
    "changes",
    [
        {"accession_number": None, "study_instance_uid": None},
        {"accession_number": "A?"},
        {"accession_number": "A\\B"},
        {"study_instance_uid": "1.2.*"},
        {"patient_id": None, "patient_name": None},
        {"patient_id": None, "patient_birth_date": None},
    ],
)
def test_a_row_that_does_not_say_who_or_what_is_unidentified(changes):
    [entry] = select([passing(1, **changes)]).excluded

    assert entry.rule == "identified"


def test_equal_rows_are_one_study():
    selection = select([PASSES, replace(PASSES, row=9), replace(PASSES, row=5)])

    assert numbers(selection) == ["A1"]
    assert [(entry.row, entry.rule) for entry in selection.excluded] == [
        (5, "identified"),
        (9, "identified"),
    ]


@pytest.mark.parametrize(
    "changes",
    [{"category": Category.CT_2}, {"accession_number": "a1 "}, {"accession_number": "B1"},
     {"study_instance_uid": "1.9"}, {"patient_id": "P9"}],
)  # fmt: skip
def test_rows_of_one_study_that_differ_are_both_left_out(changes):
    selection = select([PASSES, replace(PASSES, row=3, **changes), passing(7)])

    assert numbers(selection) == ["A7"]
    assert {entry.rule for entry in selection.excluded} == {"identified"}


def test_a_study_is_known_by_its_uid_where_it_has_no_accession_number():
    [candidate] = select([passing(1, accession_number=None)]).candidates

    assert candidate.public_id == KEY.study("1.2.1")


def test_the_spelling_of_a_number_does_not_change_who_it_is():
    [one] = select([passing(1, accession_number="mh 1é", patient_id="p1")]).candidates
    [other] = select([passing(1, accession_number=" MH 1É ", patient_id="P1 ")]).candidates

    assert (one.public_id, one.rank, one.patient_key) == (
        other.public_id, other.rank, other.patient_key,
    )  # fmt: skip


def test_of_a_patient_the_earliest_eligible_study_stays():
    rows = [
        passing(1, patient_id="P", study_date=date(2020, 3, 2), modality="MG"),
        passing(4, patient_id="P", study_date=date(2020, 3, 9)),
        passing(3, patient_id="p ", study_date=date(2020, 3, 9)),
        passing(5, patient_id="P", study_date=date(2020, 3, 10)),
        passing(6, patient_id="P", issuer_of_patient_id="SPB"),
    ]

    selection = select(rows)

    assert sorted(numbers(selection)) == ["A3", "A6"]
    assert account(selection) == {
        "A1": "modality", "A4": "one_study_per_patient", "A5": "one_study_per_patient",
    }  # fmt: skip


def test_without_an_id_a_patient_is_a_name_and_a_birthday():
    rows = [
        passing(1, patient_id=None, patient_name="Орлов^Пётр"),
        passing(2, patient_id=None, patient_name="ОРЛОВ  Петр"),
        passing(3, patient_id=None, patient_name="Орлов Петр", patient_birth_date=date(1990, 1, 1)),
    ]

    assert sorted(numbers(select(rows))) == ["A1", "A3"]


# --- the account


@settings(deadline=None)
@given(rows=cohorts(), studies=st.integers(0, 8), reserves=st.integers(0, 4))
def test_every_row_is_drawn_or_left_out_by_one_rule(rows, studies, reserves):
    selection = select(rows, studies=studies, reserves=reserves)

    by_rule = Counter(entry.rule for entry in selection.excluded)
    assert len(selection.candidates) + len(selection.excluded) == len(rows)
    assert selection.flow[0].remaining == len(rows)
    assert selection.flow[-1].remaining == len(selection.candidates) <= studies + reserves
    assert [step.rule for step in selection.flow] == ["read", *SELECTION_RULES, "draw"]
    for before, step in zip(selection.flow, selection.flow[1:], strict=False):
        assert before.remaining - step.excluded == step.remaining
        assert step.excluded == by_rule[step.rule]


@settings(deadline=None)
@given(rows=cohorts())
def test_no_patient_and_no_study_is_drawn_twice(rows):
    selection = select(rows)

    assert len(set(numbers(selection))) == len(selection.candidates)
    assert len({each.patient_key for each in selection.candidates}) == len(selection.candidates)
    assert len({each.public_id for each in selection.candidates}) == len(selection.candidates)


def by_hand(rows, limits):
    """Who is in the frame, worked out with all rows in memory: an oracle for the draw."""
    first, conflicting = {}, set()
    rules = {name: rule for name, rule in row_rules(limits).items() if name in limits.rules}
    left = [row for row in rows if "*" not in row.accession_number]
    for row in left:
        known = first.setdefault(row.accession_number, row)
        if replace(known, row=0) != replace(row, row=0):
            conflicting.add(row.accession_number)
    left = [row for row in left if first[row.accession_number] is row]
    left = [row for row in left if row.accession_number not in conflicting]
    for name in limits.rules[1:]:
        if name == "one_study_per_patient":
            earliest = {}
            by_age = sorted(
                left, key=lambda row: (row.study_date or date.max, row.accession_number)
            )
            for row in by_age:
                earliest.setdefault(row.patient_id, row)
            left = [row for row in left if earliest[row.patient_id] is row]
        else:
            verdicts = [rules[name].judge(row)[1] for row in left]
            out = {False, None} if rules[name].excludes_unknown else {False}
            left = [row for row, said in zip(left, verdicts, strict=True) if said not in out]
    return {row.accession_number for row in left}


@settings(deadline=None)
@given(rows=cohorts(), at=st.integers(1, len(SELECTION_RULES) - 1))
def test_who_can_be_drawn_is_who_a_draw_in_memory_finds_wherever_the_last_rule_stands(rows, at):
    rules = [name for name in SELECTION_RULES if name != "one_study_per_patient"]
    rules.insert(at, "one_study_per_patient")
    limits = SelectSettings(rules=tuple(rules))

    frame = select(rows, rules=tuple(rules)).frame

    assert {place.study_number for place in frame} == by_hand(rows, limits)


def test_a_million_rows_are_not_held_in_memory(tmp_path):
    rows = 20_000
    stream = (passing(at, patient_name="П" * 200) for at in range(rows))

    tracemalloc.start()
    drawn = draw(stream, SelectSettings(studies=5, reserves=5), KEY, scratch=tmp_path)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert sum(1 for _ in drawn.excluded) == rows - 10
    # What is kept of a row in memory, and the spool until it goes to the disk
    assert peak_bytes < rows * 400 + 2 * IN_MEMORY_BYTES
    assert list(tmp_path.iterdir()) == []


# --- chance


@settings(deadline=None)
@given(rows=cohorts(), shuffled=st.randoms(use_true_random=False))
def test_the_order_in_which_rows_come_does_not_matter(rows, shuffled):
    other = list(rows)
    shuffled.shuffle(other)

    assert select(other, studies=3, reserves=2) == select(rows, studies=3, reserves=2)


@settings(deadline=None)
@given(rows=cohorts(), shuffled=st.randoms(use_true_random=False))
def test_sorting_the_export_anew_draws_the_same_studies(rows, shuffled):
    other = list(rows)
    shuffled.shuffle(other)
    renumbered = [replace(row, row=at + 2) for at, row in enumerate(other)]

    before = select(rows, studies=3, reserves=2)
    after = select(renumbered, studies=3, reserves=2)

    assert after.candidates == before.candidates
    assert after.flow == before.flow


@settings(deadline=None)
@given(rows=cohorts(), more=cohorts(), seed=st.text(max_size=5))
def test_rows_that_come_do_not_move_those_that_were_there(rows, more, seed):
    strangers = [
        replace(row, row=row.row + 100, accession_number=f"N{row.row}", patient_id=f"N{row.row}")
        for row in more
    ]

    before = select(rows, seed=seed)
    after = select(rows + strangers, seed=seed)

    assert [each for each in after.candidates if each in before.candidates] == list(
        before.candidates
    )


@settings(deadline=None)
@given(rows=cohorts(), studies=st.integers(0, 10), more=st.integers(0, 10))
def test_a_larger_draw_begins_with_the_smaller_one(rows, studies, more):
    smaller = select(rows, studies=studies, reserves=0).candidates
    larger = select(rows, studies=studies + more, reserves=0).candidates

    assert larger[: len(smaller)] == smaller


def test_the_rank_is_the_hmac_of_the_number_under_the_seed():
    rows = [passing(at) for at in range(50)]

    drawn = numbers(select(rows, seed="семя", studies=10, reserves=0))

    def digest(row):
        seed, number = "семя".encode(), row.accession_number.encode()
        return hmac.new(seed, number, hashlib.sha256).hexdigest()

    assert drawn == [row.accession_number for row in sorted(rows, key=digest)[:10]]


def test_every_patient_is_as_likely_as_any_other_however_many_studies_there_are():
    patients, places, seeds = 20, 5, 400
    rows = [
        passing(100 * who + at, patient_id=f"P{who}", study_date=date(2020, 3, 1 + at))
        for who in range(patients)
        for at in range(1 + who % 8)
    ]

    times = Counter(
        candidate.patient_key
        for seed in range(seeds)
        for candidate in select(rows, seed=str(seed), studies=places, reserves=0).candidates
    )

    expected = seeds * places / patients
    deviation = sum((times[f"MOS|P{who}"] - expected) ** 2 / expected for who in range(patients))
    # Drawn without replacement, so of less variance; chi-square of 19 degrees of freedom is
    # above 43.8 once in a thousand.
    assert deviation * (patients - 1) / (patients - places) < 43.8
    assert sum(times.values()) == seeds * places


def test_the_key_names_the_studies_and_has_no_part_in_the_draw():
    rows = [passing(at) for at in range(30)]
    limits = SelectSettings(studies=10, reserves=0)

    one, other = draw(rows, limits, KEY), draw(rows, limits, Pseudonyms(b"another"))

    assert numbers(one) == numbers(other)
    assert not {each.public_id for each in one.candidates} & {
        each.public_id for each in other.candidates
    }


# --- quota and reserves


def categories(count, **shares):
    """So many rows of each category: CT_0=3 for three of CT-0."""
    kinds = [Category[name] for name, times in shares.items() for _ in range(times)]
    assert len(kinds) == count
    return [passing(at, category=kind) for at, kind in enumerate(kinds)]


def test_a_quota_is_drawn_in_each_category_and_each_has_all_the_reserves():
    rows = categories(60, CT_0=20, CT_1=30, CT_4=2, CT_2=8)
    quota = {"CT-0": 4, "CT-1": 8, "CT-2": 0, "CT-4": 5}

    candidates = select(rows, quota=quota, reserves=6).candidates

    kinds = Counter(candidate.category for candidate in candidates)
    assert kinds == {"CT-0": 4 + 6, "CT-1": 8 + 6, "CT-4": 2}
    assert [each.rank for each in candidates] == sorted(each.rank for each in candidates)


def test_a_quota_takes_the_first_of_each_category_by_the_same_ranks():
    rows = categories(40, CT_0=20, CT_1=20)
    everyone = select(rows).candidates

    drawn = select(rows, quota={"CT-0": 3, "CT-1": 5}, reserves=0).candidates

    for kind, places in (("CT-0", 3), ("CT-1", 5)):
        ranked = [each.accession_number for each in everyone if each.category == kind]
        assert [each.accession_number for each in drawn if each.category == kind] == ranked[:places]


@settings(deadline=None)
@given(out=st.sets(st.integers(0, 19)), studies=st.integers(0, 12))
def test_the_next_rank_stands_in_for_a_study_that_is_out(out, studies):
    limits = SelectSettings(studies=studies, reserves=20)
    candidates = draw([passing(at) for at in range(20)], limits, KEY).candidates
    gone = {candidates[at].public_id for at in out if at < len(candidates)}

    taken = admitted(reversed(candidates), limits, lambda each: each.public_id in gone)

    left = [each for each in candidates if each.public_id not in gone]
    assert list(taken) == left[:studies]
    assert shortfall(taken, limits) == (
        {"all": missing} if (missing := studies - len(taken)) else {}
    )


def test_a_category_is_filled_only_from_its_own_reserves():
    limits = SelectSettings(quota={"CT-0": 2, "CT-1": 2, "CT-3": 1}, reserves=5)
    candidates = draw(categories(9, CT_0=4, CT_1=5), limits, KEY).candidates

    asked = []

    def is_out(candidate):
        asked.append(candidate.category)
        return candidate.category == "CT-1"

    taken = admitted(candidates, limits, is_out)

    assert asked.count("CT-0") == 2
    assert [each.category for each in taken] == ["CT-0", "CT-0"]
    assert shortfall(taken, limits) == {"CT-1": 2, "CT-3": 1}


def test_nobody_is_asked_for_once_every_place_is_filled():
    limits = SelectSettings(studies=3, reserves=10)
    candidates = draw([passing(at) for at in range(13)], limits, KEY).candidates
    asked = []

    admitted(candidates, limits, lambda each: bool(asked.append(each.rank)))

    assert asked == [each.rank for each in candidates[:3]]


# --- what is handed on


def test_what_would_identify_the_patient_is_listed_to_be_looked_for():
    [candidate] = select([passing(12345)]).candidates

    assert set(candidate.identifying_values) == {
        "Иванов^Пётр Лев", "Иванов", "Пётр", "A12345", "P12345", "1.2.12345", "19730509",
        "09.05.1973",
    }  # fmt: skip
    assert not any(value in candidate.public_id for value in candidate.identifying_values)


def test_a_candidate_is_the_row_and_nothing_else():
    [candidate] = select([PASSES]).candidates

    assert replace(candidate, identifying_values=(), decisions=(), rank=0) == Candidate(
        public_id=KEY.study("A1"),
        rank=0,
        patient_key="MOS|P1",
        accession_number="A1",
        study_instance_uid="1.2.1",
        category=Category.CT_1,
        patient_age_years=46,
        patient_sex=Sex.FEMALE,
        expected_instances=800,
        identifying_values=(),
    )


def test_the_decisions_tell_the_value_each_rule_met():
    [candidate] = select([passing(1, spo2_percent=None)]).candidates

    met = {decision.rule: (decision.value, decision.outcome) for decision in candidate.decisions}
    assert met["age"] == ("46", "passed")
    assert met["payer"] == ("ОМС", "passed")
    assert met["spo2"] == ("", "unknown, may pass")


# --- settings


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"rules": ("identified", "pregnacy")}, "`pregnancy`"),
        ({"exclude_unknown": ("spo",)}, "`spo2`"),
        ({"rules": ("age", "identified")}, "identified"),
        ({"rules": ()}, "identified"),
        ({"rules": ("identified", "age", "age")}, "twice"),
        ({"quota": {"КТ-1": 5}}, "`CT-1`"),
        ({"quota": {"CT-1": -5}}, "negative"),
        ({"studies": -1}, "negative"),
        ({"window_start": date(2021, 1, 1)}, "window_start"),
        ({"payers": ("", " ")}, "payers"),
    ],
)
def test_a_setting_that_cannot_be_meant_is_refused(changes, said):
    with pytest.raises(SettingsError) as caught:
        select([PASSES], **changes)

    assert said in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint


def test_a_ris_export_is_drawn_from_end_to_end(tmp_path):
    titles = ["Номер исследования", "ID пациента", "Возраст", "Дата исследования", "Модальность",
              "Область исследования", "Категория КТ (итог)"]  # fmt: skip
    table = [
        titles,
        ["001", "1", "47 лет", "25.04.2020 23:59", "КТ", "Грудная клетка", "КТ-2 (средняя)"],
        ["002", "2", "17 лет", "25.04.2020", "КТ", "Грудная клетка", "КТ-0"],
        ["003", "3", "60", "26.04.2020", "КТ", "ОГК", "КТ-0"],
    ]
    with (tmp_path / "ris.csv").open("w", encoding="cp1251", newline="") as file:
        csv.writer(file, delimiter=";").writerows(table)
    limits = SelectSettings(ris=tmp_path / "ris.csv")

    selection = draw(open_ris(limits).rows(), limits, KEY)

    assert numbers(selection) == ["001"]
    assert account(selection) == {"002": "age", "003": "window"}
