"""What the header of one CT slice claims, checked: nothing past it has to doubt a number.

The claims come from files, from an archive's answers or from a table that an earlier stage wrote;
what they must be to be believed stands here once.
"""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pipelines.core.dictionary import CT_IMAGE_STORAGE
from pipelines.core.errors import DicomError
from pipelines.core.fields import Fields
from pipelines.core.geometry import SlicePlane

MATRIX_LIMIT = 4096
"""Rows and columns beyond this are taken for a lie: the largest CT matrix is 2048."""

SPACING_LIMIT_MM = 10.0
"""A larger PixelSpacing is taken for a lie: a 512 matrix of it would be five metres wide."""

POSITION_LIMIT_MM = 1e5
"""A coordinate beyond this is taken for a lie: a hundred metres off the isocentre."""

UNIT_TOLERANCE = 1e-3
"""Direction cosines must be of unit length and perpendicular within this."""

GREY_HU = {
    "SamplesPerPixel": {"1"},
    "PhotometricInterpretation": {"MONOCHROME2"},
    # Where there is one, it and not the rescale gives the density (PS3.3 C.11.1)
    "ModalityLUTSequence": {""},
    # US is "unspecified"; some archives spell Hounsfield out, and not always right
    "RescaleType": {"", "HU", "US", "HOUNSFIELD UNIT", "HOUNSFIELD UNITS", "HOUNDSFIELD UNIT"},
}
SINGLE_FRAME_CT = {
    "SOPClassUID": {CT_IMAGE_STORAGE},
    "Modality": {"", "CT"},
    "NumberOfFrames": {"", "1"},
    **GREY_HU,
}
"""What a plain CT slice has in these attributes (PS3.3 A.3), in capitals; empty is absent."""

