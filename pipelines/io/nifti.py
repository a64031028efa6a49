"""NIfTI-1 files, written as the published ones are and read as if nobody vouched for them.

Published (by dcm2niix, as MosMedData): int16, slope 1, intercept 0, LAS, qform = sform with code 1,
mm and seconds; no description, no extension. The mask has the header of its image.
"""

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import ItemError
from pipelines.core.grids import (
    GRID_TOLERANCE_MM,
    Affine,
    Grid,
    Mask,
    Part,
    Volume,
    cleaned,
    las_storage,
)
from pipelines.io.nifti_header import (
    HEADER_BYTES,
    VOXELS_AT,
    NiftiHeader,
    packed_header,
    parsed_header,
)
from pipelines.io.packing import open_packed, write_gzip
from pipelines.io.read_back import refuse_other_place

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

WHOLE: Part = (slice(None), slice(None), slice(None))

EXTENSIONS_LIMIT_BYTES = 1 << 20
AXIS_LIMIT = 32767
"""dim[] are 16-bit numbers."""

VOLUME_LIMIT_BYTES = 1 << 33
"""A larger volume is taken for a lie: two thousand slices of 1024 x 1024 doubles take 16 GiB."""

COORDINATE_LIMIT_MM = 1e6
VOXEL_LEAST_MM = 1e-3
"""Places and sizes beyond these are taken for a lie."""

Fault = Literal["UNREADABLE_VOLUME", "UNREADABLE_MASK"]


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
    with _opened(path, "UNREADABLE_VOLUME") as stored:
        return stored.grid


