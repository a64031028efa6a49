"""The grid that slices make, and its storage as LAS."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from pipelines.core.errors import GeometryError
from pipelines.core.geometry import SlicePlane, stack_slices
from pipelines.core.grids import affine_of_slices, las_storage, slices_on_grid, spacing_of

AXIAL_FRAMES = [
    ((1, 0, 0), (0, 1, 0)),  # supine, head first
    ((-1, 0, 0), (0, -1, 0)),  # prone
    ((-1, 0, 0), (0, 1, 0)),  # seen from the feet
    ((0, 1, 0), (-1, 0, 0)),  # lying on one side
    ((0, -1, 0), (-1, 0, 0)),
]


def rotation(angles_deg):
    x, y, z = np.radians(angles_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(x), -np.sin(x)], [0, np.sin(x), np.cos(x)]])
    about_y = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    about_z = np.array([[np.cos(z), -np.sin(z), 0], [np.sin(z), np.cos(z), 0], [0, 0, 1]])
    return about_x @ about_y @ about_z


def planes_of(frame, heights_mm, *, spacing=(0.9, 0.7), rows=4, columns=3, turn=(0, 0, 0)):
    row, column = rotation(turn) @ np.array(frame[0]), rotation(turn) @ np.array(frame[1])
    normal = np.cross(row, column)
    return [
        SlicePlane(
            label=f"slice {index}",
            image_position_lps_mm=tuple(np.array([-120.5, 33.25, -400]) + height * normal),
            row_cosines=tuple(row),
            column_cosines=tuple(column),
            pixel_spacing_mm=spacing,
            rows=rows,
            columns=columns,
        )
        for index, height in enumerate(heights_mm)
    ]


def even(slices=8, step=0.8):
    return planes_of(AXIAL_FRAMES[0], np.arange(slices) * step)


def code_of(planes, **options):
    with pytest.raises(GeometryError) as caught:
        stack_slices(planes, **options)
    return caught.value.code


def moved(plane, x=0.0, y=0.0, z=0.0):
    position = tuple(np.add(plane.image_position_lps_mm, (x, y, z)))
    return replace(plane, image_position_lps_mm=position)


@given(
    frame=st.sampled_from(AXIAL_FRAMES),
    turn=st.tuples(*[st.floats(-20, 20)] * 3),
    slices=st.integers(2, 9),
    step=st.floats(0.3, 12),
    spacing=st.tuples(st.floats(0.3, 2), st.floats(0.3, 2)),
    seed=st.randoms(use_true_random=False),
)
def test_every_pixel_keeps_its_place_in_the_patient(frame, turn, slices, step, spacing, seed):
    planes = planes_of(frame, np.arange(slices) * step, spacing=spacing, turn=turn)
    seed.shuffle(planes)

    stack = stack_slices(planes)

    names = np.arange(slices * 4 * 3).reshape(slices, 4, 3)
    stored = np.stack([stack.storage.apply_slice(names[index]) for index in stack.order])
    for k, j, i in np.ndindex(stored.shape):
        index, r, c = np.unravel_index(stored[k, j, i], names.shape)
        plane = planes[index]
        # PS3.3 C.7.6.2.1.1, equation 1
        lps = (
            np.array(plane.image_position_lps_mm)
            + np.array(plane.row_cosines) * plane.pixel_spacing_mm[1] * c
            + np.array(plane.column_cosines) * plane.pixel_spacing_mm[0] * r
        )
        assert_allclose(stack.affine_ras @ [i, j, k, 1], [-lps[0], -lps[1], lps[2], 1], atol=1e-4)


@given(frame=st.sampled_from(AXIAL_FRAMES), turn=st.tuples(*[st.floats(-20, 20)] * 3))
def test_storage_is_las_for_every_position_of_the_patient(frame, turn):
    stack = stack_slices(planes_of(frame, np.arange(3) * 0.8, turn=turn))

    directions = stack.affine_ras[:3, :3]
    assert np.abs(directions).argmax(axis=0).tolist() == [0, 1, 2]
    assert np.sign(np.diag(directions)).tolist() == [-1, 1, 1]


@given(order=st.permutations(range(8)))
def test_the_order_of_the_files_does_not_matter(order):
    planes = even()
    stack = stack_slices([planes[index] for index in order])

    assert np.array_equal(stack.affine_ras, stack_slices(planes).affine_ras)
    assert [order[index] for index in stack.order] == list(range(8))


def test_rows_are_spaced_by_the_first_and_columns_by_the_second_pixel_spacing():
    stack = stack_slices(even())

    assert stack.shape_ijk == (3, 4, 8)
    assert spacing_of(stack.affine_ras) == (0.7, 0.9, 0.8)


def test_noise_and_negative_zeros_in_the_cosines_are_not_published():
    noisy = [
        replace(plane, row_cosines=(1.0, -0.0, 1e-9), column_cosines=(1e-9, 1.0, -0.0))
        for plane in even()
    ]

    assert np.array_equal(stack_slices(noisy).affine_ras, stack_slices(even()).affine_ras)
    assert not np.signbit(stack_slices(noisy).affine_ras[stack_slices(noisy).affine_ras == 0]).any()


@given(noise=st.lists(st.floats(-0.004, 0.004), min_size=30, max_size=30))
def test_positions_rounded_by_micrometres_are_accepted(noise):
    heights = np.arange(30) * 0.8 + noise

    stack = stack_slices(planes_of(AXIAL_FRAMES[0], heights))

    assert stack.step_mm == pytest.approx((heights[-1] - heights[0]) / 29, abs=1e-6)


@given(lost=st.integers(1, 28), count=st.integers(1, 10), step=st.sampled_from([0.5, 0.8, 5.0]))
def test_lost_slices_are_a_gap_wherever_they_are(lost, count, step):
    heights = [k * step for k in range(40) if not lost <= k < lost + count]

    assert code_of(planes_of(AXIAL_FRAMES[0], heights)) == "SLICE_GAP"


def test_a_gap_is_told_with_its_two_slices_and_its_size():
    planes = even()
    del planes[3:5]

    with pytest.raises(GeometryError, match=r"slice 2 and slice 5 are 2\.400 mm .* 2 slices"):
        stack_slices(planes)


@given(tilt=st.sampled_from([-18.5, -2.0, -0.5, 0.5, 2.0, 15.0]))
def test_a_tilted_gantry_is_named_with_its_angle(tilt):
    sheared = [
        moved(plane, y=k * 5.0 * np.tan(np.radians(tilt)))
        for k, plane in enumerate(even(slices=24, step=5.0))
    ]

    with pytest.raises(GeometryError, match=f"{abs(tilt):.2f} degrees") as caught:
        stack_slices(sheared)
    assert caught.value.code == "GANTRY_TILT"


def test_each_fault_of_a_stack_has_its_own_code():
    planes = even()
    coronal = planes_of(((1, 0, 0), (0, 0, -1)), np.arange(8) * 0.8)
    turned = planes_of(AXIAL_FRAMES[0], [8 * 0.8], turn=(0.05, 0, 0))

    assert code_of(planes[:1]) == "TOO_FEW_SLICES"
    assert code_of([]) == "TOO_FEW_SLICES"
    assert code_of(planes, minimum_slices=9) == "TOO_FEW_SLICES"
    assert code_of([*planes, replace(planes[0], rows=5)]) == "MIXED_MATRIX"
    assert code_of([*planes, replace(planes[0], pixel_spacing_mm=(0.9, 0.71))]) == "MIXED_MATRIX"
    assert code_of([*planes, *turned]) == "MIXED_ORIENTATION"
    assert code_of([*planes, *coronal]) == "MIXED_ORIENTATION"
    assert code_of(coronal) == "NOT_AXIAL"
    assert code_of([*planes, moved(planes[3], z=1e-3)]) == "SAME_POSITION"
    assert code_of([*planes[:4], *(moved(plane, x=0.5) for plane in planes[4:])]) == "SLICE_DRIFT"
    assert code_of([*planes, moved(planes[3], z=0.3)]) == "UNEVEN_STEP"
    assert code_of([*planes[:7], moved(planes[7], z=0.1)]) == "UNEVEN_STEP"


def test_two_spacings_that_differ_by_less_than_a_step_may_are_still_refused():
    heights = np.cumsum([0.0] + [0.8] * 150 + [0.81] * 150)

    assert code_of(planes_of(AXIAL_FRAMES[0], heights)) == "UNEVEN_STEP"


@given(start=st.integers(0, 9), every=st.integers(1, 10), jitter=st.floats(-0.02, 0.02))
def test_a_part_of_a_grid_is_found_on_it_slice_by_slice(start, every, jitter):
    stack = stack_slices(planes_of(AXIAL_FRAMES[1], np.arange(40) * 0.8, turn=(3, 2, 1)))
    kept = tuple(range(start, 40, every))
    part = affine_of_slices(stack.affine_ras, kept, every=every)
    part[0, 3] += jitter

    assert slices_on_grid(stack.affine_ras, (3, 4, 40), part, (3, 4, len(kept))) == kept


@given(axis=st.integers(0, 2), shift=st.sampled_from([-0.4, -0.06, 0.06, 0.4]))
def test_a_grid_that_lies_beside_is_not_taken_for_a_part(axis, shift):
    stack = stack_slices(even(slices=20))
    beside = stack.affine_ras.copy()
    beside[axis, 3] += shift

    assert slices_on_grid(stack.affine_ras, (3, 4, 20), beside, (3, 4, 10)) is None
    assert slices_on_grid(stack.affine_ras, (3, 4, 20), stack.affine_ras, (4, 3, 10)) is None
    assert slices_on_grid(stack.affine_ras, (3, 4, 20), stack.affine_ras, (3, 4, 21)) is None


@given(st.permutations(range(3)), st.tuples(*[st.booleans()] * 3))
def test_reorienting_moves_voxels_and_affine_together(axes, flips):
    affine = np.eye(4)[:, [*axes, 3]] @ np.diag([*(-1.5 if flip else 1.5 for flip in flips), 1])
    voxels = np.arange(24).reshape(2, 3, 4)

    storage = las_storage(affine)

    stored, moved_affine = storage.apply(voxels), storage.apply_affine(affine, voxels.shape)
    for ijk in np.ndindex(stored.shape):
        before = np.unravel_index(stored[ijk], voxels.shape)
        assert_allclose(moved_affine @ [*ijk, 1], affine @ [*before, 1])
    assert las_storage(moved_affine).is_identity
