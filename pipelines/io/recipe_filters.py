"""The `%filter` groups of a recipe in deid's language, checked line by line.

deid 0.4.13 passes over a condition it does not know, joins lines with "and" whatever they begin
with, and never finds a misspelt attribute; here each of these is an error with file and line.
"""

import re
from collections.abc import Callable, Iterator

from pipelines.core.filters import CONDITIONS, VALUELESS, Condition, ObjectFilter
from pipelines.io.recipe_lines import Line, nearest, numbered_lines

TagOf = Callable[[Line], int]
"""The tag of a line's attribute; raises SettingsError."""

_SPLIT = re.compile(r"\s+(\+|\|\|)\s+(?=(?:" + "|".join(CONDITIONS) + r")\s)", re.IGNORECASE)
_COORDINATES = ("coordinates", "keepcoordinates", "ctpcoordinates", "ctpkeepcoordinates")


def read_filters(name: str, text: str, tag_of: TagOf) -> tuple[ObjectFilter, ...]:
    """The filters of all groups in their order; raises SettingsError with `name` and line."""
    return tuple(_filter(group, lines, tag_of) for group, lines in _labelled(name, text))


def _labelled(name: str, text: str) -> Iterator[tuple[str, list[Line]]]:
    """The group and the lines of each LABEL."""
    group, lines = "", list[Line]()
    for line in numbered_lines(name, text):
        is_new = line.action.startswith("%") or (group and line.action.upper() == "LABEL")
        if is_new and lines:
            yield group, lines
        if line.action.startswith("%"):
            group, lines = _group(line), []
        elif group:
            lines = [line] if is_new else [*lines, line]
    if lines:
        yield group, lines


def _filter(group: str, lines: list[Line], tag_of: TagOf) -> ObjectFilter:
    label = _label(lines[0])
    if len(lines) == 1:
        raise lines[0].fault(f"LABEL {label} has no condition")
    conditions = tuple(
        tuple(_conditions(line, tag_of, is_first=number == 0))
        for number, line in enumerate(lines[1:])
    )
    return ObjectFilter(group=group, label=label, lines=conditions)


def _group(line: Line) -> str:
    """The name of the group that begins; empty for another section."""
    if line.action != "%filter":
        return ""
    if not line.target or line.value:
        raise line.fault("a group is written '%filter name'")
    if line.target.lower() == "whitelist":
        raise line.fault("no group lets pass what mosmed leaves out", hint="Name another group.")
    return line.target


def _label(line: Line) -> str:
    label = f"{line.target} {line.value}".strip()
    if line.action != "LABEL" or not label:
        raise line.fault("a filter begins with 'LABEL name'")
    return label


def _conditions(line: Line, tag_of: TagOf, *, is_first: bool) -> Iterator[Condition]:
    said = line.text
    operator = next((sign for sign in ("+", "||") if said.startswith(sign)), "")
    if bool(operator) is is_first:
        how = "begins without + or ||" if is_first else "is joined by + (and) or || (or)"
        raise line.fault(f"the {'first' if is_first else 'next'} condition of a LABEL {how}")
    said = said.removeprefix(operator).strip()
    parts = _SPLIT.split(said)
    for place in range(0, len(parts), 2):
        yield _condition(line, operator, parts[place].split(None, 2), tag_of)
        operator = parts[place + 1] if place + 1 < len(parts) else ""


def _condition(line: Line, operator: str, words: list[str], tag_of: TagOf) -> Condition:
    action = words[0] if words else ""
    if action.lower() in _COORDINATES:
        raise line.fault(f"{action}: mosmed leaves out whole objects and never blackens pixels")
    if action not in CONDITIONS:
        raise line.fault(f"there is no condition '{action}'{nearest(action, tuple(CONDITIONS))}")
    if len(words) != (2 if action in VALUELESS else 3):
        wanted = "an attribute" if action in VALUELESS else "an attribute and a value"
        raise line.fault(f"{action} needs {wanted}")
    value = words[2] if len(words) > 2 else ""
    if misread := re.search(r"\s(?:\+|\|\|)\s+(\S+)", value):
        word = misread[1]
        raise line.fault(f"there is no condition '{word}'{nearest(word, tuple(CONDITIONS))}")
    tag = tag_of(Line(place=line.place, action=action, target=words[1], value=""))
    if "contains" in action:
        try:
            re.compile(value)
        except re.error as error:
            raise line.fault(f"'{value}' is no regular expression: {error}") from error
    return Condition(operator=operator, action=action, tag=tag, value=value)
