"""DICOM segmentations (SEG, PS3.3 A.51): which voxels of an image a reader has marked.

Frames are not slices: there are as many as there are marked slices of each segment, in any order,
and each says itself where it lies. A label map (PS3.3 A.89) has the number of a segment as the
value of a pixel.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom import Dataset

from pipelines.core.drawing import Frame, Marked, Target, choose_labels, mask_of_frames
from pipelines.core.errors import DicomError
from pipelines.core.grids import Affine, Mask
from pipelines.io.dicom import faults_of
from pipelines.io.segment_planes import NAME, read_plane

SEGMENTATION_STORAGE = "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP_STORAGE = "1.2.840.10008.5.1.4.1.1.66.7"
FRAMES_LIMIT = 1 << 15
PIXELS_LIMIT = 1 << 31
"""More frames or pixels than eight volumes of 1024 slices are taken for a lie."""

KINDS = ("BINARY", "FRACTIONAL", "LABELMAP")


def mask_of_segmentation(
    dataset: Dataset, target: Target, *, labels: Sequence[str], threshold: float
) -> Mask:
    """The union of the segments that are wanted, on the grid of the image.

    In a FRACTIONAL segmentation what reaches `threshold` (0 to 1) of the maximum is marked.
    Raises DicomError for what cannot be read, ItemError for what is not of this image.
    """
    with faults_of(NAME):
        _refuse_liars(dataset)
        frames = list(dataset.PerFrameFunctionalGroupsSequence)
        referenced = {uid for groups in frames for uid in _sources(groups)}
        names = _names(dataset)
        frame_of_reference_uid = str(dataset.get("FrameOfReferenceUID", ""))
    target.refuse_strangers(frame_of_reference_uid, referenced)
    chosen = choose_labels({number: names[number] for number in names if number}, labels)
    rule = _Rule(named=frozenset(names), chosen=chosen, threshold=threshold)
    return mask_of_frames(_frames(dataset, frames, rule), target)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rule:
    """Which segments there are, which are wanted, and what share of the maximum is marked."""

    named: frozenset[int]
    chosen: tuple[int, ...]
    threshold: float


def _names(dataset: Dataset) -> dict[int, str]:
    """The label of each segment by its number; 0 is the background of a label map."""
    segments = list(dataset.SegmentSequence)
    names = {int(one.SegmentNumber): str(one.get("SegmentLabel", "")) for one in segments}
    if len(names) < len(segments):
        raise DicomError("BAD_ATTRIBUTE", f"{NAME} gives one number to several segments")
    return names


def _refuse_liars(dataset: Dataset) -> None:
    if dataset.SegmentationType not in KINDS:
        raise DicomError("UNSUPPORTED_OBJECT", f"{NAME} is of a type that is not known")
    if not dataset.get("PerFrameFunctionalGroupsSequence"):
        raise DicomError("MISSING_ATTRIBUTE", f"{NAME} does not say where its frames lie")
    frames, rows, columns = (
        int(dataset[word].value) for word in ("NumberOfFrames", "Rows", "Columns")
    )
    if len(dataset.PerFrameFunctionalGroupsSequence) != frames:
        raise DicomError("BAD_ATTRIBUTE", f"{NAME} does not have a place for each of its frames")
    if not 0 < frames <= FRAMES_LIMIT or frames * rows * columns > PIXELS_LIMIT:
        raise DicomError("BAD_ATTRIBUTE", f"{NAME} claims more than any image has")


def _frames(dataset: Dataset, frames: Sequence[Dataset], rule: _Rule) -> Iterator[Frame]:
    """The frames of the segments that are wanted, each in its place."""
    with faults_of(NAME):
        shared = next(iter(dataset.get("SharedFunctionalGroupsSequence") or ()), Dataset())
    for index, groups in enumerate(frames):
        with faults_of(NAME):
            wanted = _wanted(dataset, groups, shared, rule)
            if not wanted:
                continue
            marked = _marked(dataset, read_plane(dataset, index), wanted, rule.threshold)
            frame = Frame(marked=marked, affine_lps=_affine(groups, shared))
        yield frame


def _wanted(dataset: Dataset, groups: Dataset, shared: Dataset, rule: _Rule) -> tuple[int, ...]:
    """Which of the chosen segments may be in a frame: in a label map, all of them."""
    if dataset.SegmentationType == "LABELMAP":
        return rule.chosen
    identification = _macro(groups, shared, "SegmentIdentificationSequence")
    if identification is None:
        raise DicomError("MISSING_ATTRIBUTE", f"{NAME} does not say whose its frames are")
    of_frame = int(identification.ReferencedSegmentNumber)
    if of_frame not in rule.named:
        raise DicomError("BAD_ATTRIBUTE", f"{NAME} has frames of a segment that it does not name")
    return (of_frame,) if of_frame in rule.chosen else ()


def _marked(
    dataset: Dataset, values: NDArray[Any], wanted: tuple[int, ...], threshold: float
) -> Marked:
    """What is marked in a frame of stored values `[row, column]`."""
    if values.ndim != 2:
        raise DicomError("BAD_PIXELS", f"{NAME} has frames of several colours")
    if dataset.SegmentationType == "LABELMAP":
        return np.isin(values, wanted)
    if dataset.SegmentationType == "BINARY":
        return np.asarray(values != 0)
    most = int(dataset.MaximumFractionalValue)
    if most < 1:
        raise DicomError("BAD_ATTRIBUTE", f"{NAME} has a MaximumFractionalValue of nothing")
    return np.asarray((values >= threshold * most) & (values > 0))


def _affine(groups: Dataset, shared: Dataset) -> Affine:
    """LPS+ mm of `[column, row, 0]` of a frame (PS3.3 C.7.6.2.1.1)."""
    position = _macro(groups, shared, "PlanePositionSequence")
    orientation = _macro(groups, shared, "PlaneOrientationSequence")
    measures = _macro(groups, shared, "PixelMeasuresSequence")
    if position is None or orientation is None or measures is None:
        raise DicomError("MISSING_ATTRIBUTE", f"{NAME} does not say where its frames lie")
    cosines = np.array(orientation.ImageOrientationPatient, dtype=np.float64).reshape(2, 3)
    between_rows, between_columns = (float(value) for value in measures.PixelSpacing)
    affine = np.eye(4)
    affine[:3, 0] = cosines[0] * between_columns
    affine[:3, 1] = cosines[1] * between_rows
    affine[:3, 2] = np.cross(cosines[0], cosines[1])
    affine[:3, 3] = np.array(position.ImagePositionPatient, dtype=np.float64)
    if not np.isfinite(affine).all():
        raise DicomError("BAD_ATTRIBUTE", f"{NAME} has a place that is not a number")
    return affine


def _macro(groups: Dataset, shared: Dataset, keyword: str) -> Dataset | None:
    """The one item of a functional group: the frame's own, else the one all frames share."""
    for source in (groups, shared):
        items: Sequence[Dataset] | None = source.get(keyword)
        if items:
            return items[0]
    return None


def _sources(groups: Dataset) -> Iterator[str]:
    """The SOPInstanceUIDs of the slices that a frame was drawn on."""
    for derivation in groups.get("DerivationImageSequence") or ():
        for source in derivation.get("SourceImageSequence") or ():
            yield str(source.get("ReferencedSOPInstanceUID", ""))
