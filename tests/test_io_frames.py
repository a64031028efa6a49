"""Enhanced CT: each frame is a slice with its own place and rescale, or the image is refused."""

import copy
import json
import shutil
from functools import partial
from itertools import pairwise

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate, encapsulate_extended
from pydicom.uid import JPEG2000Lossless

from pipelines.core.errors import DicomError
from pipelines.core.survey import survey
from pipelines.io.headers import read_headers
from pipelines.io.pixels import decode, refuse_by_header
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.workspaces import contents, mosmed, mosmed_json

GROUPS = {
    "PlanePositionSequence": ("ImagePositionPatient",),
    "PlaneOrientationSequence": ("ImageOrientationPatient",),
    "PixelMeasuresSequence": ("PixelSpacing", "SliceThickness"),
    "PixelValueTransformationSequence": ("RescaleSlope", "RescaleIntercept"),
    "CTReconstructionSequence": ("ConvolutionKernel",),
}
SHARED = ("PlaneOrientationSequence", "PixelMeasuresSequence", "CTReconstructionSequence")


def groups_of(slice_, names):
    made = pydicom.Dataset()
    for name in names:
        item = pydicom.Dataset()
        for keyword in GROUPS[name]:
            setattr(item, keyword, slice_.get(keyword))
        setattr(made, name, [item])
    return made


def enhanced(paths, path, edit=lambda _: None):
    """One Enhanced CT image of single slices, whose frames come in the order of `paths`."""
    slices = [pydicom.dcmread(one) for one in paths]
    image = pydicom.dcmread(paths[0])
    for keywords in GROUPS.values():
        for keyword in keywords:
            delattr(image, keyword)
    image.SOPClassUID = image.file_meta.MediaStorageSOPClassUID = "1.2.840.10008.5.1.4.1.1.2.1"
    image.NumberOfFrames = len(slices)
    image.SharedFunctionalGroupsSequence = [groups_of(slices[0], SHARED)]
    image.PerFrameFunctionalGroupsSequence = []
    for slice_ in slices:
        group = groups_of(slice_, GROUPS.keys() - set(SHARED))
        content, kind = pydicom.Dataset(), pydicom.Dataset()
        content.StackID, content.InStackPositionNumber = "1", slice_.InstanceNumber
        kind.FrameType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        group.FrameContentSequence, group.CTImageFrameTypeSequence = [content], [kind]
        image.PerFrameFunctionalGroupsSequence.append(group)
    image.PixelData = b"".join(slice_.PixelData for slice_ in slices)
    edit(image)
    path.parent.mkdir(exist_ok=True)
    image.save_as(path)
    return path


@pytest.fixture
def paths(tmp_path):
    voxels = np.random.default_rng(3).integers(-1000, 1000, (24, 18, 16)).astype(np.int16)
    return write_series(tmp_path / "single/a", SeriesSpec(), voxels)


def in_jpeg_2000(image, **how):
    """Compress the frames; pydicom cuts them into fragments and writes the table of offsets."""
    shape = (image.NumberOfFrames, image.Rows, image.Columns)
    frames = np.frombuffer(image.PixelData, "<u2" if not image.PixelRepresentation else "<i2")
    coded = [imagecodecs.jpeg2k_encode(one, level=0, codecformat="j2k", reversible=True)
             for one in frames.reshape(shape)]  # fmt: skip
    image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    image.PixelData = encapsulate(coded, **how)
    return coded


def with_extended_offsets(image):
    coded = in_jpeg_2000(image)
    tables = encapsulate_extended(coded)
    image.PixelData, image.ExtendedOffsetTable, image.ExtendedOffsetTableLengths = tables


def in_fragments_without_table(image):
    in_jpeg_2000(image, fragments_per_frame=3, has_bot=False)


def with_a_stale_table(image):
    """As an archive leaves it that compresses the frames anew: it points between fragments."""
    in_jpeg_2000(image)
    image.PixelData = image.PixelData[:12] + b"\x22\0\0\0" + image.PixelData[16:]


def with_a_table_in_reverse(image):
    in_jpeg_2000(image)
    offsets = np.frombuffer(image.PixelData[8 : 8 + 4 * image.NumberOfFrames], "<u4")
    content = image.PixelData[8 + 4 * image.NumberOfFrames :]
    image.PixelData = image.PixelData[:8] + offsets[::-1].tobytes() + content


@pytest.mark.parametrize(
    "edit",
    [
        lambda _: None,
        in_jpeg_2000,
        partial(in_jpeg_2000, has_bot=False),
        partial(in_jpeg_2000, fragments_per_frame=3),
        with_extended_offsets,
        with_a_stale_table,
    ],
    ids=["native", "table", "no table", "fragments", "extended table", "stale table"],
)
@pytest.mark.parametrize("options", [(), ("--thin",)], ids=["all", "thinned"])
def test_frames_in_any_order_make_the_volume_of_their_slices(paths, tmp_path, edit, options):
    enhanced([*paths[7:], *paths[:7]], tmp_path / "multi/a.dcm", edit)
    for kind in ("single/a", "multi"):
        done = mosmed("convert", tmp_path / kind, tmp_path / f"out/{kind}", *options, "--jobs", 1)
        assert done.exit_code == 0, done.output

    volumes = [contents(tmp_path / f"out/{kind}") for kind in ("single/a", "multi")]
    assert list(volumes[0].values()) == list(volumes[1].values())


