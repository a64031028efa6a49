"""The 348 bytes of a NIfTI-1 header (nifti1.h), as the published files have them.

Written and read here, and not by a library, so that a volume costs no more than its bytes; what
libraries make of the same bytes is for `io.readers`.
"""

import math
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pipelines.core.grids import Affine, cleaned

HEADER_BYTES = 348
VOXELS_AT = 352
"""The header and four bytes that say that no extension follows."""

SCANNER_ANATOMICAL = 1
"""NIFTI_XFORM_SCANNER_ANAT: what qform and sform mean is the scanner's own space."""

MAGIC = b"n+1\0"
MM_AND_SECONDS = 2 | 8
INT16, INT16_BITS = 4, 16


DIMENSIONS_AT, TYPE_AT, SIZES_AT, UNITS_AT, PLACES_AT, MAGIC_AT = 40, 70, 76, 123, 252, 344
QUATERNION_NOISE, QUATERNION_LIMIT = 4e-7, 1e-5
"""What is left of a rotation by 180 degrees once it was stored in 32 bits, and what is no rotation.

The root of such noise would be a rotation of its own, of a hundredth of a degree."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NiftiHeader:
    """What a header says of its voxels; `byte_order` is `<` or `>`.

    `dimensions` are `dim[0]` to `dim[7]`; an affine (RAS+, mm) is None where its code is 0.
    """

    byte_order: Literal["<", ">"]
    dimensions: tuple[int, ...]
    datatype: int
    voxels_at: float
    slope: float
    intercept: float
    qform: Affine | None
    sform: Affine | None


def packed_header(shape_ijk: Sequence[int], affine_ras: Affine) -> bytes:
    """The header of an int16 volume in HU and the four bytes behind it.

    Slope 1, qform and sform the same with code 1, mm and seconds, no text, no extension.
    """
    affine = cleaned(affine_ras)
    sizes_mm = np.linalg.norm(affine[:3, :3], axis=0)
    qfac, quaternion = quaternion_of(affine[:3, :3] / sizes_mm)
    head = bytearray(VOXELS_AT)
    struct.pack_into("<i", head, 0, HEADER_BYTES)
    head[38:39] = b"r"  # the "regular" of ANALYZE 7.5, which dcm2niix writes
    struct.pack_into("<8h", head, DIMENSIONS_AT, 3, *shape_ijk, 1, 1, 1, 1)
    struct.pack_into("<2h", head, TYPE_AT, INT16, INT16_BITS)
    struct.pack_into("<11f", head, SIZES_AT, qfac, *sizes_mm, 0, 0, 0, 0, VOXELS_AT, 1, 0)
    head[UNITS_AT] = MM_AND_SECONDS
    codes = SCANNER_ANATOMICAL, SCANNER_ANATOMICAL
    struct.pack_into(
        "<2h18f", head, PLACES_AT, *codes, *quaternion, *affine[:3, 3], *affine[:3].ravel()
    )
    head[MAGIC_AT:HEADER_BYTES] = MAGIC
    return bytes(head)


def parsed_header(block: bytes) -> NiftiHeader:
    """What the 348 bytes say; raises ValueError for those of no single-file NIfTI-1."""
    if len(block) < HEADER_BYTES or block[MAGIC_AT:HEADER_BYTES] != MAGIC:
        raise ValueError("it is not a NIfTI-1 file")
    both: tuple[Literal["<", ">"], ...] = ("<", ">")
    orders = [order for order in both if struct.unpack_from(order + "i", block)[0] == HEADER_BYTES]
    if not orders:
        raise ValueError("its header is corrupt")
    order = orders[0]
    sizes = struct.unpack_from(order + "11f", block, SIZES_AT)
    qcode, scode, *places = struct.unpack_from(order + "2h18f", block, PLACES_AT)
    return NiftiHeader(
        byte_order=order,
        dimensions=struct.unpack_from(order + "8h", block, DIMENSIONS_AT),
        datatype=struct.unpack_from(order + "h", block, TYPE_AT)[0],
        voxels_at=sizes[8],
        slope=sizes[9],
        intercept=sizes[10],
        qform=_affine_of_qform(sizes[:4], places[:3], places[3:6]) if qcode > 0 else None,
        sform=_affine_of_rows(places[6:]) if scode > 0 else None,
    )


def quaternion_of(directions: NDArray[np.float64]) -> tuple[float, tuple[float, float, float]]:
    """`qfac` and the quaternion (b, c, d) of orthonormal columns (nifti1.h, method 2).

    Of the two quaternions of a rotation that with the greater first number a is taken, which is
    not stored; where a is 0, that whose first number of the others is positive.
    """
    qfac = -1.0 if np.linalg.det(directions) < 0 else 1.0
    r = directions * (1.0, 1.0, qfac)
    squares = np.array(
        [
            1 + r[0, 0] + r[1, 1] + r[2, 2],
            1 + r[0, 0] - r[1, 1] - r[2, 2],
            1 - r[0, 0] + r[1, 1] - r[2, 2],
            1 - r[0, 0] - r[1, 1] + r[2, 2],
        ]
    )
    products = np.array(
        [
            [0, r[2, 1] - r[1, 2], r[0, 2] - r[2, 0], r[1, 0] - r[0, 1]],
            [0, 0, r[1, 0] + r[0, 1], r[0, 2] + r[2, 0]],
            [0, 0, 0, r[2, 1] + r[1, 2]],
            [0, 0, 0, 0],
        ]
    )
    largest = int(squares.argmax())
    row = (products + products.T)[largest]
    row[largest] = squares[largest]
    quaternion = np.round(row / np.linalg.norm(row), 9) + 0.0
    first = quaternion[np.flatnonzero(quaternion)[0]]
    _, b, c, d = (quaternion if first > 0 else 0.0 - quaternion).tolist()
    return qfac, (b, c, d)


def _affine_of_qform(
    sizes: Sequence[float], quaternion: Sequence[float], offset: Sequence[float]
) -> Affine:
    """The affine of method 2 (nifti1.h); all NaN where the quaternion is none."""
    qfac, *sizes_mm = sizes
    b, c, d = quaternion
    rest = 1 - (b * b + c * c + d * d)
    if not rest >= -QUATERNION_LIMIT:
        return np.full((4, 4), np.nan)
    a = math.sqrt(rest) if rest > QUATERNION_NOISE else 0.0
    affine = np.eye(4)
    affine[:3, :3] = [
        [a * a + b * b - c * c - d * d, 2 * (b * c - a * d), 2 * (b * d + a * c)],
        [2 * (b * c + a * d), a * a + c * c - b * b - d * d, 2 * (c * d - a * b)],
        [2 * (b * d - a * c), 2 * (c * d + a * b), a * a + d * d - c * c - b * b],
    ]
    affine[:3, :3] *= (sizes_mm[0], sizes_mm[1], sizes_mm[2] * (-1 if qfac < 0 else 1))
    affine[:3, 3] = offset
    return affine


def _affine_of_rows(rows: Sequence[float]) -> Affine:
    affine = np.eye(4)
    affine[:3] = np.reshape(rows, (3, 4))
    return affine
