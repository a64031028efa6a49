"""De-identification rules as data: one action for every attribute a CT image may hold.

Three layers, the later ones winning: what a value representation may hold (free text, names and
dates are removed unless an attribute is known), PS3.15 Table E.1-1 with the chosen options, and
`ct-rules.csv`, the attributes that CT science needs. A user's recipes come on top, in `io.recipe`.

Where the table offers a choice (X/Z/D), the type of the attribute in the CT Image and Enhanced CT
Image IODs decides (PS3.15 E.3.1): Type 1 gets a dummy, Type 2 is blanked, all others are removed.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from importlib.resources import files
from io import StringIO


class Action(StrEnum):
    """What happens to an attribute; the first four and KEEP are deid's words."""

    REMOVE = "remove"
    BLANK = "blank"
    REPLACE = "replace"
    KEEP = "keep"
    UID = "pseudonym uid"
    PSEUDONYM = "pseudonym"
    AGE = "cap age"


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
}
"""The functions a recipe may name: `REPLACE field func:...`."""

FUNCTION_VRS: Mapping[Action, frozenset[str]] = {
    Action.UID: frozenset({"UI"}),
    Action.PSEUDONYM: frozenset({"PN", "LO", "SH", "LT", "ST", "UC", "UT"}),
    Action.AGE: frozenset({"AS"}),
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

# PS3.3 A.3.3 and A.38.1.3: of the attributes for which the table offers a choice, those that one
# of the two IODs wants. ContentDate is Type 2C in one and 1 in the other: a dummy satisfies both.
CT_TYPE_1 = frozenset({"AcquisitionDateTime", "ContentDate", "ContentTime", "DeviceSerialNumber"})
CT_TYPE_2 = frozenset({"AcquisitionContextSequence", "ContrastBolusAgent"})

PSEUDONYMS = frozenset({"PatientName", "PatientID"})

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
    ("(gggg,eeee)", "attributes unknown to PS3.6", "nobody knows what they hold"),
    ("item", "local codes", "not of a scheme of PS3.16: the site's own words for a procedure"),
    ("preamble", "128 bytes before the file meta", "may hold anything; zeroed"),
)
"""What is removed whatever a recipe says: place, name and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of PS3.15 E.3 that are taken."""

    retain_patient_characteristics: bool
    retain_device_identity: bool


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
    """Tag to rule, and value representation to rule for the tags that have none of their own."""

    options: Options
    by_tag: Mapping[int, Rule]
    by_vr: Mapping[str, Rule]
    loosened: tuple[str, ...] = ()

    def of(self, tag: int, vr: str) -> Rule:
        """The rule of an attribute; `vr` as in PS3.6, where `US or OW` may hold what OW may."""
        return self.by_tag.get(tag) or self.by_vr.get(vr.rpartition(" ")[2], UNLISTED)


def tag_text(tag: int) -> str:
    """A tag as it is written: `(0010,0020)`."""
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"


def profile(options: Options) -> Rules:
    """The rules mosmed ships, before any recipe of the user."""
    by_tag = dict(_profile_rules(options)) | dict(_ct_rules(options))
    return Rules(options=options, by_tag=by_tag, by_vr=dict(_vr_rules()))


def recipe_text(options: Options) -> str:
    """The shipped rules in deid's language, one line an attribute, each with its reason."""
    rules = profile(options)
    lines = [
        "# Made by mosmed from PS3.15 Table E.1-1 and ct-rules.csv.",
        "FORMAT dicom",
        "",
        "%header",
    ]
    for tag, rule in sorted(rules.by_tag.items()):
        lines += [f"# {rule.keyword}: {rule.origin}, {rule.why}", _line(tag_text(tag), rule)]
    for vr, rule in sorted(rules.by_vr.items()):
        lines += [f"# {rule.why}", _line(f"select:VR:{vr}", rule)]
    return "\n".join(lines) + "\n"


def _line(target: str, rule: Rule) -> str:
    functions = {action: name for name, action in FUNCTIONS.items()}
    if rule.action in functions:
        return f"REPLACE {target} func:{functions[rule.action]}"
    if rule.action is Action.REPLACE:
        return f"REPLACE {target} {rule.value}"
    return f"{rule.action.upper()} {target}"


def _rows(name: str) -> Iterator[dict[str, str]]:
    yield from csv.DictReader(StringIO(files("pipelines.core").joinpath(name).read_text("utf-8")))


