"""NIfTI-1 files, written as the published ones are and read as if nobody vouched for them.

Published (by dcm2niix, as MosMedData): int16, slope 1, intercept 0, LAS, qform = sform with code 1,
mm and seconds; no description, no extension. The mask has the header of its image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import ItemError
from pipelines.core.grids import Grid, Mask, Part, Volume, las_storage
from pipelines.io.nifti_file import opened
from pipelines.io.nifti_header import packed_header, parsed_header
from pipelines.io.packing import write_gzip
from pipelines.io.read_back import refuse_other_place

WHOLE: Part = (slice(None), slice(None), slice(None))


def write_volume(path: Path, volume: Volume, *, gzip_level: int | None) -> None:
    """Write a new .nii.gz of `volume`, or .nii without a level; equal volumes give equal bytes.

    Voxels that lie in memory as they do in the file (i fastest) are not copied. Raises ItemError
    READERS_DISAGREE where qform or sform of the header would not give the affine that is meant.
    """
    head = packed_header(volume.shape_ijk, volume.affine_ras)
    header = parsed_header(head)
    for name, affine_ras in (("the qform", header.qform), ("the sform", header.sform)):
        assert affine_ras is not None
        refuse_other_place(name, affine_ras, volume)
    body = np.ascontiguousarray(volume.voxels_hu.T, dtype="<i2")
    if gzip_level is None:
        with path.open("xb") as file:
            file.write(head)
            file.write(body.data)
    else:
        write_gzip(path, head, body, level=gzip_level)


def write_mask(path: Path, mask: Mask, *, gzip_level: int) -> None:
    """Write a new .nii.gz of `mask`: int16, as published, with the header of its image."""
    volume = Volume(voxels_hu=mask.marked.astype(np.int16), affine_ras=mask.affine_ras)
    write_volume(path, volume, gzip_level=gzip_level)


def read_volume(path: Path, *, by_sform: bool = False) -> Volume:
    """The volume in `path` as it is stored, in Hounsfield units.

    Raises ItemError UNREADABLE_VOLUME, also where qform and sform give different places unless it
    is to be read `by_sform`, or HU_OUT_OF_RANGE where a voxel is no whole number of 16 bits.
    """
    voxels_hu, grid = read_part(path, WHOLE, by_sform=by_sform)
    return Volume(voxels_hu=voxels_hu, affine_ras=grid.affine_ras)


def read_grid(path: Path) -> Grid:
    """The grid of the volume in `path`, whose voxels are not read.

    Raises ItemError UNREADABLE_VOLUME.
    """
    with opened(path, "UNREADABLE_VOLUME") as stored:
        return stored.grid


def read_part(path: Path, part: Part, *, by_sform: bool = False) -> tuple[NDArray[np.int16], Grid]:
    """A part of the voxels of a volume, and the grid of the whole: the others take no memory.

    The steps of `part` are positive. All of a packed volume is looked at, and raises as
    `read_volume` does.
    """
    with opened(path, "UNREADABLE_VOLUME", by_sform=by_sform) as stored:
        if stored.mapped is not None and stored.is_in_hu:
            return stored.mapped[part], stored.grid
        i, j, k = (
            range(size)[places] for size, places in zip(stored.grid.shape_ijk, part, strict=True)
        )
        voxels_hu = np.empty((len(i), len(j), len(k)), dtype=np.int16, order="F")
        beyond = []
        for at, plane in enumerate(stored.planes()):
            if not stored.is_in_hu and not _fits_int16(plane):
                beyond.append(at)
            elif at in k:
                voxels_hu[:, :, k.index(at)] = plane[part[:2]]
    if beyond:
        message = f"{path.name}: slice {beyond[0]} has values that are no whole numbers of 16 bits"
        raise ItemError("HU_OUT_OF_RANGE", message)
    return voxels_hu, stored.grid


def read_mask(path: Path, *, labels: Sequence[str] = ()) -> Mask:
    """The mask in `path`, brought to LAS by swaps and flips: what is 1, or one of `labels`.

    A label is a whole number; what lies beside one by no more than the file's own scaling rounds is
    that number, for who saves a mask as floats often gets integers and a slope. Raises ItemError
    UNREADABLE_MASK, or MASK_NOT_BINARY where a voxel holds no label, or where there are no labels
    to go by and it is neither 0 nor 1.
    """
    wanted = [int(label) for label in labels if label.strip().isdecimal()]
    with opened(path, "UNREADABLE_MASK") as stored:
        marked = np.empty(stored.grid.shape_ijk, dtype=np.uint8, order="F")
        other = []
        for k, plane in enumerate(stored.planes()):
            found, is_label = _labels_in(plane, stored.rounding)
            marked[:, :, k] = np.isin(found, wanted) if wanted else found == 1
            if not (is_label if wanted else is_label and ((found == 0) | (found == 1)).all()):
                other.append(k)
    if other:
        what = "values that are no labels" if wanted else "other values than 0 and 1"
        raise ItemError("MASK_NOT_BINARY", f"{path.name}: slice {other[0]} has {what}")
    storage = las_storage(stored.grid.affine_ras)
    return Mask(marked=storage.apply(marked), affine_ras=stored.grid.stored_by(storage).affine_ras)


def _labels_in(plane: NDArray[Any], rounding: float) -> tuple[NDArray[Any], bool]:
    """The whole numbers that the values of a slice stand for, and whether all stand for one."""
    if plane.dtype.kind in "iu":
        return plane, True
    whole = np.rint(plane)
    with np.errstate(invalid="ignore"):
        is_label = bool((np.abs(plane - whole) <= rounding).all())
    return whole, is_label


def _fits_int16(values: NDArray[np.float64]) -> bool:
    limits = np.iinfo(np.int16)
    whole = np.isfinite(values).all() and (np.rint(values) == values).all()
    return bool(whole and values.min() >= limits.min and values.max() <= limits.max)
