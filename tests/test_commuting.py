"""For any series: what is kept lies where it lay, and thinning and converting commute.

The truth is that of `tests/edge/series.py`, written down while a series is made.
"""

from math import cos, radians, sin
from pathlib import Path

import nibabel
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from pipelines import convert, thin
from pipelines.core.convert_settings import ConvertSettings, ThinSettings
from pipelines.core.model import FolderItem
from pipelines.phantom.spec import Syntax
from pipelines.validation.studies import STEP_MOST_MM, StudyFiles, check_study
from tests.edge.grading import fault_of
from tests.edge.series import Slice, to_bytes
from tests.workspaces import contents, mosmed

EVERY = 5
POSITIONS = {
    "supine": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "prone": ((-1.0, 0.0, 0.0), (0.0, -1.0, 0.0)),
    "feet first": ((-1.0, 0.0, 0.0), (0.0, 1.0, 0.0)),
    "on the side": ((0.0, 1.0, 0.0), (-1.0, 0.0, 0.0)),
}


@st.composite
def series(draw) -> list[Slice]:
    """Slices of one even series, its head turned a little, numbered either way from anywhere."""
    count = draw(st.integers(2 * EVERY, 3 * EVERY + 2))
    rows, columns = draw(st.tuples(st.integers(4, 9), st.integers(4, 9)))
    voxels = np.random.default_rng(draw(st.integers(0, 99)))
    intercept = draw(st.sampled_from([-1024, -8192, 0]))
    step_mm = draw(st.sampled_from([0.5, 0.8, 1.25, 3.75, 10.0]))
    first, direction = draw(st.integers(0, 400)), draw(st.sampled_from([1, -1]))
    cosines, normal = _turned(draw(st.sampled_from(sorted(POSITIONS))), draw(st.integers(0, 30)))
    corner = np.array([draw(st.integers(-300, 300)) for _ in "xyz"])
    spacing = draw(st.sampled_from([(0.7, 0.7), (0.9, 0.6), (0.646484375, 0.646484375)]))
    return [
        Slice(
            hu=voxels.integers(-1024, 3000, (rows, columns)),
            position_mm=tuple(np.round(corner + normal * (k * step_mm), 6).tolist()),
            number=first + (k if direction > 0 else count - k),
            cosines=cosines,
            spacing_mm=spacing,
            intercept=intercept,
            is_signed=intercept == 0,
            bits=16,
            syntax=draw(st.sampled_from(list(Syntax))),
        )
        for k in range(count)
    ]


def _turned(position, turn_deg):
    """Directions of rows and columns turned in the plane, and the normal to the head."""
    row, column = (np.array(one) for one in POSITIONS[position])
    c, s = cos(radians(turn_deg)), sin(radians(turn_deg))
    turned = tuple(tuple(np.round(one, 9).tolist()) for one in (c * row + s * column,
                                                                c * column - s * row))  # fmt: skip
    normal = np.cross(*turned)
    return turned, normal if normal[2] > 0 else -normal


def template() -> Dataset:
    dataset = Dataset()
    dataset.Modality, dataset.ImageType = "CT", ["ORIGINAL", "PRIMARY", "AXIAL"]
    return dataset


def written(folder: Path, slices, names=None) -> FolderItem:
    folder.mkdir()
    names = names or [f"{k:03d}.dcm" for k in range(len(slices))]
    for name, one in zip(names, slices, strict=True):
        (folder / name).write_bytes(to_bytes(one.dataset("any", template())))
    return FolderItem(name="series", files=tuple(sorted(folder.iterdir())))


def converted(item, folder):
    folder.mkdir()
    convert.work_plain(item, ConvertSettings(), folder)
    return folder / "series.nii.gz"


def thinned(folder, out, **knobs):
    out.mkdir()
    [item] = thin.find(folder)
    thin.work_plain(item, ThinSettings(every=EVERY, **knobs), out)
    return out / "series.nii.gz"


def plain(path):
    image = nibabel.Nifti1Image.from_filename(path)
    return np.asanyarray(image.dataobj), image.affine


