"""The one even grid on which slices lie, or the name of what keeps them from it: pure numpy.

DICOM places a slice in LPS+ (x to Left, y to Posterior, z to Superior; PS3.3 C.7.6.2.1.1). Only
positions and orientations are believed: SpacingBetweenSlices, SliceLocation, SliceThickness and
GantryDetectorTilt lie too often.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import GeometryError
from pipelines.core.grids import AFFINE_DECIMALS, LPS_TO_RAS, Affine, Reorientation, las_storage

STEP_TOLERANCE_MM = 0.01
"""A step may differ by this much: positions are written as decimals, often with two places."""

STEP_TOLERANCE_RATIO = 0.02
"""A step may also differ by this share, which is what scanners do with thick slices."""

PLACE_TOLERANCE_MM = 0.05
"""How far a slice may lie from its place on the even grid: a tenth of the smallest pixel."""

PLACE_TOLERANCE_RATIO = 0.05
"""The same as a share of the step, for thick slices."""

COSINE_TOLERANCE = 1e-4
"""How far direction cosines may differ between slices: 0.05 mm over a field of view of 500 mm."""

SPACING_TOLERANCE_RATIO = 1e-4
"""How far PixelSpacing may differ between slices: 0.05 mm over a field of view of 500 mm."""

DRIFT_TOLERANCE_MM = 0.05
"""How far slices may be shifted sideways against the normal, over the whole stack."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SlicePlane:
    """Where one slice lies (PS3.3 C.7.6.2); `label` is what an error calls it.

    `pixel_spacing_mm` is between rows first, then between columns (PS3.3 10.7.1.3).
    """

    label: str
    image_position_lps_mm: tuple[float, float, float]
    row_cosines: tuple[float, float, float]
    column_cosines: tuple[float, float, float]
    pixel_spacing_mm: tuple[float, float]
    rows: int
    columns: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stack:
    """The grid that slices make: `order` names them from feet to head, `storage` leads to LAS.

    `positions_mm` lie along the normal, one for each k; `affine_ras` and `shape_ijk` are those of
    the stored volume.
    """

    order: tuple[int, ...]
    positions_mm: tuple[float, ...]
    step_mm: float
    storage: Reorientation
    affine_ras: Affine
    shape_ijk: tuple[int, int, int]


def stack_slices(planes: Sequence[SlicePlane], *, minimum_slices: int = 2) -> Stack:
    """The one even grid on which all slices lie, in whatever order they come.

    Raises GeometryError TOO_FEW_SLICES, MIXED_MATRIX, MIXED_ORIENTATION, NOT_AXIAL, SAME_POSITION,
    GANTRY_TILT, SLICE_DRIFT, SLICE_GAP or UNEVEN_STEP where there is none.
    """
    _refuse_few(planes, minimum_slices)
    reference = min(planes, key=_sort_key)
    _refuse_mixed(planes, reference)
    row, column, normal = _directions(reference)
    corners_mm = np.array([plane.image_position_lps_mm for plane in planes])
    heights_mm = corners_mm @ normal
    order = np.lexsort((*corners_mm.T, heights_mm))
    labels = [planes[index].label for index in order]
    positions_mm = heights_mm[order]
    _refuse_same_position(positions_mm, labels)
    _refuse_drift(positions_mm, corners_mm[order] @ np.stack([row, column], axis=1))
    step_mm = _even_step(positions_mm, labels)
    affine_lps = np.eye(4)
    affine_lps[:3, 0] = row * reference.pixel_spacing_mm[1]
    affine_lps[:3, 1] = column * reference.pixel_spacing_mm[0]
    affine_lps[:3, 2] = normal * step_mm
    affine_lps[:3, 3] = corners_mm[order[0]]
    affine_ras, shape = LPS_TO_RAS @ affine_lps, (reference.columns, reference.rows, len(planes))
    storage = las_storage(affine_ras)
    return Stack(
        order=tuple(order.tolist()),
        positions_mm=tuple(np.round(positions_mm, AFFINE_DECIMALS).tolist()),
        step_mm=step_mm,
        storage=storage,
        affine_ras=storage.apply_affine(affine_ras, shape),
        shape_ijk=storage.apply_shape(shape),
    )


def _sort_key(plane: SlicePlane) -> tuple[object, ...]:
    return plane.image_position_lps_mm, plane.row_cosines, plane.column_cosines, plane.label


def _directions(plane: SlicePlane) -> tuple[Affine, Affine, Affine]:
    """Unit vectors in LPS along a row, along a column, and along the normal to the head."""
    row = np.array(plane.row_cosines) / np.linalg.norm(plane.row_cosines)
    column = np.array(plane.column_cosines)
    column = column - (column @ row) * row
    column = column / np.linalg.norm(column)
    normal = np.cross(row, column)
    return row, column, normal if normal[2] > 0 else -normal


def _refuse_few(planes: Sequence[SlicePlane], minimum_slices: int) -> None:
    # One slice has no step to its neighbour, whatever the settings say.
    needed = max(minimum_slices, 2)
    if len(planes) < needed:
        count = f"{len(planes)} slice{'s' * (len(planes) != 1)}"
        raise GeometryError("TOO_FEW_SLICES", f"{count}, at least {needed} are needed")


