"""What a chest volume shows besides the chest, from its voxels alone: pure numpy.

PS3.15 E.3.2 asks for care where a face can be recognised. A chest CT reaches 5 cm above the lungs
(paper, table 2); one that goes on for much longer shows the chin, and then the face.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipelines.core.grids import Affine

TISSUE_HU = -300
"""Between fat, which is tissue, and aerated lung."""

LUNG_HU = (-960, -500)
"""Aerated lung, but not air: ground glass goes up to -130, but no lung is all ground glass."""

LUNG_SHARE = 0.02
"""A slice shows lung where so much of the body's section is aerated: more than an airway."""

FACE_ABOVE_LUNGS_MM = 120.0
"""The chin is some 12 cm above the apex of the lungs in adults: neck and a margin."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldOfView:
    """How far a volume goes beyond the lungs; `above_lungs_mm` is None where there are none."""

    above_lungs_mm: float | None

    @property
    def may_show_a_face(self) -> bool:
        """Whether the head may be in it: it goes far above the lungs, or shows none at all."""
        return self.above_lungs_mm is None or self.above_lungs_mm > FACE_ABOVE_LUNGS_MM


def field_of_view(voxels_hu: NDArray[np.int16], affine_ras: Affine) -> FieldOfView:
    """The field of view of a volume `[i, j, k]` that is stored LAS, k from the feet to the head."""
    step_mm = float(np.linalg.norm(affine_ras[:3, 2]))
    highest = voxels_hu.shape[2] - 1
    for k in range(highest, -1, -1):
        if _lung_share(voxels_hu[:, :, k]) >= LUNG_SHARE:
            return FieldOfView(above_lungs_mm=(highest - k) * step_mm)
    return FieldOfView(above_lungs_mm=None)


def aerated(slice_hu: NDArray[np.int16]) -> tuple[NDArray[np.bool_], int]:
    """Where one slice shows aerated lung within the body, and how many pixels the body has."""
    # Both ways along a slice are looked at alike, so it is taken as it lies in memory
    plane_hu = slice_hu if slice_hu.flags.c_contiguous else slice_hu.T
    tissue = plane_hu > TISSUE_HU
    within = _between(tissue, axis=0) & _between(tissue, axis=1)
    low_hu, high_hu = LUNG_HU
    lung: NDArray[np.bool_] = within & (plane_hu >= low_hu) & (plane_hu <= high_hu)
    return lung if plane_hu is slice_hu else lung.T, int(np.count_nonzero(within))


def _lung_share(slice_hu: NDArray[np.int16]) -> float:
    """The aerated part of what lies within the body in one slice."""
    lung, section = aerated(slice_hu)
    return np.count_nonzero(lung) / section if section else 0.0


def _between(tissue: NDArray[np.bool_], *, axis: int) -> NDArray[np.bool_]:
    """Where there is tissue on both sides along an axis."""
    length = tissue.shape[axis]
    places = np.arange(length, dtype=np.int16)
    places = places[:, np.newaxis] if axis == 0 else places
    first = tissue.argmax(axis=axis, keepdims=True)
    last = length - 1 - np.flip(tissue, axis).argmax(axis=axis, keepdims=True)
    # A line without tissue has no first one: its end is put before its beginning
    last[~tissue.any(axis=axis, keepdims=True)] = -1
    between: NDArray[np.bool_] = (places >= first.astype(np.int16)) & (
        places <= last.astype(np.int16)
    )
    return between
