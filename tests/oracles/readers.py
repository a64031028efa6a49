"""SimpleITK's series reader and dcm2niix: what they make of the series in a folder."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import nibabel
import numpy as np
import pydicom
import SimpleITK
from nibabel.orientations import aff2axcodes, axcodes2ornt, io_orientation, ornt_transform

PLACE_TOLERANCE_MM = 0.01
"""Both tools write affines in single precision."""


def by_simpleitk(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The series in the order that SimpleITK gives it; nothing where SimpleITK fails."""
    links = folder / "series"
    links.mkdir(parents=True)
    for number, path in enumerate(paths):
        (links / f"{number:04d}.dcm").symlink_to(path)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)
    reader = SimpleITK.ImageSeriesReader()
    reader.SetFileNames(reader.GetGDCMSeriesFileNames(str(links)))
    out = folder / "simpleitk.nii"
    try:
        SimpleITK.WriteImage(reader.Execute(), str(out))
    except RuntimeError:
        return []
    return [out]


def by_dcm2niix(paths: Sequence[Path], folder: Path) -> list[Path]:
    """The volumes that dcm2niix writes, in order of name."""
    links, out = folder / "series", folder / "dcm2niix"
    links.mkdir(parents=True)
    out.mkdir()
    for number, path in enumerate(paths):
        (links / f"{number:04d}.dcm").symlink_to(path)
    program = Path(sys.executable).with_name("dcm2niix")
    command = [program, "-z", "n", "-b", "n", "-f", "%j_%s", "-o", out, links]
    subprocess.run(command, check=False, capture_output=True)
    return sorted(out.glob("*.nii"))


READERS = {"SimpleITK": by_simpleitk, "dcm2niix": by_dcm2niix}


def difference(ours: Path, theirs: Sequence[Path]) -> str:
    """How what another tool wrote differs from our volume, in a word that can be kept."""
    if not theirs:
        return "refuses"
    if len(theirs) > 1:
        return f"writes {len(theirs)} files"
    one, other = (_as_las(path) for path in (ours, theirs[0]))
    if one is None or other is None or one[0].shape != other[0].shape:
        return "has another shape"
    (our_voxels, our_affine), (their_voxels, their_affine) = one, other
    corners = np.array(list(np.ndindex(2, 2, 2))) * (np.array(our_voxels.shape) - 1)
    corners = np.c_[corners, np.ones(8)]
    away_mm = np.linalg.norm(corners @ (our_affine - their_affine).T, axis=1).max()
    away_hu = np.abs(our_voxels.astype(float) - their_voxels).max()
    if away_mm > PLACE_TOLERANCE_MM:
        return f"lies {away_mm:.2f} mm off"
    return f"is {away_hu:g} HU off" if away_hu else ""


def _as_las(path: Path):
    image = nibabel.Nifti1Image.from_filename(path)
    if len(image.shape) != 3:
        return None
    turn = ornt_transform(io_orientation(image.affine), axcodes2ornt("LAS"))
    turned = image.as_reoriented(turn)
    assert "".join(aff2axcodes(turned.affine)) == "LAS"
    return np.asanyarray(turned.dataobj), turned.affine


def misplaced_mm(volume: Path, paths: Sequence[Path]) -> float:
    """How far the corner of a DICOM slice lies at most from every voxel of what was written."""
    image = nibabel.Nifti1Image.from_filename(volume)
    shape, affine = np.array(image.shape[:3]), image.affine
    worst = 0.0
    for path in paths:
        for x, y, z in _corners_mm(pydicom.dcmread(path, stop_before_pixels=True)):
            corner = np.array([-x, -y, z, 1.0])
            index = np.clip(np.rint(np.linalg.solve(affine, corner))[:3], 0, shape - 1)
            worst = max(worst, float(np.linalg.norm(affine[:3] @ [*index, 1.0] - corner[:3])))
    return worst


def _corners_mm(header: pydicom.Dataset) -> list[list[float]]:
    """ImagePositionPatient of the image, or of each frame (PS3.3 C.7.6.16.2.3)."""
    frames = header.get("PerFrameFunctionalGroupsSequence")
    holders = [header] if frames is None else [f.PlanePositionSequence[0] for f in frames]
    return [[float(value) for value in one.ImagePositionPatient] for one in holders]
