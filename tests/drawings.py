"""DICOM segmentations and structure sets of the phantom's series, as other programs write them."""

import imagecodecs
import numpy as np
import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.pixels.utils import pack_bits
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLosslessSV1,
    JPEGLSLossless,
    RLELossless,
    generate_uid,
)

from pipelines.io.contours import STRUCTURE_SET_STORAGE
from pipelines.io.segmentation import SEGMENTATION_STORAGE

SYNTAXES = {
    "plain": ExplicitVRLittleEndian,
    "deflated": DeflatedExplicitVRLittleEndian,
    "rle": RLELossless,
    "jpeg": JPEGLosslessSV1,
    "jpeg-ls": JPEGLSLossless,
    "jpeg 2000": JPEG2000Lossless,
}
ENCODERS = {
    "jpeg": imagecodecs.ljpeg_encode,
    "jpeg-ls": imagecodecs.jpegls_encode,
    "jpeg 2000": lambda frame: imagecodecs.jpeg2k_encode(
        frame, level=0, codecformat="j2k", reversible=True
    ),
}


def item(**elements):
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def one(**elements):
    return Sequence([item(**elements)])


def _object(sop_class, syntax, slices):
    dataset = Dataset()
    dataset.file_meta = FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = SYNTAXES[syntax]
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = sop_class
    dataset.SOPInstanceUID = generate_uid(entropy_srcs=["drawing"])
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
    for keyword in ("StudyInstanceUID", "FrameOfReferenceUID", "AccessionNumber", "PatientID"):
        setattr(dataset, keyword, slices[0].get(keyword, ""))
    dataset.SeriesInstanceUID = generate_uid(entropy_srcs=["drawing's series"])
    return dataset


def segmentation(slices, planes, *, kind="BINARY", syntax="plain", labels=("Lesion",)):
    """A SEG of `planes`: (slice, segment number, marked [row, column]) in the order given."""
    dataset = _object(SEGMENTATION_STORAGE, syntax, slices)
    dataset.Modality, dataset.SegmentationType = "SEG", kind
    dataset.Rows, dataset.Columns = planes[0][2].shape
    dataset.NumberOfFrames = len(planes)
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.PixelRepresentation = 0
    bits = 1 if kind == "BINARY" else 8
    dataset.BitsAllocated = dataset.BitsStored = bits
    dataset.HighBit = bits - 1
    if kind == "FRACTIONAL":
        dataset.SegmentationFractionalType, dataset.MaximumFractionalValue = "PROBABILITY", 200
    dataset.SegmentSequence = Sequence(
        item(SegmentNumber=number, SegmentLabel=label)
        for number, label in enumerate(labels, start=1)
    )
    first = slices[0]
    dataset.SharedFunctionalGroupsSequence = one(
        PlaneOrientationSequence=one(ImageOrientationPatient=first.ImageOrientationPatient),
        PixelMeasuresSequence=one(PixelSpacing=first.PixelSpacing, SliceThickness="1"),
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        item(
            DerivationImageSequence=one(
                SourceImageSequence=one(ReferencedSOPInstanceUID=where.SOPInstanceUID)
            ),
            PlanePositionSequence=one(ImagePositionPatient=where.ImagePositionPatient),
            SegmentIdentificationSequence=one(ReferencedSegmentNumber=number),
        )
        for where, number, _ in planes
    )
    _set_pixels(dataset, np.stack([marked for *_, marked in planes]), syntax)
    return dataset


def _set_pixels(dataset, frames, syntax):
    if dataset.BitsAllocated == 1:
        dataset.PixelData = pack_bits(frames.astype(np.uint8))
    elif syntax == "rle":
        dataset.PixelData = frames.astype(np.uint8).tobytes()
        encoder = pydicom.pixels.get_encoder(RLELossless)
        dataset.PixelData = encapsulate(list(encoder.iter_encode(dataset)))
    elif syntax in ENCODERS:
        coded = [bytes(ENCODERS[syntax](frame.astype(np.uint8))) for frame in frames]
        dataset.PixelData = encapsulate(coded)
    else:
        content = frames.astype(np.uint8).tobytes()
        dataset.PixelData = content + bytes(len(content) % 2)
    dataset["PixelData"].VR = "OB"


def structure_set(slices, contours, *, kinds="CLOSED_PLANAR", names=("Lesion",), refers=True):
    """An RTSTRUCT of `contours`: (structure number, points [point, 3] in LPS mm)."""
    dataset = _object(STRUCTURE_SET_STORAGE, "plain", slices)
    dataset.Modality = "RTSTRUCT"
    dataset.StructureSetROISequence = Sequence(
        item(
            ROINumber=number,
            ROIName=name,
            ReferencedFrameOfReferenceUID=dataset.FrameOfReferenceUID if refers else "1.2.3",
        )
        for number, name in enumerate(names, start=1)
    )
    dataset.ROIContourSequence = Sequence(
        item(
            ReferencedROINumber=number,
            ContourSequence=Sequence(
                item(
                    ContourGeometricType=kinds,
                    NumberOfContourPoints=len(points),
                    ContourData=[f"{value:.6g}" for value in np.ravel(points)],
                )
                for of, points in contours
                if of == number
            ),
        )
        for number in range(1, len(names) + 1)
    )
    return dataset


def save(dataset, path):
    """The data set as a file, as pydicom writes it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    dataset.save_as(path, enforce_file_format=True)
    return path
