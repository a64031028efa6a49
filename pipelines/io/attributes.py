"""From the raw values of a walked file to typed attributes: what does not parse is unknown."""

import unicodedata
import warnings
from functools import lru_cache
from math import isfinite
from typing import Any

from pipelines.core.series import ObjectHeader
from pipelines.io.walker import Walked

SPECIFIC_CHARACTER_SET = 0x00080005
MEDIA_STORAGE_SOP_CLASS_UID = 0x00020002
SLICE_THICKNESS, NUMBER_OF_FRAMES = 0x00180050, 0x00280008
SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, BITS_ALLOCATED = 0x00280002, 0x00280004, 0x00280100
TEXTS = {
    "sop_class_uid": 0x00080016,
    "sop_instance_uid": 0x00080018,
    "study_instance_uid": 0x0020000D,
    "series_instance_uid": 0x0020000E,
    "transfer_syntax_uid": 0x00020010,
    "accession_number": 0x00080050,
    "patient_id": 0x00100020,
    "modality": 0x00080060,
    "series_description": 0x0008103E,
    "convolution_kernel": 0x00181210,
    "image_type": 0x00080008,
    "burned_in_annotation": 0x00280301,
}
INTEGERS = {"series_number": 0x00200011, "instance_number": 0x00200013}
SHORTS = {"rows": 0x00280010, "columns": 0x00280011}
WANTED = frozenset(
    {
        *TEXTS.values(),
        *INTEGERS.values(),
        *SHORTS.values(),
        *(SPECIFIC_CHARACTER_SET, MEDIA_STORAGE_SOP_CLASS_UID, SLICE_THICKNESS, NUMBER_OF_FRAMES),
        *(SAMPLES_PER_PIXEL, PHOTOMETRIC_INTERPRETATION, BITS_ALLOCATED),
    }
)
TEXTS_AT_ONCE = 1024
"""Most of what stands in a header stands in the next one too: it is decoded once."""

DELIMITERS = {ord(character) for character in "\\\r\n\t\f"}
PADDING = " \0\t\r\n"


def canonical_accession(accession_number: str) -> str:
    """An accession number as it is compared: trimmed, composed (NFC), upper case."""
    return unicodedata.normalize("NFC", accession_number.strip(PADDING).upper())


def storable(text: str) -> str:
    """The text with lone surrogates replaced: a database cannot hold them."""
    return text.encode("utf-8", "replace").decode("utf-8")


def header_of(walked: Walked) -> ObjectHeader:
    """The typed header of a walked file; what does not parse is unknown, never an error."""
    values = walked.values
    encodings = encodings_of(values.get(SPECIFIC_CHARACTER_SET, b""))
    attributes: dict[str, Any] = {}
    attributes |= {name: text_of(values.get(tag), encodings) for name, tag in TEXTS.items()}
    attributes |= {name: _integer(values.get(tag)) for name, tag in INTEGERS.items()}
    attributes |= {name: _short(walked, tag) for name, tag in SHORTS.items()}
    frames = _integer(values.get(NUMBER_OF_FRAMES))
    return ObjectHeader(
        **attributes,
        frames=frames if frames and frames > 0 else None,
        slice_thickness_mm=_decimal(values.get(SLICE_THICKNESS)),
        has_pixels=walked.has_pixels,
        truncated=walked.truncated or _is_short_of_pixels(walked, frames),
    )


def _is_short_of_pixels(walked: Walked, frames: int | None) -> bool:
    """Whether native pixel data are shorter than the matrix says (PS3.5 8.1.1, 8.2)."""
    rows, columns = _short(walked, SHORTS["rows"]), _short(walked, SHORTS["columns"])
    bits = _short(walked, BITS_ALLOCATED)
    samples = _short(walked, SAMPLES_PER_PIXEL) or 1
    if walked.pixel_bytes is None or not (rows and columns and bits):
        return False
    # Two pixels of YBR_FULL_422 share their colour (PS3.3 C.7.6.3.1.2)
    if b"422" in walked.values.get(PHOTOMETRIC_INTERPRETATION, b""):
        samples = 2
    return walked.pixel_bytes * 8 < rows * columns * samples * bits * max(frames or 1, 1)


@lru_cache(maxsize=64)
def encodings_of(raw: bytes) -> tuple[str, ...]:
    """Python's names of the encodings in a SpecificCharacterSet."""
    from pydicom.charset import convert_encodings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            names = raw.decode("ascii", "replace").strip(" \0").split("\\")
            return tuple(convert_encodings(names))
        except (LookupError, ValueError):
            return ("iso8859",)


@lru_cache(maxsize=TEXTS_AT_ONCE)
def text_of(raw: bytes | None, encodings: tuple[str, ...]) -> str | None:
    """A text with each of its values trimmed; None if empty or absent."""
    if raw is None:
        return None
    from pydicom.charset import decode_bytes

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            text = decode_bytes(raw, list(encodings), DELIMITERS)
        except (LookupError, ValueError):
            text = raw.decode("latin-1")
    return "\\".join(value.strip(PADDING) for value in storable(text).split("\\")) or None


def _integer(raw: bytes | None) -> int | None:
    """An IS value (PS3.5 6.2: 32 bits); None where it is none."""
    number = _decimal(raw)
    if number is None or not number.is_integer() or abs(number) >= 2**31:
        return None
    return int(number)


def _decimal(raw: bytes | None) -> float | None:
    """The first value of a DS; None where it is none."""
    if raw is None:
        return None
    try:
        number = float(raw.split(b"\\", maxsplit=1)[0].strip(b" \0"))
    except ValueError:
        return None
    return number if isfinite(number) else None


def _short(walked: Walked, tag: int) -> int | None:
    """A US value; None where the value does not have its two bytes."""
    raw = walked.values.get(tag, b"")
    if len(raw) != 2:
        return None
    return int.from_bytes(raw, "little" if walked.is_little_endian else "big")
