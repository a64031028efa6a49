"""The knobs of `convert` and `thin`: what becomes a volume, and which slices of it are kept."""

from dataclasses import dataclass
from typing import ClassVar

from pipelines.core.errors import SettingsError
from pipelines.core.knobs import Enters, knob
from pipelines.core.model import Fusion, ThinBy, Verify
from pipelines.core.ocr_settings import OcrSettings

MASK_FAULTS = ("MASK_EMPTY", "MASK_DENSITY", "MASK_SHARE")
"""What `refuse_masks` under [thin] may name."""


@dataclass(frozen=True, kw_only=True)
class ConvertSettings:
    """What becomes a volume."""

    TABLE: ClassVar[str] = "convert"

    minimum_slices: int = knob(2, "Fewer slices are refused.", minimum=1)
    allow_lossy: bool = knob(False, "Accept pixels that were compressed with loss.")
    fusion: Fusion = knob(
        Fusion.STAPLE, "How the masks of several readers become one: staple or majority."
    )
    padding_hu: int | None = knob(
        None,
        "HU outside the field of view (PixelPaddingValue), e.g. -2048; empty leaves what is there.",
        minimum=-32768,
        maximum=32767,
    )
    clip_hu: bool = knob(False, "Clip HU beyond 16 bits (metal) and count them, not refuse them.")
    verify: Verify = knob(
        Verify.HEADER, "Check the header only, or have nibabel and SimpleITK read all of it."
    )
    gzip_level: int = knob(
        2,
        "How hard `mosmed convert IN OUT` packs: from 1, quickest, to 12, smallest.",
        enters=Enters.NEVER,
        minimum=1,
        maximum=12,
    )


@dataclass(frozen=True, kw_only=True)
class ThinSettings(OcrSettings):
    """Which slices are kept (paper, figure 1 step 5; README: InstanceNumber % 10 = 0)."""

    every: int = knob(10, "Keep one slice of so many.", minimum=1)
    offset: int = knob(0, "Keep the numbers that leave this remainder.", minimum=0)
    by: ThinBy = knob(ThinBy.INSTANCE, "Count by InstanceNumber, or by position along the axis.")
    mask_least_hu: float = knob(-700.0, "The least mean density of what a mask marks (paper).")
    mask_most_hu: float = knob(-130.0, "The greatest mean density of what a mask marks (paper).")
    refuse_masks: tuple[str, ...] = knob(
        (), "Of MASK_EMPTY, MASK_DENSITY, MASK_SHARE those that stop a study; else they are told."
    )
    verify: Verify = knob(
        Verify.READERS, "Check the header only, or have nibabel and SimpleITK read all of it."
    )
    gzip_level: int = knob(
        1,
        "How hard volumes are packed: from 1, quickest, to 12, smallest (by a twentieth).",
        minimum=1,
        maximum=12,
    )

    def __post_init__(self) -> None:
        if not 0 <= self.offset < self.every:
            raise SettingsError(
                f"[thin] every = {self.every} with offset = {self.offset} keeps nothing",
                hint="Set `every` to 1 or more, and `offset` to less than that.",
            )
        for code in self.refuse_masks:
            if code not in MASK_FAULTS:
                raise SettingsError(
                    f"[thin] refuse_masks: there is no fault '{code}'",
                    hint=f"There are {', '.join(MASK_FAULTS)}.",
                )
