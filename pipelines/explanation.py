"""What mosmed does to every attribute, as tables that a README and a person can hold.

The columns are those of the de-identified elements of a DICOM conformance statement (PS3.2
N.11.2.6): attribute, tag, action; and why. The same text stands in README.md.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipelines.anonymize import rules_of
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.deid import STRUCTURAL, UNLISTED, Origin, private_text, tag_text

EXAMPLES = 4
FAMILIAR = (
    "PatientBirthDate", "AccessionNumber", "StudyDate", "ReferringPhysicianName", "StationName",
    "InstitutionName", "DeviceSerialNumber", "StudyDescription", "StudyInstanceUID",
    "SOPInstanceUID", "FrameOfReferenceUID", "PatientSex", "PatientAge", "ConvolutionKernel",
    "ImageType", "ContentDate", "private elements", "overlays", "elements behind the pixels",
)  # fmt: skip
"""Attributes that everybody knows: they are shown before others."""

MEANINGS = {
    "keep": "kept, where the value is what its type says",
    "pseudonym": "replaced by the patient's keyed pseudonym",
    "pseudonym uid": "replaced by a keyed UID, the same wherever it stands",
    "shift date": "moved back by a secret number of days, the same for all of a patient's studies",
    "clean text": "kept but for the words the site does not list",
    "cap age": "kept; 90 and older become 90",
    "replace": "replaced by a dummy",
    "blank": "emptied",
    "remove": "removed",
}
"""Actions in the order in which they are told, with what they mean; any other stands between."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """One line of `mosmed explain`: what happens to an attribute, and why."""

    tag: str
    keyword: str
    action: str
    why: str


def explain(settings: AnonymizeSettings) -> tuple[Explained, ...]:
    """What these settings do to every attribute: what no recipe can change, tags, then types."""
    rules = rules_of(settings)
    fixed = [
        Explained(tag=place, keyword=what, action="remove", why=why)
        for place, what, why in STRUCTURAL
    ]
    named = [
        Explained(
            tag=tag_text(tag),
            keyword=rule.keyword,
            action=rule.action.value,
            why=f"{rule.origin.value}: {rule.why}",
        )
        for tag, rule in sorted(rules.by_tag.items())
    ]
    private = [
        Explained(
            tag=private_text(element),
            keyword=element.name,
            action="keep",
            why="PS3.15 option: Retain Safe Private, Table E.3.10-1; with its creator",
        )
        for element in rules.by_private.values()
    ]
    typed = [
        Explained(tag=f"VR {vr}", keyword="any other", action=rule.action.value, why=rule.why)
        for vr, rule in sorted(rules.by_vr.items())
    ]
    rest = Explained(
        tag="the rest", keyword="any other", action=UNLISTED.action.value, why=UNLISTED.why
    )
    return (*fixed, *named, *private, *typed, rest)


def summary(rows: Sequence[Explained]) -> str:
    """The actions, how many attributes meet each, for which reasons, and some of them."""
    actions = {row.action: None for row in rows}
    order = sorted(actions, key=lambda action: (_place(action), action))
    lines = ["| what is done | by | attributes | such as |", "|---|---|---|---|"]
    for action in order:
        mine = [row for row in rows if row.action == action]
        sources = {_source_of(row): None for row in mine}
        for source in sources:
            some = [row for row in mine if _source_of(row) == source]
            cells = (MEANINGS.get(action, action), source, str(len(some)), _examples(some))
            lines.append(_line(cells))
    return "\n".join(lines)


def table(rows: Iterable[Explained]) -> str:
    """Every attribute: its keyword, tag, action and why."""
    lines = ["| attribute | tag | action | why |", "|---|---|---|---|"]
    lines += [_line((row.keyword, row.tag, row.action, row.why)) for row in rows]
    return "\n".join(lines)


def _source_of(row: Explained) -> str:
    """Where a rule comes from: its origin where it has one, or what it is by nature."""
    origin = row.why.partition(": ")[0]
    if origin in set(Origin):
        return origin
    if row.keyword == "any other":
        return "value representation, of all other attributes"
    return "mosmed, whatever a recipe says"


def _place(action: str) -> int:
    return list(MEANINGS).index(action) if action in MEANINGS else len(MEANINGS) - 2


def _examples(rows: Sequence[Explained]) -> str:
    rows = sorted(rows, key=lambda row: row.keyword not in FAMILIAR)
    names = [row.tag if row.keyword == "any other" else row.keyword for row in rows]
    more = ", …" if len(names) > EXAMPLES else ""
    return ", ".join(names[:EXAMPLES]) + more


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
