"""Elements that nobody vouches for, as pydicom has them: what they say, which may stay."""

import struct
from collections.abc import Iterable, Iterator
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue

from pipelines.core.deid import STANDARD_SCHEMES, TEXT_VRS
from pipelines.core.values import (
    CODE_MARKS,
    CODING_SCHEME,
    INTEGER_VRS,
    STRING_VRS,
    VALID,
    is_of_anybody,
)

UNDECODABLE = (AttributeError, LookupError, TypeError, ValueError, ArithmeticError, struct.error)
"""What pydicom raises for a value that is not what its type says."""


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
    value = element.value
    if not is_of_anybody(int(element.tag), texts_of(value)):
        return None
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
    if not any(tag in item for tag in CODE_MARKS):
        return False
    schemes = texts_at(item, CODING_SCHEME) if CODING_SCHEME in item else []
    return not schemes or not STANDARD_SCHEMES.issuperset(schemes)
