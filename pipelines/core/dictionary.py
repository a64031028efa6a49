"""What PS3.6 says of tags and UIDs, as text files: pydicom's dictionaries, without pydicom.

Loading pydicom takes longer than rewriting a hundred slices, and most files never need it. A test
holds these files against pydicom's own tables, and tells how to make them again.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2"
ENHANCED_CT_IMAGE_STORAGE = "1.2.840.10008.5.1.4.1.1.2.1"

VRS_FILE = Path(__file__).with_name("ps3.6-vrs.txt")
"""One line a value representation, then the tags that have it: `LO 00080070 ...`."""

UIDS_FILE = Path(__file__).with_name("ps3.6-uids.txt")
"""One line a registered UID; behind a transfer syntax stands `native` or `encapsulated`."""


def vr_of(tag: int) -> str:
    """The value representation of a tag, maybe several: `US or SS`.

    Raises KeyError for a tag that PS3.6 does not have, or only as one of a range.
    """
    return _vrs()[f"{tag:08X}"]


def is_in_dictionary(tag: int) -> bool:
    """Whether PS3.6 has the tag, and not only as one of a range."""
    return f"{tag:08X}" in _vrs()


def is_well_known(uid: str) -> bool:
    """Whether PS3.6 registers the UID, so that it says nothing of a patient or a site."""
    return uid in _uids()


def is_encapsulated(transfer_syntax: str) -> bool | None:
    """Whether a transfer syntax has encapsulated pixels; None if PS3.6 has no such syntax."""
    kind = _uids().get(transfer_syntax, "")
    return kind == "encapsulated" if kind else None


@lru_cache(maxsize=1)
def _vrs() -> Mapping[str, str]:
    vrs: dict[str, str] = {}
    for line in VRS_FILE.read_text("ascii").splitlines():
        vr, _, tags = line.partition(": ")
        vrs.update(dict.fromkeys(tags.split(" "), vr))
    return vrs


@lru_cache(maxsize=1)
def _uids() -> Mapping[str, str]:
    lines = (line.partition(" ") for line in UIDS_FILE.read_text("ascii").splitlines())
    return {uid: kind for uid, _, kind in lines}
