"""NIfTI-1 as the published files have it, and read as if nobody vouched for it."""

import contextlib
import gzip
import struct
import subprocess
import tracemalloc
import zlib
from functools import partial

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.testing import assert_allclose

from pipelines.core.errors import ItemError
from pipelines.core.grids import Mask, Volume, as_stored, las_storage
from pipelines.io import nifti
from pipelines.io.nifti import (
    read_grid,
    read_mask,
    read_part,
    read_volume,
    write_mask,
    write_volume,
)
from pipelines.io.read_back import check_readers

LAS_8MM = np.array([[-0.782, 0, 0, 200.1], [0, 0.782, 0, -180.2], [0, 0, 8, -1225], [0, 0, 0, 1.0]])


def volume_of(shape=(6, 5, 4), affine=LAS_8MM, seed=0):
    voxels = np.random.default_rng(seed).integers(-3024, 3071, shape[::-1]).astype(np.int16)
    return Volume(voxels_hu=voxels.T, affine_ras=affine)


def written(path, volume=None, level=4):
    write_volume(path, volume or volume_of(), gzip_level=level)
    return path


def saved(path, voxels, affine=LAS_8MM, **fields):
    """A file made by nibabel alone, with header fields set."""
    image = nibabel.Nifti1Image(voxels, affine)
    for field, value in fields.items():
        image.header[field] = value
    image.to_filename(path)
    return path


def patched(path, at, raw):
    """The file with bytes of its inflated form replaced."""
    content = bytearray(gzip.decompress(path.read_bytes()))
    content[at : at + len(raw)] = raw
    path.write_bytes(gzip.compress(bytes(content)))
    return path


def code_of(read, path):
    with pytest.raises(ItemError) as caught:
        read(path)
    assert path.name in caught.value.message
    return caught.value.code


def test_the_header_is_the_published_one_field_by_field(tmp_path):
    path = written(tmp_path / "study.nii.gz", volume_of((7, 6, 5)))
    header = nibabel.Nifti1Image.from_filename(path).header.structarr
    raw = gzip.decompress(path.read_bytes())

    assert raw[:4] == struct.pack("<i", 348)
    assert header["dim"].tolist() == [3, 7, 6, 5, 1, 1, 1, 1]
    assert (int(header["datatype"]), int(header["bitpix"])) == (4, 16)
    assert_allclose(header["pixdim"], [-1, 0.782, 0.782, 8, 0, 0, 0, 0], rtol=1e-7)
    assert (int(header["qform_code"]), int(header["sform_code"])) == (1, 1)
    assert [float(header[f"quatern_{axis}"]) for axis in "bcd"] == [0, 1, 0]
    assert_allclose(header["srow_x"], [-0.782, 0, 0, 200.1], rtol=1e-7)
    assert_allclose(header["srow_y"], [0, 0.782, 0, -180.2], rtol=1e-7)
    assert header["srow_z"].tolist() == [0, 0, 8, -1225]
    assert int(header["xyzt_units"]) == 10
    assert (struct.unpack_from("<2f", raw, 112), raw[108:112]) == (
        (1.0, 0.0),
        struct.pack("<f", 352),
    )
    assert (bytes(header["regular"]), raw[344:348], raw[348:352]) == (b"r", b"n+1\0", bytes(4))
    texts = ("data_type", "db_name", "descrip", "aux_file", "intent_name")
    assert not any(bytes(header[field]).strip(b"\0") for field in texts)
    assert len(raw) == 352 + 7 * 6 * 5 * 2


@pytest.mark.parametrize("level", [1, 4, 12])
def test_the_gzip_has_one_member_without_time_or_name(tmp_path, level):
    path = written(tmp_path / "a.nii.gz", level=level)
    again = written(tmp_path / "b.nii.gz", level=level)

    assert path.read_bytes()[:10].hex() == "1f8b0800000000000003"
    assert path.read_bytes() == again.read_bytes()
    assert subprocess.run(["gzip", "-t", path], check=False).returncode == 0


def test_an_older_file_is_never_written_over(tmp_path):
    path = written(tmp_path / "a.nii.gz")

    with pytest.raises(FileExistsError):
        written(path)


