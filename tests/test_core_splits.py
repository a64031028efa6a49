from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SettingsError
from pipelines.core.model import Category
from pipelines.core.splits import patients_in_several, split_by_patient

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
STUDIES = st.lists(
    st.tuples(st.integers(0, 60).map(lambda n: f"P-{n:012X}"), st.sampled_from(Category)),
    max_size=120,
)


@given(studies=STUDIES, seed=st.text(max_size=3))
def test_every_patient_is_in_one_split_with_all_studies(studies, seed):
    splits = split_by_patient(studies, SHARES, seed=seed)

    assert set(splits) == {patient for patient, _ in studies}
    assert set(splits.values()) <= set(SHARES)
    assert not patients_in_several((patient, splits[patient]) for patient, _ in studies)


@given(studies=STUDIES)
def test_each_category_is_shared_out_to_within_one_patient(studies):
    worst = {p: max(c for q, c in studies if q == p) for p, _ in studies}

    splits = split_by_patient(studies, SHARES, seed="s")

    for category in Category:
        members = [patient for patient in worst if worst[patient] is category]
        counts = Counter(splits[patient] for patient in members)
        for name, share in SHARES.items():
            assert abs(counts[name] - share * len(members)) <= 1


@given(studies=STUDIES, category=st.sampled_from(Category), seed=st.text(max_size=3))
def test_a_patient_who_joins_moves_at_most_one_other_at_each_border(studies, category, seed):
    before = split_by_patient(studies, SHARES, seed=seed)

    after = split_by_patient([*studies, ("P-NEW", category)], SHARES, seed=seed)

    moved = [patient for patient in before if after[patient] != before[patient]]
    assert len(moved) <= len(SHARES) - 1


@given(studies=STUDIES, data=st.data())
def test_the_order_of_the_studies_does_not_matter(studies, data):
    shuffled = data.draw(st.permutations(studies))

    assert split_by_patient(shuffled, SHARES, seed="s") == split_by_patient(
        studies, SHARES, seed="s"
    )


def test_another_seed_makes_another_division():
    studies = [(f"P-{n:012X}", Category.CT_1) for n in range(200)]

    one, other = (split_by_patient(studies, SHARES, seed=seed) for seed in ("a", "b"))

    assert Counter(one.values()) == Counter(other.values())
    assert Counter(one.values()) == {"train": 140, "validation": 20, "test": 40}
    assert one != other


def test_a_patient_with_two_categories_counts_as_the_more_severe():
    mild = [(f"P-{n}", Category.CT_1) for n in range(10)]

    splits = split_by_patient([*mild, ("P-3", Category.CT_4)], {"a": 1, "b": 1}, seed="s")

    assert Counter(splits[f"P-{n}"] for n in range(10) if n != 3) == {"a": 5, "b": 4}
    assert splits["P-3"] == "a"


def test_a_patient_in_two_splits_is_found():
    assert patients_in_several([("one", "train"), ("two", "test"), ("one", "test")]) == {"one"}


def test_no_shares_make_no_splits():
    assert split_by_patient([("P", Category.CT_0)], {}, seed="s") == {}


@pytest.mark.parametrize(
    "shares", [{"train": 0.0}, {"train": -1.0}, {"": 1.0}, {"a,b": 1.0}, {"x" * 40: 1.0},
               {"train": float("inf")}, {"train": float("nan")}]
)  # fmt: skip
def test_shares_that_cannot_be_are_refused(shares):
    with pytest.raises(SettingsError):
        split_by_patient([], shares, seed="s")
