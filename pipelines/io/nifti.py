"""NIfTI-1 files, written as the published ones are and read as if nobody vouched for them.

Published (by dcm2niix, as MosMedData): int16, slope 1, intercept 0, LAS, qform = sform with code 1,
mm and seconds; no description, no extension. The mask has the header of its image.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Literal

import nibabel as untyped_nibabel
import numpy as np
from nibabel.spatialimages import HeaderDataError
from numpy.typing import NDArray

from pipelines.core.errors import ItemError
from pipelines.core.grids import LPS_TO_RAS, Affine, Mask, Volume, cleaned, las_storage
from pipelines.io.packing import open_packed, write_gzip

nibabel: Any = untyped_nibabel

HEADER_BYTES = 348
VOXELS_AT = 352
"""The header and four bytes that say that no extension follows (NIfTI-1, nifti1.h)."""

SCANNER_ANATOMICAL = 1
"""NIFTI_XFORM_SCANNER_ANAT: what qform and sform mean is the scanner's own space."""

NUMBER_TYPES = {
    2: "u1",
    4: "i2",
    8: "i4",
    16: "f4",
    64: "f8",
    256: "i1",
    512: "u2",
    768: "u4",
    1024: "i8",
    1280: "u8",
}
"""The datatype codes of plain numbers (nifti1.h); complex, colour and 128 bits are no CT."""

EXTENSIONS_LIMIT_BYTES = 1 << 20
AXIS_LIMIT = 32767
"""dim[] are 16-bit numbers."""

VOLUME_LIMIT_BYTES = 1 << 33
"""A larger volume is taken for a lie: two thousand slices of 1024 x 1024 doubles take 16 GiB."""

COORDINATE_LIMIT_MM = 1e6
VOXEL_LEAST_MM = 1e-3
"""Places and sizes beyond these are taken for a lie."""

READERS_TOLERANCE_MM = 1e-3
"""Readers may differ by the rounding of 32-bit quaternions, far below a voxel."""

Fault = Literal["UNREADABLE_VOLUME", "UNREADABLE_MASK"]


def write_volume(path: Path, volume: Volume, *, gzip_level: int) -> None:
    """Write a new .nii.gz of `volume`; equal volumes give equal bytes.

    Voxels that lie in memory as they do in the file (i fastest) are not copied.
    """
    head = _header_bytes(volume.shape_ijk, volume.affine_ras)
    body = np.ascontiguousarray(volume.voxels_hu.T, dtype="<i2")
    write_gzip(path, head, body, level=gzip_level)


def write_mask(path: Path, mask: Mask, *, gzip_level: int) -> None:
    """Write a new .nii.gz of `mask`: int16, as published, with the header of its image."""
    volume = Volume(voxels_hu=mask.marked.astype(np.int16), affine_ras=mask.affine_ras)
    write_volume(path, volume, gzip_level=gzip_level)


def as_stored(affine_ras: Affine) -> Affine:
    """The affine as it is read back from a file: rounded to 1e-6 mm, then to 32 bits."""
    return cleaned(affine_ras).astype(np.float32).astype(np.float64)


def read_volume(path: Path) -> Volume:
    """The volume in `path` as it is stored, in Hounsfield units.

    Raises ItemError UNREADABLE_VOLUME, or HU_OUT_OF_RANGE where a voxel is no whole number of 16
    bits.
    """
    raw, header = _read(path, "UNREADABLE_VOLUME")
    affine_ras = _affine(path, header, "UNREADABLE_VOLUME")
    slope, intercept = _scaling(path, header, "UNREADABLE_VOLUME")
    if raw.dtype == np.int16 and (slope, intercept) == (1.0, 0.0):
        return Volume(voxels_hu=raw, affine_ras=affine_ras)
    voxels_hu = np.empty(raw.shape, dtype=np.int16, order="F")
    for k in range(raw.shape[2]):
        plane_hu = _scaled(raw[:, :, k], slope, intercept)
        if not _fits_int16(plane_hu):
            message = f"{path.name}: slice {k} has values that are no whole numbers of 16 bits"
            raise ItemError("HU_OUT_OF_RANGE", message)
        voxels_hu[:, :, k] = plane_hu
    return Volume(voxels_hu=voxels_hu, affine_ras=affine_ras)


