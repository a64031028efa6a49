"""One gzip form for everything that is published: no time, no name, one member (RFC 1952).

The header is what gzip writes on Unix without a name; `gzip.open` would write the clock and the
file's name, which are nobody's business.
"""

import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import imagecodecs as typed_for_bytes_only
import numpy as np
from numpy.typing import NDArray

imagecodecs: Any = typed_for_bytes_only

GZIP_HEAD = bytes.fromhex("1f8b 08 00 00000000 00 03")
"""Magic, deflate, no flags, no time, no extra flags, Unix."""

STORED_LIMIT_BYTES = 0xFFFF
INFLATION_LIMIT = 1032
"""Deflate cannot grow further than this (RFC 1951: 258 bytes of a match in two bits)."""

SCRATCH_LEVEL = 1

STORED_AT_LEAST, STORED_ALLOWANCE_BYTES = 512, 1024
"""What cannot be packed is stored with 5 bytes for each 5000 at least: there is room for four times
as many, and memory that is not written to costs nothing."""


def gzip_parts(
    head: bytes, body: NDArray[np.generic], *, level: int
) -> Iterator[bytes | memoryview]:
    """The gzip member of a short `head` followed by `body`, which is not copied for it.

    The head becomes a stored block, so that the body can be compressed where it lies.
    """
    assert len(head) <= STORED_LIMIT_BYTES
    yield GZIP_HEAD
    yield struct.pack("<BHH", 0, len(head), len(head) ^ STORED_LIMIT_BYTES) + head
    room = body.nbytes + body.nbytes // STORED_AT_LEAST + STORED_ALLOWANCE_BYTES
    packed = np.empty(room, dtype=np.uint8)
    yield imagecodecs.deflate_encode(body, level=level, raw=True, out=packed).data
    checksum = imagecodecs.deflate_crc32(body, zlib.crc32(head))
    yield struct.pack("<LL", checksum, (len(head) + body.nbytes) & 0xFFFFFFFF)


def write_gzip(path: Path, head: bytes, body: NDArray[np.generic], *, level: int) -> None:
    """Write a new file of one gzip member; `body` must be contiguous."""
    with path.open("xb") as file:
        file.writelines(gzip_parts(head, body, level=level))


@contextmanager
def open_packed(path: Path) -> Iterator[tuple[BinaryIO, int]]:
    """The content of a file that may be gzipped, and the most bytes that it can hold.

    Raises ValueError, also from within the context, where the packing is corrupt or cut off.
    """
    size_bytes = path.stat().st_size
    with path.open("rb") as raw:
        is_packed = raw.read(2) == GZIP_HEAD[:2]
        raw.seek(0)
        if not is_packed:
            yield raw, size_bytes
            return
        igzip, corrupt = _unpacker()
        try:
            with igzip.IGzipFile(fileobj=raw, mode="rb") as stream:
                yield stream, size_bytes * INFLATION_LIMIT
        except corrupt as error:
            raise ValueError("its compression is corrupt or cut off") from error


def _unpacker() -> tuple[Any, tuple[type[Exception], ...]]:
    """The module that unpacks, and what it raises; who only writes does not load it."""
    import gzip

    from isal import igzip, isal_zlib

    errors: Any = isal_zlib
    # OverflowError is for a header of more than half a megabyte
    return igzip, (errors.error, EOFError, OverflowError, gzip.BadGzipFile)