@settings(deadline=None, max_examples=40)
@given(
    voxels=arrays.arrays(np.int16, arrays.array_shapes(min_dims=3, max_dims=3, max_side=5)),
    turn=st.floats(-0.3, 0.3),
    spacing=st.tuples(*[st.floats(0.3, 9)] * 3),
    origin=st.tuples(*[st.floats(-2000, 2000)] * 3),
)
def test_what_is_written_is_read_alike_by_three_readers(
    tmp_path_factory, voxels, turn, spacing, origin
):
    path = tmp_path_factory.mktemp("round") / "a.nii.gz"
    affine = np.diag([-1.0, 1, 1, 1]) @ np.diag([*spacing, 1])
    affine[:2, :2] = [[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]] @ affine[:2, :2]
    affine[:3, 3] = origin
    volume = Volume(voxels_hu=voxels, affine_ras=affine)

    write_volume(path, volume, gzip_level=4)

    check_readers(path, volume)
    read = read_volume(path)
    assert np.array_equal(read.voxels_hu, voxels)
    assert_allclose(read.affine_ras, as_stored(affine), atol=1e-6)
    image = nibabel.Nifti1Image.from_filename(path)
    assert_allclose(image.get_qform(), image.get_sform(), atol=1e-3)
    assert np.array_equal(SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path))).T, voxels)


def test_the_two_readers_catch_a_volume_that_is_not_what_was_meant(tmp_path):
    path, meant = written(tmp_path / "a.nii.gz"), volume_of()
    moved, other = LAS_8MM + np.diag([0, 0, 0.01, 0]), meant.voxels_hu.copy()
    other[3, 2, 1] += 1

    check_readers(path, meant)
    for wrong in (
        volume_of(affine=moved),
        Volume(voxels_hu=other, affine_ras=LAS_8MM),
        volume_of((6, 5, 3)),
    ):
        with pytest.raises(ItemError) as caught:
            check_readers(path, wrong)
        assert caught.value.code == "READERS_DISAGREE"
    # qform moved by 1 mm against sform: readers that prefer the other would see another place
    patched(path, 268, struct.pack("<f", 201.1))
    with pytest.raises(ItemError):
        check_readers(path, meant)


# --- files made by others


def test_volumes_of_other_makers_are_read_in_exact_hounsfield_units(tmp_path):
    stored = np.arange(120, dtype=np.uint16).reshape(6, 5, 4)
    scaled = saved(tmp_path / "scl.nii.gz", stored)
    patched(scaled, 112, struct.pack("<2f", 1.0, -1024.0))
    big = tmp_path / "big.nii"
    header = nibabel.Nifti1Header(endianness=">")
    nibabel.Nifti1Image(stored.astype(">i4"), LAS_8MM, header).to_filename(big)

    assert np.array_equal(read_volume(scaled).voxels_hu, stored.astype(int) - 1024)
    assert np.array_equal(read_volume(big).voxels_hu, stored)
    for kind in (np.uint8, np.float32, np.float64, np.int32):
        path = saved(tmp_path / f"{kind.__name__}.nii.gz", stored.astype(kind))
        assert np.array_equal(read_volume(path).voxels_hu, stored)
        assert read_volume(path).voxels_hu.dtype == np.int16


@pytest.mark.parametrize("value", [0.5, 40000.0, np.nan, np.inf, -32769.0])
def test_values_that_are_no_16_bit_integers_are_refused(tmp_path, value):
    voxels = np.zeros((6, 5, 4), np.float32)
    voxels[1, 1, 1] = value

    assert code_of(read_volume, saved(tmp_path / "a.nii.gz", voxels)) == "HU_OUT_OF_RANGE"


def test_the_nifti_files_of_others_read_as_nibabel_reads_them(shared_data):
    files = sorted((shared_data / "nifti_ct_masks").rglob("*.nii.gz"))
    for path in files:
        image = nibabel.Nifti1Image.from_filename(path)
        read = read_volume(path)
        assert np.array_equal(read.voxels_hu, np.asanyarray(image.dataobj)), path.name
        assert_allclose(read.affine_ras, image.affine, atol=1e-5)
    assert len(files) >= 10


