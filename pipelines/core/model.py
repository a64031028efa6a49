"""What is known of a study after `anonymize`: nothing here can hold identity.

Its records as a volume stand in `core.volumes`, those of the whole dataset in `core.published`.

A record names its files relative to the folder its stage left them in, so that a workspace can
be moved and a fingerprint does not depend on where it lies.
"""

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import Any

STAGE_NAMES = ("select", "export", "anonymize", "convert", "thin", "build-registry")
"""The six steps in order, as the commands are called."""


class Category(StrEnum):
    """Severity of a study: share of the lung parenchyma involved (paper, table 1)."""

    CT_0 = "CT-0"
    CT_1 = "CT-1"
    CT_2 = "CT-2"
    CT_3 = "CT-3"
    CT_4 = "CT-4"


class Sex(StrEnum):
    """Sex as PatientSex (0010,0040) writes it; O is other or unknown."""

    MALE = "M"
    FEMALE = "F"
    OTHER = "O"


class Verify(StrEnum):
    """Who reads a volume back: its header by both of its forms, or two libraries all of it."""

    HEADER = "header"
    READERS = "readers"


class ThinBy(StrEnum):
    """What thinning counts: the published InstanceNumber, or the rank along the axis."""

    INSTANCE = "instance"
    POSITION = "position"


class Fusion(StrEnum):
    """How the masks of several readers become one."""

    STAPLE = "staple"
    MAJORITY = "majority"


class Ocr(StrEnum):
    """Which slices the eye of an OCR looks at: those with something drawn in them, or all."""

    OFF = "off"
    SUSPICIOUS = "suspicious"
    ALL = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One decision taken for a study, as `mosmed why` shows it: rule, value met, what followed."""

    rule: str
    value: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Excluded:
    """A study that a rule leaves out: well understood, and not an error."""

    public_id: str
    rule: str
    reason: str
    decisions: tuple[Decision, ...] = ()

    @property
    def code(self) -> str:
        """What it fell out by, as a failure has its code."""
        return self.rule


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A study that could not be processed: the code is explained in `pipelines.core.faults`."""

    public_id: str
    code: str
    message: str
    hint: str
    privacy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """One reader's category of a study; the reader is a keyed pseudonym such as R-3FA81C."""

    reader: str
    category: Category
    is_expert: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReaderMask:
    """The file of one reader's mask; `reader` is empty where the file does not name one."""

    file: str
    reader: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MaskAgreement:
    """How far the masks of two readers of one study agree: Dice's coefficient, 0 to 1."""

    first: str
    second: str
    dice: float


@dataclass(frozen=True, slots=True, kw_only=True)
class FolderItem:
    """One thing to do in a plain folder: `name` is what it is called in OUT, `files` what it is."""

    name: str
    files: tuple[Path, ...]


OLDEST_AGE_YEARS = 90
"""Older patients are so few that the age would name them: 90 stands for 90 and older."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicStudy:
    """What is known of a study once its identity is gone: the base of the records below.

    `category` is None where the RIS has no final reading that is CT-0 .. CT-4;
    `patient_age_years` is None where unknown, and 90 stands for 90 and older;
    `patient_pseudonym` is the keyed PatientID, the same for all studies of a patient, and None
    where it is not known. `dose_length_product_mgy_cm` is that of the whole examination, None
    where no dose report tells it; `readings` are the readers' categories, and `mask_agreements`
    of the masks of several readers. `decisions` are those of the record's own stage alone.
    """

    public_id: str
    category: Category | None
    patient_age_years: int | None
    patient_sex: Sex
    patient_pseudonym: str | None = None
    dose_length_product_mgy_cm: float | None = None
    readings: tuple[Reading, ...] = ()
    mask_agreements: tuple[MaskAgreement, ...] = ()
    decisions: tuple[Decision, ...] = ()


def passed_on(study: PublicStudy) -> dict[str, Any]:
    """What is known of a study and goes on to the record of the next stage as it is."""
    names = (field.name for field in fields(PublicStudy) if field.name != "decisions")
    return {name: getattr(study, name) for name in names}


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentified(PublicStudy):
    """A series without identity: `instances` files `*.dcm`, and the readers' masks."""

    instances: int
    masks: tuple[ReaderMask, ...] = ()
