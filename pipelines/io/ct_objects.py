"""What a DICOM object says of itself before it is de-identified: whether it may pass, and whose."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipelines.core.dictionary import CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE
from pipelines.core.filters import ObjectFilter
from pipelines.core.identity import RisRow
from pipelines.core.patients import patient_key

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


OVERLAYS = 0x60


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What a file says of itself: texts by tag, and the tags of its overlays."""

    texts: Mapping[int, list[str]]
    overlays: frozenset[int]


def objection(facts: Facts, filters: Sequence[ObjectFilter] = ()) -> str:
    """The rule of OBJECTIONS or the filter that leaves the object out; empty for what may pass."""
    return _objection(facts) or next((one.name for one in filters if one.flags(facts.texts)), "")


def reason_of(rule: str) -> str:
    """Why a rule of `objection` leaves an object out."""
    return OBJECTIONS.get(rule, "a filter of your recipe")


def _objection(facts: Facts) -> str:
    if _texts(facts, "SOPClassUID") not in ([CT_IMAGE_STORAGE], [ENHANCED_CT_IMAGE_STORAGE]):
        return "sop_class"
    image_type = [value.upper() for value in _texts(facts, "ImageType")]
    if image_type[:1] != ["ORIGINAL"] or "LOCALIZER" in image_type:
        return "image_type"
    if "YES" in (value.upper() for value in _texts(facts, "BurnedInAnnotation")):
        return "burned_in"
    return "overlay_bits" if _has_overlay_bits(facts) else ""


def patient_key_of(facts: Facts) -> str:
    """Who the patient is: issuer and ID, else name and day of birth, else nobody but this study."""
    row = RisRow(
        row=0,
        issuer_of_patient_id=_first(facts, "IssuerOfPatientID"),
        patient_id=_first(facts, "PatientID"),
        patient_name=_first(facts, "PatientName"),
        patient_birth_date=_day(_first(facts, "PatientBirthDate") or ""),
    )
    return patient_key(row) or f"study|{_first(facts, 'StudyInstanceUID') or ''}"


def _has_overlay_bits(facts: Facts) -> bool:
    """PS3.5 8.1.2 (retired): with a position but no OverlayData, the bits lie in the pixels."""
    groups = [tag >> 16 for tag in facts.overlays if tag & 0xFFFF == 0x0102]
    return any((group << 16 | 0x3000) not in facts.overlays for group in groups)


def _texts(facts: Facts, keyword: str) -> list[str]:
    return facts.texts.get(PLACES[keyword], [])


def _first(facts: Facts, keyword: str) -> str | None:
    return next(iter(_texts(facts, keyword)), None)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