def test_a_binary_mask_of_others_is_brought_to_las(shared_data):
    path = shared_data / "nifti_ct_masks/example_seg_fast/lung_upper_lobe_left.nii.gz"
    image = nibabel.Nifti1Image.from_filename(path)
    expected = nibabel.as_closest_canonical(image)

    mask = read_mask(path)

    assert "".join(nibabel.aff2axcodes(mask.affine_ras)) == "LAS"
    assert np.array_equal(mask.marked[::-1], np.asanyarray(expected.dataobj))
    assert mask.marked.any()
    several = shared_data / "nifti_ct_masks/example_seg.nii.gz"
    assert code_of(read_mask, several) == "MASK_NOT_BINARY"


@pytest.mark.parametrize("kind", [np.uint8, np.int16, np.int32, np.float32, np.float64])
def test_masks_of_any_number_type_are_read(tmp_path, kind):
    marked = np.random.default_rng(3).integers(0, 2, (6, 5, 4)).astype(kind)

    mask = read_mask(saved(tmp_path / "m.nii.gz", marked))

    assert np.array_equal(mask.marked, marked)
    assert mask.marked.dtype == np.uint8


@pytest.mark.parametrize("value", [2, 255, -1, 0.5, np.nan])
def test_a_mask_with_other_values_is_refused(tmp_path, value):
    marked = np.zeros((6, 5, 4), np.float32)
    marked[2, 2, 2] = value

    assert code_of(read_mask, saved(tmp_path / "m.nii.gz", marked)) == "MASK_NOT_BINARY"


@settings(deadline=None)
@given(st.sets(st.integers(1, 40), min_size=1, max_size=5), st.data())
def test_labels_that_were_saved_as_floats_in_integers_are_still_themselves(
    tmp_path_factory, labels, data
):
    """A float mask under the header of its CT is what nibabel scales to 16 bits, and many save."""
    kind = data.draw(st.sampled_from([np.uint8, np.int16, np.uint16, np.int32]))
    wanted = data.draw(st.sampled_from(sorted(labels)))
    dice = np.random.default_rng(len(labels))
    drawn = dice.choice([0, *labels], (6, 5, 4)).astype(np.float64)
    drawn[0, 0, :2] = 0, max(labels)
    image = nibabel.Nifti1Image(drawn, LAS_8MM)
    image.set_data_dtype(kind)
    path = tmp_path_factory.mktemp("scaled") / "m.nii.gz"
    image.to_filename(path)

    mask = read_mask(path, labels=(str(wanted),))

    assert np.array_equal(mask.marked, drawn == wanted)
    if labels == {1}:
        assert np.array_equal(read_mask(path).marked, drawn)


@pytest.mark.parametrize("value", [0.5, 1.9999, np.nan, np.inf])
def test_what_is_no_label_is_refused_and_not_taken_for_background(tmp_path, value):
    marked = np.zeros((6, 5, 4), np.float32)
    marked[2, 2, 2] = value
    path = saved(tmp_path / "m.nii.gz", marked)

    assert code_of(partial(read_mask, labels=("2",)), path) == "MASK_NOT_BINARY"


def test_a_mask_is_written_as_published_with_16_bits(tmp_path):
    mask = Mask(marked=np.eye(4, dtype=np.uint8)[:, :, None], affine_ras=LAS_8MM)
    write_mask(tmp_path / "m.nii.gz", mask, gzip_level=4)

    image = nibabel.Nifti1Image.from_filename(tmp_path / "m.nii.gz")
    assert image.get_data_dtype() == np.int16
    assert np.array_equal(read_mask(tmp_path / "m.nii.gz").marked, mask.marked)


