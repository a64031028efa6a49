"""The lines of a recipe in deid's language: action, attribute, value, and what is wrong with them.

Only the shape is checked here; what an attribute or a value means is for `io.recipe`.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pipelines.core import spelling
from pipelines.core.errors import SettingsError

ACTIONS = ("REMOVE", "BLANK", "REPLACE", "KEEP")
NOT_HONOURED = {
    "ADD": "mosmed adds nothing but what PS3.15 asks for",
    "JITTER": "the same days for everybody are soon found out; use func:shift_date",
    "LABEL": "mosmed leaves out whole objects and never blackens pixels",
}
SECTIONS = ("header", "labels", "filter", "values", "fields")


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One action of a recipe; `place` is `file:line`."""

    place: str
    action: str
    target: str
    value: str
    text: str = ""

    def fault(self, what: str, *, hint: str = "") -> SettingsError:
        """The error for this line."""
        return SettingsError(f"{self.place}: {what}", hint=hint or "Nothing was anonymized.")


def numbered_lines(name: str, text: str) -> Iterator[Line]:
    """Every line that says something; raises SettingsError with `name` and number of a bad one."""
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        said = raw.split("#")[0].strip()
        words = said.split()
        line = Line(
            place=f"{name}:{number}",
            action=words[0] if words else "",
            target=words[1] if len(words) > 1 else "",
            value=" ".join(words[2:]),
            text=said,
        )
        if re.search(r"\S#", raw) and not raw.lstrip().startswith("#"):
            raise line.fault("put a space before a comment", hint="deid cuts a value at its #.")
        if said:
            yield line


def read_lines(name: str, text: str) -> Iterator[Line]:
    """The actions of a recipe; raises SettingsError with `name` and number of a bad line."""
    section = wanted = ""
    for line in numbered_lines(name, text):
        if line.action.upper().startswith("FORMAT"):
            wanted = _format(line)
        elif line.action.startswith("%"):
            section = _section(line)
        else:
            if not (wanted and section):
                raise line.fault("a recipe begins with 'FORMAT dicom' and '%header' or '%filter'")
            if section == "header":
                yield _action(line)


def _format(line: Line) -> str:
    if (line.action, line.target, line.value) != ("FORMAT", "dicom", ""):
        raise line.fault("the format is written 'FORMAT dicom'")
    return line.target


def _section(line: Line) -> str:
    section = line.action[1:]
    if (section == "header" and not line.target) or section == "filter":
        return section
    if section in SECTIONS:
        raise line.fault(
            f"mosmed does not honour the section %{section}", hint="Use %header and %filter."
        )
    raise line.fault(f"there is no section %{section}{nearest(section, SECTIONS)}")


def _action(line: Line) -> Line:
    if line.action in NOT_HONOURED:
        raise line.fault(f"{line.action} is not honoured: {NOT_HONOURED[line.action]}")
    if line.action not in ACTIONS:
        known = (*ACTIONS, *NOT_HONOURED)
        raise line.fault(f"there is no action '{line.action}'{nearest(line.action, known)}")
    if not line.target:
        raise line.fault(f"{line.action} needs an attribute")
    if line.action == "REPLACE" and not line.value:
        raise line.fault("REPLACE needs a value", hint="Use BLANK to empty an element.")
    if line.action != "REPLACE" and line.value:
        raise line.fault(f"{line.action} takes no value: '{line.value}'")
    return line


def nearest(word: str, words: tuple[str, ...]) -> str:
    """The end of a message: the known word that is most like a wrong one, if any is."""
    known = {entry.lower(): entry for entry in words}
    near = spelling.nearest(word.lower(), known, likeness=0.6)
    return f"; did you mean {known[near]}?" if near else ""
