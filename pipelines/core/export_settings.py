"""The knobs of `export`: where the DICOM lies, and which one series of a study is taken."""

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from pipelines.core.addresses import refuse_bad_address, refuse_no_pacs
from pipelines.core.convert_settings import ThinSettings
from pipelines.core.knobs import Enters, knob
from pipelines.core.node_settings import NodeSettings


@dataclass(frozen=True, kw_only=True)
class ExportSettings(NodeSettings):
    """Where the DICOM lies, and which one series of a study is reconstructed from (README [R])."""

    TABLE: ClassVar[str] = "export"

    pacs: Path | str | None = knob(
        None,
        "The folder of the PACS export: nested, zipped, with junk; or the address of a PACS.",
        enters=Enters.NEVER,
    )
    masks: Path | None = knob(
        None,
        "A folder of masks, NIfTI, SEG or RTSTRUCT: MH123_mask.nii.gz, or MH123__reader.nii.gz.",
        enters=Enters.NEVER,
    )
    study_masks: bool = knob(
        False, "Where the folder has no mask: take SEG and RTSTRUCT of the study itself."
    )
    mask_labels: tuple[str, ...] = knob(
        (), "Which labels mark the lesion, by number or name (% any text); empty for the only one."
    )
    mask_threshold: float = knob(
        0.5, "What share of the maximum is marked in a FRACTIONAL segmentation.", minimum=0
    )
    whole_study: bool = knob(
        True,
        "Export the other objects of the study, too, as the paper did; else only dose reports.",
    )
    in_memory: bool = knob(
        False,
        "Keep what is fetched in memory until it is anonymized: no identity comes to the disk.",
        enters=Enters.NEVER,
    )
    modality: str = knob("CT", "The modality of the series.")
    descriptions: tuple[str, ...] = knob(
        ("%BODY%",), "Patterns of SeriesDescription as in SQL LIKE: % any text, _ one character."
    )
    kernels: tuple[str, ...] = knob(
        (), "ConvolutionKernels that are allowed, the preferred one first; empty for any."
    )
    minimum_slice_thickness_mm: float = knob(0.0, "Thinner series are not taken.", minimum=0)
    maximum_slice_thickness_mm: float = knob(10.0, "Thicker series are not taken.", minimum=0)
    minimum_instances: int = knob(20, "Series with fewer images are not taken.", minimum=1)
    prefer: tuple[str, ...] = knob(
        ("kernel", "thickness", "instances"),
        "What decides when several series match: kernel order, thinner slices, more images.",
    )
    thin_early: bool = knob(
        False,
        "Bring only those slices of the chosen series that thinning will keep, and dose reports.",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        refuse_bad_address(self.pacs, setting="[export] pacs", variable="MOSMED_PACS_PASSWORD")
        refuse_no_pacs(self.pacs)


@dataclass(frozen=True, kw_only=True)
class EarlyExportSettings(ExportSettings):
    """The settings of an export that thins: what it needs of those of the stages behind it."""

    minimum_slices: int = knob(2, "As under [convert].")
    thin: ThinSettings = knob(None, "As under [thin].")
