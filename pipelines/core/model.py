"""The records that cross the arrows after `anonymize`: nothing here can hold identity.

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
class Acquisition:
    """How a series was scanned and reconstructed, as its header without identity says.

    None is unknown, or text that is no name of a scanner or kernel. `source_step_mm` is the step
    between the slices before thinning, measured from their positions.
    """

    manufacturer: str | None = None
    manufacturer_model_name: str | None = None
    convolution_kernel: str | None = None
    kvp: float | None = None
    reconstruction_diameter_mm: float | None = None
    slice_thickness_mm: float | None = None
    source_step_mm: float | None = None


NOT_KNOWN = Acquisition()
"""What is known of a series that came without its headers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentified(PublicStudy):
    """A series without identity: `instances` files `*.dcm`, and the readers' masks."""

    instances: int
    masks: tuple[ReaderMask, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted(PublicStudy):
    """One volume in HU: `volume` (.nii.gz), `sidecar` (.json), and the mask on one of its grids."""

    volume: str
    sidecar: str
    mask: str | None
    shape_ijk: tuple[int, int, int]
    spacing_ijk_mm: tuple[float, float, float]
    acquisition: Acquisition = NOT_KNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Thinned(PublicStudy):
    """The volume that will be published, and its mask, on the thinned grid.

    `marked_voxels` is how many voxels of that mask are marked; None without a mask.
    `mask_mean_hu` is their mean density and `lesion_share_percent` their share of the lungs as
    they are estimated.
    Of each slice that is kept, `instance_numbers` has the number by which it was counted,
    `positions_mm` the place along the normal, and `slices_sha256` the digest of its voxels as they
    lie in the file, 16 bits each. `preview` is the picture of it (.svg); `lung_mean_hu` the mean of
    its aerated lung, None where it shows none.
    """

    volume: str
    mask: str | None
    shape_ijk: tuple[int, int, int]
    spacing_ijk_mm: tuple[float, float, float]
    instance_numbers: tuple[int, ...]
    slices_before: int
    positions_mm: tuple[float, ...] = ()
    slices_sha256: tuple[str, ...] = ()
    marked_voxels: int | None = None
    mask_mean_hu: float | None = None
    lesion_share_percent: float | None = None
    acquisition: Acquisition = NOT_KNOWN
    preview: str | None = None
    lung_mean_hu: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryRow:
    """One row of the published registry, and the pseudonym it had until then."""

    study_id: int
    public_id: str
    category: Category
    study_file: str
    mask_file: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registry:
    """The published dataset: its rows in order, and the studies a rule left out at the end."""

    rows: tuple[RegistryRow, ...]
    excluded: tuple[Excluded, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss:
    """So many rows of the RIS, or studies, that left at one stage by one rule or fault."""

    stage: str
    code: str
    count: int
    is_failure: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Flow:
    """From the rows of the RIS to the studies that came through, in counts alone.

    `losses` stand in the order of the stages; those of `select` take `rows` to `eligible`, the
    others take the `opened` studies to those that came through and those still `pending`.
    Eligible studies that were never opened are reserves.
    """

    rows: int
    losses: tuple[Loss, ...]
    eligible: int
    opened: int
    pending: int
    came_through: int

    @property
    def is_conserved(self) -> bool:
        """Whether nothing is lost without a loss that says so."""
        lost = [loss.count for loss in self.losses if loss.stage == STAGE_NAMES[0]]
        fell = [loss.count for loss in self.losses if loss.stage != STAGE_NAMES[0]]
        return (
            self.rows == self.eligible + sum(lost)
            and self.opened == self.came_through + self.pending + sum(fell)
            and self.opened <= self.eligible
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Deidentification:
    """What was done to take the identity away, in counts alone, and under which rules.

    `profile` holds codes and meanings (PS3.16 CID 7050), `loosened` the keywords kept beyond it,
    `elements` how many elements met each action in so many `objects`. `values_sought` are looked
    for in every byte of the dataset, which is published only where none is found.
    """

    profile: tuple[tuple[str, str], ...]
    loosened: tuple[str, ...]
    objects: int
    elements: tuple[tuple[str, int], ...]
    values_sought: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """What the ledgers tell of a dataset beyond its studies: nothing in it is about one person."""

    flow: Flow
    deidentification: Deidentification
    versions: tuple[tuple[str, str], ...]
