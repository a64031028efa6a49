"""Enhanced CT: each frame is a slice with its own place and rescale, or the image is refused."""

import imagecodecs
import numpy as np
import pydicom
import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless

from pipelines.core.errors import DicomError
from pipelines.io.headers import read_headers
from pipelines.io.pixels import decode, refuse_by_header
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.workspaces import contents, mosmed

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


def as_jpeg_2000(image):
    shape = (image.NumberOfFrames, image.Rows, image.Columns)
    frames = np.frombuffer(image.PixelData, "<u2" if not image.PixelRepresentation else "<i2")
    coded = [imagecodecs.jpeg2k_encode(one, level=0, codecformat="j2k", reversible=True)
             for one in frames.reshape(shape)]  # fmt: skip
    image.file_meta.TransferSyntaxUID = JPEG2000Lossless
    image.PixelData = encapsulate(coded)


@pytest.mark.parametrize("edit", [lambda _: None, as_jpeg_2000], ids=["native", "jpeg 2000"])
@pytest.mark.parametrize("options", [(), ("--thin",)], ids=["all", "thinned"])
def test_frames_in_any_order_make_the_volume_of_their_slices(paths, tmp_path, edit, options):
    enhanced([*paths[7:], *paths[:7]], tmp_path / "multi/a.dcm", edit)
    for kind in ("single/a", "multi"):
        done = mosmed("convert", tmp_path / kind, tmp_path / f"out/{kind}", *options, "--jobs", 1)
        assert done.exit_code == 0, done.output

    volumes = [contents(tmp_path / f"out/{kind}") for kind in ("single/a", "multi")]
    assert list(volumes[0].values()) == list(volumes[1].values())


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
