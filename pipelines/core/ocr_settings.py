"""Where an OCR looks for text in pixels: in what is thinned, and in plain folders, if asked."""

from dataclasses import dataclass
from typing import ClassVar

from pipelines.core.knobs import knob
from pipelines.core.model import Ocr


@dataclass(frozen=True, kw_only=True)
class OcrSettings:
    """Which slices an OCR looks at. A part of [thin], for those who thin nothing."""

    TABLE: ClassVar[str] = "thin"

    ocr: Ocr = knob(
        Ocr.OFF, "Where the extra ocr looks for text, too: on suspicious slices, on all, or off."
    )
