"""A series becomes one volume, or is refused with the name of its fault."""

import json
import shutil
from dataclasses import replace

import nibabel
import numpy as np
import pytest
import SimpleITK
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines import convert
from pipelines.core.convert_settings import ConvertSettings
from pipelines.core.errors import ItemError
from pipelines.core.grids import affine_of_slices
from pipelines.core.model import Category, Deidentified, Excluded, ReaderMask, Sex
from pipelines.core.volumes import Converted
from pipelines.io.nifti import read_mask, read_volume
from pipelines.io.packing import open_packed
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax

SLICES, ROWS, COLUMNS = 12, 9, 7
POSITIONS = {
    "head first supine": ((1, 0, 0), (0, 1, 0)),
    "head first prone": ((-1, 0, 0), (0, -1, 0)),
    "feet first supine": ((-1, 0, 0), (0, 1, 0)),
    "on the right side": ((0, 1, 0), (-1, 0, 0)),
    "slightly turned": ((0.98, 0.17320508, 0.0977), (-0.17364818, 0.98480775, 0.0)),
}


def voxels_of(slices=SLICES, seed=0):
    values = np.random.default_rng(seed).integers(-1024, 1500, (slices, ROWS, COLUMNS))
    return values.astype(np.int16)


def deidentified(mask=None, instances=SLICES):
    return Deidentified(
        public_id="s0123456789ab",
        category=Category.CT_1,
        patient_age_years=47,
        patient_sex=Sex.FEMALE,
        instances=instances,
        masks=() if mask is None else (ReaderMask(file=mask),),
    )


@pytest.fixture
def source(tmp_path):
    return tmp_path / "source"


@pytest.fixture
def out(tmp_path):
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def run(source, out, mask=None, **knobs) -> Converted:
    record = convert.work(deidentified(mask), ConvertSettings(**knobs), source, out)
    assert isinstance(record, Converted)
    return record


def code_of(source, out, **knobs):
    with pytest.raises(ItemError) as caught:
        run(source, out, **knobs)
    assert not any(out.iterdir())
    return caught.value.code


def content_of(out):
    return {path.name: path.read_bytes() for path in sorted(out.iterdir())}


def sidecar_of(out):
    return json.loads((out / "volume.json").read_text())


def by_simpleitk(paths):
    """The series as SimpleITK reads it, its files ordered by their own z."""

    def height(path):
        image = SimpleITK.ReadImage(str(path))
        normal = np.reshape(image.GetDirection(), (3, 3))[:, 2]
        return float(np.dot(image.GetOrigin(), normal))

    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames([str(path) for path in sorted(paths, key=height)])
    return reader.Execute()


def assert_same_as_simpleitk(volume_path, paths):
    theirs = SimpleITK.DICOMOrient(by_simpleitk(paths), "LAS")
    ours = SimpleITK.ReadImage(str(volume_path))
    assert ours.GetSize() == theirs.GetSize()
    assert np.array_equal(SimpleITK.GetArrayFromImage(ours), SimpleITK.GetArrayFromImage(theirs))
    for corner in np.ndindex(2, 2, 2):
        index = [int(at * (size - 1)) for at, size in zip(corner, ours.GetSize(), strict=True)]
        place = ours.TransformIndexToPhysicalPoint(index)
        np.testing.assert_allclose(place, theirs.TransformIndexToPhysicalPoint(index), atol=2e-3)


# --- real series against SimpleITK


@pytest.mark.parametrize(
    ("folder", "pattern", "spacing"),
    [
        ("chest_siemens_8mm", "3.0*/*.dcm", (0.646484, 0.646484, 8.0)),
        ("chest_ge_16", "*.dcm", (0.703125, 0.703125, 2.5)),
        ("head_phantom_philips/S21570/S2010", "I*", (0.451172, 0.451172, 5.0)),
        ("chest_pair_bare_header", "*.dcm", (0.625, 0.625, 1.0)),
    ],
)
def test_real_series_lie_where_simpleitk_puts_them(
    shared_data, source, out, folder, pattern, spacing
):
    paths = sorted((shared_data / folder).rglob(pattern))
    source.mkdir()
    for number, path in enumerate(paths):
        shutil.copyfile(path, source / f"{(number * 7) % 31:04d}.dcm")

    record = run(source, out)

    assert record.shape_ijk[2] == len(paths)
    assert record.spacing_ijk_mm == spacing
    assert_same_as_simpleitk(out / record.volume, paths)
    image = nibabel.Nifti1Image.from_filename(out / record.volume)
    assert "".join(nibabel.aff2axcodes(image.affine)) == "LAS"
    assert image.get_data_dtype() == np.int16


