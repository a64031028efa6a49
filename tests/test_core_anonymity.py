from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.anonymity import (
    HIDDEN,
    NOTHING_TOLD,
    ORDER,
    Quasi,
    age_band,
    hide_small_cells,
)

QUASIS = st.builds(
    Quasi,
    sex=st.sampled_from("MFO"),
    age_band=st.sampled_from(["", "20-29", "30-39", "40-49", "90+"]),
    scanner=st.sampled_from(["", "TOSHIBA Aquilion", "GE"]),
)
ROWS = st.lists(st.tuples(st.integers(0, 40).map(str), QUASIS), max_size=80)


def people(rows, told):
    """Who shares each combination that is told."""
    cells = defaultdict(set)
    for (patient, _), quasi in zip(rows, told, strict=True):
        cells[quasi].add(patient)
    return cells


@given(rows=ROWS, k=st.integers(1, 12))
def test_no_combination_that_is_told_is_shared_by_fewer_than_k_patients(rows, k):
    told = hide_small_cells(rows, k)

    for quasi, patients in people(rows, told).items():
        assert len(patients) >= k or quasi == NOTHING_TOLD
    if len({patient for patient, _ in rows}) >= k:
        assert all(len(patients) >= k for patients in people(rows, told).values())


@given(rows=ROWS, k=st.integers(1, 12))
def test_what_is_told_is_true(rows, k):
    for (_, known), told in zip(rows, hide_small_cells(rows, k), strict=True):
        assert all(getattr(told, name) in {getattr(known, name), HIDDEN} for name in ORDER)


@given(rows=ROWS, k=st.integers(1, 12), data=st.data())
def test_the_order_of_the_rows_does_not_matter(rows, k, data):
    order = data.draw(st.permutations(range(len(rows))))

    told = hide_small_cells(rows, k)

    assert hide_small_cells([rows[n] for n in order], k) == tuple(told[n] for n in order)


@given(rows=ROWS, k=st.integers(1, 12))
def test_a_combination_of_k_patients_keeps_all_it_has_unless_it_covers_others(rows, k):
    told = hide_small_cells(rows, k)

    sizes = people(rows, [known for _, known in rows])
    together = defaultdict(set)
    for (_, known), now in zip(rows, told, strict=True):
        together[now].add(known)
    for (_, known), now in zip(rows, told, strict=True):
        if len(sizes[known]) >= k and now != known:
            assert any(len(sizes[other]) < k for other in together[now])


@given(rows=ROWS)
def test_k_of_1_hides_nothing(rows):
    assert list(hide_small_cells(rows, 1)) == [known for _, known in rows]


def test_the_scanner_goes_first_then_the_age_then_the_sex():
    def rows(count, start, **known):
        return [(str(start + n), Quasi(**known)) for n in range(count)]

    some = {"sex": "F", "age_band": "40-49"}
    cohort = [
        *rows(6, 0, **some, scanner="A"),
        *rows(3, 10, **some, scanner="B"),
        *rows(2, 20, **some, scanner="C"),
        *rows(4, 30, sex="M", age_band="20-29", scanner="A"),
        *rows(4, 40, sex="M", age_band="30-39", scanner="B"),
        *rows(5, 50, sex="O", age_band="20-29", scanner="A"),
    ]

    told = hide_small_cells(cohort, 5)

    assert set(told[:6]) == {Quasi(**some, scanner="A")}
    assert set(told[6:11]) == {Quasi(**some, scanner=HIDDEN)}
    assert set(told[11:19]) == {Quasi(sex="M", age_band=HIDDEN, scanner=HIDDEN)}
    assert set(told[19:]) == {Quasi(sex="O", age_band="20-29", scanner="A")}


def test_with_one_scanner_for_all_the_scanner_is_told():
    rows = [(str(n), Quasi(sex="F", age_band=f"{n}0-{n}9", scanner="A")) for n in range(2, 9)]

    assert set(hide_small_cells(rows, 5)) == {Quasi(sex="F", age_band=HIDDEN, scanner="A")}


def test_several_studies_of_one_patient_count_once():
    rows = [("one", Quasi(sex="F", age_band="40-49", scanner="A"))] * 9

    assert set(hide_small_cells(rows, 2)) == {NOTHING_TOLD}


@pytest.mark.parametrize(
    ("age", "width", "band"),
    [(18, 10, "10-19"), (47, 10, "40-49"), (89, 10, "80-89"), (90, 10, "90+"), (97, 10, "90+"),
     (None, 10, ""), (47, 5, "45-49"), (47, 1, "47"), (88, 20, "80-89"), (0, 7, "0-6")],
)  # fmt: skip
def test_a_band_holds_its_age_and_nobody_of_90_and_more_is_told_apart(age, width, band):
    assert age_band(age, width, oldest_years=90) == band
