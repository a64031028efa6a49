"""DICOM files as header and pixels: the header is rewritten, the pixels stay as they are.

Reading refuses what it would have to guess: no magic word, no or an unknown transfer syntax, pixels
that are absent, cut off, or longer than the header says. Writing encodes the header with pydicom
and puts the source's pixel bytes behind it, byte for byte, in the same transfer syntax; only a
deflated file is written as Explicit VR Little Endian, so that its header can be searched.
"""

import struct
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import pydicom
from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.filereader import read_file_meta_info
from pydicom.uid import (
    UID,
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
)

from pipelines.core.errors import DicomError
from pipelines.core.values import PIXEL_DATA
from pipelines.io.dicom import faults_of, has_magic, read_dataset
from pipelines.io.inflating import inflated
from pipelines.io.new_file import (
    IMPLEMENTATION_CLASS_UID,
    IMPLEMENTATION_VERSION_NAME,
    SEQUENCE_END_BYTES,
    pixel_header,
)
from pipelines.io.unused_bits import UnusedBits, unused_bits
from pipelines.io.walker import UNDEFINED_LENGTH, walk

MAXIMUM_FILE_BYTES = 1 << 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Pixels:
    """PixelData (7FE0,0010) as it stands in the file: `value` without header and delimiter."""

    vr: str
    value: bytes
    is_encapsulated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Part10:
    """One file: its data set, the transfer syntax it will be written in, and its pixels."""

    dataset: Dataset
    transfer_syntax: UID
    pixels: Pixels | None

    @property
    def is_little_endian(self) -> bool:
        """Whether the header is little endian, as all but one retired transfer syntax are."""
        return self.transfer_syntax.is_little_endian


def read_part10(path: Path, *, name: str) -> Part10:
    """The file at `path`; messages call it `name`, as its own name may tell who the patient is.

    Raises DicomError UNREADABLE_DICOM, MISSING_ATTRIBUTE or UNSUPPORTED_SYNTAX.
    """
    if path.stat().st_size > MAXIMUM_FILE_BYTES:
        raise DicomError("UNREADABLE_DICOM", f"{name}: larger than {MAXIMUM_FILE_BYTES >> 30} GiB")
    content = path.read_bytes()
    if not has_magic(content):
        raise DicomError("UNREADABLE_DICOM", f"{name}: not a DICOM file")
    _refuse_truncated(content, name)
    with faults_of(name):
        syntax = _transfer_syntax(read_file_meta_info(path), name)
        if syntax == DeflatedExplicitVRLittleEndian:
            content, syntax = _inflated(content, name), ExplicitVRLittleEndian
        dataset = read_dataset(BytesIO(content), name=name)
        return Part10(dataset=dataset, transfer_syntax=syntax, pixels=_pixels(dataset, name))


def _refuse_truncated(content: bytes, name: str) -> None:
    """Raise TRUNCATED_FILE: pydicom would take what is there of a value that is cut off."""
    try:
        walked = walk(BytesIO(content), len(content), frozenset())
    except DicomError as error:
        raise DicomError(error.code, f"{name}: {error.message}") from error
    if walked.truncated:
        raise DicomError("TRUNCATED_FILE", f"{name}: ends too early")


def _transfer_syntax(meta: Dataset, name: str) -> UID:
    syntax = meta.get("TransferSyntaxUID")
    if not syntax or not isinstance(syntax, UID):
        raise DicomError("MISSING_ATTRIBUTE", f"{name}: TransferSyntaxUID (0002,0010) is missing")
    if syntax.is_private or not syntax.is_transfer_syntax:
        raise DicomError("UNSUPPORTED_SYNTAX", f"{name}: unknown transfer syntax")
    return syntax


def _inflated(content: bytes, name: str) -> bytes:
    """A deflated file as Explicit VR Little Endian (PS3.5 A.5).

    Raises DicomError UNREADABLE_DICOM.
    """
    stream = BytesIO(content)
    stream.seek(132)
    pydicom.filereader.read_dataset(
        stream,
        is_implicit_VR=False,
        is_little_endian=True,
        stop_when=lambda tag, _vr, _length: tag.group != 2,
    )
    data, is_whole = inflated(content[stream.tell() :])
    if not is_whole:
        raise DicomError("UNREADABLE_DICOM", f"{name}: the deflated part is broken")
    meta = Dataset()
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return bytes(128) + b"DICM" + _encoded_meta(meta) + data


def _encoded_meta(meta: Dataset) -> bytes:
    value = str(meta.TransferSyntaxUID).encode().ljust(20, b"\0")
    return struct.pack("<HH2sH", 2, 0x10, b"UI", len(value)) + value


