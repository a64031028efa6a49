"""The records that cross the arrows after `anonymize`: nothing here can hold identity.

A record names its files relative to the folder its stage left them in, so that a workspace can
be moved and a fingerprint does not depend on where it lies.
"""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

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


class ThinBy(StrEnum):
    """What thinning counts: the published InstanceNumber, or the rank along the axis."""

    INSTANCE = "instance"
    POSITION = "position"


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
    where it is not known. `decisions` are those of the record's own stage alone.
    """

    public_id: str
    category: Category | None
    patient_age_years: int | None
    patient_sex: Sex
    patient_pseudonym: str | None = None
    decisions: tuple[Decision, ...] = ()


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
    """A series without identity: `instances` files `*.dcm`, and the mask `mask` if there is one."""

    instances: int
    mask: str | None


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
    """

    volume: str
    mask: str | None
    shape_ijk: tuple[int, int, int]
    spacing_ijk_mm: tuple[float, float, float]
    instance_numbers: tuple[int, ...]
    slices_before: int
    marked_voxels: int | None = None
    acquisition: Acquisition = NOT_KNOWN


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
