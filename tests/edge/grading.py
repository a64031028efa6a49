"""Whether a volume that somebody wrote is the truth: every voxel's place and Hounsfield units."""

from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np

from tests.edge.series import TrueSlice

PLACE_TOLERANCE_MM = 0.05
HU_TOLERANCE = 0.5


def fault_of(path: Path, truth: Sequence[TrueSlice], *, hu_tolerance: float = HU_TOLERANCE) -> str:
    """What is wrong with the volume in `path`; empty if it is the truth."""
    image = nibabel.Nifti1Image.from_filename(path)
    voxels = np.asanyarray(image.dataobj)
    if voxels.ndim == 2:
        voxels = voxels[:, :, np.newaxis]
    if voxels.ndim != 3:
        return f"{voxels.ndim} dimensions"
    wanted = sum(one.hu.size for one in truth)
    if voxels.size != wanted:
        return f"{voxels.size} voxels, not {wanted}"
    worst_mm, worst_hu = 0.0, 0.0
    for one in truth:
        away_mm, found = _at(image.affine, voxels, one)
        if found is None:
            return f"a slice lies {away_mm:.3g} mm off"
        worst_mm = max(worst_mm, away_mm)
        worst_hu = max(worst_hu, float(np.abs(found.astype(float) - one.hu).max()))
    if worst_mm > PLACE_TOLERANCE_MM:
        return f"{worst_mm:.3g} mm off"
    return f"{worst_hu:g} HU off" if worst_hu > hu_tolerance else ""


def _at(affine, voxels, one: TrueSlice):
    """How far the nearest voxels lie from those of a true slice, and their values."""
    rows, columns = one.hu.shape
    r, c = np.meshgrid(np.arange(rows), np.arange(columns), indexing="ij")
    row, column = (np.array(cosines, dtype=float) for cosines in one.cosines)
    lps = (
        np.array(one.position_mm)
        + c[..., np.newaxis] * one.spacing_mm[1] * row
        + r[..., np.newaxis] * one.spacing_mm[0] * column
    )
    world = np.concatenate([lps * (-1, -1, 1), np.ones((rows, columns, 1))], axis=-1)
    index = np.rint(world @ np.linalg.inv(affine).T)
    away_mm = float(np.linalg.norm((index @ affine.T - world)[..., :3], axis=-1).max())
    ijk = index[..., :3].astype(int)
    if (ijk < 0).any() or (ijk >= voxels.shape).any():
        inside = np.clip(index[..., :3], 0, np.array(voxels.shape) - 1)
        near = np.concatenate([inside, np.ones((rows, columns, 1))], axis=-1)
        return float(np.linalg.norm((near @ affine.T - world)[..., :3], axis=-1).max()), None
    return away_mm, voxels[ijk[..., 0], ijk[..., 1], ijk[..., 2]]
