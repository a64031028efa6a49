"""Who is one patient: known to the draw, and to the pseudonyms of plain folders."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipelines.core.knobs import Enters, knob


@dataclass(frozen=True, kw_only=True)
class PatientSettings:
    """Which numbers are one patient's. A part of [select], for those who draw nothing."""

    TABLE: ClassVar[str] = "select"

    same_patients: Path | None = knob(
        None,
        "A .csv of numbers that are one patient's: patient_id, same_as_patient_id, and issuers.",
        enters=Enters.CONTENT,
    )