@pytest.mark.parametrize(
    ("folder", "code"),
    [
        ("gantrytilting/001", "GANTRY_TILT"),
        ("notavolume/001", "SAME_POSITION"),
        ("sliceincrement/001", "SLICE_GAP"),
        ("sliceincrement/002", "GANTRY_TILT"),
        ("slicecount/001", "UNSUPPORTED_OBJECT"),
        ("sliceorientation/001", "UNSUPPORTED_OBJECT"),
    ],
)
def test_real_bad_geometry_is_refused_by_its_code(shared_data, out, folder, code):
    assert code_of(shared_data / "geometry_bad" / folder, out) == code


def test_enhanced_ct_is_refused_by_name(shared_data, out):
    assert code_of(shared_data / "enhanced_multiframe_ct", out) == "UNSUPPORTED_OBJECT"


# --- made series


@pytest.mark.parametrize("position", list(POSITIONS))
def test_every_position_of_the_patient_is_stored_as_las(source, out, position):
    row, column = (np.array(cosines) / np.linalg.norm(cosines) for cosines in POSITIONS[position])
    column = column - (column @ row) * row
    column /= np.linalg.norm(column)
    spec = SeriesSpec(
        row_cosines=tuple(row), column_cosines=tuple(column), pixel_spacing_mm=(0.9, 0.7)
    )
    paths = write_series(source, spec, voxels_of())

    record = run(source, out)

    affine = nibabel.Nifti1Image.from_filename(out / record.volume).affine
    assert "".join(nibabel.aff2axcodes(affine)) == "LAS"
    assert_same_as_simpleitk(out / record.volume, paths)


@settings(deadline=None, max_examples=12)
@given(order=st.permutations(range(SLICES)))
def test_names_and_order_of_the_files_do_not_change_a_byte(tmp_path_factory, order):
    root = tmp_path_factory.mktemp("order")
    paths = write_series(root / "a", SeriesSpec(), voxels_of())
    (root / "b").mkdir()
    for number, k in enumerate(order):
        shutil.copyfile(paths[k], root / "b" / f"{number:02d}.dcm")
    for name in ("out_a", "out_b"):
        (root / name).mkdir()

    first, second = run(root / "a", root / "out_a"), run(root / "b", root / "out_b")

    assert first == second
    assert content_of(root / "out_a") == content_of(root / "out_b")


@pytest.mark.parametrize("syntax", list(Syntax))
def test_no_transfer_syntax_changes_a_byte(tmp_path, out, syntax):
    plain = tmp_path / "plain"
    plain.mkdir()
    write_series(tmp_path / "a", SeriesSpec(), voxels_of())
    write_series(tmp_path / "b", SeriesSpec(syntax=syntax, rescale_intercept=-1024), voxels_of())

    run(tmp_path / "a", plain)
    run(tmp_path / "b", out)

    assert content_of(plain) == content_of(out)


def test_ascending_and_descending_numbers_make_the_same_volume(tmp_path, out):
    up, down = tmp_path / "up", tmp_path / "down"
    write_series(up, SeriesSpec(instance_numbers=range(1, 13)), voxels_of())
    write_series(down, SeriesSpec(instance_numbers=range(12, 0, -1)), voxels_of())
    (tmp_path / "out_up").mkdir()

    run(up, tmp_path / "out_up")
    run(down, out)

    assert (out / "volume.nii").read_bytes() == (tmp_path / "out_up/volume.nii").read_bytes()
    assert sidecar_of(out)["instance_numbers"] == list(range(12, 0, -1))


def test_the_sidecar_says_what_the_volume_cannot(source, out):
    numbers = [*range(1, 6), None, *range(7, 13)]
    write_series(source, SeriesSpec(instance_numbers=numbers, file_name="{k}.dcm"), voxels_of())

    record = run(source, out)

    assert sidecar_of(out) == {
        "convolution_kernel": "FC07",
        "instance_numbers": numbers,
        "positions_mm": [round(-120 + 0.8 * k, 6) for k in range(SLICES)],
        "slice_thickness_mm": 1.0,
        "source_step_mm": 0.8,
    }
    assert (record.volume, record.sidecar, record.mask) == ("volume.nii", "volume.json", None)
    assert (record.public_id, record.category) == ("s0123456789ab", Category.CT_1)
    assert record.decisions[-1].rule == "volume"


