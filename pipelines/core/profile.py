"""The rules mosmed ships, and the recipe in deid's language that says them.

Three layers, the later ones winning: what a value representation may hold (free text, names and
dates are removed unless an attribute is known), PS3.15 Table E.1-1 with the chosen options, and
`ct-rules.csv`, the attributes that CT science needs.

Where the table offers a choice (X/Z/D), the type of the attribute in the CT Image and Enhanced CT
Image IODs decides (PS3.15 E.3.1): Type 1 gets a dummy, Type 2 is blanked, all others are removed.
"""

import csv
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from pipelines.core.deid import (
    BINARY_VRS,
    DATE_VRS,
    DUMMIES,
    FUNCTIONS,
    TEXT_VRS,
    Action,
    Options,
    Origin,
    Rule,
    Rules,
    private_text,
    tag_text,
)
from pipelines.core.retained import CLEANED, SHIFTED, safe_private

# PS3.3 A.3.3 and A.38.1.3: of the attributes for which the table offers a choice, those that one
# of the two IODs wants. ContentDate is Type 2C in one and 1 in the other: a dummy satisfies both.
CT_TYPE_1 = frozenset({"AcquisitionDateTime", "ContentDate", "ContentTime", "DeviceSerialNumber"})
CT_TYPE_2 = frozenset({"AcquisitionContextSequence", "ContrastBolusAgent"})

PSEUDONYMS = frozenset({"PatientName", "PatientID"})


@lru_cache(maxsize=2)
def profile(options: Options) -> Rules:
    """The rules mosmed ships, before any recipe of the user; made once for all studies."""
    by_tag = dict(_profile_rules(options)) | dict(_ct_rules(options))
    return Rules(
        options=options,
        by_tag=by_tag,
        by_vr=dict(_vr_rules()),
        by_private=safe_private() if options.retain_safe_private else {},
    )


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
    for element in rules.by_private.values():
        lines += [f"# {element.name}: Table E.3.10-1", f"KEEP {private_text(element)}"]
    return "\n".join(lines) + "\n"


def _line(target: str, rule: Rule) -> str:
    functions = {action: name for name, action in FUNCTIONS.items()}
    if rule.action in functions:
        return f"REPLACE {target} func:{functions[rule.action]}"
    if rule.action is Action.REPLACE:
        return f"REPLACE {target} {rule.value}"
    return f"{rule.action.upper()} {target}"


def _rows(name: str) -> Iterator[dict[str, str]]:
    with Path(__file__).with_name(name).open(encoding="utf-8", newline="") as file:
        yield from csv.DictReader(file)


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
    """The rule of a row that an option keeps whole or in part.

    A characteristic in free text (EthnicGroup) is not kept: nobody checks it, nobody needs it.
    """
    keyword, vr = row["keyword"], row["vr"]
    choices = (
        (
            options.retain_patient_characteristics
            and row["retain_patient_characteristics"] == "K"
            and vr not in TEXT_VRS,
            Action.AGE if vr == "AS" else Action.KEEP,
            "Retain Patient Characteristics",
        ),
        (
            options.retain_device_identity and row["retain_device_identity"] == "K",
            Action.KEEP,
            "K under Retain Device Identity",
        ),
        (
            options.retain_modified_dates and keyword in SHIFTED,
            Action.SHIFT,
            "C under Modified Dates: the day of a scan, moved by the patient's keyed shift",
        ),
        (
            bool(options.descriptor_words) and keyword in CLEANED,
            Action.CLEAN,
            "C under Clean Descriptors: only words of the site's allowlist are left",
        ),
    )
    for is_taken, action, why in choices:
        if is_taken:
            return Rule(
                action=action,
                why=why,
                origin=Origin.OPTION,
                keyword=keyword,
                is_descriptor=action is Action.CLEAN,
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
