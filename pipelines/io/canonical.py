"""Values that pydicom writes again as it has read them, so that their bytes may be copied."""

import re
from math import isfinite
from struct import iter_unpack

UID = re.compile(rb"(?:[0-9]+(?:\.[0-9]+){3,}|2\.25\.[0-9]{20,39})\0?")
_INTEGERS = re.compile(rb"-?[0-9]{1,9}(?:\\-?[0-9]{1,9})* ?")
_DECIMAL = rb"(?=[-+0-9.eE]{1,16}(?:[\\ ]|$))[-+]?[0-9]+(?:\.[0-9]+)?(?:[eE][-+]?[0-9]{1,2})?"
_DECIMALS = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")* ?")
_CODE = rb"[A-Z0-9_](?:[A-Z0-9 _]{0,14}[A-Z0-9_])?"
_CODES = re.compile(_CODE + rb"(?:\\(?:" + _CODE + rb")?)* ?")
_TEXT = rb"[!-[\]-~](?:[ -[\]-~]*[!-[\]-~])?"
_TEXTS = re.compile(_TEXT + rb"(?:\\" + _TEXT + rb")* ?")
_ONE_TEXT = re.compile(rb"[!-~](?:[ -~]*[!-~])? ?")
CANONICAL = {
    "CS": _CODES,
    "DS": _DECIMALS,
    "IS": _INTEGERS,
    "UI": UID,
    **dict.fromkeys(("LO", "SH", "UC"), _TEXTS),
    **dict.fromkeys(("LT", "ST", "UT"), _ONE_TEXT),
}
"""Values that pydicom writes again as it has read them, by type."""

UNIT_BYTES = {"AT": 4, "FD": 8, "FL": 4, "SL": 4, "SS": 2, "UL": 4, "US": 2}
"""Sizes of binary numbers and tags."""


def is_finite(value: bytes, vr: str) -> bool:
    """Whether floats are numbers: NaNs have many spellings, of which pydicom may write another."""
    kind = {"FL": "f", "FD": "d"}.get(vr)
    return kind is None or all(isfinite(number) for (number,) in iter_unpack("<" + kind, value))