def concatenation(paths, folder, cuts=(0, 9, 17, 24)):
    """One image in several files, whose frames do not tell their place in the stack."""

    def part(number, first):
        def edit(image):
            image.SOPInstanceUID = f"2.25.{number}"
            image.ConcatenationUID, image.InConcatenationNumber = "2.25.77", number
            image.InConcatenationTotalNumber = len(cuts) - 1
            image.ConcatenationFrameOffsetNumber = first
            for groups in image.PerFrameFunctionalGroupsSequence:
                del groups.FrameContentSequence

        return edit

    for number, (first, end) in enumerate(pairwise(cuts), start=1):
        enhanced(paths[first:end], folder / f"{9 - number}.dcm", part(number, first))


def test_the_parts_of_one_image_are_one_volume_counted_as_one(paths, tmp_path):
    concatenation(paths, tmp_path / "parts")
    shutil.copy(tmp_path / "parts/8.dcm", tmp_path / "parts/again.dcm")

    done = mosmed("convert", tmp_path / "parts", tmp_path / "out", "--jobs", 1)

    assert done.exit_code == 0, done.output
    sidecar = json.loads((tmp_path / "out/parts.json").read_text())
    assert sidecar["instance_numbers"] == list(range(1, 25))
    mosmed("convert", tmp_path / "single/a", tmp_path / "single-out", "--jobs", 1)
    volumes = [tmp_path / "out/parts.nii.gz", tmp_path / "single-out/a.nii.gz"]
    assert volumes[0].read_bytes() == volumes[1].read_bytes()


@pytest.mark.parametrize("lost", [6, 7, 8], ids=["last", "middle", "first"])
def test_an_image_of_which_a_part_is_missing_is_no_shorter_volume(paths, tmp_path, lost):
    concatenation(paths, tmp_path / "parts")
    (tmp_path / f"parts/{lost}.dcm").unlink()
    mosmed("anonymize", tmp_path / "parts", tmp_path / "anonymous", "--jobs", 1)

    for source in ("parts", "anonymous"):
        report = mosmed_json("convert", tmp_path / source, tmp_path / f"out/{source}")
        assert [failed["code"] for failed in report["failed"]] == ["MISSING_PART"]


def test_frames_that_are_localizers_are_left_out_whatever_the_image_is(paths, tmp_path):
    def scout_behind(image):
        groups = copy.deepcopy(image.PerFrameFunctionalGroupsSequence[0])
        groups.CTImageFrameTypeSequence[0].FrameType = ["ORIGINAL", "PRIMARY", "LOCALIZER", "NONE"]
        turn = pydicom.Dataset()
        turn.ImageOrientationPatient = [1, 0, 0, 0, 0, -1]
        groups.PlaneOrientationSequence = [turn]
        image.PerFrameFunctionalGroupsSequence.append(groups)
        image.ImageType = ["ORIGINAL", "PRIMARY", "MIXED", "NONE"]
        image.PixelData += bytes(len(image.PixelData) // image.NumberOfFrames)
        image.NumberOfFrames += 1

    path = enhanced(paths, tmp_path / "multi/a.dcm", scout_behind)

    found = survey(read_headers(path), minimum_slices=2, is_same=lambda *_: False)

    assert [one.frame for one in found.slices] == list(range(1, 25))


def test_where_a_frame_does_not_tell_its_type_that_of_the_image_holds(paths, tmp_path):
    def told_once(image):
        image.ImageType = ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
        for groups in image.PerFrameFunctionalGroupsSequence:
            del groups.CTImageFrameTypeSequence

    assert len(read_headers(enhanced(paths, tmp_path / "multi/a.dcm", told_once))) == 24


def read_all(path):
    for header in read_headers(path):
        refuse_by_header(header)
        decode(header)


def several_stacks(image):
    content = image.PerFrameFunctionalGroupsSequence[3].FrameContentSequence[0]
    content.StackID = "2"


def computed(image):
    kind = image.PerFrameFunctionalGroupsSequence[3].CTImageFrameTypeSequence[0]
    kind.FrameType = ["DERIVED", "PRIMARY", "PERFUSION", "RCBF"]


def without_a_place(image):
    del image.PerFrameFunctionalGroupsSequence[3].PlanePositionSequence


def one_group_too_few(image):
    del image.PerFrameFunctionalGroupsSequence[3]


def one_frame_too_few(image):
    image.PixelData = image.PixelData[:-8]


@pytest.mark.parametrize(
    ("edit", "code"),
    [
        (several_stacks, "SEVERAL_STACKS"),
        (computed, "UNSUPPORTED_OBJECT"),
        (without_a_place, "MISSING_ATTRIBUTE"),
        (one_group_too_few, "BAD_ATTRIBUTE"),
        (one_frame_too_few, "BAD_PIXELS"),
        (in_fragments_without_table, "BAD_PIXELS"),
        (with_a_table_in_reverse, "BAD_PIXELS"),
    ],
)
def test_what_is_not_one_stack_of_densities_is_refused_by_its_code(paths, tmp_path, edit, code):
    path = enhanced(paths, tmp_path / "multi/a.dcm", edit)

    with pytest.raises(DicomError) as caught:
        read_all(path)
    assert caught.value.code == code


def test_an_enhanced_image_that_is_cut_off_is_never_a_volume(paths, tmp_path):
    path = enhanced(paths, tmp_path / "multi/a.dcm")
    whole = path.read_bytes()

    for size in (*range(0, len(whole) - 1, 997), len(whole) - 2):
        path.write_bytes(whole[:size])
        with pytest.raises(DicomError):
            read_all(path)
