"""Takes everything but geometry and voxels out of a mask, without decoding a voxel.

A NIfTI-1 header has room for text (descrip, aux_file, db_name, intent_name), its extensions may
hold a whole DICOM header, and gzip notes the file's name and time. Here a new header is written
with the fields of `GEOMETRY`; the voxels are copied as bytes, as many as the header announces.
"""

import gzip
import math
import struct
from pathlib import Path
from typing import BinaryIO

from pipelines.core.errors import ItemError
from pipelines.io.packing import open_packed

HEADER_BYTES = 348
DATA_OFFSET = 352
QFORM, SFORM = slice(256, 280), slice(280, 328)
MAGIC = slice(344, 348)
MAXIMUM_OFFSET = 1 << 26
MAXIMUM_DATA_BYTES = 1 << 31
CHUNK_BYTES = 1 << 20

GEOMETRY = (
    slice(0, 4),  # sizeof_hdr
    slice(40, 56),  # dim
    slice(70, 74),  # datatype, bitpix
    slice(76, 108),  # pixdim
    slice(112, 120),  # scl_slope, scl_inter
    slice(123, 124),  # xyzt_units
    slice(252, 328),  # qform_code, sform_code, quaternion, offsets, srow
    MAGIC,
)
"""The bytes of the NIfTI-1 header that say where a voxel lies and what type it has."""

BITS_OF_DATATYPE = {
    2: 8,
    4: 16,
    8: 32,
    16: 32,
    64: 64,
    256: 8,
    512: 16,
    768: 32,
    1024: 64,
    1280: 64,
}
"""NIFTI_TYPE_*: the real numbers; colours and complex numbers are no mask."""


def clean_mask(source: Path, target: Path) -> None:
    """Write the mask `source` (.nii or .nii.gz) to `target` (.nii.gz) with nothing but geometry.

    Raises ItemError UNREADABLE_MASK if it is not a whole single-file NIfTI-1 image.
    """
    try:
        with open_packed(source) as (stream, _):
            _copy(stream, target)
    except ValueError as error:
        raise _unreadable(str(error)) from error


def _unreadable(what: str) -> ItemError:
    return ItemError("UNREADABLE_MASK", f"the mask cannot be read: {what}")


def _copy(stream: BinaryIO, target: Path) -> None:
    old = _exactly(stream, HEADER_BYTES)
    order = _byte_order(old)
    size = _data_bytes(old, order)
    (offset,) = struct.unpack_from(order + "f", old, 108)
    if not HEADER_BYTES <= offset <= MAXIMUM_OFFSET or offset != int(offset):
        raise _unreadable("a lying vox_offset")
    _exactly(stream, int(offset) - HEADER_BYTES)  # extensions, where a DICOM header may lie
    with target.open("wb") as raw, gzip.GzipFile("", "wb", 6, raw, mtime=0) as clean:
        clean.write(_new_header(old, order))
        while size:
            clean.write(_exactly(stream, min(size, CHUNK_BYTES)))
            size -= min(size, CHUNK_BYTES)
    _read_on(stream)


def _read_on(stream: BinaryIO) -> None:
    """Read to the end, where gzip has its checksum: a damaged mask marks other voxels."""
    behind = 0
    while content := stream.read(CHUNK_BYTES):
        behind += len(content)
        if behind > CHUNK_BYTES:
            raise _unreadable("far more than its header says")


def _exactly(stream: BinaryIO, size: int) -> bytes:
    content = stream.read(size)
    if len(content) != size:
        raise _unreadable("the file ends too early")
    return content


def _byte_order(header: bytes) -> str:
    for order in "<>":
        if struct.unpack_from(order + "i", header)[0] == HEADER_BYTES:
            if header[MAGIC] != b"n+1\0":
                raise _unreadable("not a single-file NIfTI-1 image")
            return order
    raise _unreadable("not a NIfTI-1 image")


def _data_bytes(header: bytes, order: str) -> int:
    dims: tuple[int, ...] = struct.unpack_from(order + "8h", header, 40)
    datatype: int
    bits: int
    datatype, bits = struct.unpack_from(order + "2h", header, 70)
    if not 1 <= dims[0] <= 7 or min(dims[1 : dims[0] + 1]) < 1:
        raise _unreadable("impossible dimensions")
    if BITS_OF_DATATYPE.get(datatype) != bits:
        raise _unreadable("a datatype that is no mask")
    size = math.prod(dims[1 : dims[0] + 1]) * bits // 8
    if size > MAXIMUM_DATA_BYTES:
        raise _unreadable(f"more than {MAXIMUM_DATA_BYTES >> 30} GiB")
    return size


def _new_header(old: bytes, order: str) -> bytes:
    new = bytearray(DATA_OFFSET)
    for field in GEOMETRY:
        new[field] = old[field]
    ndim = struct.unpack_from(order + "h", old, 40)[0]
    new[42 + 2 * ndim : 56] = bytes(56 - 42 - 2 * ndim)  # axes that the image does not have
    new[80 + 4 * ndim : 108] = bytes(108 - 80 - 4 * ndim)
    for code_at, place in ((252, QFORM), (254, SFORM)):
        if struct.unpack_from(order + "h", old, code_at)[0] <= 0:
            new[place] = bytes(place.stop - place.start)  # nobody reads it: it may be text
    struct.pack_into(order + "f", new, 108, DATA_OFFSET)
    return bytes(new)