def _refuse_mixed(planes: Sequence[SlicePlane], reference: SlicePlane) -> None:
    usual = _grid(reference)
    for plane in planes:
        if _grid(plane) == usual:
            continue
        pair = f"{reference.label} and {plane.label}"
        if (plane.rows, plane.columns) != (reference.rows, reference.columns):
            sizes = f"{reference.rows} x {reference.columns} and {plane.rows} x {plane.columns}"
            raise GeometryError("MIXED_MATRIX", f"{pair} have {sizes} rows x columns")
        spacing = np.array([plane.pixel_spacing_mm, reference.pixel_spacing_mm])
        if np.abs(spacing[0] / spacing[1] - 1).max() > SPACING_TOLERANCE_RATIO:
            raise GeometryError("MIXED_MATRIX", f"{pair} differ in PixelSpacing")
        if _cosine_distance(plane, reference) > COSINE_TOLERANCE:
            raise GeometryError("MIXED_ORIENTATION", f"{pair} lie in different directions")
    normal = np.abs(_directions(reference)[2])
    if normal.argmax() != 2:
        plane_name = ("sagittal", "coronal")[normal.argmax()]
        raise GeometryError("NOT_AXIAL", f"the slices are {plane_name}, not axial")


def _grid(plane: SlicePlane) -> tuple[object, ...]:
    """Whatever slices of one series have in common; nearly always to the last digit."""
    size = plane.rows, plane.columns, plane.pixel_spacing_mm
    return *size, plane.row_cosines, plane.column_cosines


def _cosine_distance(one: SlicePlane, other: SlicePlane) -> float:
    ones = np.array([one.row_cosines, one.column_cosines])
    others = np.array([other.row_cosines, other.column_cosines])
    return float(np.abs(ones - others).max())


def _refuse_same_position(positions_mm: Affine, labels: Sequence[str]) -> None:
    steps_mm = np.diff(positions_mm)
    if steps_mm.min() < STEP_TOLERANCE_MM:
        k = int(steps_mm.argmin())
        places = 1 + int((steps_mm >= STEP_TOLERANCE_MM).sum())
        raise GeometryError(
            "SAME_POSITION",
            f"{labels[k]} and {labels[k + 1]} lie at the same place: "
            f"{len(labels)} slices at {places} place{'s' * (places != 1)}",
        )


def _refuse_drift(positions_mm: Affine, offsets_mm: Affine) -> None:
    """Refuse slices whose corners do not lie on one line along the normal.

    `offsets_mm` [slice, 2] are the corners in the slice's own plane. A tilted gantry moves them
    evenly; anything else is another fault.
    """
    drift_mm = offsets_mm - offsets_mm[0]
    if np.abs(drift_mm).max() <= DRIFT_TOLERANCE_MM:
        return
    span_mm = positions_mm[-1] - positions_mm[0]
    line_mm = np.outer((positions_mm - positions_mm[0]) / span_mm, drift_mm[-1])
    if np.abs(drift_mm - line_mm).max() > DRIFT_TOLERANCE_MM:
        worst = float(np.abs(drift_mm).max())
        raise GeometryError("SLICE_DRIFT", f"slices are shifted sideways by {worst:.2f} mm")
    tilt_deg = math.degrees(math.atan2(float(np.linalg.norm(drift_mm[-1])), float(span_mm)))
    raise GeometryError("GANTRY_TILT", f"the slices are sheared by {tilt_deg:.2f} degrees")


def _even_step(positions_mm: Affine, labels: Sequence[str]) -> float:
    """The step in mm between neighbours: the whole span over the number of steps."""
    steps_mm = np.diff(positions_mm)
    usual_mm = float(np.sort(steps_mm)[(len(steps_mm) - 1) // 2])
    tolerance_mm = max(STEP_TOLERANCE_MM, STEP_TOLERANCE_RATIO * usual_mm)
    odd = np.flatnonzero(np.abs(steps_mm - usual_mm) > tolerance_mm)
    step_mm = float((positions_mm[-1] - positions_mm[0]) / len(steps_mm))
    # Rounded positions may alternate about a mean that is itself no step
    if len(odd) and np.abs(steps_mm - step_mm).max() > tolerance_mm:
        _raise_uneven(steps_mm, odd, usual_mm, labels)
    away_mm = np.abs(positions_mm - positions_mm[0] - step_mm * np.arange(len(positions_mm)))
    if away_mm.max() > max(PLACE_TOLERANCE_MM, PLACE_TOLERANCE_RATIO * step_mm):
        raise GeometryError(
            "UNEVEN_STEP",
            f"{labels[int(away_mm.argmax())]} lies {away_mm.max():.2f} mm from its place on an "
            f"even grid of {step_mm:.3f} mm",
        )
    return round(step_mm, AFFINE_DECIMALS)


def _raise_uneven(
    steps_mm: Affine, odd: NDArray[np.intp], usual_mm: float, labels: Sequence[str]
) -> None:
    """Raise SLICE_GAP where every odd step is a multiple of the usual one, else UNEVEN_STEP."""
    k = int(odd[0])
    multiples = np.rint(steps_mm[odd] / usual_mm)
    slack_mm = np.maximum(STEP_TOLERANCE_MM, STEP_TOLERANCE_RATIO * usual_mm * multiples)
    is_gap = bool(
        ((multiples >= 2) & (np.abs(steps_mm[odd] - multiples * usual_mm) <= slack_mm)).all()
    )
    where = (
        f"{labels[k]} and {labels[k + 1]} are {steps_mm[k]:.3f} mm apart, "
        f"most others {usual_mm:.3f} mm"
    )
    if is_gap:
        lost = int((multiples - 1).sum())
        raise GeometryError("SLICE_GAP", f"{where}: {lost} slice{'s' * (lost != 1)} missing")
    raise GeometryError("UNEVEN_STEP", where)