def _pixels(dataset: Dataset, name: str) -> Pixels | None:
    if PIXEL_DATA not in dataset:
        return None
    element = dataset[PIXEL_DATA]
    if not isinstance(element.value, bytes):
        raise DicomError("BAD_PIXELS", f"{name}: PixelData (7FE0,0010) is no sequence of bytes")
    return Pixels(
        vr=element.VR if element.VR in {"OB", "OW"} else "OW",
        value=element.value,
        is_encapsulated=element.is_undefined_length,
    )


def check_pixels(part: Part10, *, name: str) -> Pixels:
    """The pixels, if they are as many as the header says.

    Raises DicomError TRUNCATED_FILE, BAD_PIXELS or MISSING_ATTRIBUTE. What lies beyond the image
    in PixelData may be anything, so it is refused as well.
    """
    pixels = part.pixels
    if pixels is None:
        raise DicomError("TRUNCATED_FILE", f"{name}: PixelData (7FE0,0010) is missing")
    if pixels.is_encapsulated != part.transfer_syntax.is_encapsulated:
        raise DicomError("BAD_PIXELS", f"{name}: PixelData does not suit the transfer syntax")
    if not pixels.is_encapsulated:
        expected = _expected_bytes(part.dataset, name)
        if len(pixels.value) < expected:
            raise DicomError("TRUNCATED_FILE", f"{name}: PixelData ends too early")
        if len(pixels.value) > expected + expected % 2:
            raise DicomError("BAD_PIXELS", f"{name}: PixelData is longer than the image")
    return pixels


def _expected_bytes(dataset: Dataset, name: str) -> int:
    """PS3.5 8.1.1: the size of native pixels."""
    with faults_of(name):
        try:
            rows, columns, bits = (
                int(dataset[keyword].value) for keyword in ("Rows", "Columns", "BitsAllocated")
            )
        except KeyError as error:
            raise DicomError(
                "MISSING_ATTRIBUTE", f"{name}: Rows, Columns or BitsAllocated is missing"
            ) from error
        samples = int(dataset.get("SamplesPerPixel") or 1)
        frames = int(dataset.get("NumberOfFrames") or 1)
        return (rows * columns * samples * frames * bits + 7) // 8


def unused_bits_in(part: Part10, *, name: str) -> UnusedBits | None:
    """Which bits of native pixels are no values; None if they all are.

    Raises DicomError MISSING_ATTRIBUTE or BAD_PIXELS.
    """
    with faults_of(name):
        try:
            allocated, stored, sign = (
                int(part.dataset[keyword].value)
                for keyword in ("BitsAllocated", "BitsStored", "PixelRepresentation")
            )
            high = int(part.dataset["HighBit"].value) if "HighBit" in part.dataset else stored - 1
        except KeyError as error:
            raise DicomError(
                "MISSING_ATTRIBUTE",
                f"{name}: BitsAllocated, BitsStored or PixelRepresentation is missing",
            ) from error
        try:
            return unused_bits(
                allocated=allocated,
                stored=stored,
                high=high,
                is_signed=sign == 1,
                is_little_endian=part.is_little_endian,
            )
        except ValueError as error:
            raise DicomError("BAD_PIXELS", f"{name}: {error}") from error


def encode_part10(
    dataset: Dataset, *, transfer_syntax: UID, pixels: Pixels, name: str
) -> tuple[bytes, bytes]:
    """The bytes of a new file: everything before the pixels' value, and the rest.

    The preamble is zeroed and the file meta information built from scratch (PS3.10 7.1).
    """
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = dataset.SOPClassUID
    meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    meta.TransferSyntaxUID = transfer_syntax
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    dataset.file_meta = meta
    buffer = BytesIO()
    with faults_of(name):
        pydicom.dcmwrite(buffer, dataset, enforce_file_format=True)
    length = len(pixels.value) + len(pixels.value) % 2
    length = UNDEFINED_LENGTH if pixels.is_encapsulated else length
    header = pixel_header(
        pixels.vr,
        length,
        is_implicit=transfer_syntax.is_implicit_VR,
        is_little_endian=transfer_syntax.is_little_endian,
    )
    return buffer.getvalue() + header, _pixel_rest(pixels)


def _pixel_rest(pixels: Pixels) -> bytes:
    if pixels.is_encapsulated:
        return pixels.value + SEQUENCE_END_BYTES
    return pixels.value + bytes(len(pixels.value) % 2)