@settings(deadline=None, max_examples=60)
@given(
    order=st.permutations(range(3)),
    signs=st.tuples(*[st.sampled_from([-1, 1])] * 3),
    kind=st.sampled_from([np.int16, np.float32, np.dtype(">i2")]),
    name=st.sampled_from(["a.nii", "a.nii.gz"]),
    start=st.integers(0, 3),
    every=st.integers(1, 5),
)
def test_slices_of_any_storage_are_read_alone_as_from_the_whole(
    tmp_path_factory, order, signs, kind, name, start, every
):
    affine = np.eye(4)
    affine[:3, :3] = np.diag(np.multiply(signs, (0.7, 0.8, 5.0)))[:, order]
    voxels = np.random.default_rng(every).integers(-1024, 3000, (5, 6, 4)).astype(kind)
    path = saved(tmp_path_factory.mktemp("part") / name, voxels, affine)
    whole, grid = read_volume(path), read_grid(path)
    storage, kept = las_storage(grid.affine_ras), slice(start, None, every)

    part, of = read_part(path, storage.part_of(kept, grid.shape_ijk))

    assert np.array_equal(storage.apply(part), storage.apply(whole.voxels_hu)[:, :, kept])
    assert_allclose(of.affine_ras, whole.affine_ras)
    assert grid.shape_ijk == of.shape_ijk == whole.shape_ijk


def test_slices_that_are_not_wanted_take_no_memory(tmp_path):
    path = saved(tmp_path / "a.nii.gz", np.zeros((200, 200, 100), np.int16))
    tracemalloc.start()
    voxels, _ = read_part(path, (slice(None), slice(None), slice(9, 100, 10)))
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert voxels.nbytes == 200 * 200 * 10 * 2
    assert peak_bytes < 3 * voxels.nbytes < 200 * 200 * 100


# --- files that lie


@pytest.mark.parametrize(
    ("at", "raw"),
    [
        (0, struct.pack("<i", 540)),
        (344, b"ni1\0"),
        (344, b"n+2\0"),
        (40, struct.pack("<8h", 4, 6, 5, 4, 2, 1, 1, 1)),
        (40, struct.pack("<8h", 2, 6, 5, 1, 1, 1, 1, 1)),
        (40, struct.pack("<8h", 3, 6, 5, -4, 1, 1, 1, 1)),
        (40, struct.pack("<8h", 3, 32767, 32767, 32767, 1, 1, 1, 1)),
        (40, struct.pack("<8h", 3, 6, 5, 3, 1, 1, 1, 1)),
        (40, struct.pack("<8h", 3, 6, 5, 5, 1, 1, 1, 1)),
        (70, struct.pack("<h", 128)),
        (70, struct.pack("<h", 1792)),
        (70, struct.pack("<h", 999)),
        (108, struct.pack("<f", np.nan)),
        (108, struct.pack("<f", 0)),
        (108, struct.pack("<f", 1e30)),
        (112, struct.pack("<2f", np.inf, 0)),
        (252, struct.pack("<2h", 0, 0)),
        (268, struct.pack("<f", 201.1)),
        (76, struct.pack("<f", 1.0)),
        (280, struct.pack("<f", np.nan)),
        (280, struct.pack("<12f", *[0.0] * 12)),
        (280, struct.pack("<12f", 1e-20, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0)),
        (280, struct.pack("<12f", 1, 1, 0, 0, 1, 1, 0, 0, 0, 0, 1, 0)),
        (280, struct.pack("<12f", 1e30, 0, 0, 0, 0, 1e30, 0, 0, 0, 0, 1e30, 0)),
    ],
)
def test_lying_headers_are_refused(tmp_path, at, raw):
    path = patched(written(tmp_path / "a.nii.gz"), at, raw)

    assert code_of(read_volume, path) == "UNREADABLE_VOLUME"
    assert code_of(read_mask, path) == "UNREADABLE_MASK"


def test_a_small_file_that_claims_gigabytes_gets_no_memory(tmp_path, monkeypatch):
    path = patched(
        written(tmp_path / "a.nii.gz"), 40, struct.pack("<8h", 3, 2000, 2000, 400, 1, 1, 1, 1)
    )
    monkeypatch.setattr(nifti.np, "empty", None)

    assert code_of(read_volume, path) == "UNREADABLE_VOLUME"


