"""Masks as readers draw them, SEG and RTSTRUCT, against other programs' and hand-made truth."""

import copy
import math
import shutil
from dataclasses import replace
from functools import partial

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate

from pipelines.core.drawing import enclosed
from pipelines.core.errors import CodedError, ItemError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.faults import FAULTS
from pipelines.io.mask_files import bring_mask
from pipelines.io.nifti import read_mask
from pipelines.io.segmentation import LABEL_MAP_STORAGE, SEGMENTATION_STORAGE
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.drawings import SYNTAXES, item, one, save, segmentation, structure_set
from tests.test_io_frames import enhanced

SLICES = 6
SPEC = replace(SeriesSpec(), instance_numbers=tuple(range(1, SLICES + 1)))
ROWS, COLUMNS = 24, 32
VOXELS_HU = np.zeros((SLICES, ROWS, COLUMNS), dtype=np.int16)


@pytest.fixture
def series(tmp_path):
    folder = tmp_path / "series"
    write_series(folder, SPEC, VOXELS_HU)
    for path in sorted(folder.iterdir()):
        path.rename(path.with_suffix(".dcm"))
    return folder


@pytest.fixture
def slices(series):
    read = [pydicom.dcmread(path) for path in series.iterdir()]
    return sorted(read, key=lambda one: float(one.ImagePositionPatient[2]))


def brought(path, series, **settings):
    target = series.parent / f"mask-{len(list(series.parent.glob('mask-*')))}"
    made = bring_mask(path, series, ExportSettings(**settings), target)
    return read_mask(target.with_name(made.file)), made.decisions


def refused(path, series, **settings):
    with pytest.raises(CodedError) as error:
        brought(path, series, **settings)
    assert error.value.code in FAULTS
    assert error.value.hint
    return error.value.code


def in_order(series):
    """The files of a series from the feet up, each with its place."""
    heights = {path: pydicom.dcmread(path).ImagePositionPatient[2] for path in series.iterdir()}
    return list(enumerate(sorted(heights, key=heights.__getitem__)))


def kji(mask):
    """The mask as DICOM has it, [k, row, column]: LAS has its rows turned."""
    return mask.marked.transpose(2, 1, 0)[:, ::-1, :].astype(bool)


def blobs(seed=1, planes=SLICES):
    return np.random.default_rng(seed).random((planes, ROWS, COLUMNS)) > 0.7


# --- segmentations


# Bits are never compressed frame by frame (PS3.5 8.2)
@pytest.mark.parametrize(
    ("kind", "syntax"),
    [("BINARY", "plain"), ("BINARY", "deflated"), *(("FRACTIONAL", one) for one in SYNTAXES)],
)
def test_frames_lie_where_they_say_in_whatever_order_they_come(
    tmp_path, series, slices, kind, syntax
):
    truth = blobs()
    truth[2] = False
    order = [4, 0, 5, 1, 3]
    stored = truth * (200 if kind == "FRACTIONAL" else 1)
    planes = [(slices[k], 1, stored[k]) for k in order]
    path = save(segmentation(slices, planes, kind=kind, syntax=syntax), tmp_path / "seg.dcm")

    mask, [decision] = brought(path, series)

    np.testing.assert_array_equal(kji(mask), truth)
    assert decision.value == "segmentation of 5 frames"
    assert decision.outcome == f"{truth.sum()} voxels on 5 of 6 slices"


def test_bits_of_a_frame_start_and_end_anywhere_in_a_byte(tmp_path, series, slices):
    truth = np.zeros((SLICES, ROWS, COLUMNS), dtype=bool)
    truth[:, :7, :9] = blobs()[:, :7, :9]
    planes = [(slices[k], 1, truth[k, :7, :9]) for k in range(SLICES)]
    seg = segmentation(slices, planes)

    mask, _ = brought(save(seg, tmp_path / "seg.dcm"), series)

    np.testing.assert_array_equal(kji(mask), truth)
    # Each frame filled up to a whole byte: no library could tell where the next one starts
    seg.PixelData = b"".join(np.packbits(p, bitorder="little").tobytes() for *_, p in planes) * 2
    assert refused(save(seg, tmp_path / "filled.dcm"), series) == "BAD_PIXELS"


