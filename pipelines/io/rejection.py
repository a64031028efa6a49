"""Rejection notes: key object documents that retire objects of a study (IHE RAD TF-3 4.66)."""

from dataclasses import dataclass
from io import BytesIO

from pipelines.io.content_items import concept_of, items_of
from pipelines.io.dicom import faults_of, read_dataset

REASONS = {
    "113001": "rejected for quality reasons",
    "113037": "rejected for patient safety reasons",
    "113038": "rejected: incorrect modality worklist entry",
    "113039": "data retention policy expired",
}
"""Titles of rejection notes, by their codes of the scheme DCM (PS3.16 CID 7011)."""

NOTE_LIMIT_BYTES = 1 << 24
"""No such document is larger: one that is needs not be brought into memory."""

NAME = "a key object document"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejection:
    """Which objects of a study a note retires, by their SOPInstanceUID, and why."""

    reason: str
    objects: frozenset[str]


def read_rejection(content: bytes, study_instance_uid: str) -> Rejection | None:
    """What a key object document retires of this study; None where it is no rejection note.

    It names its objects as current requested procedure evidence (PS3.3 C.17.6.2.1). Raises
    DicomError UNREADABLE_DICOM for what is not whole.
    """
    document = read_dataset(BytesIO(content), pixels=False, name=NAME)
    with faults_of(NAME):
        reason = REASONS.get(concept_of(document))
        if reason is None:
            return None
        named: set[str] = set()
        for study in items_of(document, "CurrentRequestedProcedureEvidenceSequence"):
            if str(study.get("StudyInstanceUID", "")) != study_instance_uid:
                continue
            for series in items_of(study, "ReferencedSeriesSequence"):
                objects = items_of(series, "ReferencedSOPSequence")
                named |= {str(one.get("ReferencedSOPInstanceUID", "")) for one in objects}
    return Rejection(reason=reason, objects=frozenset(named))
