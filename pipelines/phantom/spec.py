"""What a synthetic CT series shall be: every attribute that a test or a cohort wants to choose."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from math import cos, radians, sin

from pydicom.dataset import Dataset

from pipelines.phantom.noise import made_uid

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"

Vector = tuple[float, float, float]
"""x, y, z in the patient's LPS axes."""


class Syntax(StrEnum):
    """The transfer syntaxes that can be written (PS3.5 A)."""

    IMPLICIT_LITTLE = "1.2.840.10008.1.2"
    EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
    DEFLATED = "1.2.840.10008.1.2.1.99"
    EXPLICIT_BIG = "1.2.840.10008.1.2.2"
    JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
    JPEG_LS = "1.2.840.10008.1.2.4.80"
    JPEG_2000 = "1.2.840.10008.1.2.4.90"
    RLE = "1.2.840.10008.1.2.5"

    @property
    def is_encapsulated(self) -> bool:
        """Whether each frame is a compressed fragment of its own."""
        return self in {Syntax.JPEG_LOSSLESS, Syntax.JPEG_LS, Syntax.JPEG_2000, Syntax.RLE}


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSpec:
    """One CT series; the defaults are an axial soft-tissue chest of a Toshiba Aquilion.

    Text attributes take any text that `specific_character_set` can hold; None leaves an attribute
    out. A UID that is None is made from the accession number and the series number.
    `pixel_spacing_mm` is between rows first. Instance k lies at `first_position_lps_mm` plus k
    steps along the normal of `row_cosines` and `column_cosines`; a gantry tilt turns the image
    about its rows but leaves the steps where they were, so that the stack is sheared.
    `instance_numbers[k]` is the InstanceNumber of k (None: left out), and `file_name` is a format
    of {k}, {number} and {uid}. `elements` are set by keyword on every instance, then
    `edit(dataset, k)` may change anything.
    """

    specific_character_set: tuple[str, ...] = ("ISO_IR 192",)
    patient_name: str = "Фантомов^Иван^Петрович"
    patient_id: str = "PH-000001"
    issuer_of_patient_id: str | None = "PHANTOM-HOSPITAL"
    patient_birth_date: str | None = "19730115"
    patient_sex: str | None = "M"
    patient_age: str | None = "047Y"
    patient_address: str | None = "Phantom Lane 7, Nowhere"
    accession_number: str = "PH20-000001"
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    frame_of_reference_uid: str | None = None
    study_date: str = "20200401"
    study_time: str = "101530.250"
    study_description: str = "CT CHEST"
    modality: str = "CT"
    sop_class_uid: str = CT_IMAGE_STORAGE
    image_type: tuple[str, ...] = ("ORIGINAL", "PRIMARY", "AXIAL")
    series_number: int = 2
    series_description: str | None = "BODY 1.0 CE"
    convolution_kernel: str | None = "FC07"
    manufacturer: str = "TOSHIBA"
    model_name: str = "Aquilion"
    institution_name: str = "Phantom Polyclinic 5"
    station_name: str = "PHANTOM-CT1"
    device_serial_number: str = "PHSN4711"
    physician_name: str = "Referrer^Rosa"
    operator_name: str = "Operator^Olga"
    slice_thickness_mm: float | None = 1.0
    slice_step_mm: float = 0.8
    pixel_spacing_mm: tuple[float, float] = (3.7, 3.7)
    row_cosines: Vector = (1.0, 0.0, 0.0)
    column_cosines: Vector = (0.0, 1.0, 0.0)
    first_position_lps_mm: Vector = (-175.75, -175.75, -120.0)
    gantry_tilt_deg: float = 0.0
    instance_numbers: Sequence[int | None] = range(1, 10_001)
    rescale_slope: float = 1.0
    rescale_intercept: float = 0.0
    bits_stored: int = 16
    is_signed: bool = True
    padding_hu: int | None = None
    syntax: Syntax = Syntax.EXPLICIT_LITTLE
    elements: Mapping[str, object] = field(default_factory=dict)
    edit: Callable[[Dataset, int], None] | None = None
    file_name: str = "IM{number:04d}.dcm"

    @property
    def study_uid(self) -> str:
        """StudyInstanceUID (0020,000D)."""
        return self.study_instance_uid or made_uid("study", self.accession_number)

    @property
    def series_uid(self) -> str:
        """SeriesInstanceUID (0020,000E)."""
        return self.series_instance_uid or made_uid("series", self.study_uid, self.series_number)

    @property
    def frame_uid(self) -> str:
        """FrameOfReferenceUID (0020,0052)."""
        return self.frame_of_reference_uid or made_uid("frame", self.study_uid)

    def instance_uid(self, k: int) -> str:
        """SOPInstanceUID (0008,0018) of instance k."""
        return made_uid("instance", self.series_uid, k)

    def file_name_of(self, k: int) -> str:
        """The name of the file of instance k."""
        number = self.instance_numbers[k]
        return self.file_name.format(
            k=k, number=k if number is None else number, uid=self.instance_uid(k)
        )

    @property
    def orientation(self) -> tuple[Vector, Vector]:
        """Row and column cosines as written: turned by the gantry tilt."""
        angle = radians(self.gantry_tilt_deg)
        normal = cross(self.row_cosines, self.column_cosines)
        tilted = _blend(self.column_cosines, cos(angle), normal, sin(angle))
        return self.row_cosines, tilted

    def position_lps_mm(self, k: float) -> Vector:
        """ImagePositionPatient (0020,0032) of instance k."""
        normal = cross(self.row_cosines, self.column_cosines)
        return _blend(self.first_position_lps_mm, 1.0, normal, k * self.slice_step_mm)


def cross(first: Vector, second: Vector) -> Vector:
    """The vector product."""
    (a, b, c), (d, e, f) = first, second
    return b * f - c * e, c * d - a * f, a * e - b * d


def _blend(first: Vector, of_first: float, second: Vector, of_second: float) -> Vector:
    x, y, z = (round(of_first * a + of_second * b, 9) for a, b in zip(first, second, strict=True))
    return x, y, z