def test_a_file_that_is_cut_off_is_never_a_volume(tmp_path):
    path = written(tmp_path / "a.nii.gz")
    whole = path.read_bytes()

    for size in range(0, len(whole), 7):
        path.write_bytes(whole[:size])
        assert code_of(read_volume, path) == "UNREADABLE_VOLUME"


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_a_flipped_byte_never_changes_a_voxel(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("flip") / "a.nii.gz"
    flipped = bytearray(written(path).read_bytes())
    at = data.draw(st.integers(0, len(flipped) - 1))
    flipped[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(flipped)

    # A few bits of gzip mean nothing: its time and system, padding
    with contextlib.suppress(ItemError):
        assert np.array_equal(read_volume(path).voxels_hu, volume_of().voxels_hu)


JUNK = [b"\0", bytes(600_000), b"junk", gzip.compress(b""), gzip.compress(b"more"), b"\x1f\x8b\x08"]


@st.composite
def mutants(draw, whole):
    """A gzip that was cut, flipped, or went on."""
    change = draw(st.sampled_from(["flip", "head", "cut", "go on", "cut within", "split"]))
    at = draw(st.integers(0, 11 if change == "head" else len(whole) - 1))
    if change == "split":
        content = gzip.decompress(whole)
        return gzip.compress(content[:at]) + gzip.compress(content[at:])
    if change in {"cut", "cut within"}:
        return whole[:at] + (whole[at + draw(st.integers(1, 9)) :] if change != "cut" else b"")
    if change == "go on":
        return whole + draw(st.sampled_from(JUNK))
    return whole[:at] + bytes([draw(st.integers(0, 255))]) + whole[at + 1 :]


@settings(deadline=None, max_examples=300)
@given(data=st.data(), level=st.sampled_from([0, 1, 6]))
def test_a_gzip_is_read_or_refused_as_by_pythons_own(tmp_path_factory, data, level):
    folder = tmp_path_factory.mktemp("own")
    content = gzip.decompress(written(folder / "whole.nii.gz").read_bytes())
    mutant = data.draw(mutants(gzip.compress(content, level, mtime=0)))
    (folder / "a.nii.gz").write_bytes(mutant)
    with contextlib.suppress(zlib.error, EOFError, gzip.BadGzipFile):
        (folder / "a.nii").write_bytes(gzip.decompress(mutant))

    for read in (read_volume, read_mask):
        assert outcome(read, folder / "a.nii.gz") == outcome(read, folder / "a.nii")


def outcome(read, path):
    """The voxels and the place that are read, or by which code a file is refused."""
    if not path.exists():
        return "UNREADABLE_VOLUME" if read is read_volume else "UNREADABLE_MASK"
    try:
        found = read(path)
    except ItemError as error:
        return error.code
    voxels = found.voxels_hu if read is read_volume else found.marked
    return voxels.shape, voxels.dtype, voxels.tobytes(), found.affine_ras.tobytes()


@pytest.mark.parametrize("kind", [np.int16, np.float64])
def test_what_is_corrupt_is_told_before_what_its_voxels_say(tmp_path, kind):
    path = saved(tmp_path / "a.nii.gz", np.full((6, 5, 4), 40_000.5).astype(kind))
    path.write_bytes(path.read_bytes()[:-9])

    assert code_of(read_volume, path) == "UNREADABLE_VOLUME"
    assert code_of(read_mask, path) == "UNREADABLE_MASK"


@pytest.mark.parametrize("flag", [8, 16])
def test_a_gzip_that_is_all_name_is_refused_at_once(tmp_path, flag):
    path = tmp_path / "a.nii.gz"
    path.write_bytes(bytes([31, 139, 8, flag, *bytes(6)]) + b"a" * (1 << 20))

    assert code_of(read_volume, path) == "UNREADABLE_VOLUME"


def test_a_wrong_checksum_is_found(tmp_path):
    path = written(tmp_path / "a.nii.gz")
    for at in range(-8, 0):
        wrong = bytearray(path.read_bytes())
        wrong[at] ^= 1
        (tmp_path / "b.nii.gz").write_bytes(wrong)

        assert code_of(read_volume, tmp_path / "b.nii.gz") == "UNREADABLE_VOLUME"


@settings(deadline=None, max_examples=250)
@given(data=st.data())
def test_any_header_is_read_or_refused_by_code(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "a.nii"
    content = bytearray(gzip.decompress(written(path.with_suffix(".gz")).read_bytes()))
    for _ in range(data.draw(st.integers(1, 5))):
        content[data.draw(st.integers(0, 351))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)

    for read in (read_volume, read_mask):
        try:
            result = read(path)
        except ItemError:
            continue
        assert np.isfinite(result.affine_ras).all()
        assert las_storage(result.affine_ras)
