"""What a study holds beside its axial series: the localizer and the dose page."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import UID

from pipelines.phantom.instances import file_meta, instance_dataset, study_dataset
from pipelines.phantom.lettering import lettered
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import SeriesSpec, Syntax
from pipelines.phantom.structured import dose_report_sr

SECONDARY_CAPTURE_STORAGE = "1.2.840.10008.5.1.4.1.1.7"


def localizer(spec: SeriesSpec, voxels_hu: NDArray[np.int16]) -> Dataset:
    """The frontal scout of the study, projected from its axial voxels [k, row, column]."""
    air = np.maximum(voxels_hu, -1024).astype(np.int32) + 1024
    shadow = air.sum(axis=1) // air.shape[1] - 1024
    rows = spec.slice_step_mm, spec.pixel_spacing_mm[1]
    x, y, z = spec.first_position_lps_mm
    top = z + (len(voxels_hu) - 1) * spec.slice_step_mm
    scout = replace(
        spec,
        series_instance_uid=None,
        series_number=1,
        series_description="SCANOGRAM",
        convolution_kernel=None,
        image_type=("ORIGINAL", "PRIMARY", "LOCALIZER"),
        pixel_spacing_mm=rows,
        row_cosines=(1.0, 0.0, 0.0),
        column_cosines=(0.0, 0.0, -1.0),
        first_position_lps_mm=(x, y, round(top, 6)),
        instance_numbers=(1,),
        gantry_tilt_deg=0.0,
        padding_hu=None,
    )
    return instance_dataset(scout, 0, shadow[::-1].astype(np.int16))


def secondary_capture(spec: SeriesSpec, *, dlp_mgy_cm: float = 250.0, who: str = "") -> Dataset:
    """The dose page as a screen capture: patient and dose are burned into the pixels.

    `who` is the name on the screen in Latin capitals; PatientName is used where it is empty.
    """
    page = _dose_page(spec, dlp_mgy_cm, who or spec.patient_name)
    dataset = study_dataset(spec)
    dataset.SOPClassUID = UID(SECONDARY_CAPTURE_STORAGE)
    dataset.SOPInstanceUID = made_uid("dose page", spec.study_uid)
    dataset.file_meta = file_meta(
        SECONDARY_CAPTURE_STORAGE, dataset.SOPInstanceUID, Syntax.EXPLICIT_LITTLE
    )
    dataset.ImageType = ["DERIVED", "SECONDARY", "OTHER"]
    dataset.Modality = "CT"
    dataset.ConversionType = "WSD"
    dataset.BurnedInAnnotation = "YES"
    dataset.SeriesInstanceUID = made_uid("dose page series", spec.study_uid)
    dataset.SeriesNumber = 9001
    dataset.SeriesDescription = "Dose Page"
    dataset.InstanceNumber = 1
    dataset.PatientOrientation = ""
    _set_page(dataset, page)
    return dataset


def _dose_page(spec: SeriesSpec, dlp_mgy_cm: float, who: str) -> NDArray[np.uint8]:
    return lettered(
        [
            spec.institution_name,
            f"NAME {who}",
            f"ID {spec.patient_id}   BORN {spec.patient_birth_date or ''}",
            f"STUDY {spec.accession_number}   DATE {spec.study_date}",
            "",
            "SCAN    KV   CTDIVOL MGY   DLP MGY*CM",
            f"CHEST   120  {dlp_mgy_cm / 32:8.2f}     {dlp_mgy_cm:8.1f}",
        ]
    )


def _set_page(dataset: Dataset, page: NDArray[np.uint8]) -> None:
    dataset.SamplesPerPixel = 1
    dataset.PhotometricInterpretation = "MONOCHROME2"
    dataset.Rows, dataset.Columns = page.shape
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit = 7
    dataset.PixelRepresentation = 0
    data = page.tobytes()
    dataset.PixelData = data + b"\0" * (len(data) % 2)
    dataset["PixelData"].VR = "OW"


__all__ = ["dose_report_sr", "localizer", "secondary_capture"]
