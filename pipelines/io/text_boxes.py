"""Text on a slice as a neural network sees it, in any script; the words are not read. Extra `ocr`.

RapidOCR's home. Its detector of lines of text (PP-OCR) comes within its wheel, and so does what it
has learned: it asks nobody, and needs no network. It takes a chest for one great letter, so that
only what is as small as writing counts.
"""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipelines.core.errors import SettingsError

LIBRARIES = ("rapidocr", "onnxruntime")
"""The second one is what the first one runs on, and does not bring."""

WINDOW_HU = (-1000, 1000)
"""Black and white: what is drawn stands out from tissue, and bone does not drown it."""

A_LETTER = 1 / 16
"""Of a slice's side: what is no higher is text, however short."""

A_LINE = 1 / 8
"""Of a slice's side: what is no higher is text if it is long."""

LONG = 1.8
"""So many times as wide as high."""


def has_text(slice_hu: NDArray[np.int16]) -> bool:
    """Whether text stands anywhere on a slice of HU (rows, columns).

    Raises SettingsError without the extra.
    """
    black_hu, white_hu = WINDOW_HU
    grey = np.clip((slice_hu.astype(np.float32) - black_hu) / (white_hu - black_hu), 0, 1)
    found = _detector()(np.repeat((255 * grey).astype(np.uint8)[..., None], 3, axis=2))
    if found.boxes is None:
        return False
    return any(_is_writing(corners, min(slice_hu.shape)) for corners in found.boxes)


def require_detector() -> None:
    """Raises SettingsError where the extra is not installed; loads nothing."""
    for library in LIBRARIES:
        if find_spec(library) is None:
            raise SettingsError(
                f"looking for text needs the library {library}, which is not installed",
                hint="Install it where mosmed was cloned to: pip install '.[ocr]'; "
                'or set `ocr = "off"` under [thin].',
            )


@cache
def _detector() -> Callable[[NDArray[np.uint8]], Any]:
    """The detector on one thread, so that workers do not wait for one another."""
    require_detector()
    import rapidocr

    models = Path(rapidocr.__file__).parent / "models"
    detector: Callable[[NDArray[np.uint8]], Any] = rapidocr.RapidOCR(
        params={
            "Det.model_path": str(next(models.glob("*_det_*.onnx"))),  # named, it is never fetched
            "EngineConfig.onnxruntime.intra_op_num_threads": 1,
            "EngineConfig.onnxruntime.inter_op_num_threads": 1,
            "Global.use_cls": False,
            "Global.use_rec": False,
            "Global.log_level": "critical",
        }
    )
    return detector


def _is_writing(corners: NDArray[np.float32], side: int) -> bool:
    """Whether a box, by its four corners in turn, is as small and as long as text."""
    across, along = sorted(
        float(np.linalg.norm(corners[end] - corners[start])) for start, end in ((0, 1), (1, 2))
    )
    return across <= A_LETTER * side or (across <= A_LINE * side and along >= LONG * across)
