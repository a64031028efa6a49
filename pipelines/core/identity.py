"""The records before `anonymize` (they carry identity), and the keyed pseudonyms that replace it.

Nothing after `anonymize` may import this module; an import contract checks that.
"""

import hmac
import unicodedata
from dataclasses import dataclass
from datetime import date

from pipelines.core.model import Category, Decision, ReaderMask, Reading, Sex
from pipelines.core.spelling import fold

UID_ROOT = "2.25."
"""UIDs derived from a UUID need no registered root (PS3.5 B.2)."""


@dataclass(slots=True)
class RisRow:
    """One row of the RIS: None is unknown, never "no".

    `same_as` is the key of the patient of whom the owner says that it is the same one. A row
    is not frozen, though nobody changes it, and may be made by position: a million of them are
    made in a draw, and that takes a tenth of the time.
    """

    row: int
    accession_number: str | None = None
    study_instance_uid: str | None = None
    issuer_of_patient_id: str | None = None
    patient_id: str | None = None
    patient_name: str | None = None
    patient_birth_date: date | None = None
    patient_sex: Sex = Sex.OTHER
    patient_age_years: int | None = None
    study_date: date | None = None
    modality: str | None = None
    body_part: str | None = None
    is_pregnant: bool | None = None
    spo2_percent: float | None = None
    payer: str | None = None
    referrer: str | None = None
    facility: str | None = None
    category: Category | None = None
    readings: tuple[Reading, ...] = ()
    expected_instances: int | None = None
    same_as: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A study of the drawing frame, with its rank: what `select` hands to `export`."""

    public_id: str
    rank: int
    patient_key: str
    accession_number: str | None
    study_instance_uid: str | None
    category: Category | None
    patient_age_years: int | None
    patient_sex: Sex
    expected_instances: int | None
    identifying_values: tuple[str, ...]
    readings: tuple[Reading, ...] = ()
    decisions: tuple[Decision, ...] = ()


def has_identity(candidate: Candidate) -> bool:
    """Whether a candidate still says who it is of."""
    return bool(candidate.patient_key or candidate.accession_number or candidate.study_instance_uid)


def nobody(candidate: Candidate) -> Candidate:
    """What keeps the place of a candidate in the draw, and says nothing of the patient."""
    return Candidate(
        public_id=candidate.public_id,
        rank=candidate.rank,
        patient_key="",
        accession_number=None,
        study_instance_uid=None,
        category=candidate.category,
        patient_age_years=None,
        patient_sex=Sex.OTHER,
        expected_instances=None,
        identifying_values=(),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """A complete study on disk: the chosen series in `series/`, the other objects in `other/`.

    The readers of its masks bear the names that the files give them.
    """

    public_id: str
    patient_key: str
    category: Category | None
    patient_age_years: int | None
    patient_sex: Sex
    instances: int
    identifying_values: tuple[str, ...]
    dose_length_product_mgy_cm: float | None = None
    readings: tuple[Reading, ...] = ()
    masks: tuple[ReaderMask, ...] = ()
    decisions: tuple[Decision, ...] = ()


@dataclass(frozen=True, slots=True)
class Pseudonyms:
    """Keyed stand-ins: the same for the same key, in no way computable without it.

    Each kind has its own HMAC-SHA256 label, so that one never reveals another.
    """

    key: bytes

    def _digest(self, label: str, value: str) -> bytes:
        return hmac.digest(self.key, f"{label}\0{value}".encode(), "sha256")

    def study(self, accession_number: str) -> str:
        """The name a study bears until it is numbered: `s` and 12 hexadecimal digits."""
        return "s" + self._digest("study", accession_number).hex()[:12]

    def patient(self, patient_key: str) -> str:
        """The PatientID and PatientName of a patient: `P-` and 12 hexadecimal digits."""
        return "P-" + self._digest("patient", patient_key).hex()[:12].upper()

    def reader(self, name: str) -> str:
        """What a reader is called wherever he has read: `R-` and 6 hexadecimal digits."""
        one_spelling = fold(" ".join(unicodedata.normalize("NFKC", name).split()))
        return "R-" + self._digest("reader", one_spelling).hex()[:6].upper()

    def uid(self, uid: str) -> str:
        """A UID under 2.25 for a UID: at most 44 characters, never the original."""
        return UID_ROOT + str(int.from_bytes(self._digest("uid", uid)[:16], "big"))

    def shift_days(self, patient_key: str, maximum_days: int) -> int:
        """How far a patient's dates are moved, in days: from -1 to -`maximum_days`.

        Back only, so that no date lies in the future; never 0, or some dates would stay true.
        """
        number = int.from_bytes(self._digest("date shift", patient_key)[:16], "big")
        return -1 - number % maximum_days
