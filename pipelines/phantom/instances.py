"""DICOM files of a synthetic CT series: real headers, real pixels, invented people."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import UID
from pydicom.valuerep import DSfloat

from pipelines.phantom.encoding import pixel_data, stored_range, stored_values
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import SeriesSpec

IMPLEMENTATION_CLASS_UID = made_uid("mosmed phantom")
IMPLEMENTATION_VERSION_NAME = "MOSMED_PHANTOM"


def write_series(
    folder: Path,
    spec: SeriesSpec,
    voxels_hu: NDArray[np.int16],
    *,
    only: Iterable[int] | None = None,
) -> list[Path]:
    """Write the voxels [k, row, column] as one file an instance; `only` picks some of the k.

    Returns the paths in the order of k. `folder` is made if need be; nothing in it is removed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    common = series_dataset(spec)
    paths = []
    for k in range(len(voxels_hu)) if only is None else only:
        if spec.edit is not None:
            common = series_dataset(spec)
        _place(common, spec, k, voxels_hu[k])
        paths.append(write_dataset(folder / spec.file_name_of(k), common))
    return paths


def instance_dataset(spec: SeriesSpec, k: int, voxels_hu: NDArray[np.int16]) -> Dataset:
    """Instance k of the series with the voxels [row, column], its file meta included."""
    dataset = series_dataset(spec)
    _place(dataset, spec, k, voxels_hu)
    return dataset


def write_dataset(path: Path, dataset: Dataset) -> Path:
    """Write one DICOM file with preamble and file meta (PS3.10); the same bytes every time."""
    dataset.save_as(path, enforce_file_format=True)
    return path


def file_meta(sop_class_uid: str, sop_instance_uid: str, syntax: str) -> FileMetaDataset:
    """File meta information that does not change with the version of any library."""
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\0\1"
    meta.MediaStorageSOPClassUID = UID(sop_class_uid)
    meta.MediaStorageSOPInstanceUID = UID(sop_instance_uid)
    meta.TransferSyntaxUID = UID(syntax)
    meta.ImplementationClassUID = UID(IMPLEMENTATION_CLASS_UID)
    meta.ImplementationVersionName = IMPLEMENTATION_VERSION_NAME
    return meta


def study_dataset(spec: SeriesSpec) -> Dataset:
    """What every object of the study has: patient, study and equipment modules."""
    dataset = Dataset()
    # One value as a string, or pydicom would write it as a list of one.
    charset = spec.specific_character_set
    dataset.SpecificCharacterSet = charset[0] if len(charset) == 1 else list(charset)
    dataset.StudyDate = spec.study_date
    dataset.StudyTime = spec.study_time
    dataset.AccessionNumber = spec.accession_number
    dataset.Manufacturer = spec.manufacturer
    dataset.InstitutionName = spec.institution_name
    dataset.ReferringPhysicianName = spec.physician_name
    dataset.StationName = spec.station_name
    dataset.StudyDescription = spec.study_description
    dataset.OperatorsName = spec.operator_name
    dataset.ManufacturerModelName = spec.model_name
    dataset.ReferencedStudySequence = Sequence([_referenced_study(spec)])
    dataset.DeviceSerialNumber = spec.device_serial_number
    dataset.SoftwareVersions = "V4.86ER008"
    dataset.StudyInstanceUID = spec.study_uid
    dataset.StudyID = spec.accession_number[-6:]
    _set_patient(dataset, spec)
    return dataset


def _set_patient(dataset: Dataset, spec: SeriesSpec) -> None:
    dataset.PatientName = spec.patient_name
    dataset.PatientID = spec.patient_id
    dataset.PatientBirthDate = spec.patient_birth_date or ""
    dataset.PatientSex = spec.patient_sex or ""
    dataset.PatientTelephoneNumbers = "+7 000 555-01-" + spec.patient_id[-2:]
    optional = {
        "IssuerOfPatientID": spec.issuer_of_patient_id,
        "PatientAge": spec.patient_age,
        "PatientAddress": spec.patient_address,
    }
    for keyword, value in optional.items():
        if value is not None:
            setattr(dataset, keyword, value)


def series_dataset(spec: SeriesSpec) -> Dataset:
    """What all instances of the series share."""
    dataset = study_dataset(spec)
    dataset.ImageType = list(spec.image_type)
    dataset.SOPClassUID = spec.sop_class_uid
    dataset.SeriesDate = dataset.AcquisitionDate = dataset.ContentDate = spec.study_date
    dataset.SeriesTime = dataset.AcquisitionTime = dataset.ContentTime = spec.study_time
    dataset.Modality = spec.modality
    dataset.BodyPartExamined = "CHEST"
    dataset.SeriesInstanceUID = spec.series_uid
    dataset.SeriesNumber = spec.series_number
    dataset.AcquisitionNumber = 1
    dataset.FrameOfReferenceUID = spec.frame_uid
    dataset.PositionReferenceIndicator = ""
    dataset.RequestAttributesSequence = Sequence([_request(spec)])
    if spec.series_description is not None:
        dataset.SeriesDescription = spec.series_description
    _set_acquisition(dataset, spec)
    _set_pixel_description(dataset, spec)
    _set_private_block(dataset, spec)
    return dataset