def test_nothing_of_the_header_reaches_the_output(source, out):
    spec = SeriesSpec(
        patient_name="Canary^Carla",
        accession_number="CANARY-77",
        convolution_kernel="Canary, Carla!",
    )
    write_series(source, spec, voxels_of())

    record = run(source, out)

    everything = (out / "volume.nii").read_bytes().lower()
    everything += (out / "volume.json").read_bytes().lower() + repr(record).lower().encode()
    for canary in (b"canary", b"carla", b"2.25.", b"20200401", spec.patient_id.lower().encode()):
        assert canary not in everything


def test_copies_of_slices_are_used_once_and_told(source, out):
    paths = write_series(source, SeriesSpec(), voxels_of())
    shutil.copyfile(paths[3], source / "copy.dcm")
    spec = SeriesSpec(elements={"SOPInstanceUID": "2.25.1"}, file_name="other_{k}.dcm")
    write_series(source, spec, voxels_of(), only=[5])

    record = run(source, out)

    assert record.shape_ijk == (COLUMNS, ROWS, SLICES)
    (told,) = [decision for decision in record.decisions if decision.rule == "copies_of_slices"]
    assert (told.value, told.outcome) == ("2", "used once")


def test_different_slices_that_pretend_to_be_one_are_refused(source, out):
    write_series(source, SeriesSpec(), voxels_of())
    other = SeriesSpec(file_name="other_{k}.dcm")
    write_series(source, other, voxels_of(seed=1), only=[4])
    assert code_of(source, out) == "CONFLICTING_DUPLICATE"

    write_series(
        source, replace(other, elements={"SOPInstanceUID": "2.25.1"}), voxels_of(seed=1), only=[4]
    )
    assert code_of(source, out) == "SAME_POSITION"


def test_localizers_are_left_out_and_told(source, out):
    write_series(source, SeriesSpec(), voxels_of())
    scout = SeriesSpec(
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        row_cosines=(0, 1, 0),
        column_cosines=(0, 0, -1),
        file_name="scout_{k}.dcm",
        elements={"SOPInstanceUID": "2.25.7"},
    )
    write_series(source, scout, voxels_of(1))

    assert [d.rule for d in run(source, out).decisions] == ["localizers", "volume"]