def read_mask(path: Path, *, labels: Sequence[str] = ()) -> Mask:
    """The mask in `path`, brought to LAS by swaps and flips: what is 1, or one of `labels`.

    Raises ItemError UNREADABLE_MASK, or MASK_NOT_BINARY where there are no labels to go by and a
    voxel is neither 0 nor 1.
    """
    wanted = [float(label) for label in labels if label.strip().isdecimal()]
    raw, header = _read(path, "UNREADABLE_MASK")
    affine_ras = _affine(path, header, "UNREADABLE_MASK")
    slope, intercept = _scaling(path, header, "UNREADABLE_MASK")
    marked = np.empty(raw.shape, dtype=np.uint8, order="F")
    for k in range(raw.shape[2]):
        plane = _scaled(raw[:, :, k], slope, intercept)
        if wanted:
            plane = np.isin(plane, wanted).astype(np.float64)
        elif not ((plane == 0) | (plane == 1)).all():
            message = f"{path.name}: slice {k} has other values than 0 and 1"
            raise ItemError("MASK_NOT_BINARY", message)
        marked[:, :, k] = plane
    storage = las_storage(affine_ras)
    return Mask(
        marked=storage.apply(marked), affine_ras=storage.apply_affine(affine_ras, marked.shape)
    )


def check_readers(path: Path, volume: Volume, *, voxels: bool = True) -> None:
    """Have nibabel and SimpleITK read `path`, each by itself, and compare with what was meant.

    Raises ItemError READERS_DISAGREE where a corner of the grid differs by 1 µm, or any voxel.
    """
    for name, read in (("nibabel", _by_nibabel), ("SimpleITK", _by_simpleitk)):
        affine_ras, is_same = read(path, volume, voxels=voxels)
        away_mm = np.abs(affine_ras - volume.affine_ras)[:3] * (*volume.shape_ijk, 1)
        if not away_mm.sum(axis=1).max() <= READERS_TOLERANCE_MM:
            raise ItemError("READERS_DISAGREE", f"{name} places the volume elsewhere")
        if not is_same:
            raise ItemError("READERS_DISAGREE", f"{name} reads another shape or other voxels")


def _by_nibabel(path: Path, volume: Volume, *, voxels: bool) -> tuple[Affine, bool]:
    image = nibabel.Nifti1Image.from_filename(path)
    is_same = image.shape == volume.shape_ijk
    if voxels:
        is_same = is_same and np.array_equal(np.asanyarray(image.dataobj), volume.voxels_hu)
    qform, sform = image.get_qform(), image.get_sform()
    # One affine, whichever of the two a reader prefers
    agree = np.abs(qform - sform).max() <= READERS_TOLERANCE_MM
    return sform if agree else np.full((4, 4), np.nan), is_same


def _by_simpleitk(path: Path, volume: Volume, *, voxels: bool) -> tuple[Affine, bool]:
    import SimpleITK

    sitk: Any = SimpleITK
    reader = sitk.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
        image = reader.Execute() if voxels else None
    except RuntimeError as error:
        raise ItemError("READERS_DISAGREE", "SimpleITK cannot read the volume") from error
    affine_lps = np.eye(4)
    affine_lps[:3, :3] = np.reshape(reader.GetDirection(), (3, 3)) * np.array(reader.GetSpacing())
    affine_lps[:3, 3] = reader.GetOrigin()
    # The view is on the image's memory: it is compared while the image lives
    is_same = reader.GetSize() == volume.shape_ijk
    if voxels:
        read = sitk.GetArrayViewFromImage(image).T
        is_same = is_same and np.array_equal(read, volume.voxels_hu)
    return LPS_TO_RAS @ affine_lps, is_same


def _header_bytes(shape_ijk: Sequence[int], affine_ras: Affine) -> bytes:
    header = nibabel.Nifti1Header(endianness="<")
    header.set_data_dtype(np.int16)
    header.set_data_shape(shape_ijk)
    header.set_xyzt_units("mm", "sec")
    header.set_qform(cleaned(affine_ras), code=SCANNER_ANATOMICAL)
    header.set_sform(cleaned(affine_ras), code=SCANNER_ANATOMICAL)
    header["regular"] = b"r"
    header["pixdim"][4:] = 0
    header["scl_slope"], header["scl_inter"] = 1, 0
    header["vox_offset"] = VOXELS_AT
    for axis in "bcd":
        # Quaternions of flips come out as -0.0
        header[f"quatern_{axis}"] = header[f"quatern_{axis}"] + np.float32(0)
    return bytes(header.binaryblock) + bytes(VOXELS_AT - HEADER_BYTES)


def _scaled(plane: NDArray[Any], slope: float, intercept: float) -> NDArray[np.float64]:
    """Stored values as doubles; what is out of all bounds becomes infinite."""
    with np.errstate(all="ignore"):
        scaled: NDArray[np.float64] = plane.astype(np.float64) * slope + intercept
    return scaled


def _fits_int16(values: NDArray[np.float64]) -> bool:
    limits = np.iinfo(np.int16)
    whole = np.isfinite(values).all() and (np.rint(values) == values).all()
    return bool(whole and values.min() >= limits.min and values.max() <= limits.max)


