"""An open NIfTI-1 file, read as if nobody vouched for it: its header believed only where it can be.

Slices come one after another, so that of a packed file no more is in memory than is wanted.
"""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Any, BinaryIO, Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import ItemError
from pipelines.core.grids import GRID_TOLERANCE_MM, Affine, Grid, cleaned
from pipelines.io.nifti_header import HEADER_BYTES, VOXELS_AT, NiftiHeader, parsed_header
from pipelines.io.packing import open_packed

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
VOLUME_LIMIT_BYTES = 1 << 33
"""A larger volume is taken for a lie: two thousand slices of 1024 x 1024 floats take as much."""

COORDINATE_LIMIT_MM = 1e6
VOXEL_LEAST_MM = 1e-3
"""Places and sizes beyond these are taken for a lie."""

ROUNDING_LIMIT, ROUNDING_OF_32_BITS = 0.1, 1e-4
"""How far a scaled whole number may lie beside itself, and how far its slope in 32 bits moves it.

Floats saved as integers are stored in steps of the slope; a coarser one leaves no labels."""

Fault = Literal["UNREADABLE_VOLUME", "UNREADABLE_MASK"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Stored:
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
    def rounding(self) -> float:
        """How far a whole number may lie beside itself by being scaled; 0 where nothing is."""
        if self._is_unscaled:
            return 0.0
        return min(abs(self.slope) / 2, ROUNDING_LIMIT) + ROUNDING_OF_32_BITS

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
def opened(path: Path, fault: Fault, *, by_sform: bool = False) -> Iterator[Stored]:
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


def _stored(stream: BinaryIO, header: NiftiHeader, most_bytes: int) -> Stored:
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
    return Stored(
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