@pytest.mark.parametrize("sop_class", [SEGMENTATION_STORAGE, LABEL_MAP_STORAGE])
def test_a_label_map_has_the_number_of_a_segment_in_each_pixel(tmp_path, series, slices, sop_class):
    labels = np.random.default_rng(2).integers(0, 3, (SLICES, ROWS, COLUMNS))
    planes = [(slices[k], 1, labels[k]) for k in range(SLICES)]
    seg = segmentation(slices, planes, kind="LABELMAP", labels=("A", "B"))
    seg.SOPClassUID, seg.PhotometricInterpretation = sop_class, "PALETTE COLOR"
    seg.SegmentSequence.append(item(SegmentNumber=0, SegmentLabel="Background"))
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.SegmentIdentificationSequence
    path = save(seg, tmp_path / "seg.dcm")

    np.testing.assert_array_equal(kji(brought(path, series, mask_labels=("B",))[0]), labels == 2)
    np.testing.assert_array_equal(kji(brought(path, series, mask_labels=("%",))[0]), labels > 0)


def test_a_segmentation_and_a_structure_set_may_mark_the_frames_of_an_enhanced_image(
    tmp_path, series, slices
):
    frames = [path for _, path in sorted((k * 5 % SLICES, path) for k, path in in_order(series))]
    image = tmp_path / "multi-frame/a.dcm"
    uid = pydicom.dcmread(enhanced(frames, image)).SOPInstanceUID
    planes = [(copy.copy(slices[k]), 1, blobs()[k]) for k in range(SLICES)]
    for where, *_ in planes:
        where.SOPInstanceUID = uid
    square = in_patient(slices, 3, rectangle(4.5, 2.5, 14.5, 9.5))
    contours = save(structure_set(slices, [(1, square)]), tmp_path / "rt.dcm")

    marked, _ = brought(save(segmentation(slices, planes), tmp_path / "seg.dcm"), image.parent)
    enclosed, _ = brought(contours, image.parent)

    np.testing.assert_array_equal(kji(marked), blobs())
    assert kji(enclosed)[3, 3:10, 5:15].sum() == kji(enclosed).sum() == 70


@pytest.mark.parametrize("threshold", [0.0, 0.25, 0.5, 1.0])
def test_what_reaches_the_threshold_is_marked(tmp_path, series, slices, threshold):
    stored = np.random.default_rng(3).integers(0, 201, (ROWS, COLUMNS))
    seg = segmentation(slices, [(slices[2], 1, stored)], kind="FRACTIONAL")

    mask, _ = brought(save(seg, tmp_path / "seg.dcm"), series, mask_threshold=threshold)

    np.testing.assert_array_equal(kji(mask)[2], (stored >= threshold * 200) & (stored > 0))


def test_of_several_segments_the_named_ones_are_united(tmp_path, series, slices):
    one, other, third = blobs(1), blobs(2), blobs(3)
    planes = [
        (slices[k], number, marked[k])
        for number, marked in enumerate((one, other, third), start=1)
        for k in range(SLICES)
    ]
    seg = segmentation(slices, planes, labels=("Ground glass", "Lung", "Consolidation"))
    path = save(seg, tmp_path / "seg.dcm")

    by_name, _ = brought(path, series, mask_labels=("ground%", "CONSOLIDATION"))
    by_number, _ = brought(path, series, mask_labels=("2",))

    np.testing.assert_array_equal(kji(by_name), one | third)
    np.testing.assert_array_equal(kji(by_number), other)
    assert refused(path, series) == "MASK_LABELS"
    assert refused(path, series, mask_labels=("Liver",)) == "MASK_LABELS"


def test_a_part_of_the_plane_is_put_where_it_belongs(tmp_path, series, slices):
    small = blobs()[0, :8, :10]
    seg = segmentation(slices, [(slices[1], 1, small)])
    between_rows, between_columns = map(float, slices[1].PixelSpacing)
    x, y, z = map(float, slices[1].ImagePositionPatient)
    corner = [x + 5 * between_columns, y + 7 * between_rows, z]
    position = seg.PerFrameFunctionalGroupsSequence[0].PlanePositionSequence[0]
    position.ImagePositionPatient = [f"{value:.8g}" for value in corner]

    mask, _ = brought(save(seg, tmp_path / "seg.dcm"), series)

    truth = np.zeros((SLICES, ROWS, COLUMNS), dtype=bool)
    truth[1, 7:15, 5:15] = small
    np.testing.assert_array_equal(kji(mask), truth)


