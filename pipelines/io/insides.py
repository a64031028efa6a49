"""What there is to read in a file of any kind: each part by itself, unpacked, and named.

Nobody vouches for the files: what is packed is unpacked within limits, and what cannot be unpacked
is an `UnreadableError`, never passed over. A kind nobody knows is read as it lies.
"""

import gzip
import html
import io
import math
import mmap
import re
import struct
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote_to_bytes

from pipelines.io.dicom import PREAMBLE_BYTES, has_magic
from pipelines.io.embedded import JPEG_MAGIC, jpeg_segments, taken_apart
from pipelines.io.parts import PART_LIMIT_BYTES, Part, UnreadableError, held
from pipelines.io.pdf_parts import pdf_parts
from pipelines.io.probe import ZIP_FAULTS

GZIP_MAGIC, ZIP_MAGIC, PDF_MAGIC = b"\x1f\x8b", b"PK\x03\x04", b"%PDF-"
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PIXEL_DATA = (b"\xe0\x7f\x10\x00", b"\x7f\xe0\x00\x10")
TEXT_SUFFIXES = frozenset({"", ".csv", ".htm", ".html", ".json", ".md", ".txt", ".xml", ".yaml"})

GZIP_HEAD_BYTES = 10
NIFTI_HEADER, NIFTI_VOXELS_AT = struct.pack("<i", 348), 352
NIFTI_TEXTS = ((4, 14), (14, 32), (148, 228), (228, 252), (328, 344))
"""data_type, db_name, descrip, aux_file, intent_name (nifti1.h)."""
NIFTI_DIM, NIFTI_BITPIX, NIFTI_VOXEL_OFFSET = 40, 72, 108
EXTENSIONS_LIMIT_BYTES = 1 << 20

UNPACKED_LIMIT_BYTES = 1 << 30
NESTING_LIMIT = 3

_JSON_ESCAPE = re.compile(rb"\\u([0-9A-Fa-f]{4})")


def kind_of(path: Path) -> str:
    """What a file is by its first bytes, or by its suffix if it is text."""
    with path.open("rb") as stream:
        head = stream.read(PREAMBLE_BYTES + 4)
    if head.startswith(GZIP_MAGIC):
        return "nii.gz" if path.name.lower().endswith(".nii.gz") else "gzip"
    if head.startswith(ZIP_MAGIC):
        return "xlsx" if path.suffix.lower() == ".xlsx" else "zip"
    if head.startswith(NIFTI_HEADER):
        return "nii"
    if has_magic(head):
        return "dicom"
    for magic, kind in ((PDF_MAGIC, "pdf"), (PNG_MAGIC, "png")):
        if head.startswith(magic):
            return kind
    return "text" if path.suffix.lower() in TEXT_SUFFIXES and b"\0" not in head else "other"


def parts_of(path: Path, kind: str) -> Iterator[Part]:
    """Every part of the file; raises UnreadableError where one cannot be looked into."""
    with path.open("rb") as stream:
        try:
            yield from _parts(kind, stream, NESTING_LIMIT)
        except UnreadableError:
            raise
        except (struct.error, NotImplementedError) as error:
            raise UnreadableError("it is not what its first bytes say") from error
        except ZIP_FAULTS as error:
            raise UnreadableError("its packing is corrupt or encrypted") from error


def _parts(kind: str, stream: BinaryIO, nesting: int) -> Iterator[Part]:
    match kind:
        case "text":
            yield from _text_with_files_parts(_limited(stream))
        case "nii.gz" | "gzip":
            yield from _gzip_parts(kind, stream)
        case "nii":
            size_bytes = stream.seek(0, io.SEEK_END)
            stream.seek(0)
            yield from _nifti_parts(stream, size_bytes=size_bytes)
        case "xlsx" | "zip":
            yield from _zip_parts(stream, nesting)
        case "dicom":
            yield from _dicom_parts(stream)
        case "pdf":
            yield from pdf_parts(_limited(stream))
        case "png":
            yield from _png_parts(_limited(stream))
        case _:
            yield Part("content", stream)


def _limited(stream: BinaryIO) -> bytes:
    content = stream.read(PART_LIMIT_BYTES + 1)
    if len(content) > PART_LIMIT_BYTES:
        raise UnreadableError(f"it is larger than {PART_LIMIT_BYTES >> 20} MiB")
    return content


def _text_with_files_parts(content: bytes) -> Iterator[Part]:
    """A text, and what is embedded in it."""
    text, files, raw = taken_apart(content)
    yield from _text_parts(text)
    yield held("embedded", raw, is_numbers=True)
    for number, data in enumerate(files, start=1):
        for part in _file_parts(data):
            yield Part(f"embedded {number}, {part.place}", part.content, part.is_numbers)


def _file_parts(data: bytes) -> Iterator[Part]:
    if data.startswith(JPEG_MAGIC):
        for place, content, is_numbers in jpeg_segments(data):
            yield held(place, content, is_numbers=is_numbers)
    else:
        yield from _member_parts(data, "file", NESTING_LIMIT)


def _text_parts(content: bytes, place: str = "text") -> Iterator[Part]:
    """Text as it stands, and as a reader of HTML, JSON or addresses would have it."""
    yield held(place, content)
    disguised = (
        unquote_to_bytes(content) if b"%" in content else content,
        _JSON_ESCAPE.sub(lambda match: _character(match[1]), content),
        html.unescape(content.decode("utf-8", "replace")).encode() if b"&" in content else content,
    )
    yield from (held(place, one) for one in disguised if one != content)


def _character(digits: bytes) -> bytes:
    return chr(int(digits, 16)).encode("utf-8", "replace")


