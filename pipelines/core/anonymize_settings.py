"""The knobs of `anonymize`: which rules take the identity away."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipelines.core.knobs import Enters, knob


@dataclass(frozen=True, kw_only=True)
class AnonymizeSettings:
    """Which rules take the identity away (PS3.15 Annex E)."""

    TABLE: ClassVar[str] = "anonymize"

    key: Path | None = knob(
        None, "The secret key of the pseudonyms; empty for private/key.", enters=Enters.CONTENT
    )
    retain_patient_characteristics: bool = knob(
        True, "Keep sex, age, size and weight (PS3.15 E.3.7); ages above 89 become 90."
    )
    retain_device_identity: bool = knob(
        False, "Keep serial numbers and names of the scanner (PS3.15 E.3.8)."
    )
    retain_modified_dates: bool = knob(
        False,
        "Keep the days of the scans, moved back by the patient's keyed shift (PS3.15 E.3.6).",
    )
    maximum_shift_days: int = knob(
        3650,
        "The longest such shift: years, so that a known study window tells little.",
        minimum=365,
    )
    descriptor_words: Path | None = knob(
        None,
        "A file of words, one a line, that may stay in descriptions (PS3.15 E.3.5).",
        enters=Enters.CONTENT,
    )
    retain_safe_private: bool = knob(
        False, "Keep the numbers of a scan in private elements known as safe (PS3.15 E.3.10)."
    )
    recipes: tuple[Path, ...] = knob(
        (), "Recipes of your own in deid's language, after the shipped one.", enters=Enters.CONTENT
    )