@pytest.mark.parametrize("moved", [(0, 0, 0.4), (0.3, 0, 0), (0, 0, 90), (500, 0, 0)])
def test_a_marked_frame_on_no_slice_is_refused_and_an_empty_one_is_not(
    tmp_path, series, slices, moved
):
    planes = [(slices[1], 1, blobs()[1]), (slices[2], 1, blobs()[2])]
    seg = segmentation(slices, planes)
    position = seg.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0]
    there = np.array(slices[2].ImagePositionPatient, dtype=float) + moved
    position.ImagePositionPatient = [f"{value:.8g}" for value in there]

    assert refused(save(seg, tmp_path / "seg.dcm"), series) == "MASK_OFF_SLICES"
    planes[1] = (*planes[1][:2], np.zeros((ROWS, COLUMNS)))
    empty = segmentation(slices, planes)
    empty.PerFrameFunctionalGroupsSequence[1].PlanePositionSequence[0] = position
    mask, _ = brought(save(empty, tmp_path / "empty.dcm"), series)
    np.testing.assert_array_equal(kji(mask)[1], blobs()[1])


def test_a_segmentation_of_another_image_is_refused(tmp_path, series, slices):
    others = [pydicom.Dataset(one) for one in slices]
    for number, other in enumerate(others):
        other.SOPInstanceUID, other.FrameOfReferenceUID = f"2.25.{number}", "2.25.99"
    seg = segmentation(others, [(others[1], 1, blobs()[1])])

    assert refused(save(seg, tmp_path / "seg.dcm"), series) == "MASK_OTHER_IMAGE"


def without_segments_of_frames(seg):
    for groups in seg.PerFrameFunctionalGroupsSequence:
        del groups.SegmentIdentificationSequence


def of_a_segment_without_name(seg):
    groups = seg.PerFrameFunctionalGroupsSequence[0]
    groups.SegmentIdentificationSequence = one(ReferencedSegmentNumber=7)


def two_of_one_number(seg):
    seg.SegmentSequence.append(item(SegmentNumber=1, SegmentLabel="Lung"))


def says(**elements):
    def tell(seg):
        for keyword, value in elements.items():
            setattr(seg, keyword, value)

    return tell


def compressed(syntax, **how):
    """The marks as another frame than the header describes."""

    def tell(seg):
        seg.file_meta.TransferSyntaxUID = f"1.2.840.10008.1.2.4.{syntax}"
        frame = np.zeros((how.get("rows", ROWS), COLUMNS), dtype=np.uint8)
        coded = {
            50: partial(imagecodecs.jpeg8_encode, frame, level=90),
            80: partial(imagecodecs.jpegls_encode, frame),
            81: partial(imagecodecs.jpegls_encode, frame, level=3),
            102: lambda: b"a film of marks",
        }[syntax]()
        seg.PixelData = encapsulate([coded])
        seg["PixelData"].VR = "OB"

    return tell


@pytest.mark.parametrize(
    ("lie", "code"),
    [
        (says(NumberOfFrames=9), "BAD_ATTRIBUTE"),
        (says(Rows=60000, Columns=60000), "BAD_ATTRIBUTE"),
        (says(SegmentationType="SURFACE"), "UNSUPPORTED_OBJECT"),
        (says(SegmentSequence=None), "MASK_LABELS"),
        (says(PerFrameFunctionalGroupsSequence=None), "MISSING_ATTRIBUTE"),
        (says(SegmentationType="FRACTIONAL", MaximumFractionalValue=0), "BAD_ATTRIBUTE"),
        (without_segments_of_frames, "MISSING_ATTRIBUTE"),
        (of_a_segment_without_name, "BAD_ATTRIBUTE"),
        (two_of_one_number, "BAD_ATTRIBUTE"),
        (compressed(50), "LOSSY_PIXELS"),
        (compressed(81), "LOSSY_PIXELS"),
        (compressed(80, rows=ROWS + 1), "BAD_PIXELS"),
        (compressed(102), "UNSUPPORTED_SYNTAX"),
    ],
)
def test_a_segmentation_that_lies_is_refused_by_code(tmp_path, series, slices, lie, code):
    seg = segmentation(slices, [(slices[1], 1, blobs()[1])])
    lie(seg)

    assert refused(save(seg, tmp_path / "seg.dcm"), series) == code


CUT_OFF = {"UNREADABLE_DICOM", "UNREADABLE_MASK", "MISSING_ATTRIBUTE", "BAD_PIXELS"}