# --- reading what may be anything


def _read(path: Path, fault: Fault) -> tuple[NDArray[Any], Any]:
    """The stored values `[i, j, k]` and the header of a single-file NIfTI-1."""
    try:
        with open_packed(path) as (stream, most_bytes):
            header = _read_header(stream)
            raw = _read_voxels(stream, header, most_bytes)
    except (ValueError, HeaderDataError, MemoryError) as error:
        raise ItemError(fault, f"{path.name}: {error}") from error
    return raw, header


def _read_header(stream: BinaryIO) -> Any:
    block = stream.read(HEADER_BYTES)
    if len(block) < HEADER_BYTES or block[344:348] != b"n+1\0":
        raise ValueError("it is not a NIfTI-1 file")
    header = nibabel.Nifti1Header(block, check=False)
    if int(header["sizeof_hdr"]) != HEADER_BYTES:
        raise ValueError("its header is corrupt")
    return header


def _read_voxels(stream: BinaryIO, header: Any, most_bytes: int) -> NDArray[Any]:
    shape, stored, at = _shape(header), _stored_type(header), _voxels_at(header)
    size_bytes = int(np.prod(shape, dtype=object)) * stored.itemsize
    if size_bytes > min(most_bytes, VOLUME_LIMIT_BYTES):
        raise ValueError("its header claims more voxels than the file can hold")
    if len(stream.read(at - HEADER_BYTES)) < at - HEADER_BYTES:
        raise ValueError("it is cut off")
    raw = np.empty(size_bytes, dtype=np.uint8)
    _fill(stream, raw)
    # Reading on to the end makes gzip compare its checksum
    if stream.read(1):
        raise ValueError("it holds more than its header says")
    values = raw.view(stored).reshape(shape, order="F")
    return values.astype(stored.newbyteorder("="), copy=False)


def _fill(stream: BinaryIO, raw: NDArray[np.uint8]) -> None:
    view, filled = raw.data, 0
    while filled < len(view):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError("it is cut off")
        filled += count


def _shape(header: Any) -> tuple[int, int, int]:
    dimensions = [int(size) for size in header["dim"]]
    count = dimensions[0]
    if not 3 <= count <= 7 or any(size != 1 for size in dimensions[4 : count + 1]):
        raise ValueError("it is not one three-dimensional volume")
    i, j, k = dimensions[1:4]
    if min(i, j, k) < 1:
        raise ValueError("its header is corrupt")
    return i, j, k


def _stored_type(header: Any) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code not in NUMBER_TYPES:
        raise ValueError("its voxels are not plain numbers")
    return np.dtype(NUMBER_TYPES[code]).newbyteorder(header.endianness)


def _voxels_at(header: Any) -> int:
    at = float(header["vox_offset"])
    if not VOXELS_AT <= at <= EXTENSIONS_LIMIT_BYTES:
        raise ValueError("its header is corrupt")
    return int(at)


def _scaling(path: Path, header: Any, fault: Fault) -> tuple[float, float]:
    slope, intercept = float(header["scl_slope"]), float(header["scl_inter"])
    if np.isnan(slope) or slope == 0:
        return 1.0, 0.0
    intercept = 0.0 if np.isnan(intercept) else intercept
    if not np.isfinite([slope, intercept]).all():
        raise ItemError(fault, f"{path.name}: its scaling is not a number")
    return slope, intercept


def _affine(path: Path, header: Any, fault: Fault) -> Affine:
    """The affine that the header gives, sform before qform, without noise of 32 bits."""
    if not (int(header["sform_code"]) > 0 or int(header["qform_code"]) > 0):
        raise ItemError(fault, f"{path.name}: it does not say where it lies")
    try:
        with np.errstate(all="ignore"):
            affine = cleaned(np.asarray(header.get_best_affine(), dtype=np.float64))
    except (ValueError, HeaderDataError) as error:
        raise ItemError(fault, f"{path.name}: its place is not a number") from error
    if not _is_place(affine):
        raise ItemError(fault, f"{path.name}: its place is not one in a patient")
    return affine


def _is_place(affine_ras: Affine) -> bool:
    """Whether voxels have a size and their axes are not in one plane."""
    if not np.isfinite(affine_ras).all() or np.abs(affine_ras).max() > COORDINATE_LIMIT_MM:
        return False
    sizes_mm = np.linalg.norm(affine_ras[:3, :3], axis=0)
    if sizes_mm.min() < VOXEL_LEAST_MM:
        return False
    return bool(abs(np.linalg.det(affine_ras[:3, :3] / sizes_mm)) > 1e-3)
