"""One slice in ten is kept, where it was, as it was."""

import gzip
import json
import struct
from hashlib import sha256

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from pipelines import convert, thin
from pipelines.core.convert_settings import ConvertSettings, ThinSettings
from pipelines.core.errors import ItemError, SettingsError
from pipelines.core.grids import Mask, Volume, affine_of_slices
from pipelines.core.model import Decision, Excluded, Sex, ThinBy
from pipelines.core.thinning import choose_slices
from pipelines.core.volumes import Converted
from pipelines.io.headers import read_header
from pipelines.io.nifti import read_mask, read_volume, write_mask, write_volume
from pipelines.io.sidecar import write_sidecar

AFFINE = np.array([[-0.7, 0, 0, 90.5], [0, 0.7, 0, -80], [0, 0, 0.8, -1225.3], [0, 0, 0, 1]])
BEFORE = (Decision(rule="volume", value="before", outcome="kept"),)


def volume_of(slices, affine=AFFINE):
    voxels = np.random.default_rng(slices).integers(-1024, 3000, (slices, 4, 5)).astype(np.int16)
    return Volume(voxels_hu=voxels.T, affine_ras=affine)


def converted(folder, numbers, *, mask=None, affine=AFFINE):
    """A folder as `convert` leaves it, and its record."""
    folder.mkdir()
    volume = volume_of(len(numbers), affine)
    write_volume(folder / "volume.nii.gz", volume, gzip_level=1)
    write_sidecar(folder / "volume.json", {"instance_numbers": list(numbers)})
    if mask is not None:
        write_mask(folder / "mask.nii.gz", mask, gzip_level=1)
    record = Converted(
        public_id="s0",
        category=None,
        patient_age_years=50,
        patient_sex=Sex.MALE,
        decisions=BEFORE,
        volume="volume.nii.gz",
        sidecar="volume.json",
        mask="mask.nii.gz" if mask is not None else None,
        shape_ijk=volume.shape_ijk,
        spacing_ijk_mm=(0.7, 0.7, 0.8),
    )
    return record, volume


def run(tmp_path, numbers, *, mask=None, **knobs):
    record, volume = converted(tmp_path / "source", numbers, mask=mask)
    out = tmp_path / "out"
    out.mkdir()
    thinned = thin.work(record, ThinSettings(**knobs), tmp_path / "source", out)
    return thinned, volume, out


def code_of(call, *arguments, **keywords):
    with pytest.raises(ItemError) as caught:
        call(*arguments, **keywords)
    return caught.value.code


# --- which slices


@given(
    first=st.integers(-5, 400),
    slices=st.integers(1, 400),
    every=st.integers(1, 12),
    data=st.data(),
    descending=st.booleans(),
)
def test_slices_are_kept_by_the_remainder_of_their_instance_number(
    first, slices, every, data, descending
):
    offset = data.draw(st.integers(0, every - 1))
    numbers = list(range(first, first + slices))[:: -1 if descending else 1]
    expected = [number for number in numbers if number % every == offset]
    knobs = ThinSettings(every=every, offset=offset)

    if not expected:
        assert code_of(choose_slices, numbers, knobs) == "NOTHING_KEPT"
        return
    kept = choose_slices(numbers, knobs)
    assert list(kept.numbers) == expected
    assert [numbers[k] for k in kept.ks] == expected
    assert set(np.diff(kept.ks)) <= {every}


def test_the_published_rule_keeps_floor_of_a_tenth():
    for slices in (9, 10, 300, 309, 310):
        numbers = list(range(1, slices + 1))
        if slices < 10:
            assert code_of(choose_slices, numbers, ThinSettings()) == "NOTHING_KEPT"
        else:
            kept = choose_slices(numbers[::-1], ThinSettings())
            assert kept.numbers == tuple(range(slices - slices % 10, 0, -10))


@pytest.mark.parametrize(
    ("numbers", "why"),
    [
        ([None] * 25, "25 InstanceNumbers are missing"),
        ([*range(1, 25), None], "1 InstanceNumbers are missing"),
        ([7] * 25, "repeated"),
        ([*range(1, 13), *range(1, 14)], "repeated"),
        ([*range(1, 13), *range(20, 33)], "do not step by one"),
        (list(range(10, 260, 10)), "do not step by one"),
        ([2, 1, *range(3, 26)], "do not step by one"),
    ],
)
def test_where_numbers_cannot_count_the_rank_stands_in_and_it_is_told(numbers, why):
    kept = choose_slices(numbers, ThinSettings())

    assert (kept.ks, kept.numbers) == ((9, 19), (10, 20))
    assert why in kept.decision.value
    assert kept.decision.outcome == "kept 2 of 25 slices by rank from the feet"


