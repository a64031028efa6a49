"""Slices to make cases of: real ones where they are at hand, else noise under a plain header."""

import copy
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.uid import UID

from pipelines.phantom.encoding import pixel_data
from pipelines.phantom.instances import file_meta
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import SeriesSpec, Syntax

REAL = Path(__file__).resolve().parents[3] / "shared" / "data" / "chest_siemens_8mm"
CT = "1.2.840.10008.5.1.4.1.1.2"
SLICES, ROWS, COLUMNS = 24, 64, 96
STEP_MM, SPACING_MM = 0.8, (0.9, 0.7)
CORNER_MM = (-33.6, -28.8, -100.0)
AXIAL = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
SERIES_KEYWORDS = (
    *("ImageType", "Modality", "Manufacturer", "ManufacturerModelName", "BodyPartExamined"),
    *("SeriesDescription", "SliceThickness", "KVP", "ConvolutionKernel", "PatientPosition"),
    *("StudyDate", "StudyTime", "AcquisitionDate", "AcquisitionTime", "SeriesNumber"),
    *("AcquisitionNumber", "StudyDescription", "ProtocolName"),
)


@dataclass(frozen=True, eq=False)
class TrueSlice:
    """Where a slice lies in LPS (mm) and its Hounsfield units `[row, column]`."""

    position_mm: tuple[float, ...]
    cosines: tuple[tuple[float, ...], tuple[float, ...]]
    spacing_mm: tuple[float, float]
    number: int | None
    hu: np.ndarray


@dataclass(eq=False)
class Slice:
    """One slice while a case is made: what is true of it, and the dataset that says so or lies.

    `syntax` and `bits` are how it is written; `stored` overrides what follows from `hu`.
    """

    hu: np.ndarray
    position_mm: tuple[float, ...]
    number: int | None
    cosines: tuple[tuple[float, ...], tuple[float, ...]] = AXIAL
    spacing_mm: tuple[float, float] = SPACING_MM
    slope: float = 1
    intercept: float = -1024
    is_signed: bool = False
    bits: int = 12
    high_bit: int | None = None
    syntax: Syntax = Syntax.EXPLICIT_LITTLE
    stored: np.ndarray | None = None
    uid: str = ""
    series: str = "a"
    says: dict[str, object] = field(default_factory=dict)
    """Attributes by keyword, whatever is true; None leaves one out."""

    def truth(self) -> TrueSlice:
        place = self.position_mm, self.cosines, self.spacing_mm
        return TrueSlice(*place, number=self.number, hu=self.hu)

    def values(self) -> np.ndarray:
        if self.stored is not None:
            return self.stored
        values = np.rint((self.hu - self.intercept) / self.slope)
        return values.astype(np.int16 if self.is_signed else np.uint16)

    def dataset(self, case: str, template: Dataset) -> Dataset:
        dataset = copy.deepcopy(template)
        uid = self.uid or made_uid("edge", case, self.series, self.position_mm, self.number)
        dataset.file_meta = file_meta(CT, uid, self.syntax)
        dataset.SOPClassUID, dataset.SOPInstanceUID = CT, uid
        dataset.StudyInstanceUID = made_uid("edge study", case)
        dataset.FrameOfReferenceUID = made_uid("edge frame", case)
        dataset.SeriesInstanceUID = made_uid("edge series", case, self.series)
        dataset.InstanceNumber = self.number
        dataset.ImagePositionPatient = [short(x) for x in self.position_mm]
        dataset.ImageOrientationPatient = [short(x) for x in sum(self.cosines, ())]
        dataset.PixelSpacing = list(self.spacing_mm)
        self._set_pixels(dataset)
        for keyword, value in self.says.items():
            if value is None:
                dataset.pop(keyword, None)
            else:
                setattr(dataset, keyword, value)
        return dataset

    def _set_pixels(self, dataset: Dataset) -> None:
        values = self.values()
        dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
        dataset.Rows, dataset.Columns = values.shape
        dataset.BitsAllocated, dataset.BitsStored = 16, self.bits
        dataset.HighBit = self.bits - 1 if self.high_bit is None else self.high_bit
        dataset.PixelRepresentation = int(self.is_signed)
        dataset.RescaleSlope, dataset.RescaleIntercept = short(self.slope), short(self.intercept)
        spec = SeriesSpec(syntax=self.syntax, bits_stored=self.bits, is_signed=self.is_signed)
        dataset.PixelData = pixel_data(values, spec)
        dataset["PixelData"].VR = "OB" if self.syntax.is_encapsulated else "OW"


def short(value: float) -> str:
    """A decimal string of at most 16 characters."""
    return f"{value:.9f}".rstrip("0").rstrip(".")[:16]


def to_bytes(dataset: Dataset) -> bytes:
    stream = BytesIO()
    dataset.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


class Base:
    """The slices a case starts from, and the series' own attributes."""

    def __init__(self) -> None:
        paths = sorted(REAL.rglob("*.dcm")) if REAL.is_dir() else []
        real = [pydicom.dcmread(path) for path in paths]
        soft = [one for one in real if one.ConvolutionKernel == "B40f"][:SLICES]
        self.is_real = len(soft) == SLICES
        self.template = Dataset()
        if self.is_real:
            self._planes = [one.pixel_array[200:264, 150:246].astype(int) - 1024 for one in soft]
            for keyword in SERIES_KEYWORDS:
                if keyword in soft[0]:
                    self.template[keyword] = soft[0][keyword]
        else:
            dice = np.random.default_rng(4)
            self._planes = list(dice.integers(-1024, 1500, (SLICES, ROWS, COLUMNS)))
            self._plain_header()
        self.template.PatientID, self.template.PatientName = "EDGE", "Edge^Case"

    def _plain_header(self) -> None:
        self.template.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
        self.template.Modality, self.template.Manufacturer = "CT", "PHANTOM"
        self.template.SliceThickness, self.template.ConvolutionKernel = 1, "B40f"
        self.template.SeriesNumber, self.template.AcquisitionNumber = 2, 1
        self.template.StudyDate = self.template.AcquisitionDate = "20200401"
        self.template.StudyTime = self.template.AcquisitionTime = "101530.250"

    def slices(self, count: int = SLICES, **common: object) -> list[Slice]:
        """`count` slices from the feet up, numbered from the feet from 1 on."""
        x, y, z = CORNER_MM
        return [
            Slice(
                hu=self._planes[k % SLICES] + k // SLICES,
                position_mm=(x, y, round(z + k * STEP_MM, 6)),
                number=k + 1,
                **common,
            )
            for k in range(count)
        ]


def uid(text: str) -> UID:
    return UID(made_uid("edge", text))
