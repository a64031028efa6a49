"""Experts' lesion masks as MosMedData published them: gzipped NIfTI-1, int16 0 or 1, L A S."""

from __future__ import annotations

import struct
import zlib
from enum import Enum
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
from numpy.typing import NDArray

from pipelines.phantom.spec import SeriesSpec


class MaskGrid(Enum):
    """On which slices a mask was drawn."""

    FULL = 1
    THINNED = 10
    """The slices whose InstanceNumber is a multiple of ten."""


def write_mask(
    path: Path, spec: SeriesSpec, lesion_mask: NDArray[np.uint8], grid: MaskGrid
) -> Path:
    """Write the mask [k, row, column] of an axial series whose k runs to the head."""
    numbers = [spec.instance_numbers[k] or 0 for k in range(len(lesion_mask))]
    kept = [k for k, number in enumerate(numbers) if number % grid.value == 0]
    # L A S: columns run left as in DICOM, rows are turned to run to the front.
    data_ijk = lesion_mask[kept][:, ::-1, :].transpose(2, 1, 0).astype(np.int16)
    between_rows, between_columns = spec.pixel_spacing_mm
    x, y, z = spec.position_lps_mm(kept[0])
    affine_ras = np.diag([-between_columns, between_rows, spec.slice_step_mm * grid.value, 1.0])
    affine_ras[:3, 3] = -x, -(y + (data_ijk.shape[1] - 1) * between_rows), z
    path.write_bytes(gzipped(_nifti(data_ijk, affine_ras)))
    return path


def _nifti(data_ijk: NDArray[np.int16], affine_ras: NDArray[np.float64]) -> bytes:
    # nibabel's classes carry no types.
    make: Any = nib.Nifti1Image
    image = make(data_ijk, affine_ras)
    image.header.set_xyzt_units("mm", "sec")
    image.set_qform(affine_ras, code=1)
    image.set_sform(affine_ras, code=1)
    image.header["regular"] = b"r"
    image.header["pixdim"][4:] = 0
    return bytes(image.to_bytes())


def gzipped(data: bytes) -> bytes:
    """The data as gzip without a name and a time."""
    deflate = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(data) + deflate.flush()
    header = b"\x1f\x8b\x08\x00" + bytes(4) + b"\x00\x03"
    return header + body + struct.pack("<II", zlib.crc32(data), len(data) & 0xFFFFFFFF)