def read_part(path: Path, part: Part, *, by_sform: bool = False) -> tuple[NDArray[np.int16], Grid]:
    """A part of the voxels of a volume, and the grid of the whole: the others take no memory.

    The steps of `part` are positive. All of a packed volume is looked at, and raises as
    `read_volume` does.
    """
    with _opened(path, "UNREADABLE_VOLUME", by_sform=by_sform) as stored:
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

    Raises ItemError UNREADABLE_MASK, or MASK_NOT_BINARY where there are no labels to go by and a
    voxel is neither 0 nor 1.
    """
    wanted = [float(label) for label in labels if label.strip().isdecimal()]
    with _opened(path, "UNREADABLE_MASK") as stored:
        marked = np.empty(stored.grid.shape_ijk, dtype=np.uint8, order="F")
        other = []
        for k, plane in enumerate(stored.planes()):
            marked[:, :, k] = np.isin(plane, wanted) if wanted else plane == 1
            if not wanted and not ((plane == 0) | (plane == 1)).all():
                other.append(k)
    if other:
        message = f"{path.name}: slice {other[0]} has other values than 0 and 1"
        raise ItemError("MASK_NOT_BINARY", message)
    storage = las_storage(stored.grid.affine_ras)
    return Mask(marked=storage.apply(marked), affine_ras=stored.grid.stored_by(storage).affine_ras)


def _fits_int16(values: NDArray[np.float64]) -> bool:
    limits = np.iinfo(np.int16)
    whole = np.isfinite(values).all() and (np.rint(values) == values).all()
    return bool(whole and values.min() >= limits.min and values.max() <= limits.max)


# --- reading what may be anything


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Stored:
    """What an open file holds; its slices come one after another, and can be read once.

    `mapped` has its values `[i, j, k]` where they lie in the file as they are, which is read only
    where it is looked at.
    """

    stream: BinaryIO
    kind: np.dtype[Any]
    grid: Grid
    slope: float
    intercept: float
    mapped: NDArray[Any] | None

    @property
    def is_in_hu(self) -> bool:
        """Whether the values are whole numbers of 16 bits, and mean what they are."""
        return self.kind == np.int16 and self._is_unscaled

    @property
    def _is_unscaled(self) -> bool:
        return (self.slope, self.intercept) == (1.0, 0.0)

    def planes(self) -> Iterator[NDArray[Any]]:
        """The slices `[i, j]`, scaled; one is gone when the next one comes. Raises ValueError.

        What is out of all bounds becomes infinite.
        """
        for plane in self._stored_planes():
            if self._is_unscaled:
                yield plane
            else:
                with np.errstate(all="ignore"):
                    yield plane.astype(np.float64) * self.slope + self.intercept

    def _stored_planes(self) -> Iterator[NDArray[Any]]:
        i, j, slices = self.grid.shape_ijk
        if self.mapped is not None:
            yield from np.moveaxis(self.mapped, 2, 0)
            return
        plane = np.empty(i * j, dtype=self.kind)
        for _ in range(slices):
            _fill(self.stream, plane.view(np.uint8))
            yield plane.reshape((i, j), order="F")
        # Reading on to the end makes gzip compare its checksum
        if self.stream.read(1):
            raise ValueError("it holds more than its header says")


@contextmanager
def _opened(path: Path, fault: Fault, *, by_sform: bool = False) -> Iterator[_Stored]:
    """A single-file NIfTI-1, its header read; also what is met while it is read becomes `fault`."""
    try:
        with open_packed(path) as (stream, most_bytes):
            header = parsed_header(stream.read(HEADER_BYTES))
            stored = _stored(stream, header, most_bytes)
            if not by_sform:
                _refuse_two_places(header, stored.grid)
            yield stored
    except (ValueError, MemoryError) as error:
        raise ItemError(fault, f"{path.name}: {error}") from error


def _stored(stream: BinaryIO, header: NiftiHeader, most_bytes: int) -> _Stored:
    shape_ijk, kind, at = _shape(header), _stored_type(header), _voxels_at(header)
    size_bytes = math.prod(shape_ijk) * kind.itemsize
    if size_bytes > min(most_bytes, VOLUME_LIMIT_BYTES):
        raise ValueError("its header claims more voxels than the file can hold")
    mapped: NDArray[Any] | None = None
    slope, intercept = _scaling(header)
    grid = Grid(shape_ijk=shape_ijk, affine_ras=_affine(header))
    if most_bytes == at + size_bytes and isinstance(stream, BufferedReader):
        mapped = np.memmap(stream, kind, "r", at, shape_ijk, order="F")
    elif len(stream.read(at - HEADER_BYTES)) < at - HEADER_BYTES:
        raise ValueError("it is cut off")
    return _Stored(
        stream=stream, kind=kind, grid=grid, slope=slope, intercept=intercept, mapped=mapped
    )


def _fill(stream: BinaryIO, raw: NDArray[np.uint8]) -> None:
    view, filled = raw.data, 0
    while filled < len(view):
        count = stream.readinto(view[filled:])  # type: ignore[attr-defined]
        if not count:
            raise ValueError("it is cut off")
        filled += count


def _shape(header: NiftiHeader) -> tuple[int, int, int]:
    count, i, j, k, *others = header.dimensions
    if not 3 <= count <= 7 or any(size != 1 for size in others[: count - 3]):
        raise ValueError("it is not one three-dimensional volume")
    if min(i, j, k) < 1:
        raise ValueError("its header is corrupt")
    return i, j, k


def _stored_type(header: NiftiHeader) -> np.dtype[Any]:
    if header.datatype not in NUMBER_TYPES:
        raise ValueError("its voxels are not plain numbers")
    return np.dtype(NUMBER_TYPES[header.datatype]).newbyteorder(header.byte_order)


def _voxels_at(header: NiftiHeader) -> int:
    if not VOXELS_AT <= header.voxels_at <= EXTENSIONS_LIMIT_BYTES:
        raise ValueError("its header is corrupt")
    return int(header.voxels_at)


def _scaling(header: NiftiHeader) -> tuple[float, float]:
    slope, intercept = header.slope, header.intercept
    if np.isnan(slope) or slope == 0:
        return 1.0, 0.0
    intercept = 0.0 if np.isnan(intercept) else intercept
    if not np.isfinite([slope, intercept]).all():
        raise ValueError("its scaling is not a number")
    return slope, intercept


def _affine(header: NiftiHeader) -> Affine:
    """The affine that the header gives, sform before qform, without noise of 32 bits."""
    stored = header.qform if header.sform is None else header.sform
    if stored is None:
        raise ValueError("it does not say where it lies")
    affine_ras = cleaned(stored)
    if not _is_place(affine_ras):
        raise ValueError("its place is not one in a patient")
    return affine_ras


def _refuse_two_places(header: NiftiHeader, grid: Grid) -> None:
    """Raise ValueError where a reader that prefers the qform would see the voxels elsewhere."""
    if header.qform is None:
        return
    away_mm = np.abs(header.qform - grid.affine_ras)[:3] * (*grid.shape_ijk, 1)
    if not away_mm.sum(axis=1).max() <= GRID_TOLERANCE_MM:
        raise ValueError("its qform and its sform give two different places")


def _is_place(affine_ras: Affine) -> bool:
    """Whether voxels have a size and their axes are not in one plane."""
    if not np.isfinite(affine_ras).all() or np.abs(affine_ras).max() > COORDINATE_LIMIT_MM:
        return False
    sizes_mm = np.linalg.norm(affine_ras[:3, :3], axis=0)
    if sizes_mm.min() < VOXEL_LEAST_MM:
        return False
    return bool(abs(np.linalg.det(affine_ras[:3, :3] / sizes_mm)) > 1e-3)
