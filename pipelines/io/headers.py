"""What is needed of the header of one CT slice, checked: nothing past it has to doubt a number.

The seam for a faster reader: everything after `read_header` knows `InstanceHeader` only. Pixels are
not read here; `pixels_at` says where their element stands, so that nobody parses a header twice.
"""

import zlib
from dataclasses import dataclass
from decimal import Decimal
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom import FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag

from pipelines.core.errors import DicomError
from pipelines.core.geometry import SlicePlane
from pipelines.io.dicom import CT_IMAGE_STORAGE, MAGIC, PREAMBLE_BYTES, faults_of
from pipelines.io.fields import Fields

EXPLICIT_SYNTAX = "1.2.840.10008.1.2.1"
DEFLATED_SYNTAX = "1.2.840.10008.1.2.1.99"
PIXEL_TAG = 0x7FE00010
FILE_META_AT = PREAMBLE_BYTES + len(MAGIC) + 12
"""Where the file meta starts that (0002,0000) counts: after itself (PS3.10 7.1)."""

FILE_META_PROBE_BYTES = 1024

INFLATED_LIMIT_BYTES = 1 << 28
"""A deflated slice that grows beyond this is refused: sixteen times the largest matrix taken."""

MATRIX_LIMIT = 4096
"""Rows and columns beyond this are taken for a lie: the largest CT matrix is 2048."""

SPACING_LIMIT_MM = 10.0
"""A larger PixelSpacing is taken for a lie: a 512 matrix of it would be five metres wide."""

POSITION_LIMIT_MM = 1e5
"""A coordinate beyond this is taken for a lie: a hundred metres off the isocentre."""

UNIT_TOLERANCE = 1e-3
"""Direction cosines must be of unit length and perpendicular within this."""

KEYWORDS = (
    "SOPClassUID",
    "SOPInstanceUID",
    "SeriesInstanceUID",
    "SeriesNumber",
    "Modality",
    "ImageType",
    "ConvolutionKernel",
    "SliceThickness",
    "InstanceNumber",
    "ImagePositionPatient",
    "ImageOrientationPatient",
    "PixelSpacing",
    "SamplesPerPixel",
    "PhotometricInterpretation",
    "NumberOfFrames",
    "Rows",
    "Columns",
    "BitsAllocated",
    "BitsStored",
    "HighBit",
    "PixelRepresentation",
    "RescaleSlope",
    "RescaleIntercept",
    "RescaleType",
    "LossyImageCompression",
)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributes:
    """Some attributes of a file, and the offset of its PixelData element in its inflated form."""

    dataset: FileDataset
    pixels_at: int
    is_deflated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How stored values are packed (PS3.3 C.7.6.3) and what makes Hounsfield units of them."""

    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    rescale_slope: Decimal
    rescale_intercept: Decimal


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHeader:
    """One single-frame CT slice: where it lies, how its pixels are packed, where they stand.

    `instance_number` and `slice_thickness_mm` are None where the file has none. `was_lossy` is
    what LossyImageCompression (0028,2110) claims, None if it keeps silent. `pixels_at` is the
    offset in bytes of the PixelData element, in the inflated form if the file is deflated, and
    `transfer_syntax_uid` is that of this form.
    """

    path: Path
    sop_instance_uid: str
    series_instance_uid: str
    instance_number: int | None
    image_type: tuple[str, ...]
    convolution_kernel: str | None
    slice_thickness_mm: float | None
    plane: SlicePlane
    pixels: PixelFormat
    transfer_syntax_uid: str
    was_lossy: bool | None
    pixels_at: int
    is_deflated: bool

    @property
    def name(self) -> str:
        """What an error calls the slice."""
        return self.plane.label

    @property
    def claim(self) -> tuple[object, ...]:
        """What the file says about the slice but for its pixels; equal for copies of a slice."""
        plane = self.plane
        place = plane.image_position_lps_mm, plane.row_cosines, plane.column_cosines
        return *place, plane.pixel_spacing_mm, plane.rows, plane.columns, self.convolution_kernel


def read_header(path: Path) -> InstanceHeader:
    """The header of the CT slice in `path`.

    Raises DicomError UNREADABLE_DICOM, UNSUPPORTED_OBJECT, MISSING_ATTRIBUTE or BAD_ATTRIBUTE.
    """
    attributes = read_attributes(path, KEYWORDS)
    syntax = attributes.dataset.file_meta.get("TransferSyntaxUID")
    if not syntax:
        raise DicomError("MISSING_ATTRIBUTE", f"{path.name}: TransferSyntaxUID is missing")
    fields = Fields(attributes.dataset, path.name)
    _refuse_other_objects(fields)
    uid, number = fields.text("SOPInstanceUID"), fields.whole_number("InstanceNumber")
    return InstanceHeader(
        path=path,
        sop_instance_uid=uid,
        series_instance_uid=fields.text("SeriesInstanceUID"),
        instance_number=number,
        image_type=fields.texts("ImageType"),
        convolution_kernel="\\".join(fields.texts("ConvolutionKernel")) or None,
        slice_thickness_mm=_slice_thickness_mm(fields),
        plane=_plane(fields, slice_name(path, uid, number)),
        pixels=_pixel_format(fields),
        transfer_syntax_uid=str(syntax),
        was_lossy=_was_lossy(fields),
        pixels_at=attributes.pixels_at,
        is_deflated=attributes.is_deflated,
    )


def slice_name(path: Path, sop_instance_uid: str, instance_number: int | None) -> str:
    """What errors call a slice: its number, and its file's name unless that is a UID."""
    if instance_number is None:
        return path.name
    number = f"instance {instance_number}"
    return number if path.stem == sop_instance_uid else f"{number} ({path.name})"


