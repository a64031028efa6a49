"""What options of the profile retain in part: shifted dates, known words, safe private numbers.

Pure functions and lists: `core.profile` makes rules of them, an engine applies them. Each list is
shorter than PS3.15 allows, since an option says what may stay, not what must (E.3.5 note 4).
"""

import csv
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import TypeAlias

SHIFTED = frozenset(
    {
        "AcquisitionDate",
        "AcquisitionDateTime",
        "EndAcquisitionDateTime",
        "FrameAcquisitionDateTime",
        "FrameReferenceDateTime",
        "PerformedProcedureStepEndDate",
        "PerformedProcedureStepStartDate",
        "SeriesDate",
        "StartAcquisitionDateTime",
        "StudyDate",
    }
)
"""The days on which one patient was scanned; C under Modified Dates in Table E.1-1.

Days that patients share (calibration, installation, the migration of an archive in
InstanceCreationDate or ContentDate) are not shifted but removed: two patients' shifted values of
the same day would tell the difference of their shifts, and one known patient then all others.
"""

CLEANED = frozenset(
    {
        "AcquisitionDeviceProcessingDescription",
        "AcquisitionFieldOfViewLabel",
        "AcquisitionProtocolDescription",
        "ContrastBolusAgent",
        "DecompositionDescription",
        "DerivationDescription",
        "MultienergyAcquisitionDescription",
        "PerformedProcedureStepDescription",
        "ProtocolName",
        "RequestedProcedureDescription",
        "RespiratoryMotionCompensationTechniqueDescription",
        "ScheduledProcedureStepDescription",
        "SeriesDescription",
        "StudyDescription",
    }
)
"""Texts that describe how was scanned; C under Clean Descriptors in Table E.1-1.

Comments, reasons, diagnoses and histories describe the patient and are removed all the same.
"""

SHORTEST_NUMBER_DIGITS = 4
"""A number this long may be a year or somebody's number: it is no word of an allowlist."""

_DATE = re.compile(r"(\d{4})(\d{2})(\d{2})")
_DATE_TIME = re.compile(r"(\d{4})(\d{2})(\d{2})(\d{2,6}(\.\d{1,6})?)?([+-]\d{4})?")  # DT, PS3.5 6.2
_BETWEEN_WORDS = re.compile(r"[\s\\^=_,;:/|()\[\]{}<>\"'*&]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class PrivateElement:
    """An element of a private block: `element` is the low byte, the block's number may be any."""

    group: int
    creator: str
    element: int
    vr: str
    name: str


PrivateKey: TypeAlias = tuple[int, str, int]
"""Group, creator and low byte of a private element."""


def creator_tag(tag: int) -> int:
    """Where the creator of a private element's block stands (PS3.5 7.8.1); 0 if it is in none."""
    block = tag >> 8 & 0xFF
    return tag & 0xFFFF0000 | block if block >= 0x10 else 0


def safe_private() -> dict[PrivateKey, PrivateElement]:
    """The numbers of a CT acquisition that PS3.15 Table E.3.10-1 lists as safe.

    What the table lists as text (LO, SH, CS) is left out, since a text may hold anything.
    """
    return {(one.group, one.creator, one.element): one for one in _safe_private()}


def _safe_private() -> Iterator[PrivateElement]:
    text = Path(__file__).with_name("safe-private.csv").read_text("utf-8")
    for row in csv.DictReader(text.splitlines()):
        yield PrivateElement(
            group=int(row["group"], 16),
            creator=row["creator"],
            element=int(row["element"], 16),
            vr=row["vr"],
            name=row["name"],
        )


def shifted_date(text: str, days: int) -> str:
    """A date or date with time (DA, DT) moved by `days`, as a day alone: `YYYYMMDD`.

    The time of day and the offset from UTC are dropped: to the second they are as good as a
    name for whoever has the RIS. Empty for what is not one whole day, and for no shift.
    """
    match = _DATE.fullmatch(text) or _DATE_TIME.fullmatch(text)
    if match is None or days == 0:
        return ""
    try:
        moved = date(int(match[1]), int(match[2]), int(match[3])) + timedelta(days=days)
    except (ValueError, OverflowError):
        return ""
    return f"{moved.year:04d}{moved.month:02d}{moved.day:02d}"


def words_of(text: str) -> tuple[str, ...]:
    """The words of a description: what stands between blanks and punctuation."""
    return tuple(word for word in _BETWEEN_WORDS.split(text) if word)


def cleaned_text(text: str, allowed: Collection[str]) -> str:
    """The words of a text that are allowed (in lower case), parted by one blank; else empty."""
    return " ".join(word for word in words_of(text) if word.lower() in allowed)
