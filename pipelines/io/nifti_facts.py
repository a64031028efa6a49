"""What the header of a published NIfTI file says, before anybody believes it: its raw fields.

Read without a library, as a library mends or hides what is to be found here.
"""

import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipelines.core.grids import Affine
from pipelines.io.packing import open_packed

HEADER_BYTES, SINGLE_FILE_MAGIC = 348, b"n+1\0"
INT16 = 4
TEXTS = {
    "data_type": slice(4, 14),
    "db_name": slice(14, 32),
    "descrip": slice(148, 228),
    "aux_file": slice(228, 252),
    "intent_name": slice(328, 344),
}
"""The fields of nifti1.h that hold text."""

GZIP_MAGIC, GZIP_NAME, GZIP_COMMENT, GZIP_EXTRA = b"\x1f\x8b", 8, 16, 4
SPATIAL_UNITS, MILLIMETRES = 7, 2
SHEAR_TOLERANCE = 1e-4
"""The cosine between two axes that is still a right angle: 0.006 degrees."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NiftiFacts:
    """The fields of a header that a published file is judged by.

    `affine_ras` is the sform, `texts` the fields that are not empty, `has_extension` whether
    anything stands between header and voxels.
    """

    datatype: int
    slope: float
    intercept: float
    qform_code: int
    sform_code: int
    spatial_units: int
    pixdim_mm: tuple[float, float, float]
    affine_ras: Affine
    texts: dict[str, bytes]
    has_extension: bool

    @property
    def spacing_mm(self) -> tuple[float, float, float]:
        """The sizes of a voxel by the affine."""
        i, j, k = np.linalg.norm(self.affine_ras[:3, :3], axis=0).tolist()
        return i, j, k

    @property
    def is_sheared(self) -> bool:
        """Whether two axes are not at a right angle."""
        axes = self.affine_ras[:3, :3] / np.array(self.spacing_mm)
        return bool(np.abs(axes.T @ axes - np.eye(3)).max() > SHEAR_TOLERANCE)

    @property
    def is_las(self) -> bool:
        """Whether i runs to the left, j to the front and k to the head."""
        axes = self.affine_ras[:3, :3]
        main = np.abs(axes).argmax(axis=0).tolist() == [0, 1, 2]
        return bool(main and (np.sign(np.diag(axes)) == (-1, 1, 1)).all())


def read_facts(path: Path) -> NiftiFacts:
    """The header of a NIfTI-1 file, gzipped or not, of either byte order.

    Raises ValueError where it is none.
    """
    with open_packed(path) as (stream, _):
        block = stream.read(HEADER_BYTES + 4)
    if len(block) < HEADER_BYTES or block[344:348] != SINGLE_FILE_MAGIC:
        raise ValueError("it is not a NIfTI-1 file")
    order = "<" if struct.unpack_from("<i", block)[0] == HEADER_BYTES else ">"
    slope, intercept = struct.unpack_from(order + "2f", block, 112)
    (voxels_at,) = struct.unpack_from(order + "f", block, 108)
    qform_code, sform_code = struct.unpack_from(order + "2h", block, 252)
    affine_ras = np.eye(4)
    affine_ras[:3] = np.reshape(struct.unpack_from(order + "12f", block, 280), (3, 4))
    found = {name: block[place].split(b"\0")[0].strip() for name, place in TEXTS.items()}
    return NiftiFacts(
        datatype=struct.unpack_from(order + "h", block, 70)[0],
        slope=slope,
        intercept=intercept,
        qform_code=qform_code,
        sform_code=sform_code,
        spatial_units=block[123] & SPATIAL_UNITS,
        pixdim_mm=struct.unpack_from(order + "3f", block, 80),
        affine_ras=affine_ras,
        texts={name: text for name, text in found.items() if text},
        has_extension=voxels_at != HEADER_BYTES + 4 or block[348:349] not in {b"", b"\0"},
    )


def gzip_tells(path: Path) -> str:
    """What a gzip header tells beside its content: "name", "time"; empty for nothing."""
    with path.open("rb") as file:
        head = file.read(10)
    if head[:2] != GZIP_MAGIC or len(head) < 10:
        return ""
    told = ["time"] if head[4:8] != bytes(4) else []
    told += ["name"] if head[3] & (GZIP_NAME | GZIP_COMMENT | GZIP_EXTRA) else []
    return " and ".join(told)
