"""DICOM structure sets (RTSTRUCT, PS3.3 A.19): outlines that a reader has drawn on slices."""

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np
from pydicom import Dataset

from pipelines.core.drawing import Points, Target, choose_labels, mask_of_contours
from pipelines.core.errors import DicomError
from pipelines.core.grids import Mask
from pipelines.core.model import Decision
from pipelines.io.dicom import faults_of

STRUCTURE_SET_STORAGE = "1.2.840.10008.5.1.4.1.1.481.3"
CLOSED = ("CLOSED_PLANAR", "CLOSEDPLANAR_XOR")
"""PS3.3 C.8.8.6.3. Points and open lines enclose nothing."""

CORNERS_LEAST = 3
POINTS_LIMIT = 4_000_000
COORDINATE_LIMIT_MM = 1e6
NAME = "the structure set"


def mask_of_structures(
    dataset: Dataset, target: Target, *, labels: Sequence[str]
) -> tuple[Mask, tuple[Decision, ...]]:
    """The union of the structures that are wanted, on the grid of the image, and what was left out.

    Raises DicomError for what cannot be read, ItemError for what is not of this image.
    """
    with faults_of(NAME):
        rois = list(dataset.get("StructureSetROISequence") or ())
        names = {int(roi.ROINumber): str(roi.get("ROIName", "")) for roi in rois}
        frames = {str(roi.get("ReferencedFrameOfReferenceUID", "")) for roi in rois}
        drawn = _drawn(dataset)
        if len(names) < len(rois) or not names.keys() >= drawn.keys():
            message = f"{NAME} gives no or several names to the contours of one number"
            raise DicomError("BAD_ATTRIBUTE", message)
        referenced = {uid for items in drawn.values() for item in items for uid in _sources(item)}
    target.refuse_strangers(frames.pop() if len(frames) == 1 else "", referenced)
    marked = np.zeros(target.shape_ijk, dtype=np.uint8, order="F")
    left_out = 0
    for number in choose_labels(names, labels):
        with faults_of(NAME):
            items = drawn.get(number, [])
            closed = [one for one in items if one.get("ContourGeometricType") in CLOSED]
            contours = [points for points in _points(closed) if len(points) >= CORNERS_LEAST]
        left_out += len(items) - len(contours)
        marked |= mask_of_contours(contours, target).marked
    outcome = "left out: they enclose nothing"
    note = Decision(rule="mask_contours", value=f"{left_out} contours", outcome=outcome)
    mask = Mask(marked=marked, affine_ras=target.affine_ras)
    return mask, (note,) if left_out else ()


def _drawn(dataset: Dataset) -> dict[int, list[Dataset]]:
    """All contours of each structure, by its number."""
    drawn: dict[int, list[Dataset]] = defaultdict(list)
    for roi in dataset.get("ROIContourSequence") or ():
        drawn[int(roi.ReferencedROINumber)] += roi.get("ContourSequence") or ()
    return drawn


def _points(contours: Sequence[Dataset]) -> Iterator[Points]:
    """The corners of each contour `[point, 3]` in LPS+ mm."""
    total = 0
    for contour in contours:
        points = np.array(contour.get("ContourData") or (), dtype=np.float64)
        total += len(points)
        if total > 3 * POINTS_LIMIT or len(points) % 3 or not len(points):
            raise DicomError("BAD_ATTRIBUTE", f"{NAME} has contours that are no lists of points")
        if not (np.abs(points) <= COORDINATE_LIMIT_MM).all():
            raise DicomError("BAD_ATTRIBUTE", f"{NAME} has points that are nowhere in a patient")
        yield points.reshape(-1, 3)


def _sources(contour: Dataset) -> Iterator[str]:
    for source in contour.get("ContourImageSequence") or ():
        yield str(source.get("ReferencedSOPInstanceUID", ""))