def test_a_segmentation_that_is_cut_off_is_refused(tmp_path, series, slices):
    path = save(segmentation(slices, [(slices[1], 1, blobs()[1])]), tmp_path / "seg.dcm")
    content = path.read_bytes()
    for length in range(0, len(content) - 1, 97):
        path.write_bytes(content[:length])
        assert refused(path, series) in CUT_OFF


def test_a_ct_slice_is_no_mask(tmp_path, series):
    path = next(series.iterdir())

    assert refused(shutil.copy(path, tmp_path / "seg.dcm"), series) == "UNREADABLE_MASK"


# --- contours


def in_patient(slices, k, points):
    """LPS mm of points (column, row) on slice k."""
    x, y, z = map(float, slices[k].ImagePositionPatient)
    between_rows, between_columns = map(float, slices[k].PixelSpacing)
    return [(x + c * between_columns, y + r * between_rows, z) for c, r in points]


def rectangle(left, top, right, bottom):
    return [(left, top), (right, top), (right, bottom), (left, bottom)]


def drawn(tmp_path, series, slices, *contours, **how):
    in_lps = [(1, in_patient(slices, k, points)) for k, points in contours]
    return brought(save(structure_set(slices, in_lps, **how), tmp_path / "rt.dcm"), series)[0]


def test_what_a_contour_encloses_is_marked_on_its_slice_alone(tmp_path, series, slices):
    mask = drawn(tmp_path, series, slices, (3, rectangle(4.5, 2.5, 14.5, 9.5)))

    truth = np.zeros((SLICES, ROWS, COLUMNS), dtype=bool)
    truth[3, 3:10, 5:15] = True
    np.testing.assert_array_equal(kji(mask), truth)


def test_a_contour_within_another_is_a_hole_and_a_keyhole_is_one_too(tmp_path, series, slices):
    outer, inner = rectangle(2.5, 2.5, 20.5, 20.5), rectangle(8.5, 8.5, 12.5, 12.5)
    keyhole = [*outer, outer[0], inner[0], *inner[:0:-1], inner[0]]
    ring = drawn(tmp_path, series, slices, (2, outer), (2, inner))
    cut = drawn(tmp_path, series, slices, (2, keyhole))

    assert kji(ring)[2].sum() == 18 * 18 - 4 * 4
    np.testing.assert_array_equal(ring.marked, cut.marked)


def test_a_contour_that_is_there_twice_is_there_once(tmp_path, series, slices):
    square = rectangle(2.5, 2.5, 10.5, 10.5)
    turned = [*square[2:], *square[:2]]

    once = drawn(tmp_path, series, slices, (1, square))
    twice = drawn(tmp_path, series, slices, (1, square), (1, turned[::-1]))

    np.testing.assert_array_equal(once.marked, twice.marked)


def test_a_circle_has_the_area_of_a_circle(tmp_path, series, slices):
    turns = np.linspace(0, 2 * math.pi, 400, endpoint=False)
    circle = [(15 + 9 * math.cos(t), 12 + 9 * math.sin(t)) for t in turns]

    mask = drawn(tmp_path, series, slices, (4, circle))

    assert kji(mask)[4].sum() == pytest.approx(math.pi * 81, rel=0.02)


def test_several_structures_are_united_not_cancelled(tmp_path, series, slices):
    both = [(1, rectangle(2.5, 2.5, 10.5, 10.5)), (2, rectangle(5.5, 5.5, 15.5, 15.5))]
    contours = [(number, in_patient(slices, 0, points)) for number, points in both]
    path = save(structure_set(slices, contours, names=("A", "B")), tmp_path / "rt.dcm")

    mask, _ = brought(path, series, mask_labels=("%",))

    assert kji(mask)[0].sum() == 64 + 100 - 25
    assert refused(path, series) == "MASK_LABELS"


def test_contours_of_one_structure_count_wherever_they_stand(tmp_path, series, slices):
    square = rectangle(2.5, 2.5, 10.5, 10.5)
    contours = [(number, in_patient(slices, number, square)) for number in (1, 2)]
    drawing = structure_set(slices, contours, names=("A", "B"))
    del drawing.StructureSetROISequence[1]
    drawing.ROIContourSequence[1].ReferencedROINumber = 1

    mask, _ = brought(save(drawing, tmp_path / "rt.dcm"), series)

    assert kji(mask)[1].sum() == kji(mask)[2].sum() == 64


