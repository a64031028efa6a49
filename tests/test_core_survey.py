"""Which slices of a series will be kept, foreseen from the claims of its headers alone."""

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import GeometryError, ItemError
from pipelines.core.geometry import SlicePlane
from pipelines.core.slices import PixelFormat, SliceClaim
from pipelines.core.survey import foresee, survey
from pipelines.core.thinning import choose_slices

PIXELS = PixelFormat(
    bits_allocated=16,
    bits_stored=12,
    high_bit=11,
    is_signed=False,
    rescale_slope=Decimal(1),
    rescale_intercept=Decimal(-1024),
)


def claim(number, z_mm, **changes):
    plane = SlicePlane(
        label=f"instance {number}",
        image_position_lps_mm=(-100.0, -100.0, z_mm),
        row_cosines=(1.0, 0.0, 0.0),
        column_cosines=(0.0, 1.0, 0.0),
        pixel_spacing_mm=(0.7, 0.7),
        rows=512,
        columns=512,
    )
    made = SliceClaim(
        sop_instance_uid=f"1.2.{number}.{z_mm}",
        study_instance_uid="1",
        series_instance_uid="1.2",
        frame_of_reference_uid="1.3",
        instance_number=number,
        image_type=("ORIGINAL", "PRIMARY", "AXIAL"),
        convolution_kernel="B40f",
        slice_thickness_mm=1.0,
        plane=plane,
        pixels=PIXELS,
        transfer_syntax_uid="1.2.840.10008.1.2.1",
        was_lossy=None,
    )
    return replace(made, **changes)


def stack(slices, *, descending=False):
    numbers = range(slices, 0, -1) if descending else range(1, slices + 1)
    return [claim(number, round(0.8 * k, 3)) for k, number in enumerate(numbers)]


def all_the_same(_one, _other):
    return True


@given(
    slices=st.integers(12, 60), every=st.integers(2, 12), descending=st.booleans(), data=st.data()
)
def test_what_is_foreseen_is_what_thinning_of_the_whole_series_keeps(
    slices, every, descending, data
):
    claims = stack(slices, descending=descending)
    offset = data.draw(st.integers(0, every - 1))
    shuffled = data.draw(st.permutations(claims))
    thin = ThinSettings(every=every, offset=offset)

    foreseen = foresee(shuffled, minimum_slices=2, thin=thin)

    whole = survey(claims, minimum_slices=2, is_same=all_the_same)
    kept = choose_slices(whole.instance_numbers, thin)
    assert foreseen.slices == tuple(whole.slices[k] for k in kept.ks)
    assert [one.instance_number % every for one in foreseen.slices] == [offset] * len(kept.ks)
    assert foreseen.survey.stack.positions_mm == whole.stack.positions_mm


def all_different(_one, _other):
    return False


def with_one(claims, **changes):
    return [*claims[1:], replace(claims[0], **changes)]


def with_plane(claims, index, **changes):
    plane = replace(claims[index].plane, **changes)
    return [*claims[:index], replace(claims[index], plane=plane), *claims[index + 1 :]]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda claims: claims[:5] + claims[6:], "SLICE_GAP"),
        (lambda claims: [*claims, claims[3]], None),
        (lambda claims: [*claims, claim(99, 0.8)], None),
        (lambda claims: with_one(claims, image_type=("LOCALIZER",)), None),
        (lambda claims: with_plane(claims, 4, rows=256), "MIXED_MATRIX"),
        (lambda claims: with_plane(claims, 4, row_cosines=(0.0, 1.0, 0.0)), "MIXED_ORIENTATION"),
        (lambda claims: with_one(claims, convolution_kernel="B70f"), "MIXED_KERNEL"),
        (lambda claims: with_one(claims, series_instance_uid="3"), "MIXED_SERIES"),
        (lambda claims: with_one(claims, study_instance_uid="3"), "MIXED_SERIES"),
        (lambda claims: with_one(claims, frame_of_reference_uid="3"), "MIXED_FRAME"),
        (lambda claims: claims[:1], "TOO_FEW_SLICES"),
        (lambda claims: claims[:0], "TOO_FEW_SLICES"),
    ],
    ids=["gap", "copy", "copy by another name", "localizer", "matrix", "orientation", "kernel",
         "series", "study", "frame of reference", "one", "none"],
)  # fmt: skip
def test_nothing_is_foreseen_of_a_series_that_has_to_be_seen_whole(damage, code):
    claims = damage(stack(40))

    assert foresee(claims, minimum_slices=2, thin=ThinSettings()) is None
    if code:
        with pytest.raises(ItemError) as caught:
            survey(claims, minimum_slices=2, is_same=all_the_same)
        assert caught.value.code == code


def test_nothing_is_foreseen_where_thinning_would_keep_nothing():
    assert foresee(stack(9), minimum_slices=2, thin=ThinSettings()) is None


def test_two_different_slices_at_one_place_are_refused_by_their_pixels_alone():
    claims = [*stack(20), claim(99, 0.8)]

    with pytest.raises(GeometryError, match="instance 99 and instance 2 lie at the same place"):
        survey(claims, minimum_slices=2, is_same=all_different)
    found = survey(claims, minimum_slices=2, is_same=all_the_same)
    assert len(found.slices) == 20
    assert [(d.rule, d.value) for d in found.decisions] == [("copies_of_slices", "1")]