# --- gzip and NIfTI


def _gzip_parts(kind: str, stream: BinaryIO) -> Iterator[Part]:
    head = stream.read(GZIP_HEAD_BYTES)
    if len(head) < GZIP_HEAD_BYTES:
        raise EOFError
    flags, mtime = head[3], head[4:8]
    if mtime != bytes(4) or flags & ~1:
        raise UnreadableError("its gzip header tells a name, a time or more")
    stream.seek(0)
    with gzip.GzipFile(fileobj=stream) as unpacked:
        content = cast("BinaryIO", unpacked)
        if kind == "nii.gz":
            yield from _nifti_parts(content, size_bytes=_size_in_trailer(stream))
        else:
            yield from _text_or_other(_inflated(content))


def _size_in_trailer(stream: BinaryIO) -> int:
    """How long the last member says it is, modulo 2**32 (RFC 1952)."""
    stream.seek(-4, io.SEEK_END)
    (size_bytes,) = struct.unpack("<I", stream.read(4))
    stream.seek(0)
    return int(size_bytes)


def _inflated(content: BinaryIO) -> bytes:
    data = content.read(PART_LIMIT_BYTES + 1)
    if len(data) > PART_LIMIT_BYTES:
        raise UnreadableError(f"it unpacks to more than {PART_LIMIT_BYTES >> 20} MiB")
    return data


def _text_or_other(content: bytes) -> Iterator[Part]:
    if b"\0" in content:
        yield held("content", content)
    else:
        yield from _text_parts(content, "content")


def _nifti_parts(content: BinaryIO, *, size_bytes: int) -> Iterator[Part]:
    """The header and its extensions: the voxels are numbers, and nothing may lie behind them."""
    head = content.read(NIFTI_VOXELS_AT)
    if len(head) < NIFTI_VOXELS_AT or head[:4] != NIFTI_HEADER:
        raise UnreadableError("it is no NIfTI-1 file in little endian")
    texts = b"\0".join(head[start:end] for start, end in NIFTI_TEXTS)
    yield held("NIfTI header", texts)
    yield held("NIfTI header", head, is_numbers=True)
    (voxels_at,) = struct.unpack_from("<f", head, NIFTI_VOXEL_OFFSET)
    if not NIFTI_VOXELS_AT <= voxels_at <= EXTENSIONS_LIMIT_BYTES:
        raise UnreadableError("its header does not say where the voxels begin")
    yield held("NIfTI extension", content.read(int(voxels_at) - NIFTI_VOXELS_AT))
    axes, *dim = struct.unpack_from("<8h", head, NIFTI_DIM)
    (bits,) = struct.unpack_from("<h", head, NIFTI_BITPIX)
    voxels_bytes = math.prod(dim[: max(axes, 0)]) * bits // 8
    if (int(voxels_at) + voxels_bytes) % (1 << 32) != size_bytes % (1 << 32):
        raise UnreadableError("it is not as long as its header says")


# --- archives


def _zip_parts(stream: BinaryIO, nesting: int) -> Iterator[Part]:
    if not nesting:
        raise UnreadableError("archives lie in it too deep")
    with zipfile.ZipFile(stream) as archive:
        members = archive.infolist()
        if sum(member.file_size for member in members) > UNPACKED_LIMIT_BYTES:
            raise UnreadableError(f"it unpacks to more than {UNPACKED_LIMIT_BYTES >> 30} GiB")
        names = [m.filename.encode() + b"\0" + m.comment + b"\0" + m.extra for m in members]
        yield held("names of members", b"\0".join((*names, archive.comment)))
        for number, member in enumerate(members, start=1):
            with archive.open(member) as content:
                data = _inflated(cast("BinaryIO", content))
            yield from _member_parts(data, f"member {number}", nesting)
    stream.seek(0)
    yield Part("archive as it lies", stream, is_numbers=True)


def _member_parts(data: bytes, place: str, nesting: int) -> Iterator[Part]:
    if data.startswith(ZIP_MAGIC):
        parts = _zip_parts(io.BytesIO(data), nesting - 1)
    elif data.startswith(PDF_MAGIC):
        parts = pdf_parts(data)
    elif data.startswith(PNG_MAGIC):
        parts = _png_parts(data)
    else:
        parts = _text_or_other(data)
    for part in parts:
        yield Part(f"{place}, {part.place}", part.content, part.is_numbers)


# --- images and documents


def _dicom_parts(stream: BinaryIO) -> Iterator[Part]:
    """The header, and as numbers all that comes with or after the pixels."""
    with mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as content:
        found = [place for tag in PIXEL_DATA if (place := content.find(tag)) >= 0]
        pixels_at = min(found, default=len(content))
    stream.seek(0)
    yield held("header", stream.read(pixels_at))
    yield Part("pixels", stream, is_numbers=True)


def _png_parts(content: bytes) -> Iterator[Part]:
    """Every chunk but the pixels (PNG 1.2, 4.2), with what is compressed in it."""
    place = len(PNG_MAGIC)
    while place + 12 <= len(content):
        (length,) = struct.unpack_from(">I", content, place)
        name, data = content[place + 4 : place + 8], content[place + 8 : place + 8 + length]
        place += 12 + length
        if name == b"IDAT":
            continue
        label = f"chunk {name.decode('ascii', 'replace')}"
        yield held(label, data)
        for start in [match.end() for match in re.finditer(rb"\0", data)][:4]:
            if data[start : start + 1] == b"\x78":
                yield held(label, zlib.decompressobj().decompress(data[start:], PART_LIMIT_BYTES))
    yield held("behind the image", content[place:])