def test_a_series_of_localizers_only_is_excluded(source, out):
    scout = SeriesSpec(image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"))
    write_series(source, scout, voxels_of(2))

    result = convert.work(deidentified(), ConvertSettings(), source, out)

    assert isinstance(result, Excluded)
    assert result.rule == "localizer"


def test_what_is_not_one_series_is_refused_by_its_code(source, out):
    write_series(source, SeriesSpec(), voxels_of())
    second = SeriesSpec(series_number=3, file_name="second_{k}.dcm")
    (path,) = write_series(source, second, voxels_of(), only=[0])
    assert code_of(source, out) == "MIXED_SERIES"

    path.unlink()
    first = SeriesSpec()
    lung = SeriesSpec(
        series_instance_uid=first.series_uid,
        convolution_kernel="FC51",
        first_position_lps_mm=(-175.75, -175.75, -119.6),
        elements={"SOPInstanceUID": "2.25.9"},
        file_name="lung_{k}.dcm",
    )
    write_series(source, lung, voxels_of(), only=[0])
    assert code_of(source, out) == "MIXED_KERNEL"


def test_a_gap_is_refused_even_if_it_would_not_be_seen_after_thinning(source, out):
    kept = [k for k in range(40) if not 12 <= k < 22]
    write_series(source, SeriesSpec(), voxels_of(40), only=kept)

    assert code_of(source, out) == "SLICE_GAP"


def test_tags_that_lie_about_spacing_are_not_believed(source, out):
    lies = {"SpacingBetweenSlices": 99, "SliceThickness": 7, "SliceLocation": 5}
    write_series(source, SeriesSpec(elements=lies), voxels_of())

    assert run(source, out).spacing_ijk_mm == (3.7, 3.7, 0.8)


def test_an_unreadable_slice_fails_the_study(source, out):
    paths = write_series(source, SeriesSpec(), voxels_of())
    paths[0].write_bytes(paths[0].read_bytes()[:-50])
    assert code_of(source, out) == "TRUNCATED_FILE"

    paths[0].write_bytes(b"")
    assert code_of(source, out) == "UNREADABLE_DICOM"


def test_too_few_slices_are_refused_by_the_setting(source, out):
    write_series(source, SeriesSpec(), voxels_of())

    assert code_of(source, out, minimum_slices=13) == "TOO_FEW_SLICES"
    assert code_of(source / "nothing", out) == "TOO_FEW_SLICES"


# --- masks


def save_mask(source, out, tmp_path, *, kept=None, every=1, kind=np.uint8, flip=True, shift=0.0):
    """A mask drawn on (a part of) the volume, saved by nibabel in another orientation."""
    (tmp_path / "drawn").mkdir()
    run(source, tmp_path / "drawn")
    volume = read_volume(tmp_path / "drawn/volume.nii")
    ks = list(range(SLICES)) if kept is None else kept
    marked = (volume.voxels_hu[:, :, ks] > 0).astype(kind)
    affine = affine_of_slices(volume.affine_ras, ks, every=every)
    affine[0, 3] += shift
    image = nibabel.Nifti1Image(marked, affine)
    if flip:
        image = nibabel.as_closest_canonical(image)
    image.to_filename(source / "mask.nii.gz")
    return marked


@pytest.mark.parametrize("kind", [np.uint8, np.float32])
@pytest.mark.parametrize("flip", [True, False])
def test_a_mask_on_the_full_grid_gets_the_grid_of_its_image(source, out, tmp_path, kind, flip):
    write_series(source, SeriesSpec(), voxels_of())
    marked = save_mask(source, out, tmp_path, kind=kind, flip=flip, shift=0.03)

    record = run(source, out, mask="mask.nii.gz")

    volume, mask = read_volume(out / record.volume), read_mask(out / record.mask)
    assert np.array_equal(mask.marked, marked)
    assert np.array_equal(mask.affine_ras, volume.affine_ras)
    assert nibabel.Nifti1Image.from_filename(out / record.mask).get_data_dtype() == np.int16
    assert record.decisions[-1].outcome == "lies on the full grid"


@pytest.mark.parametrize(("kept", "every"), [([1, 6, 11], 5), ([4], 10)])
def test_a_mask_on_a_thinned_grid_stays_on_it(source, out, tmp_path, kept, every):
    write_series(source, SeriesSpec(), voxels_of())
    marked = save_mask(source, out, tmp_path, kept=kept, every=every)

    record = run(source, out, mask="mask.nii.gz")

    mask = read_mask(out / record.mask)
    assert np.array_equal(mask.marked, marked)
    assert mask.affine_ras[2, 2] == pytest.approx(0.8 * every, abs=1e-4)
    assert mask.affine_ras[2, 3] == pytest.approx(-120 + 0.8 * kept[0], abs=1e-4)
    assert record.decisions[-1].value.startswith(f"{len(kept)} of 12 slices")


def test_masks_beside_their_image_or_with_other_values_are_refused(source, out, tmp_path):
    write_series(source, SeriesSpec(), voxels_of())
    save_mask(source, out, tmp_path, shift=0.06)
    assert code_of(source, out, mask="mask.nii.gz") == "MASK_OFF_GRID"


def test_a_mask_with_two_labels_is_refused(source, out, tmp_path):
    write_series(source, SeriesSpec(), voxels_of())
    marked = save_mask(source, out, tmp_path)
    image = nibabel.Nifti1Image.from_filename(source / "mask.nii.gz")
    two = nibabel.Nifti1Image(np.asanyarray(image.dataobj) * 2, image.affine)
    two.to_filename(source / "mask.nii.gz")
    assert marked.any()
    assert code_of(source, out, mask="mask.nii.gz") == "MASK_NOT_BINARY"

    (source / "mask.nii.gz").write_bytes(b"junk")
    assert code_of(source, out, mask="mask.nii.gz") == "UNREADABLE_MASK"


# --- plain folders


def names_of(items):
    return [item.name for item in items]


def test_found_series_are_named_as_their_folders(tmp_path):
    root = tmp_path / "IN"
    write_series(root, SeriesSpec(accession_number="A"), voxels_of(2))
    write_series(root / "a/b", SeriesSpec(accession_number="B", series_number=3), voxels_of(2))
    write_series(
        root / "a/b",
        SeriesSpec(accession_number="B", series_number=2, file_name="x{k}"),
        voxels_of(2),
    )
    spread = SeriesSpec(accession_number="C")
    write_series(root / "c/1", spread, voxels_of(4), only=[0, 1])
    write_series(root / "c/2", spread, voxels_of(4), only=[2, 3])
    write_series(root / "a/b_1", SeriesSpec(accession_number="D"), voxels_of(2))

    items = convert.find(root)

    assert names_of(items) == ["IN", "a/b_1", "a/b_2", "a/b_1_2", "c"]
    assert sorted(path for item in items for path in item.files) == sorted(
        path for path in root.rglob("*") if path.is_file()
    )


def test_every_file_is_in_one_item_and_junk_is_told(tmp_path, out):
    root = tmp_path / "IN"
    (slice_path, *_) = write_series(root / "a", SeriesSpec(), voxels_of())
    (root / "a/notes.txt").write_text("hello")
    (root / "a/.DS_Store").write_bytes(b"")
    (root / "a/cut.dcm").write_bytes(slice_path.read_bytes()[:200])
    (root / "a/no_preamble").write_bytes(slice_path.read_bytes()[132:])
    (root / "a/link.dcm").symlink_to(slice_path)
    (root / "a/loop").symlink_to(root)

    items = {item.name: item for item in convert.find(root)}

    assert sorted(items) == ["a", "a/other-files", "a/unreadable-files"]
    assert sum(len(item.files) for item in items.values()) == SLICES + 6
    excluded = convert.work_plain(items["a/other-files"], ConvertSettings(), out)
    assert isinstance(excluded, Excluded)
    assert "notes.txt (not DICOM)" in excluded.reason
    assert "loop (a symbolic link)" in excluded.reason
    with pytest.raises(ItemError, match="no_preamble") as caught:
        convert.work_plain(items["a/unreadable-files"], ConvertSettings(), out)
    assert caught.value.code == "UNREADABLE_DICOM"


def test_screenshots_and_other_modalities_are_excluded_by_what_they_are(shared_data, out):
    for folder, named in (
        ("head_phantom_philips/S21570/S4010", "Secondary Capture Image Storage"),
        ("geometry_bad/slicecount/001", "MR Image Storage"),
    ):
        (item,) = convert.find(shared_data / folder)
        result = convert.work_plain(item, ConvertSettings(), out)

        assert isinstance(result, Excluded)
        assert named in result.reason


def test_a_plain_series_gives_the_voxels_of_the_stage(tmp_path, out):
    root = tmp_path / "IN"
    write_series(root / "a/b", SeriesSpec(), voxels_of())
    (item,) = convert.find(root)

    record = convert.work_plain(item, ConvertSettings(), out)
    stage = tmp_path / "stage"
    stage.mkdir()
    run(root / "a/b", stage)

    assert (record.volume, record.sidecar) == ("a/b.nii.gz", "a/b.json")
    with (
        open_packed(out / "a/b.nii.gz") as (ours, _),
        open_packed(stage / "volume.nii") as (
            theirs,
            _,
        ),
    ):
        assert ours.read() == theirs.read()
    assert (out / "a/b.json").read_bytes() == (stage / "volume.json").read_bytes()


def test_the_whole_of_the_real_data_converts_or_is_refused_without_a_traceback(
    shared_data, tmp_path
):
    items = convert.find(shared_data / "seg_rtstruct") + convert.find(shared_data / "corrupt_fuzz")
    outcomes = []
    for number, item in enumerate(items):
        (tmp_path / str(number)).mkdir()
        try:
            result = convert.work_plain(item, ConvertSettings(), tmp_path / str(number))
        except ItemError as error:
            outcomes.append(error.code)
        else:
            outcomes.append(type(result).__name__)

    assert {"Converted", "Excluded", "UNREADABLE_DICOM"} <= set(outcomes)
    assert sum(len(item.files) for item in items) == sum(
        path.is_file()
        for folder in ("seg_rtstruct", "corrupt_fuzz")
        for path in (shared_data / folder).rglob("*")
    )
