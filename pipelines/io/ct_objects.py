"""What a DICOM object says of itself before it is de-identified: whether it may pass, and whose."""

from datetime import date

from pydicom import Dataset

from pipelines.core.identity import RisRow
from pipelines.core.inclusion import patient_key
from pipelines.core.slices import CT_IMAGE_STORAGE
from pipelines.io.dicom import ENHANCED_CT_IMAGE_STORAGE, faults_of
from pipelines.io.elements import UNDECODABLE, texts_at

OBJECTIONS = {
    "sop_class": "not a CT image: captures, reports and segmentations may show or hold text",
    "image_type": "not an original axial image: ImageType is not ORIGINAL, or it is a localizer",
    "burned_in": "BurnedInAnnotation is YES: text stands in the pixels",
    "overlay_bits": "an overlay lies in unused bits of the pixels",
}
"""Why an object is left out, by rule."""

PLACES = {
    "SOPClassUID": 0x00080016,
    "SOPInstanceUID": 0x00080018,
    "ImageType": 0x00080008,
    "PatientName": 0x00100010,
    "PatientID": 0x00100020,
    "IssuerOfPatientID": 0x00100021,
    "PatientBirthDate": 0x00100030,
    "StudyInstanceUID": 0x0020000D,
    "BurnedInAnnotation": 0x00280301,
}


def objection(dataset: Dataset, *, name: str) -> str:
    """The rule of OBJECTIONS that leaves the object out; empty for an original CT image."""
    with faults_of(name):
        if _texts(dataset, "SOPClassUID") not in ([CT_IMAGE_STORAGE], [ENHANCED_CT_IMAGE_STORAGE]):
            return "sop_class"
        image_type = [value.upper() for value in _texts(dataset, "ImageType")]
        if image_type[:1] != ["ORIGINAL"] or "LOCALIZER" in image_type:
            return "image_type"
        if "YES" in (value.upper() for value in _texts(dataset, "BurnedInAnnotation")):
            return "burned_in"
        return "overlay_bits" if _has_overlay_bits(dataset) else ""


def patient_key_of(dataset: Dataset, *, name: str) -> str:
    """Who the patient is: issuer and ID, else name and day of birth, else nobody but this study."""
    with faults_of(name):
        row = RisRow(
            row=0,
            issuer_of_patient_id=_first(dataset, "IssuerOfPatientID"),
            patient_id=_first(dataset, "PatientID"),
            patient_name=_first(dataset, "PatientName"),
            patient_birth_date=_day(_first(dataset, "PatientBirthDate") or ""),
        )
        return patient_key(row) or f"study|{_first(dataset, 'StudyInstanceUID') or ''}"


def _has_overlay_bits(dataset: Dataset) -> bool:
    """PS3.5 8.1.2 (retired): with a position but no OverlayData, the bits lie in the pixels."""
    groups = [int(tag) >> 16 for tag in dataset.keys() if _is_bit_position(int(tag))]  # noqa: SIM118
    return any((group << 16 | 0x3000) not in dataset for group in groups)


def _is_bit_position(tag: int) -> bool:
    return tag >> 24 == 0x60 and not (tag >> 16) % 2 and tag & 0xFFFF == 0x0102


def _texts(dataset: Dataset, keyword: str) -> list[str]:
    return texts_at(dataset, PLACES[keyword]) if PLACES[keyword] in dataset else []


def _first(dataset: Dataset, keyword: str) -> str | None:
    return next(iter(_texts(dataset, keyword)), None)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except UNDECODABLE:
        return None
