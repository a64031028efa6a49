"""De-identification rules as data: one action for every attribute a CT image may hold.

What a rule is, and what no rule can change. The rules mosmed ships are made in `core.profile`, a
user's recipes come on top in `io.recipe`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from pipelines.core.filters import ObjectFilter
from pipelines.core.retained import PrivateElement, PrivateKey


class Action(StrEnum):
    """What happens to an attribute; the first four and KEEP are deid's words."""

    REMOVE = "remove"
    BLANK = "blank"
    REPLACE = "replace"
    KEEP = "keep"
    UID = "pseudonym uid"
    PSEUDONYM = "pseudonym"
    AGE = "cap age"
    SHIFT = "shift date"
    CLEAN = "clean text"


class Origin(StrEnum):
    """Where a rule comes from."""

    PROFILE = "PS3.15 Table E.1-1"
    OPTION = "PS3.15 option"
    SCIENCE = "CT"
    VR = "by value representation"
    RECIPE = "your recipe"


FUNCTIONS: Mapping[str, Action] = {
    "pseudonym_uid": Action.UID,
    "pseudonym_patient": Action.PSEUDONYM,
    "cap_age": Action.AGE,
    "shift_date": Action.SHIFT,
    "clean_text": Action.CLEAN,
}
"""The functions a recipe may name: `REPLACE field func:...`."""

FUNCTION_VRS: Mapping[Action, frozenset[str]] = {
    Action.UID: frozenset({"UI"}),
    Action.PSEUDONYM: frozenset({"PN", "LO", "SH", "LT", "ST", "UC", "UT"}),
    Action.AGE: frozenset({"AS"}),
    Action.SHIFT: frozenset({"DA", "DT"}),
    Action.CLEAN: frozenset({"LO", "SH", "LT", "ST", "UT"}),
}
"""The value representations for which a function's result is a valid value."""

DUMMIES: Mapping[str, str] = {
    "AE": "REMOVED",
    "CS": "REMOVED",
    "DA": "19000101",
    "DT": "19000101000000",
    "LO": "REMOVED",
    "LT": "REMOVED",
    "PN": "REMOVED",
    "SH": "REMOVED",
    "ST": "REMOVED",
    "TM": "000000",
    "UC": "REMOVED",
    "UR": "urn:removed",
    "UT": "REMOVED",
}
"""A valid value that says nothing, for each value representation that has one."""

TEXT_VRS = ("AE", "LO", "LT", "PN", "SH", "ST", "UC", "UR", "UT")
DATE_VRS = ("AS", "DA", "DT", "TM")
BINARY_VRS = ("OB", "OD", "OF", "OL", "OV", "OW", "UN")

FIXED = frozenset(
    {
        "DeidentificationMethod",
        "DeidentificationMethodCodeSequence",
        "LongitudinalTemporalInformationModified",
        "PatientID",
        "PatientIdentityRemoved",
        "PatientName",
        "PixelData",
        "SOPClassUID",
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "SpecificCharacterSet",
        "StudyInstanceUID",
    }
)
"""Attributes whose rule no recipe may change: names, links and claims hang on them."""

STANDARD_SCHEMES = frozenset(
    {"DCM", "FMA", "LN", "MDC", "NCIt", "RADLEX", "SCT", "SNM3", "SRT", "UCUM", "UMLS"}
)
"""Coding schemes of PS3.16 section 8; the codes of others are words of the site."""

