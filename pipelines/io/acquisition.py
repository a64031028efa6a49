"""How a series was scanned, read from one of its slices: what may be published of its header."""

import re
from pathlib import Path

from pipelines.core.errors import DicomError
from pipelines.core.fields import Fields
from pipelines.core.volumes import Acquisition
from pipelines.io.headers import read_fields
from pipelines.io.sidecar import Sidecar

KEYWORDS = ("Manufacturer", "ManufacturerModelName", "KVP", "ReconstructionDiameter")
SCANNER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._+/&(),-]{0,63}")
"""What makers and models are called (LO, 64 characters). Other text is not passed on."""

KVP_LIMIT, DIAMETER_LIMIT_MM = 1000.0, 2000.0
"""Larger values are taken for lies."""


def read_acquisition(path: Path, sidecar: Sidecar) -> Acquisition:
    """What the header of a slice says of its scan; what it does not say rightly is unknown.

    Raises DicomError only for a file that cannot be read at all.
    """
    fields = read_fields(path, KEYWORDS)
    return Acquisition(
        manufacturer=_name(fields, "Manufacturer"),
        manufacturer_model_name=_name(fields, "ManufacturerModelName"),
        convolution_kernel=sidecar.convolution_kernel,
        kvp=_size(fields, "KVP", KVP_LIMIT),
        reconstruction_diameter_mm=_size(fields, "ReconstructionDiameter", DIAMETER_LIMIT_MM),
        slice_thickness_mm=sidecar.slice_thickness_mm,
        source_step_mm=sidecar.source_step_mm,
    )


def _name(fields: Fields, keyword: str) -> str | None:
    try:
        text = " ".join(fields.text(keyword).split())
    except DicomError:
        return None
    return text if SCANNER_NAME.fullmatch(text) else None


def _size(fields: Fields, keyword: str, limit: float) -> float | None:
    try:
        (number,) = fields.numbers(keyword, 1, limit)
    except DicomError:
        return None
    return number if number > 0 else None