KEYWORDS = (
    *("SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID", "SeriesNumber"),
    *("FrameOfReferenceUID", "Modality", "ModalityLUTSequence"),
    *("ImageType", "ConvolutionKernel", "SliceThickness", "InstanceNumber"),
    *("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "SamplesPerPixel"),
    *("PhotometricInterpretation", "NumberOfFrames", "Rows", "Columns", "BitsAllocated"),
    *("BitsStored", "HighBit", "PixelRepresentation", "PixelPaddingValue"),
    *("PixelPaddingRangeLimit", "RescaleSlope", "RescaleIntercept", "RescaleType"),
    "LossyImageCompression",
)
"""The attributes of a single-frame CT image that are read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PixelFormat:
    """How stored values are packed (PS3.3 C.7.6.3) and what makes Hounsfield units of them.

    Stored values from the first to the second of `padding` are no measurements (PS3.3 C.7.5.1.1.2).
    """

    bits_allocated: int
    bits_stored: int
    high_bit: int
    is_signed: bool
    rescale_slope: Decimal
    rescale_intercept: Decimal
    padding: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Which part of one image a file holds that was split into several (PS3.3 C.7.6.16.2.2.4).

    `image` is the ConcatenationUID; `number` counts from 1 to `total`, None where that is not told.
    """

    image: str
    number: int
    total: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceClaim:
    """One CT slice by its header alone; `plane.label` is what an error calls it.

    `instance_number` and `slice_thickness_mm` are None where the header has none. `was_lossy` is
    what LossyImageCompression (0028,2110) claims, None if it keeps silent; so are the UIDs of study
    and frame of reference. `frame` counts the frames of a multi-frame image from 1, and is 0 in a
    single-frame one; `part` is that of a concatenation to which they belong.
    """

    sop_instance_uid: str
    study_instance_uid: str | None
    series_instance_uid: str
    frame_of_reference_uid: str | None
    instance_number: int | None
    image_type: tuple[str, ...]
    convolution_kernel: str | None
    slice_thickness_mm: float | None
    plane: SlicePlane
    pixels: PixelFormat
    transfer_syntax_uid: str
    was_lossy: bool | None
    frame: int = 0
    part: Part | None = None

    @property
    def name(self) -> str:
        """What an error calls the slice."""
        return self.plane.label

    @property
    def is_localizer(self) -> bool:
        """Whether it is a localizer (PS3.3 C.8.2.1.1.1), which lies in no volume."""
        return "LOCALIZER" in self.image_type

    @property
    def image(self) -> tuple[str, int]:
        """Which image it is: no two different ones may share this."""
        return self.sop_instance_uid, self.frame

    @property
    def place(self) -> tuple[object, ...]:
        """All that the header says but for the pixels; equal for copies of a slice."""
        plane = self.plane
        corner = plane.image_position_lps_mm, plane.row_cosines, plane.column_cosines
        return *corner, plane.pixel_spacing_mm, plane.rows, plane.columns, self.convolution_kernel

    @property
    def rank(self) -> tuple[Any, ...]:
        """A key to sort by, so that nothing depends on the order in which slices come."""
        number = self.instance_number
        return number is None, number or 0, *self.image


def claims_in(fields: Fields, allowed: dict[str, set[str]] = SINGLE_FRAME_CT) -> dict[str, Any]:
    """What a CT image, or a frame of one, says of itself: the fields of SliceClaim but its syntax.

    Errors past this one call the slice as `fields` do. Raises DicomError UNSUPPORTED_OBJECT,
    MISSING_ATTRIBUTE or BAD_ATTRIBUTE.
    """
    refuse_unless(allowed, fields)
    return {
        "sop_instance_uid": fields.text("SOPInstanceUID"),
        "study_instance_uid": _text_or_none(fields, "StudyInstanceUID"),
        "series_instance_uid": fields.text("SeriesInstanceUID"),
        "frame_of_reference_uid": _text_or_none(fields, "FrameOfReferenceUID"),
        "instance_number": fields.whole_number("InstanceNumber"),
        "image_type": fields.texts("ImageType"),
        "convolution_kernel": kernel_of(fields),
        "slice_thickness_mm": slice_thickness_mm(fields),
        "plane": plane_of(fields),
        "pixels": pixel_format(fields),
        "was_lossy": was_lossy(fields),
    }


def refuse_unless(allowed: dict[str, set[str]], fields: Fields) -> None:
    """Raise DicomError UNSUPPORTED_OBJECT for an attribute with any other value."""
    for keyword, values in allowed.items():
        if "\\".join(fields.texts(keyword)).upper() not in values:
            raise DicomError("UNSUPPORTED_OBJECT", f"{fields.name}: no plain CT slice by {keyword}")


def kernel_of(fields: Fields) -> str | None:
    """ConvolutionKernel with all its values; None if it is empty."""
    return _text_or_none(fields, "ConvolutionKernel")


def _text_or_none(fields: Fields, keyword: str) -> str | None:
    """All values as one text; None where there is none."""
    return "\\".join(fields.texts(keyword)) or None


def was_lossy(fields: Fields) -> bool | None:
    """What LossyImageCompression says; None where it says nothing."""
    flags = fields.texts("LossyImageCompression")
    return "01" in flags if flags else None


def slice_thickness_mm(fields: Fields) -> float | None:
    """SliceThickness; None where it is empty."""
    if not fields.texts("SliceThickness"):
        return None
    return fields.numbers("SliceThickness", 1, POSITION_LIMIT_MM)[0]


def plane_of(fields: Fields) -> SlicePlane:
    """Where the slice lies; raises DicomError MISSING_ATTRIBUTE or BAD_ATTRIBUTE."""
    position = position_of(fields)
    rx, ry, rz, cx, cy, cz = fields.numbers("ImageOrientationPatient", 6, 1 + UNIT_TOLERANCE)
    skew = (rx * rx + ry * ry + rz * rz - 1, cx * cx + cy * cy + cz * cz - 1)
    if max(abs(skew[0]), abs(skew[1]), abs(rx * cx + ry * cy + rz * cz)) > 2 * UNIT_TOLERANCE:
        raise fields.bad("ImageOrientationPatient", "is not a pair of perpendicular directions")
    between_rows, between_columns = fields.numbers("PixelSpacing", 2, SPACING_LIMIT_MM)
    if min(between_rows, between_columns) < 1e-3:
        raise fields.bad("PixelSpacing", "is not positive")
    return SlicePlane(
        label=fields.name,
        image_position_lps_mm=position,
        row_cosines=(rx, ry, rz),
        column_cosines=(cx, cy, cz),
        pixel_spacing_mm=(between_rows, between_columns),
        rows=fields.integer("Rows", 1, MATRIX_LIMIT),
        columns=fields.integer("Columns", 1, MATRIX_LIMIT),
    )


def position_of(fields: Fields) -> tuple[float, float, float]:
    """ImagePositionPatient in mm, LPS+."""
    x, y, z = fields.numbers("ImagePositionPatient", 3, POSITION_LIMIT_MM)
    return x, y, z


def pixel_format(fields: Fields) -> PixelFormat:
    """How the pixels are packed; raises DicomError MISSING_ATTRIBUTE or BAD_ATTRIBUTE."""
    bits_allocated = fields.integer("BitsAllocated", 8, 16)
    if bits_allocated % 8:
        raise fields.bad("BitsAllocated", "is neither 8 nor 16")
    bits_stored = fields.integer("BitsStored", 1, bits_allocated)
    is_signed = fields.integer("PixelRepresentation", 0, 1) == 1
    slope = fields.decimal("RescaleSlope")
    if slope <= 0:
        raise fields.bad("RescaleSlope", "is not positive")
    return PixelFormat(
        bits_allocated=bits_allocated,
        bits_stored=bits_stored,
        # Absent in old archives; anything else than the top of the stored bits is retired
        high_bit=fields.integer("HighBit", bits_stored - 1, bits_allocated - 1, bits_stored - 1),
        is_signed=is_signed,
        rescale_slope=slope,
        rescale_intercept=fields.decimal("RescaleIntercept"),
        padding=_padding(fields, is_signed=is_signed),
    )


def _padding(fields: Fields, *, is_signed: bool) -> tuple[int, int] | None:
    """PixelPaddingValue and, if there is one, PixelPaddingRangeLimit, the lower one first.

    Their two bytes are read with the sign of the pixels: GE writes -2000 as 63536. What is no such
    number is none: it does not keep a slice from being read.
    """
    ends = []
    for keyword in ("PixelPaddingValue", "PixelPaddingRangeLimit"):
        number = fields.whole_number(keyword)
        if number is not None and -(1 << 15) <= number < 1 << 16:
            word = number & 0xFFFF
            ends.append(word - (1 << 16) if is_signed and word >> 15 else word)
        elif not ends:
            return None
    return min(ends), max(ends)
