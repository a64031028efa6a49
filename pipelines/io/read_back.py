"""What the two libraries that most people read NIfTI with make of a file that was written."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from pipelines.core.errors import ItemError
from pipelines.core.grids import LPS_TO_RAS, Affine, Volume

READERS_TOLERANCE_MM = 1e-3
"""Readers may differ by the rounding of 32-bit quaternions, far below a voxel."""


def check_readers(path: Path, volume: Volume) -> None:
    """Have nibabel and SimpleITK read `path`, each by itself, and compare with what was meant.

    Raises ItemError READERS_DISAGREE where a corner of the grid differs by 1 µm, or any voxel.
    """
    for name, read in (("nibabel", _by_nibabel), ("SimpleITK", _by_simpleitk)):
        affine_ras, is_same = read(path, volume)
        refuse_other_place(name, affine_ras, volume)
        if not is_same:
            raise ItemError("READERS_DISAGREE", f"{name} reads another shape or other voxels")


def refuse_other_place(name: str, affine_ras: Affine, volume: Volume) -> None:
    """Raise ItemError READERS_DISAGREE where a corner of the grid differs by 1 µm."""
    away_mm = np.abs(affine_ras - volume.affine_ras)[:3] * (*volume.shape_ijk, 1)
    if not away_mm.sum(axis=1).max() <= READERS_TOLERANCE_MM:
        raise ItemError("READERS_DISAGREE", f"{name} places the volume elsewhere")


@contextmanager
def _named_in_utf8(path: Path) -> Iterator[Path]:
    """The file under a name that ITK can be told: any other makes it end the whole process."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        with TemporaryDirectory(prefix="mosmed-") as folder:
            link = Path(folder) / f"volume{'.nii.gz' if path.suffix == '.gz' else path.suffix}"
            link.symlink_to(path.absolute())
            yield link
    else:
        yield path


def _by_nibabel(path: Path, volume: Volume) -> tuple[Affine, bool]:
    import nibabel as untyped

    nibabel: Any = untyped
    image = nibabel.Nifti1Image.from_filename(path)
    is_same = image.shape == volume.shape_ijk
    is_same = is_same and np.array_equal(np.asanyarray(image.dataobj), volume.voxels_hu)
    qform, sform = image.get_qform(), image.get_sform()
    # One affine, whichever of the two a reader prefers
    agree = np.abs(qform - sform).max() <= READERS_TOLERANCE_MM
    return sform if agree else np.full((4, 4), np.nan), is_same


def _by_simpleitk(path: Path, volume: Volume) -> tuple[Affine, bool]:
    import SimpleITK

    sitk: Any = SimpleITK
    reader = sitk.ImageFileReader()
    with _named_in_utf8(path) as place:
        reader.SetFileName(str(place))
        try:
            image = reader.Execute()
        except RuntimeError as error:
            raise ItemError("READERS_DISAGREE", "SimpleITK cannot read the volume") from error
    affine_lps = np.eye(4)
    affine_lps[:3, :3] = np.reshape(image.GetDirection(), (3, 3)) * np.array(image.GetSpacing())
    affine_lps[:3, 3] = image.GetOrigin()
    # The view is on the image's memory: it is compared while the image lives
    is_same = image.GetSize() == volume.shape_ijk
    is_same = is_same and np.array_equal(sitk.GetArrayViewFromImage(image).T, volume.voxels_hu)
    return LPS_TO_RAS @ affine_lps, is_same