STRUCTURAL = (
    ("(gggg,eeee)", "private elements", "gggg is odd: nobody knows what a vendor writes there"),
    ("(gggg,0000)", "group lengths", "they would be wrong, and are retired"),
    ("(0002,eeee)", "file meta information", "written anew: it names software and senders"),
    ("(50xx,eeee)", "curves", "retired; Table E.1-1: X"),
    ("(60xx,eeee)", "overlays", "may show text; Table E.1-1: X"),
    ("behind (7FE0,0010)", "elements behind the pixels", "signatures, padding, hidden remains"),
    ("in (7FE0,0010)", "remarks", "comments, application data and remains in compressed frames"),
    ("in (7FE0,0010)", "unused bits", "beside BitsStored, where old overlays stand; cleared"),
    ("(gggg,eeee)", "attributes unknown to PS3.6", "nobody knows what they hold"),
    ("item", "local codes", "not of a scheme of PS3.16: the site's own words for a procedure"),
    ("preamble", "128 bytes before the file meta", "may hold anything; zeroed"),
)
"""What is removed whatever a recipe says: place, name and why."""

OPTION_CODES: Mapping[str, str] = {
    "113105": "Clean Descriptors Option",
    "113107": "Retain Longitudinal Temporal Information Modified Dates Option",
    "113108": "Retain Patient Characteristics Option",
    "113109": "Retain Device Identity Option",
    "113111": "Retain Safe Private Option",
}
"""The options mosmed can take, as PS3.16 CID 7050 codes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of PS3.15 E.3 that are taken.

    `descriptor_words`, in lower case, are all that Clean Descriptors leaves of a text; without
    any the option is not taken.
    """

    retain_patient_characteristics: bool
    retain_device_identity: bool
    retain_modified_dates: bool = False
    retain_safe_private: bool = False
    descriptor_words: frozenset[str] = frozenset()

    @property
    def codes(self) -> tuple[tuple[str, str], ...]:
        """Code and meaning of each option taken, of PS3.16 CID 7050; the profile's is not in."""
        taken = {
            "113105": bool(self.descriptor_words),
            "113107": self.retain_modified_dates,
            "113108": self.retain_patient_characteristics,
            "113109": self.retain_device_identity,
            "113111": self.retain_safe_private,
        }
        return tuple((code, OPTION_CODES[code]) for code in OPTION_CODES if taken[code])

    @property
    def temporal_information(self) -> str:
        """LongitudinalTemporalInformationModified (0028,0303), PS3.15 E.2 and E.3.6."""
        return "MODIFIED" if self.retain_modified_dates else "REMOVED"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """What happens to one attribute, or to a value representation (then `keyword` is empty).

    `is_descriptor`: the attribute describes (Table E.1-1, Clean Descriptors) and does not identify.
    """

    action: Action
    why: str
    origin: Origin
    keyword: str = ""
    value: str = ""
    is_descriptor: bool = False


UNLISTED = Rule(
    action=Action.KEEP,
    why="a number, a defined term, or a sequence that is looked into",
    origin=Origin.VR,
)
"""The rule of what no other rule names; the engine checks that it is what it says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Tag to rule, and value representation to rule for the tags that have none of their own.

    Of private elements only those in `by_private` may stay, with the creator of their block.
    `filters` leave out whole objects.
    """

    options: Options
    by_tag: Mapping[int, Rule]
    by_vr: Mapping[str, Rule]
    by_private: Mapping[PrivateKey, PrivateElement] = field(default_factory=dict)
    loosened: tuple[str, ...] = ()
    filters: tuple[ObjectFilter, ...] = ()

    def safe(self, tag: int, creator: str) -> PrivateElement | None:
        """The private element that may stay, `creator` being what its block says."""
        return self.by_private.get((tag >> 16, creator, tag & 0xFF))

    def of(self, tag: int, vr: str) -> Rule:
        """The rule of an attribute; `vr` as in PS3.6, where `US or OW` may hold what OW may."""
        return self.by_tag.get(tag) or self.by_vr.get(vr.rpartition(" ")[2], UNLISTED)


def tag_text(tag: int) -> str:
    """A tag as it is written: `(0010,0020)`."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def private_text(element: PrivateElement) -> str:
    """A private element as deid's recipes write it: `(0019,"GEMS_ACQU_01",23)`."""
    return f'({element.group:04X},"{element.creator}",{element.element:02X})'
