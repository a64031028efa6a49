"""Which series is taken: a rule of summaries, the same in any order."""

import sqlite3
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.choice import choose_series, is_like, kernel_rank, miss
from pipelines.core.dictionary import CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE
from pipelines.core.export_settings import ExportSettings
from pipelines.core.series import (
    ObjectHeader,
    SeriesSummary,
    flaw_of,
    summarize,
)

texts = st.text("aBbо%_\\.*(x ", max_size=8)


@given(texts, texts)
def test_like_is_what_sql_means_by_it(text, pattern):
    with closing(sqlite3.connect(":memory:")) as judge:
        question = judge.execute("SELECT ? LIKE ?", (text.strip(), pattern.strip()))
        (expected,) = question.fetchone()

    assert is_like(text, pattern) == bool(expected)


def test_like_knows_no_case_in_cyrillic_either():
    assert is_like("ОГК Мягкие ткани 1.0", "%мягк%")


@pytest.mark.parametrize(
    ("kernel", "allowed", "rank"),
    [
        ("FC07", ("FC18", "FC07"), 1),
        ("fc07 ", ("FC07",), 0),
        ("I31f\\3", ("I31f",), 0),
        ("I31f\\3", ("I31f\\3",), 0),
        ("I31f\\2", ("I31f\\3",), None),
        ("FC07-H", ("FC07",), None),
        ("3\\I31f", ("I31f",), None),
    ],
)
def test_a_kernel_matches_by_its_whole_or_its_first_value(kernel, allowed, rank):
    assert kernel_rank(kernel, allowed) == rank


@pytest.mark.parametrize(
    ("image_type", "usable"),
    [
        ("ORIGINAL\\PRIMARY\\AXIAL", True),
        ("ORIGINAL\\PRIMARY\\AXIAL\\CT_SOM5 SPI", True),
        ("original\\primary \\axial\\HELIX", True),
        ("ORIGINAL\\PRIMARY\\VOLUME\\NONE", True),
        (None, True),
        ("ORIGINAL\\PRIMARY\\LOCALIZER", False),
        ("ORIGINAL\\PRIMARY\\AXIAL\\LOCALIZER", False),
        ("DERIVED\\SECONDARY\\REFORMATTED\\AVERAGE", False),
        ("DERIVED\\PRIMARY\\MPR", False),
        ("ORIGINAL\\PRIMARY\\MPR THICK", False),
        ("ORIGINAL\\SECONDARY\\AXIAL", False),
    ],
)
def test_only_original_axial_images_are_usable(image_type, usable):
    header = ObjectHeader(sop_class_uid=CT_IMAGE_STORAGE, image_type=image_type)

    assert (flaw_of(header) == "") is usable


def test_text_in_the_pixels_is_never_usable():
    header = ObjectHeader(sop_class_uid=CT_IMAGE_STORAGE, burned_in_annotation="YES")

    assert flaw_of(header)


def test_the_frames_of_an_enhanced_ct_count_as_images():
    header = ObjectHeader(
        sop_class_uid=ENHANCED_CT_IMAGE_STORAGE, frames=300, series_instance_uid="1"
    )

    assert summarize([header])[0].images == 300


summaries = st.lists(
    st.builds(
        SeriesSummary,
        series_instance_uid=st.text("12.", min_size=1, max_size=6),
        series_number=st.none() | st.integers(1, 4),
        description=st.sampled_from(["BODY 1.0", "body", "LUNG", ""]),
        modalities=st.sampled_from([("CT",), ("CT",), ("PT",), ()]),
        kernels=st.sampled_from([("FC07",), ("FC51",), ("FC07", "FC51"), ()]),
        slice_thicknesses_mm=st.sampled_from([(1.0,), (0.5, 1.0), (5.0,), ()]),
        images=st.sampled_from([3, 20, 300]),
        flaw=st.sampled_from(["", "", "", "it is a localizer"]),
    ),
    max_size=6,
    unique_by=lambda one: one.series_instance_uid,
)
choices = st.builds(
    ExportSettings,
    descriptions=st.sampled_from([("%BODY%",), (), ("%LUNG%", "BODY%")]),
    kernels=st.sampled_from([(), ("FC07",), ("FC51", "FC07")]),
    maximum_slice_thickness_mm=st.sampled_from([10.0, 1.0]),
    prefer=st.permutations(["kernel", "thickness", "instances"]).map(tuple),
)


@given(summaries, choices, st.randoms(use_true_random=False))
def test_the_choice_does_not_depend_on_the_order_of_the_series(series, settings, chance):
    shuffled = list(series)
    chance.shuffle(shuffled)

    assert choose_series(series, settings) == choose_series(shuffled, settings)


@given(summaries, choices)
def test_a_chosen_series_meets_every_demand_and_every_series_is_accounted_for(series, settings):
    choice = choose_series(series, settings)

    assert len(choice.decisions) == len(series)
    assert (choice.series is None) == bool(choice.reason)
    matching = [one for one in series if not miss(one, settings)]
    if choice.series is not None:
        assert choice.series in matching
        assert [d.outcome for d in choice.decisions].count("chosen") == 1
        assert len([d for d in choice.decisions if d.outcome.startswith("matches")]) == (
            len(matching) - 1
        )
    elif matching:
        assert choice.reason[0] in "23456"
    else:
        assert choice.reason.startswith("no series")


@given(summaries, choices)
def test_no_other_match_beats_the_chosen_one_by_what_decides_first(series, settings):
    choice = choose_series(series, settings)
    if choice.series is None:
        return
    first = settings.prefer[0]
    for other in (one for one in series if not miss(one, settings)):
        if first == "instances":
            assert other.images <= choice.series.images
        if first == "thickness" and other.slice_thicknesses_mm:
            assert max(other.slice_thicknesses_mm) >= max(choice.series.slice_thicknesses_mm)