def _tag(text: str) -> int | None:
    try:
        return int(text[1:5] + text[6:10], 16)
    except ValueError:  # 50XX, 60XX and the odd groups are STRUCTURAL
        return None


def _profile_rules(options: Options) -> Iterator[tuple[int, Rule]]:
    for row in _rows("ps3.15-table-e1-1.csv"):
        tag = _tag(row["tag"])
        if tag is not None:
            yield tag, _retained(row, options) or _resolved(row)


def _retained(row: Mapping[str, str], options: Options) -> Rule | None:
    """The rule of a row that an option keeps.

    A C (clean) is not kept, as no text is cleaned here; nor is a characteristic in free text
    (EthnicGroup), which nobody checks and the dataset does not need.
    """
    keyword = row["keyword"]
    is_characteristic = row["retain_patient_characteristics"] == "K" and row["vr"] not in TEXT_VRS
    if options.retain_patient_characteristics and is_characteristic:
        action = Action.AGE if row["vr"] == "AS" else Action.KEEP
        return Rule(
            action=action,
            why="Retain Patient Characteristics",
            origin=Origin.OPTION,
            keyword=keyword,
        )
    if options.retain_device_identity and row["retain_device_identity"] == "K":
        return Rule(
            action=Action.KEEP,
            why="K under Retain Device Identity",
            origin=Origin.OPTION,
            keyword=keyword,
        )
    return None


def _resolved(row: Mapping[str, str]) -> Rule:
    action, value, why = _choice(row["keyword"], row["vr"], row["basic_profile"])
    return Rule(
        action=action,
        value=value,
        why=f"{row['basic_profile']}: {why}",
        origin=Origin.PROFILE,
        keyword=row["keyword"],
        is_descriptor=row["clean_descriptors"] == "C",
    )


def _choice(keyword: str, vr: str, code: str) -> tuple[Action, str, str]:
    if keyword in PSEUDONYMS:
        return Action.PSEUDONYM, "", "the patient's keyed pseudonym"
    if code == "U" or (vr == "UI" and "D" in code):
        return Action.UID, "", "a keyed UID, the same wherever it stands"
    if code.endswith("U*"):
        return Action.KEEP, "", "the references stay, the UIDs in them are replaced"
    chosen = code if code in {"X", "Z"} else _by_type(keyword, code)
    if chosen == "D" and vr in DUMMIES:
        return Action.REPLACE, DUMMIES[vr], "a dummy"
    if chosen == "Z":
        return Action.BLANK, "", "Type 2 in a CT image" if "/" in code else "blanked"
    return Action.REMOVE, "", _why_removed(code)


def _by_type(keyword: str, code: str) -> str:
    """X, Z or D: what the type in the CT image IODs asks for; D alone is no choice."""
    if code == "D" or keyword in CT_TYPE_1:
        return "D"
    return "Z" if keyword in CT_TYPE_2 else "X"


def _why_removed(code: str) -> str:
    if code == "D":
        return "not in a CT image, and there is no dummy for it"
    return "Type 3 or absent in a CT image" if "/" in code else "removed"


def _ct_rules(options: Options) -> Iterator[tuple[int, Rule]]:
    for row in _rows("ct-rules.csv"):
        tag = _tag(row["tag"])
        assert tag is not None
        action = Action[row["action"]]
        rule = Rule(action=action, why=row["why"], origin=Origin.SCIENCE, keyword=row["keyword"])
        if rule.keyword == "DeviceID" and options.retain_device_identity:
            rule = replace(rule, action=Action.KEEP, origin=Origin.OPTION)
        yield tag, rule


def _vr_rules() -> Iterator[tuple[str, Rule]]:
    def rule(action: Action, why: str) -> Rule:
        return Rule(action=action, why=why, origin=Origin.VR, is_descriptor=True)

    for vr in TEXT_VRS:
        yield vr, rule(Action.REMOVE, "free text of an attribute that no rule knows")
    for vr in DATE_VRS:
        yield vr, rule(Action.REMOVE, "a date, time or age of an attribute that no rule knows")
    for vr in BINARY_VRS:
        yield vr, rule(Action.REMOVE, "bytes that nobody can look into")
    yield "UI", rule(Action.UID, "a keyed UID, the same wherever it stands")