@pytest.mark.parametrize("numbers", [(1, 1), (1, 9)], ids=["named twice", "not named"])
def test_contours_whose_structure_nobody_can_tell_are_refused(tmp_path, series, slices, numbers):
    square = in_patient(slices, 1, rectangle(2.5, 2.5, 10.5, 10.5))
    drawing = structure_set(slices, [(1, square), (2, square)], names=("A", "B"))
    for roi, number in zip(drawing.StructureSetROISequence, numbers, strict=True):
        roi.ROINumber = number

    assert refused(save(drawing, tmp_path / "rt.dcm"), series) == "BAD_ATTRIBUTE"


def test_a_closed_contour_of_two_points_is_told_and_not_drawn(tmp_path, series, slices):
    contours = [rectangle(2.5, 2.5, 10.5, 10.5), [(3, 3), (9, 9)], [(5, 5)]]
    drawing = structure_set(slices, [(1, in_patient(slices, 1, points)) for points in contours])

    mask, decisions = brought(save(drawing, tmp_path / "rt.dcm"), series)

    assert kji(mask)[1].sum() == 64
    assert decisions[0].value == "2 contours"


@pytest.mark.parametrize(
    ("moved", "code"), [(0.05, None), (0.3, "MASK_OFF_SLICES"), (500, "MASK_OFF_SLICES")]
)
def test_a_contour_between_slices_is_refused(tmp_path, series, slices, moved, code):
    points = [(x, y, z + moved) for x, y, z in in_patient(slices, 1, rectangle(2, 2, 8, 8))]
    path = save(structure_set(slices, [(1, points)]), tmp_path / "rt.dcm")

    if code is None:
        assert kji(brought(path, series)[0])[1].any()
    else:
        assert refused(path, series) == code


def test_a_contour_out_of_plane_is_refused_and_an_open_line_is_told(tmp_path, series, slices):
    points = in_patient(slices, 1, rectangle(2, 2, 8, 8))
    tilted = [(x, y, z + index) for index, (x, y, z) in enumerate(points)]
    path = save(structure_set(slices, [(1, tilted)]), tmp_path / "rt.dcm")
    assert refused(path, series) == "MASK_NOT_PLANAR"

    line = save(structure_set(slices, [(1, points)], kinds="OPEN_PLANAR"), tmp_path / "line.dcm")
    mask, decisions = brought(line, series)

    assert not mask.marked.any()
    assert decisions[0].outcome == "left out: they enclose nothing"


def test_a_structure_set_of_another_image_is_refused(tmp_path, series, slices):
    points = in_patient(slices, 1, rectangle(2, 2, 8, 8))
    path = save(structure_set(slices, [(1, points)], refers=False), tmp_path / "rt.dcm")

    assert refused(path, series) == "MASK_OTHER_IMAGE"


@pytest.mark.parametrize("data", [["1", "2"], ["1", "2", "1e9"], []])
def test_contours_that_are_no_points_are_refused(tmp_path, series, slices, data):
    points = in_patient(slices, 1, rectangle(2, 2, 8, 8))
    dataset = structure_set(slices, [(1, points)])
    dataset.ROIContourSequence[0].ContourSequence[0].ContourData = data

    assert refused(save(dataset, tmp_path / "rt.dcm"), series) == "BAD_ATTRIBUTE"


corners = st.tuples(st.floats(-3, 15), st.floats(-3, 13))


def crossed(polygon, x, y):
    """Whether a ray to the left from (x, y) crosses the polygon's edges an odd number of times."""
    inside = False
    for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True):
        if (y1 <= y) != (y2 <= y):
            inside ^= x1 + (y - y1) / (y2 - y1) * (x2 - x1) <= x
    return inside


@given(st.lists(st.lists(corners, min_size=3, max_size=9), min_size=1, max_size=3))
def test_what_is_enclosed_is_what_a_ray_leaves_an_odd_number_of_times(polygons):
    marked = enclosed([np.array(polygon) for polygon in polygons], (12, 10))

    for i in range(12):
        for j in range(10):
            odd = sum(crossed(polygon, i, j) for polygon in polygons) % 2
            near = any(
                abs(x1 + (j - y1) / (y2 - y1) * (x2 - x1) - i) < 1e-6
                for polygon in polygons
                for (x1, y1), (x2, y2) in zip(polygon, [*polygon[1:], polygon[0]], strict=True)
                if (y1 <= j) != (y2 <= j)
            )
            assert near or marked[i, j] == odd


# --- NIfTI with labels


