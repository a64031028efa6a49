"""The frames of an Enhanced CT image, each with the header that a slice of its own would have.

What is the same for all frames stands in the shared functional groups, the rest in those of each
frame (PS3.3 C.7.6.16); a frame's own groups win. They are read by pydicom: such files are rare.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pydicom
from pydicom import Dataset

from pipelines.core.dictionary import ENHANCED_CT_IMAGE_STORAGE
from pipelines.core.errors import DicomError
from pipelines.core.fields import Fields
from pipelines.core.slices import GREY_HU, Part, claims_in
from pipelines.core.survey import SLICES_LIMIT
from pipelines.core.syntaxes import DEFLATED_SYNTAX, KNOWN_SYNTAXES, NATIVE_SYNTAXES
from pipelines.io.dicom import faults_of
from pipelines.io.fields import fields_of
from pipelines.io.headers import InstanceHeader
from pipelines.io.pixel_data import fragments_of_frames

ENHANCED_CT = {
    "SOPClassUID": {ENHANCED_CT_IMAGE_STORAGE},
    "Modality": {"CT"},
    # Value 4 of FrameType: what is computed from several images is no density (C.8.15.3.1)
    "DerivedPixelContrast": {"NONE", "FILTERED"},
    **GREY_HU,
}
GROUPS = {
    "PixelSpacing": "PixelMeasuresSequence",
    "SliceThickness": "PixelMeasuresSequence",
    "ImagePositionPatient": "PlanePositionSequence",
    "ImageOrientationPatient": "PlaneOrientationSequence",
    "RescaleIntercept": "PixelValueTransformationSequence",
    "RescaleSlope": "PixelValueTransformationSequence",
    "RescaleType": "PixelValueTransformationSequence",
    "ConvolutionKernel": "CTReconstructionSequence",
    "FrameType": "CTImageFrameTypeSequence",
    "StackID": "FrameContentSequence",
    "InStackPositionNumber": "FrameContentSequence",
}
"""In which functional group an attribute of a frame stands (PS3.3 C.7.6.16.2, C.8.15.3)."""

PARTS_LIMIT = 65535
"""InConcatenationNumber is a number of 16 bits."""

Texts = Callable[[str], tuple[str, ...]]


def read_frames(path: Path) -> tuple[InstanceHeader, ...]:
    """The header of each frame, in the order in which their pixels lie.

    `instance_number` is the frame's place in its stack, or where that is not told the number of
    the frame in its image. Raises DicomError as `read_header` and `refuse_by_header` do,
    SEVERAL_STACKS for more than one stack.
    """
    with path.open("rb") as file, faults_of(path.name):
        dataset = pydicom.dcmread(file, stop_before_pixels=True)
        pixels_at = file.tell()
    syntax = str(dataset.file_meta.get("TransferSyntaxUID", ""))
    if syntax == DEFLATED_SYNTAX:
        message = f"{path.name}: a deflated multi-frame image"
        raise DicomError("UNSUPPORTED_OBJECT", message)
    frames = list(_frames(dataset, path.name))
    if len({fields.texts("StackID") for fields in frames}) > 1:
        raise DicomError("SEVERAL_STACKS", f"{path.name}: its frames are of several stacks")
    part, frames_before = _part(fields_of(dataset, path.name))
    has_places = all(fields.whole_number("InStackPositionNumber") for fields in frames)
    headers = []
    for number, fields in enumerate(frames, start=1):
        header = InstanceHeader(
            **claims_in(fields, ENHANCED_CT),
            transfer_syntax_uid=syntax,
            path=path,
            pixels_at=pixels_at,
            is_deflated=False,
            frame=number,
            frames=len(frames),
            part=part,
        )
        place = fields.whole_number("InStackPositionNumber") if has_places else None
        headers.append(replace(header, instance_number=place or frames_before + number))
    if len(headers) == 1 or syntax not in KNOWN_SYNTAXES - NATIVE_SYNTAXES:
        return tuple(headers)
    with faults_of(path.name):
        table = bytes(dataset.get("ExtendedOffsetTable") or b"")
    places = fragments_of_frames(headers[0], table)
    return tuple(
        replace(header, fragments=fragments)
        for header, fragments in zip(headers, places, strict=True)
    )


def _part(top: Fields) -> tuple[Part | None, int]:
    """Which part of a concatenation a file is, if any, and how many frames precede it."""
    image = "".join(top.texts("ConcatenationUID"))
    if not image:
        return None, 0
    part = Part(
        image=image,
        number=top.integer("InConcatenationNumber", 1, PARTS_LIMIT),
        total=top.integer("InConcatenationTotalNumber", 0, PARTS_LIMIT, 0) or None,
    )
    return part, top.integer("ConcatenationFrameOffsetNumber", 0, SLICES_LIMIT, 0)


def _frames(dataset: Dataset, name: str) -> Iterator[Fields]:
    """The attributes of each frame, wherever they stand."""
    top = fields_of(dataset, name)
    frames = top.integer("NumberOfFrames", 1, SLICES_LIMIT)
    with faults_of(name):
        shared = list(dataset.get("SharedFunctionalGroupsSequence") or ())
        own = list(dataset.get("PerFrameFunctionalGroupsSequence") or ())
    if len(own) != frames or len(shared) > 1:
        raise top.bad("PerFrameFunctionalGroupsSequence", "has not one item for each frame")
    for number, group in enumerate(own, start=1):
        label = f"frame {number} ({name})"
        yield Fields(_texts_of(top.texts, [group, *shared], label), label)


def _texts_of(top: Texts, groups: list[Dataset], label: str) -> Texts:
    def texts(keyword: str) -> tuple[str, ...]:
        if keyword == "DerivedPixelContrast":
            return texts("ImageType")[3:4]
        if keyword == "ImageType":  # of the image, which may be MIXED
            return texts("FrameType") or top(keyword)
        if keyword == "NumberOfFrames" or keyword not in GROUPS:
            return top(keyword)
        for group in groups:
            with faults_of(label):
                items = list(group.get(GROUPS[keyword]) or ())
            if items and (found := fields_of(items[0], label).texts(keyword)):
                return found
        return ()

    return texts