def plain_form(path: Path) -> bytes:
    """A deflated file (PS3.5 A.5) with its data set inflated, under a limit.

    Raises DicomError UNREADABLE_DICOM or TRUNCATED_FILE.
    """
    with faults_of(path.name):
        meta = read_file_meta_info(path)
        start = FILE_META_AT + int(meta.FileMetaInformationGroupLength)
        if meta.get("TransferSyntaxUID") != DEFLATED_SYNTAX:
            raise DicomError("UNREADABLE_DICOM", f"{path.name}: not what its header pretends")
    raw = path.read_bytes()
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(raw[start:], INFLATED_LIMIT_BYTES)
    except zlib.error as error:
        message = f"{path.name}: the deflated data set is corrupt"
        raise DicomError("UNREADABLE_DICOM", message) from error
    if engine.unconsumed_tail:
        raise DicomError("UNREADABLE_DICOM", f"{path.name}: the data set inflates without end")
    if not engine.eof:
        raise DicomError("TRUNCATED_FILE", f"{path.name}: the deflated data set is cut off")
    # The shorter UID keeps its place, so that the meta's lengths stay right
    head = raw[:start].replace(DEFLATED_SYNTAX.encode(), EXPLICIT_SYNTAX.encode() + bytes(3), 1)
    return head + data


def read_attributes(path: Path, keywords: tuple[str, ...]) -> Attributes:
    """Only these attributes of the file, as it has them, file meta included.

    Raises DicomError UNREADABLE_DICOM or TRUNCATED_FILE.
    """
    tags = [int(Tag(keyword)) for keyword in keywords]
    with path.open("rb") as file, faults_of(path.name):
        # A deflated data set is inflated under a limit, which a whole reader does not know
        is_deflated = DEFLATED_SYNTAX.encode() in file.read(FILE_META_PROBE_BYTES)
        source: BinaryIO = BytesIO(plain_form(path)) if is_deflated else file
        source.seek(0)
        try:
            dataset = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=tags)
        except OSError as error:
            # pydicom raises an OSError of its own, without errno, for a sequence that is cut off
            if error.errno is not None:
                raise
            message = f"{path.name}: it ends within a sequence"
            raise DicomError("UNREADABLE_DICOM", message) from error
        return Attributes(dataset=dataset, pixels_at=source.tell(), is_deflated=is_deflated)


def _refuse_other_objects(fields: Fields) -> None:
    """Let only single-frame CT of one grey channel in Hounsfield units pass (PS3.3 A.3)."""
    expected = {
        "SOPClassUID": {CT_IMAGE_STORAGE},
        "Modality": {"", "CT"},
        "NumberOfFrames": {"", "1"},
        "SamplesPerPixel": {"1"},
        "PhotometricInterpretation": {"MONOCHROME2"},
        # US is "unspecified"; some archives spell Hounsfield out, and not always right
        "RescaleType": {"", "HU", "US", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS", "HOUNDSFIELD UNIT"},
    }
    for keyword, allowed in expected.items():
        if "\\".join(fields.texts(keyword)).upper() not in allowed:
            raise DicomError("UNSUPPORTED_OBJECT", f"{fields.name}: no plain CT slice by {keyword}")


def _was_lossy(fields: Fields) -> bool | None:
    flags = fields.texts("LossyImageCompression")
    return "01" in flags if flags else None


def _slice_thickness_mm(fields: Fields) -> float | None:
    if not fields.texts("SliceThickness"):
        return None
    return fields.numbers("SliceThickness", 1, POSITION_LIMIT_MM)[0]


def _plane(fields: Fields, label: str) -> SlicePlane:
    x, y, z = fields.numbers("ImagePositionPatient", 3, POSITION_LIMIT_MM)
    rx, ry, rz, cx, cy, cz = fields.numbers("ImageOrientationPatient", 6, 1 + UNIT_TOLERANCE)
    skew = (rx * rx + ry * ry + rz * rz - 1, cx * cx + cy * cy + cz * cz - 1)
    if max(abs(skew[0]), abs(skew[1]), abs(rx * cx + ry * cy + rz * cz)) > 2 * UNIT_TOLERANCE:
        raise fields.bad("ImageOrientationPatient", "is not a pair of perpendicular directions")
    between_rows, between_columns = fields.numbers("PixelSpacing", 2, SPACING_LIMIT_MM)
    if min(between_rows, between_columns) < 1e-3:
        raise fields.bad("PixelSpacing", "is not positive")
    return SlicePlane(
        label=label,
        image_position_lps_mm=(x, y, z),
        row_cosines=(rx, ry, rz),
        column_cosines=(cx, cy, cz),
        pixel_spacing_mm=(between_rows, between_columns),
        rows=fields.integer("Rows", 1, MATRIX_LIMIT),
        columns=fields.integer("Columns", 1, MATRIX_LIMIT),
    )


def _pixel_format(fields: Fields) -> PixelFormat:
    bits_allocated = fields.integer("BitsAllocated", 8, 16)
    if bits_allocated % 8:
        raise fields.bad("BitsAllocated", "is neither 8 nor 16")
    bits_stored = fields.integer("BitsStored", 1, bits_allocated)
    slope = fields.decimal("RescaleSlope")
    if slope <= 0:
        raise fields.bad("RescaleSlope", "is not positive")
    return PixelFormat(
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        # Absent in old archives; anything else than the top of the stored bits is retired
        high_bit=fields.integer("HighBit", bits_stored - 1, bits_allocated - 1, bits_stored - 1),
        is_signed=fields.integer("PixelRepresentation", 0, 1) == 1,
        rescale_slope=slope,
        rescale_intercept=fields.decimal("RescaleIntercept"),
    )
