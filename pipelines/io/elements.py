"""Elements of data sets that nobody vouches for: which may stay at all, and what they say."""

import re
import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_has_tag
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.uid import UID

from pipelines.core.deid import DATE_VRS, STANDARD_SCHEMES, TEXT_VRS
from pipelines.io.part10 import PIXEL_DATA

SPECIFIC_CHARACTER_SET = 0x00080005
CODE_VALUE, CODING_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
OTHER_CODE_VALUES = (0x00080119, 0x00080120)
CODES = range(CODE_VALUE, 0x00080124)
"""Code sequence macro (PS3.3 table 8.8-1): vocabulary, in removed sequences as in kept ones."""

INTEGER_VRS = frozenset({"SL", "SS", "SV", "UL", "US", "UV"})
STRING_VRS = frozenset({*TEXT_VRS, *DATE_VRS, "CS", "DS", "IS", "UI"})
VALID = {
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9 _]{0,16}"),
    "DA": re.compile(r"\d{8}"),
    "DT": re.compile(r"[\d.+-]{4,26}"),
    "TM": re.compile(r"[\d.]{2,14}"),
    "UI": re.compile(r"[0-9.]{0,64}"),
}
"""PS3.5 table 6.2-1: where free text may hide, a kept value must look like what it claims to be."""

UNDECODABLE = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, struct.error)
"""What pydicom raises for a value that is not what its type says."""


def structural(tag: int) -> str:
    """Why an element is removed whatever a recipe says (`core.deid.STRUCTURAL`), or nothing."""
    group = tag >> 16
    if group % 2:
        return "private"
    if group < 0x0008 or tag & 0xFFFF == 0:
        return "group length"
    if group & 0xFF00 in {0x5000, 0x6000}:
        return "overlay or curve"
    if tag >= PIXEL_DATA:
        return "behind the pixels"
    if not dictionary_has_tag(tag):
        return "unknown"
    return "character set" if tag == SPECIFIC_CHARACTER_SET else ""


def texts_at(source: Dataset, tag: int) -> list[str]:
    """The values of an element as text, decoded as far as they can be."""
    try:
        return list(texts_of(source[tag].value))
    except UNDECODABLE:
        raw = source.get_item(tag)
        value = raw.value if raw is not None else b""
        return list(texts_of(value if isinstance(value, bytes) else str(value)))


def texts_of(value: Any) -> Iterator[str]:
    """Every value that is not empty, as text without padding."""
    values: Iterable[Any] = value if isinstance(value, MultiValue | list) else [value]
    for one in values:
        text = one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one or "")
        if stripped := text.strip(" \0\t\r\n"):
            yield stripped


def checked(element: DataElement, vr: str) -> DataElement | None:
    """A kept element with the type PS3.6 gives it, or None if its value does not look like it."""
    vrs = vr.split(" or ")
    own = element.VR if element.VR in (*vrs, vr) else _alike(element.VR, vrs[0])
    if own is None:
        return None
    if pattern := VALID.get(own):
        texts = list(texts_of(element.value))
        if not all(pattern.fullmatch(text) for text in texts):
            return None
        if element.keyword == "PatientSex" and not set(texts) <= {"M", "F", "O"}:
            return None
    value = element.value
    if own in TEXT_VRS:
        texts = [str(one) for one in (value if isinstance(value, MultiValue) else [value or ""])]
        value = texts if len(texts) != 1 else texts[0]
    return DataElement(element.tag, own, value)


def _alike(found: str, wanted: str) -> str | None:
    """`wanted`, if values of the type found can stand for it."""
    for kind in (INTEGER_VRS, STRING_VRS):
        if found in kind and wanted in kind:
            return wanted
    return None


def is_local_code(item: Dataset) -> bool:
    """Whether a sequence's item is a code of no scheme of PS3.16 (PS3.3 table 8.8-1)."""
    if not any(tag in item for tag in (CODE_VALUE, CODE_MEANING, *OTHER_CODE_VALUES)):
        return False
    schemes = texts_at(item, CODING_SCHEME) if CODING_SCHEME in item else []
    return not schemes or not STANDARD_SCHEMES.issuperset(schemes)


def is_well_known(uid: str) -> bool:
    """Whether PS3.6 registers the UID, so that it says nothing of a patient or a site."""
    return UID(uid).name != uid