def test_by_position_counts_ranks_whatever_the_numbers_say():
    kept = choose_slices(range(25, 0, -1), ThinSettings(by=ThinBy.POSITION, every=5, offset=2))

    assert kept.numbers == (2, 7, 12, 17, 22)


@pytest.mark.parametrize(("every", "offset"), [(0, 0), (-3, 0), (10, 10), (10, -1)])
def test_settings_that_can_keep_nothing_are_the_users_mistake(every, offset):
    with pytest.raises(SettingsError):
        ThinSettings(every=every, offset=offset)


# --- where they are


@settings(deadline=None, max_examples=40)
@given(
    every=st.integers(2, 12),
    slices=st.integers(12, 60),
    descending=st.booleans(),
    origin_mm=st.floats(-2000, 2000),
    step_mm=st.floats(0.3, 5),
)
def test_a_kept_voxel_stays_where_it_was_in_the_patient(
    tmp_path_factory, every, slices, descending, origin_mm, step_mm
):
    root = tmp_path_factory.mktemp("thin")
    numbers = list(range(1, slices + 1))[:: -1 if descending else 1]
    affine = AFFINE.copy()
    affine[2, 2:] = step_mm, origin_mm
    record, _ = converted(root / "source", numbers, affine=affine)
    (root / "out").mkdir()

    thinned = thin.work(record, ThinSettings(every=every), root / "source", root / "out")

    before = nibabel.Nifti1Image.from_filename(root / "source/volume.nii.gz")
    after = nibabel.Nifti1Image.from_filename(root / "out/volume.nii.gz")
    for k, number in enumerate(thinned.instance_numbers):
        k_before = numbers.index(number)
        place = before.affine @ [3, 2, k_before, 1]
        # 32-bit affines, rounded to 1e-6 mm
        assert_allclose(after.affine @ [3, 2, k, 1], place, atol=5e-4)
        assert_array_equal(after.dataobj[:, :, k], before.dataobj[:, :, k_before])
    assert after.shape[2] == len(thinned.instance_numbers)


def test_the_step_is_ten_times_the_full_one_and_the_header_is_the_published_one(tmp_path):
    thinned, volume, out = run(tmp_path, range(300, 0, -1))

    image = nibabel.Nifti1Image.from_filename(out / thinned.volume)
    assert thinned.spacing_ijk_mm == (0.7, 0.7, 8.0)
    assert thinned.shape_ijk == (5, 4, 30)
    assert thinned.slices_before == 300
    assert thinned.instance_numbers == tuple(range(300, 0, -10))
    assert [float(size) for size in image.header["pixdim"]][3:] == [8.0, 0, 0, 0, 0]
    raw = gzip.decompress((out / thinned.volume).read_bytes())
    assert struct.unpack_from("<2h", raw, 252) == (1, 1)
    assert struct.unpack_from("<2f", raw, 112) == (1.0, 0.0)
    assert_array_equal(image.dataobj, volume.voxels_hu[:, :, ::10])
    ours = SimpleITK.ReadImage(str(out / thinned.volume))
    assert ours.GetPixelID() == SimpleITK.sitkInt16


def test_one_kept_slice_is_a_volume_with_the_thinned_step(tmp_path):
    thinned, _, _ = run(tmp_path, range(1, 13))

    assert thinned.shape_ijk == (5, 4, 1)
    assert thinned.spacing_ijk_mm[2] == 8.0


def test_the_record_carries_what_was_known_and_what_was_decided(tmp_path):
    thinned, _, _ = run(tmp_path, range(1, 21))

    assert (thinned.public_id, thinned.patient_age_years) == ("s0", 50)
    assert thinned.decisions == (
        Decision(
            rule="thin",
            value="InstanceNumber 1 .. 20 from the feet",
            outcome="kept 2 of 20 slices by InstanceNumber % 10 = 0",
        ),
        Decision(rule="looked_at", value="0 mm above the lungs", outcome="no text, no face"),
    )


