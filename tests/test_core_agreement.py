"""Weighted kappa and Dice against other people's programs, published figures, first principles."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.metrics import cohen_kappa_score

from pipelines.core.agreement import Weights, dice, reader_pairs, weighted_kappa
from pipelines.core.model import Category, Reading

categories = st.sampled_from(list(Category))
grades = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=60)
tables = arrays(np.int64, (5, 5), elements=st.integers(0, 40))


def counts(pairs):
    table = np.zeros((5, 5), dtype=np.int64)
    for one, other in pairs:
        table[one, other] += 1
    return table


@given(pairs=grades, weights=st.sampled_from(Weights))
def test_weighted_kappa_is_that_of_scikit_learn(pairs, weights):
    first, second = zip(*pairs, strict=True)
    kappa = weighted_kappa(counts(pairs), weights)

    if kappa is None:
        assert len({*first, *second}) == 1
    else:
        theirs = cohen_kappa_score(first, second, weights=weights, labels=range(5))
        assert kappa.value == pytest.approx(theirs, abs=1e-12)


@pytest.mark.parametrize(
    ("table", "published"),
    [([[20, 5], [10, 15]], 0.4), ([[45, 15], [25, 15]], 0.1304), ([[25, 35], [5, 35]], 0.2593)],
)
@pytest.mark.parametrize("weights", Weights)
def test_of_two_grades_the_weighted_kappa_is_the_plain_one_of_the_textbooks(
    table, published, weights
):
    assert weighted_kappa(np.array(table), weights).value == pytest.approx(published, abs=5e-5)


def kappa_of(shares, weights):
    grade = np.arange(5) / 4
    apart = np.abs(grade[:, None] - grade)
    weight = 1 - (apart if weights is Weights.LINEAR else apart**2)
    chance = (np.outer(shares.sum(1), shares.sum(0)) * weight).sum()
    return ((weight * shares).sum() - chance) / (1 - chance)


@given(table=tables, weights=st.sampled_from(Weights))
def test_the_interval_is_that_of_the_delta_method(table, weights):
    """The standard error, from numeric derivatives of kappa by each share of the table."""
    assume(table.sum() >= 10)
    assume(table.sum(0).max() < table.sum() and table.sum(1).max() < table.sum())
    shares, step = table / table.sum(), 1e-6
    slopes = np.zeros((5, 5))
    for place in np.ndindex(5, 5):
        nudge = np.zeros((5, 5))
        nudge[place] = step
        slopes[place] = kappa_of(shares + nudge, weights) - kappa_of(shares - nudge, weights)
    slopes /= 2 * step
    variance = ((shares * slopes**2).sum() - (shares * slopes).sum() ** 2) / table.sum()

    kappa = weighted_kappa(table, weights)

    margin = 1.959963984540054 * np.sqrt(max(variance, 0))
    assert kappa.value == pytest.approx(kappa_of(shares, weights), abs=1e-9)
    assert kappa.low == pytest.approx(max(kappa.value - margin, -1), abs=1e-4)
    assert kappa.high == pytest.approx(min(kappa.value + margin, 1), abs=1e-4)


@given(table=tables, weights=st.sampled_from(Weights))
def test_kappa_does_not_know_who_is_first_nor_from_which_end_grades_are_counted(table, weights):
    kappa = weighted_kappa(table, weights)

    for same in (table.T, table[::-1, ::-1]):
        other = weighted_kappa(same, weights)
        if kappa is None:
            assert other is None
        else:
            assert other.value == pytest.approx(kappa.value, abs=1e-9)
            assert other.low == pytest.approx(kappa.low, abs=1e-6)
            assert -1 <= kappa.low <= kappa.value <= kappa.high <= 1


@given(grade=st.lists(st.integers(0, 4), min_size=2, max_size=50))
def test_readers_who_always_agree_have_a_kappa_of_one_or_none(grade):
    kappa = weighted_kappa(counts(zip(grade, grade, strict=True)), Weights.QUADRATIC)

    assert (kappa is None) == (len(set(grade)) == 1)
    if kappa is not None:
        assert (kappa.value, kappa.low, kappa.high) == pytest.approx((1, 1, 1))


def reading(reader, category):
    return Reading(reader=reader, category=category)


@given(
    st.lists(
        st.dictionaries(st.sampled_from("abcd"), categories, max_size=4), min_size=1, max_size=20
    )
)
def test_every_two_readers_of_a_study_are_compared_once(studies):
    pairs = reader_pairs([[reading(*item) for item in study.items()] for study in studies])

    assert [(pair.first, pair.second) for pair in pairs] == sorted(
        {(a, b) for study in studies for a in study for b in study if a < b}
    )
    for pair in pairs:
        both = [study for study in studies if {pair.first, pair.second} <= study.keys()]
        assert pair.studies == len(both)
        assert pair.agreed == sum(study[pair.first] == study[pair.second] for study in both)


def test_dice_is_twice_the_overlap_over_the_sum():
    one, other = np.zeros((4, 4, 4)), np.zeros((4, 4, 4))
    one[:2], other[1:3] = 1, 1

    assert dice(one, other) == 2 * 16 / (32 + 32)
    assert dice(one, one) == 1
    assert dice(one, 1 - one) == 0
    assert dice(one * 0, one * 0) == 1
