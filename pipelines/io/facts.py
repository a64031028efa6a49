"""What a file says of itself, from its raw elements."""

from pipelines.core.values import SPECIFIC_CHARACTER_SET
from pipelines.io.ct_objects import OVERLAYS, PLACES, Facts
from pipelines.io.plain_text import TextReader
from pipelines.io.raw_elements import Uncertain, value_of

TYPES_LOOKED_AT = {
    PLACES["SOPClassUID"]: "UI",
    PLACES["ImageType"]: "CS",
    PLACES["PatientName"]: "PN",
    PLACES["PatientID"]: "LO",
    PLACES["IssuerOfPatientID"]: "LO",
    PLACES["PatientBirthDate"]: "DA",
    PLACES["StudyInstanceUID"]: "UI",
    PLACES["BurnedInAnnotation"]: "CS",
}


def plain_facts(elements: dict[int, bytes], also: frozenset[int], *, is_implicit: bool) -> Facts:
    """Facts without pydicom; raises Uncertain."""
    if not also.isdisjoint(elements.keys() - TYPES_LOOKED_AT.keys()):
        raise Uncertain
    charset = value_of(elements.get(SPECIFIC_CHARACTER_SET, b""), is_implicit=is_implicit)
    reader = TextReader(charset)
    texts = {}
    for tag, vr in TYPES_LOOKED_AT.items():
        if tag in elements:
            if not is_implicit and elements[tag][4:6] != vr.encode():
                raise Uncertain
            texts[tag] = reader.texts(value_of(elements[tag], is_implicit=is_implicit), vr)
    overlays = frozenset(tag for tag in elements if tag >> 24 == OVERLAYS)
    return Facts(texts=texts, overlays=overlays)