def test_the_same_volume_thinned_twice_has_the_same_bytes(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        run(tmp_path / name, range(1, 41))

    a, b = (tmp_path / name / "out/volume.nii.gz" for name in ("a", "b"))
    assert a.read_bytes() == b.read_bytes()


# --- masks


def mask_of(slices, ks=None, *, every=1, shift=0.0):
    affine = affine_of_slices(AFFINE, ks or [0], every=every)
    affine[0, 3] += shift
    count = len(ks) if ks else slices
    marked = np.random.default_rng(5).integers(0, 2, (count, 4, 5)).astype(np.uint8).T
    return Mask(marked=marked, affine_ras=affine)


def test_a_mask_on_the_full_grid_is_thinned_by_the_same_slices(tmp_path):
    mask = mask_of(40)

    thinned, _, out = run(tmp_path, range(40, 0, -1), mask=mask)

    result, image = read_mask(out / thinned.mask), read_volume(out / thinned.volume)
    assert_array_equal(result.marked, mask.marked[:, :, 0::10])
    assert_array_equal(result.affine_ras, image.affine_ras)
    assert nibabel.Nifti1Image.from_filename(out / thinned.mask).get_data_dtype() == np.int16


def test_a_mask_on_the_thinned_grid_is_recognised(tmp_path):
    mask = mask_of(40, [9, 19, 29, 39], every=10)

    thinned, _, out = run(tmp_path, range(1, 41), mask=mask)

    assert_array_equal(read_mask(out / thinned.mask).marked, mask.marked)
    assert thinned.decisions[-2].outcome == "thinned"


@pytest.mark.parametrize(
    "mask",
    [
        mask_of(40, [8, 18, 28, 38], every=10),
        mask_of(40, [9, 19, 29], every=10),
        mask_of(40, [9, 10, 11, 12]),
        mask_of(39),
        mask_of(40, shift=0.5),
    ],
)
def test_a_mask_on_any_other_grid_is_refused(tmp_path, mask):
    assert code_of(run, tmp_path, range(1, 41), mask=mask) == "MASK_OFF_GRID"


def test_a_mask_that_loses_all_its_voxels_is_told(tmp_path):
    marked = np.zeros((5, 4, 40), np.uint8)
    marked[:, :, 10:19] = 1

    thinned, _, out = run(
        tmp_path, range(1, 41), mask=Mask(marked=marked, affine_ras=AFFINE.copy())
    )

    assert thinned.decisions[-1].outcome.startswith("MASK_EMPTY")
    assert thinned.decisions[-2] == Decision(
        rule="thin_mask",
        value="180 voxels on 40 slices, 0 on 4",
        outcome="lost all its voxels by thinning",
    )
    assert not read_mask(out / thinned.mask).marked.any()


# --- real data


@pytest.mark.parametrize("every", [3, 10])
def test_thinning_a_real_chest_is_picking_its_slices_before_converting(
    shared_data, tmp_path, every
):
    series = sorted((shared_data / "chest_siemens_8mm").rglob("3.0*/*.dcm"))
    whole, picked = tmp_path / "whole", tmp_path / "picked"
    whole.mkdir()
    picked.mkdir()
    conversion = convert.convert([read_header(path) for path in series], ConvertSettings())
    write_volume(whole / "a.nii.gz", conversion.volume, gzip_level=1)
    numbers = conversion.sidecar.instance_numbers
    kept = choose_slices(numbers, ThinSettings(every=every))

    thinned = thin.thin(read_volume(whole / "a.nii.gz"), kept.ks, every=every)

    images = {int(path.stem[2:]): path for path in series}
    alone = convert.convert(
        [read_header(images[number]) for number in kept.numbers], ConvertSettings()
    )
    assert_array_equal(thinned.voxels_hu, alone.volume.voxels_hu)
    assert_allclose(thinned.affine_ras, alone.volume.affine_ras, atol=1e-4)


# --- plain folders


def plain_folder(root, slices=30, affine=AFFINE):
    volume = volume_of(slices, affine)
    (root / "a").mkdir(parents=True)
    write_volume(root / "a/b.nii.gz", volume, gzip_level=1)
    write_sidecar(root / "a/b.json", {"instance_numbers": list(range(1, slices + 1))})
    return volume


def test_a_plain_volume_is_thinned_with_its_mask_and_says_what_it_holds(tmp_path):
    volume, mask = plain_folder(tmp_path / "IN"), mask_of(30)
    write_mask(tmp_path / "IN/a/b_mask.nii.gz", mask, gzip_level=1)

    (item,) = thin.find(tmp_path / "IN")
    thinned = thin.work_plain(item, ThinSettings(), tmp_path / "out")

    assert (item.name, len(item.files)) == ("a/b", 3)
    assert (thinned.volume, thinned.mask) == ("a/b.nii.gz", "a/b_mask.nii.gz")
    assert_array_equal(
        read_volume(tmp_path / "out/a/b.nii.gz").voxels_hu, volume.voxels_hu[:, :, 9::10]
    )
    assert_array_equal(read_mask(tmp_path / "out/a/b_mask.nii.gz").marked, mask.marked[:, :, 9::10])
    said = json.loads((tmp_path / "out/a/b.json").read_text())
    starts = affine_of_slices(volume.affine_ras, range(9, 30, 10), every=10)
    assert said == {
        "instance_numbers": [10, 20, 30],
        "kept_ranks": [10, 20, 30],
        "positions_mm": [
            round(starts[2, 3] + 10 * k * volume.affine_ras[2, 2], 3) for k in range(3)
        ],
        "slices_before": 30,
        "slices_sha256": [
            sha256(volume.voxels_hu[:, :, k].tobytes(order="F")).hexdigest() for k in (9, 19, 29)
        ],
        "thinned_every": 10,
    }
    assert thinned.slices_sha256 == tuple(said["slices_sha256"])


@pytest.mark.parametrize(
    "content",
    [
        None,
        "not json",
        "[" * 100_000,
        "[]",
        "{}",
        '{"instance_numbers": 3}',
        '{"instance_numbers": [1, 2]}',
        '{"instance_numbers": ["1", 2, 3]}',
        '{"instance_numbers": [true, 2, 3]}',
        '{"instance_numbers": [1.0, 2, 3]}',
    ],
)
def test_without_instance_numbers_only_position_can_count(tmp_path, content):
    plain_folder(tmp_path / "IN", slices=3)
    (tmp_path / "IN/a/b.json").unlink()
    if content is not None:
        (tmp_path / "IN/a/b.json").write_text(content)
    (item,) = thin.find(tmp_path / "IN")
    out = tmp_path / "out"

    assert code_of(thin.work_plain, item, ThinSettings(every=2), out) == "NO_INSTANCE_NUMBERS"
    by_rank = thin.work_plain(item, ThinSettings(every=2, by=ThinBy.POSITION), out)
    assert by_rank.instance_numbers == (2,)


def test_a_volume_stored_otherwise_is_brought_to_las_and_counted_from_the_feet(tmp_path):
    volume = plain_folder(tmp_path / "IN")
    stored = nibabel.Nifti1Image(volume.voxels_hu[::-1, :, ::-1], np.eye(4))
    flipped = AFFINE @ np.diag([-1, 1, -1, 1])
    flipped[:3, 3] = (AFFINE @ [4, 0, 29, 1])[:3]
    nibabel.Nifti1Image(np.asarray(stored.dataobj), flipped).to_filename(tmp_path / "IN/a/b.nii.gz")
    (item,) = thin.find(tmp_path / "IN")

    assert code_of(thin.work_plain, item, ThinSettings(), tmp_path / "x") == "NO_INSTANCE_NUMBERS"
    thin.work_plain(item, ThinSettings(by=ThinBy.POSITION), tmp_path / "out")

    read = read_volume(tmp_path / "out/a/b.nii.gz")
    assert_array_equal(read.voxels_hu, volume.voxels_hu[:, :, 9::10])
    assert_allclose(read.affine_ras, affine_of_slices(AFFINE, [9], every=10), atol=1e-5)


def test_every_file_below_a_folder_of_volumes_is_in_one_item(tmp_path):
    root = tmp_path / "IN"
    plain_folder(root)
    (root / "a/b.nii").write_bytes(b"junk")
    (root / "a/orphan.json").write_text("{}")
    (root / "a/lone_mask.nii.gz").write_bytes(b"junk")
    (root / "readme.txt").write_text("hello")
    (root / "a/link.nii.gz").symlink_to(root / "a/b.nii.gz")

    items = {item.name: item for item in thin.find(root)}

    assert sorted(items) == ["a/b", "a/b_2", "a/lone_mask", "a/other-files", "other-files"]
    listed = sorted(path for item in items.values() for path in item.files)
    assert listed == sorted(path for path in root.rglob("*") if not path.is_dir())
    excluded = thin.work_plain(items["a/other-files"], ThinSettings(), tmp_path / "out")
    assert isinstance(excluded, Excluded)
    assert "orphan.json" in excluded.reason
    assert "link.nii.gz" in excluded.reason
    for name in ("a/b_2", "a/lone_mask"):
        knobs = ThinSettings(by=ThinBy.POSITION)
        assert code_of(thin.work_plain, items[name], knobs, tmp_path / name) == "UNREADABLE_VOLUME"