def test_labels_of_a_nifti_mask_are_chosen_by_number(tmp_path, series):
    image = SimpleITK.GetImageFromArray(np.arange(4, dtype=np.float32).reshape(1, 2, 2) + 0)
    path = tmp_path / "labels.nii.gz"
    SimpleITK.WriteImage(image, str(path))

    mask, _ = brought(path, series, mask_labels=("2", "3"))

    assert mask.marked.sum() == 2
    with pytest.raises(ItemError) as error:
        brought(path, series)
    assert error.value.code == "MASK_NOT_BINARY"


# --- real files

REAL = [
    ("liver.dcm", "ct-3slice", (), [("liver_seg.nrrd", 1)]),
    (
        "partial_overlaps.dcm",
        "ct-3slice",
        ("GREEN", "ORANGE"),
        [("partial_overlaps-1.nrrd", 1), ("partial_overlaps-2.nrrd", 2)],
    ),
    ("24x38x3/seg/label.seg", "24x38x3/image", (), [("24x38x3/nrrd/label.nrrd", 1)]),
    ("23x38x3/seg/label.seg", "23x38x3/image", (), [("23x38x3/nrrd/label.nrrd", 1)]),
    ("sparse-labelmap-noppv.dcm", "24x38x3/image", (), [("sparse_labelmap_noppv_seg.nrrd", 1)]),
    ("sparse-labelmap-ppv5.dcm", "24x38x3/image", (), [("sparse_labelmap_noppv_seg.nrrd", 1)]),
]


def real_series(folder, tmp_path):
    series = tmp_path / "series-of-real-slices"
    series.mkdir()
    for path in sorted(
        [*folder.glob("IMG*.dcm"), *folder.glob("0*.dcm"), *folder.glob("ct_*.dcm")]
    ):
        shutil.copy(path, series / path.name)
    return series


@pytest.mark.parametrize(("seg", "ct", "labels", "nrrds"), REAL, ids=[one[0] for one in REAL])
def test_real_segmentations_are_those_of_dcmqi_voxel_by_voxel(
    shared_data, tmp_path, seg, ct, labels, nrrds
):
    folder = shared_data / "seg_rtstruct" / "dcmqi"
    series = real_series(folder / ct, tmp_path)

    mask, _ = brought(folder / seg, series, mask_labels=labels)

    truth = np.zeros(mask.marked.shape[::-1], dtype=bool)
    for name, label in nrrds:
        image = SimpleITK.ReadImage(str(folder / name))
        voxels = SimpleITK.GetArrayFromImage(image) == label
        truth |= voxels if image.GetDirection()[8] > 0 else voxels[::-1]
    np.testing.assert_array_equal(kji(mask), truth)


@pytest.mark.parametrize(
    ("name", "labels", "code"),
    [
        ("invalid_reference_rt.dcm", ("ROI-1",), "MASK_OFF_SLICES"),
        ("invalid_reference_rt.dcm", (), "MASK_LABELS"),
        ("non_existent_reference_rt.dcm", ("ROI-2",), "MASK_OFF_SLICES"),
    ],
)
def test_real_structure_sets_that_leave_the_image_are_refused(
    shared_data, tmp_path, name, labels, code
):
    folder = shared_data / "seg_rtstruct" / "rt-utils"

    assert refused(folder / name, real_series(folder, tmp_path), mask_labels=labels) == code


def test_a_real_structure_set_encloses_what_its_polygons_do(shared_data, tmp_path):
    folder = shared_data / "seg_rtstruct" / "rt-utils"
    structures = pydicom.dcmread(folder / "rt.dcm")
    slices = [pydicom.dcmread(folder / f"ct_{number}.dcm") for number in (1, 2)]
    mask, _ = brought(folder / "rt.dcm", real_series(folder, tmp_path))

    x, y, _ = map(float, slices[0].ImagePositionPatient)
    between_rows, between_columns = map(float, slices[0].PixelSpacing)
    truth = np.zeros((512, 512), dtype=bool)
    for contour in structures.ROIContourSequence[0].ContourSequence:
        points = np.array(contour.ContourData, dtype=float).reshape(-1, 3)
        polygon = ((points[:, :2] - (x, y)) / (between_columns, between_rows)).tolist()
        (left, top), (right, bottom) = np.floor(np.min(polygon, 0)), np.ceil(np.max(polygon, 0))
        for row in range(int(top), int(bottom) + 1):
            for column in range(int(left), int(right) + 1):
                truth[row, column] ^= crossed(polygon, column, row)
    np.testing.assert_array_equal(kji(mask)[0], truth)
    assert truth.any()
    assert not kji(mask)[1].any()