@settings(max_examples=12)
@given(slices=series(), offset=st.integers(0, EVERY - 1))
def test_every_voxel_keeps_its_place_and_its_hu_also_when_thinned(tmp_path_factory, slices, offset):
    root = tmp_path_factory.mktemp("place")
    kept = [one for one in slices if one.number % EVERY == offset]

    full = converted(written(root / "in", slices), root / "full")
    part = thinned(root / "full", root / "thin", offset=offset)

    assert fault_of(full, [one.truth() for one in slices], hu_tolerance=0) == ""
    assert fault_of(part, [one.truth() for one in kept], hu_tolerance=0) == ""


@settings(max_examples=8)
@given(slices=series(), offset=st.integers(0, EVERY - 1))
def test_what_is_written_satisfies_validate(tmp_path_factory, slices, offset):
    root = tmp_path_factory.mktemp("valid")

    converted(written(root / "in", slices), root / "full")
    thinned(root / "full", root / "thin", offset=offset)

    files = StudyFiles(volume="series.nii.gz", mask=None)
    for folder in (root / "full", root / "thin"):
        verdict = check_study(files, folder, True, root)
        codes = {finding.code for finding in verdict.findings}
        # The voxels are noise, and every fifth of 10 mm is more than a CT has
        is_wide = (verdict.step_mm or 0) > STEP_MOST_MM
        assert codes - {"HU_IMPLAUSIBLE"} == ({"VOLUME_STEP"} if is_wide else set())


@settings(max_examples=12)
@given(slices=series(), offset=st.integers(0, EVERY - 1))
def test_picking_before_converting_is_thinning_after_it(tmp_path_factory, slices, offset):
    root = tmp_path_factory.mktemp("commute")
    kept = [one for one in slices if one.number % EVERY == offset]

    converted(written(root / "all", slices), root / "full")
    part, part_affine = plain(thinned(root / "full", root / "thin", offset=offset))
    picked, affine = plain(converted(written(root / "some", kept), root / "picked"))

    np.testing.assert_array_equal(part, picked)
    np.testing.assert_allclose(part_affine, affine, atol=2e-3, rtol=0)


@settings(max_examples=8)
@given(slices=series(), data=st.data())
def test_no_order_and_no_name_of_files_changes_a_byte(tmp_path_factory, slices, data):
    root = tmp_path_factory.mktemp("order")
    order = data.draw(st.permutations(range(len(slices))))
    copies = data.draw(st.lists(st.sampled_from(order), max_size=3))
    again = [slices[k] for k in [*order, *copies]]
    names = [f"{data.draw(st.integers(0, 9))}{k:02d}" for k in range(len(again))]

    converted(written(root / "a", slices), root / "one")
    converted(written(root / "b", again, names), root / "two")

    assert contents(root / "one") == contents(root / "two")


@settings(max_examples=3)
@given(several=st.lists(series(), min_size=2, max_size=4))
def test_no_number_of_workers_changes_a_byte(tmp_path_factory, several):
    root = tmp_path_factory.mktemp("workers")
    (root / "in").mkdir()
    for number, slices in enumerate(several):
        for one in slices:
            one.series = str(number)
        written(root / "in" / f"s{number}", slices)

    for jobs in (1, 2):
        done = mosmed("convert", root / "in", root / f"out{jobs}", "--jobs", jobs)
        assert done.exit_code == 0, done.output

    assert contents(root / "out1") == contents(root / "out2")
    assert len(contents(root / "out1")) == 2 * len(several)


@settings(max_examples=8)
@given(slices=series(), seed=st.integers(0, 99), is_thinned=st.booleans())
def test_every_voxel_of_a_mask_keeps_its_place(tmp_path_factory, slices, seed, is_thinned):
    root = tmp_path_factory.mktemp("mask")
    full = converted(written(root / "in", slices), root / "full")
    image = nibabel.Nifti1Image.from_filename(full)
    marked = np.random.default_rng(seed).integers(0, 2, image.shape, dtype=np.int16)
    drawn = nibabel.Nifti1Image(marked, image.affine)
    upward = sorted(slices, key=lambda one: one.position_mm[2])
    ks = [k for k, one in enumerate(upward) if one.number % EVERY == 0]
    if is_thinned:
        drawn = drawn.slicer[:, :, ks[0] :: EVERY]
    nibabel.save(drawn, root / "full" / "series_mask.nii.gz")

    part = thinned(root / "full", root / "thin")

    voxels, affine = plain(root / "thin" / "series_mask.nii.gz")
    np.testing.assert_array_equal(voxels, marked[:, :, ks])
    np.testing.assert_array_equal(affine, plain(part)[1])