def _set_acquisition(dataset: Dataset, spec: SeriesSpec) -> None:
    dataset.ScanOptions = "HELICAL_CT"
    dataset.KVP = 120
    dataset.DataCollectionDiameter = 500
    dataset.ReconstructionDiameter = 350
    dataset.ProtocolName = "Chest COVID " + spec.accession_number[-4:]
    dataset.GantryDetectorTilt = _decimal(spec.gantry_tilt_deg)
    dataset.TableHeight = 80
    dataset.RotationDirection = "CW"
    dataset.ExposureTime = 500
    dataset.XRayTubeCurrent = 200
    dataset.Exposure = 100
    dataset.PatientPosition = "HFS"
    if spec.slice_thickness_mm is not None:
        dataset.SliceThickness = _decimal(spec.slice_thickness_mm)
    if spec.convolution_kernel is not None:
        dataset.ConvolutionKernel = spec.convolution_kernel


def _set_pixel_description(dataset: Dataset, spec: SeriesSpec) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.PixelSpacing = [_decimal(spacing) for spacing in spec.pixel_spacing_mm]
    dataset.BitsAllocated = 16
    dataset.BitsStored = spec.bits_stored
    dataset.HighBit = spec.bits_stored - 1
    dataset.PixelRepresentation = int(spec.is_signed)
    dataset.WindowCenter, dataset.WindowWidth = 40, 400
    dataset.RescaleIntercept = _decimal(spec.rescale_intercept)
    dataset.RescaleSlope = _decimal(spec.rescale_slope)
    dataset.RescaleType = "HU"
    if spec.padding_hu is not None:
        low, high = stored_range(spec)
        padding = round((spec.padding_hu - spec.rescale_intercept) / spec.rescale_slope)
        dataset.PixelPaddingValue = min(max(padding, low), high)


def _set_private_block(dataset: Dataset, spec: SeriesSpec) -> None:
    block = dataset.private_block(0x7005, "TOSHIBA_MEC_CT3", create=True)
    block.add_new(0x0B, "SH", "ORG")
    block.add_new(0x11, "LT", f"{spec.patient_id} {spec.accession_number}")
    block.add_new(0x16, "UI", made_uid("volume", spec.series_uid))
    block.add_new(0x1B, "SH", spec.convolution_kernel or "")


def _referenced_study(spec: SeriesSpec) -> Dataset:
    item = Dataset()
    item.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.1"
    item.ReferencedSOPInstanceUID = spec.study_uid
    return item


def _request(spec: SeriesSpec) -> Dataset:
    item = Dataset()
    item.AccessionNumber = spec.accession_number
    item.RequestedProcedureDescription = "CT chest, " + spec.patient_id
    item.ScheduledProcedureStepID = "SPS" + spec.accession_number[-6:]
    item.RequestedProcedureID = "RP" + spec.accession_number[-6:]
    item.RequestingPhysician = spec.physician_name
    return item


def _place(dataset: Dataset, spec: SeriesSpec, k: int, voxels_hu: NDArray[np.int16]) -> None:
    """Set what is instance k's own."""
    row_cosines, column_cosines = spec.orientation
    position = spec.position_lps_mm(k)
    dataset.SOPInstanceUID = spec.instance_uid(k)
    dataset.file_meta = file_meta(spec.sop_class_uid, spec.instance_uid(k), spec.syntax)
    dataset.ImagePositionPatient = [_decimal(x) for x in position]
    dataset.ImageOrientationPatient = [_decimal(x) for x in row_cosines + column_cosines]
    dataset.SliceLocation = _decimal(position[2])
    number = spec.instance_numbers[k]
    if number is not None:
        dataset.InstanceNumber = number
    elif "InstanceNumber" in dataset:
        del dataset.InstanceNumber
    dataset.Rows, dataset.Columns = voxels_hu.shape
    dataset.PixelData = pixel_data(stored_values(voxels_hu, spec), spec)
    dataset["PixelData"].VR = "OB" if spec.syntax.is_encapsulated else "OW"
    for keyword, value in spec.elements.items():
        setattr(dataset, keyword, value)
    if spec.edit is not None:
        spec.edit(dataset, k)


def _decimal(value: float) -> DSfloat:
    """A decimal string of at most 16 characters (PS3.5 6.2)."""
    return DSfloat(value + 0.0, auto_format=True)
