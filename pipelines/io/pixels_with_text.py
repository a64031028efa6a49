"""Looks for text in the pixels of DICOM files that are not made a volume of."""

from collections.abc import Sequence
from pathlib import Path

from pipelines.core.errors import PrivacyError
from pipelines.core.model import Ocr
from pipelines.io.burned_in import shows_text
from pipelines.io.headers import read_headers
from pipelines.io.pixels import Rescue, decode


def refuse_text(files: Sequence[Path], ocr: Ocr) -> None:
    """Look at every slice of CT images, each in Hounsfield units.

    Raises PrivacyError BURNED_IN_TEXT where text is seen, DicomError for pixels that cannot be
    looked at, and SettingsError where an OCR is to look that is not installed.
    """
    headers = [header for file in files for header in read_headers(file)]
    texts = 0
    for header in headers:
        seen = decode(header, allow_lossy=True, rescue=Rescue(clip=True))
        texts += shows_text(seen.voxels_hu, ocr)
    if texts:
        raise PrivacyError("BURNED_IN_TEXT", f"{texts} of {len(headers)} slices show text")
