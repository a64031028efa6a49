"""Recipes in deid's language, read with deid's own parser and checked more strictly.

deid 0.4.13 passes over what it does not understand: an action in lower case, a keyword that does
not exist or a function that nobody supplied leave the original value in place. Here each of these
is a SettingsError with file, line and the nearest right word, before any study is touched. A later
recipe overrides an earlier one, a rule for a tag one for a value representation.
"""

import re
import warnings
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, replace
from difflib import get_close_matches
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pydicom.config import RAISE
from pydicom.datadict import dictionary_VR, keyword_dict, keyword_for_tag
from pydicom.valuerep import VR, validate_value

from pipelines.core.deid import (
    DUMMIES,
    FIXED,
    FUNCTION_VRS,
    FUNCTIONS,
    TEXT_VRS,
    Action,
    Options,
    Origin,
    Rule,
    Rules,
    profile,
    recipe_text,
    tag_text,
)
from pipelines.core.errors import SettingsError

MAXIMUM_RECIPE_BYTES = 1 << 20
ACTIONS = ("REMOVE", "BLANK", "REPLACE", "KEEP")
NOT_HONOURED = {
    "ADD": "mosmed adds nothing but what PS3.15 asks for",
    "JITTER": "mosmed removes dates: shifted ones can be shifted back",
    "LABEL": "mosmed leaves out whole objects and never blackens pixels",
}
SECTIONS = ("header", "labels", "filter", "values", "fields")
NUMBER_VRS = ("DS", "IS")

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_SELECTION = re.compile(r"select:VR:([A-Z]{2})")
_EXPANDER = re.compile(
    r"ALL$|(startswith|endswith|contains|except|select|fields|values):", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One action of a recipe; `place` is `file:line`."""

    place: str
    action: str
    target: str
    value: str

    def fault(self, what: str, *, hint: str = "") -> SettingsError:
        return SettingsError(f"{self.place}: {what}", hint=hint or "Nothing was anonymized.")


def load(options: Options, paths: tuple[Path, ...] = ()) -> Rules:
    """The shipped rules for `options`, overridden by the recipes at `paths` in their order.

    Raises SettingsError, with file and line, for anything that would not be done as it is written.
    """
    shipped = profile(options)
    rules = _shipped(shipped, _parsed("mosmed.deid", recipe_text(options)))
    for path in paths:
        rules = _overridden(rules, _parsed(path.name, _text(path)))
    return replace(rules, loosened=tuple(_loosened(shipped, rules)))


def _shipped(known: Rules, lines: list[_Line]) -> Rules:
    """What the shipped text says; `known` only tells the reasons, which a recipe cannot hold."""
    empty = Rules(options=known.options, by_tag={}, by_vr={})
    said = _overridden(empty, lines, is_shipped=True)
    by_tag = {
        tag: replace(known.by_tag[tag], action=rule.action, value=rule.value)
        for tag, rule in said.by_tag.items()
    }
    by_vr = {vr: replace(known.by_vr[vr], action=rule.action) for vr, rule in said.by_vr.items()}
    return replace(empty, by_tag=by_tag, by_vr=by_vr)


def _overridden(rules: Rules, lines: list[_Line], *, is_shipped: bool = False) -> Rules:
    by_tag, by_vr = dict(rules.by_tag), dict(rules.by_vr)
    for line in lines:
        if selection := _SELECTION.fullmatch(line.target):
            vr = selection[1]
            if vr not in set(VR) or " " in vr:
                raise line.fault(f"there is no value representation {vr}")
            by_vr[vr] = _rule(line, vr, "")
        else:
            tag = _tag(line)
            vr = _dictionary_vr(tag)
            rule = _rule(line, vr, keyword_for_tag(tag))
            if not is_shipped:
                _refuse_fixed(line, tag, rule)
            before = by_tag.get(tag)
            descriptor = before.is_descriptor if before else vr in TEXT_VRS
            by_tag[tag] = replace(rule, is_descriptor=descriptor)
    return replace(rules, by_tag=by_tag, by_vr=by_vr)


def _refuse_fixed(line: _Line, tag: int, rule: Rule) -> None:
    if rule.keyword in FIXED:
        raise line.fault(f"{rule.keyword} has a fixed rule that no recipe can change")
    if not rule.keyword and rule.action is not Action.REMOVE:
        raise line.fault(
            f"{tag_text(tag)} is private, retired or unknown to PS3.6: such elements are removed"
        )


def _loosened(shipped: Rules, rules: Rules) -> Iterator[str]:
    """What a recipe keeps though the profile does not: then the profile cannot be claimed."""
    for tag, rule in sorted(rules.by_tag.items()):
        before = shipped.of(tag, _dictionary_vr(tag))
        if rule.action is Action.KEEP and before.action is not Action.KEEP:
            yield rule.keyword or tag_text(tag)
    for vr, rule in sorted(rules.by_vr.items()):
        if rule.action is Action.KEEP and vr in shipped.by_vr:
            yield f"select:VR:{vr}"


# --- one line


def _rule(line: _Line, vr: str, keyword: str) -> Rule:
    action, value = Action[line.action], ""
    if line.action == "REPLACE":
        action, value = _replacement(line, vr)
    return Rule(action=action, value=value, why=line.place, origin=Origin.RECIPE, keyword=keyword)


def _replacement(line: _Line, vr: str) -> tuple[Action, str]:
    kind, _, name = line.value.partition(":")
    if kind == "func":
        return _function(line, name, vr), ""
    if kind in {"var", "deid_func"}:
        raise line.fault(
            f"mosmed supplies no '{line.value}'",
            hint="Use " + ", ".join(f"func:{known}" for known in FUNCTIONS) + ", or a text.",
        )
    if vr not in DUMMIES and vr not in NUMBER_VRS:
        raise line.fault(f"a text cannot be the value of an element of type {vr}")
    _check_value(line, vr)
    return Action.REPLACE, line.value


def _function(line: _Line, name: str, vr: str) -> Action:
    if name not in FUNCTIONS:
        raise line.fault(f"mosmed supplies no function '{name}'{_nearest(name, tuple(FUNCTIONS))}")
    if vr not in FUNCTION_VRS[FUNCTIONS[name]]:
        raise line.fault(f"func:{name} does not give a value of type {vr}")
    return FUNCTIONS[name]


def _check_value(line: _Line, vr: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            validate_value(vr, line.value, RAISE)
            if vr in NUMBER_VRS:
                float(line.value)
    except (ValueError, UserWarning) as error:
        raise line.fault(f"'{line.value}' is no valid value of type {vr}") from error


def _tag(line: _Line) -> int:
    match = _TAG.fullmatch(line.target)
    if match:
        return int(match[1] + match[2], 16)
    if line.target in keyword_dict:
        return keyword_dict[line.target]
    if _EXPANDER.match(line.target) or "__" in line.target or "," in line.target:
        raise line.fault(
            f"'{line.target}': mosmed takes one attribute a line",
            hint="Write a keyword, (GGGG,EEEE), or select:VR:XX.",
        )
    raise line.fault(f"there is no attribute '{line.target}'{_nearest(line.target)}")


def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


def _nearest(word: str, words: tuple[str, ...] | None = None) -> str:
    known = {entry.lower(): entry for entry in words or tuple(keyword_dict)}
    near = get_close_matches(word.lower(), list(known), n=1, cutoff=0.6)
    return f"; did you mean {known[near[0]]}?" if near else ""


# --- one file


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(MAXIMUM_RECIPE_BYTES + 1)
        if len(content) > MAXIMUM_RECIPE_BYTES:
            raise SettingsError(f"{path}: too large for a recipe")
        return content.decode("utf-8-sig")
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path}: a recipe is text in UTF-8") from error


def _parsed(name: str, text: str) -> list[_Line]:
    """The actions of a recipe: read here with their line numbers, and once more by deid itself."""
    lines = list(_lines(name, text))
    said = _deid_actions(name, text)
    if len(said) != len(lines):
        raise SettingsError(f"{name}: deid reads {len(said)} actions, mosmed {len(lines)}")
    for line, action in zip(lines, said, strict=True):
        value = str(action.get("value", "")).strip()
        if (action["action"], action["field"], value) != (line.action, line.target, line.value):
            raise line.fault("deid reads this line differently", hint="Write it more simply.")
    return lines


def _lines(name: str, text: str) -> Iterator[_Line]:
    section = wanted = ""
    for number, raw in enumerate(re.split(r"\r\n|\r|\n", text), start=1):
        words = raw.split("#")[0].split()
        line = _Line(
            place=f"{name}:{number}",
            action=words[0] if words else "",
            target=words[1] if len(words) > 1 else "",
            value=" ".join(words[2:]),
        )
        if re.search(r"\S#", raw) and not raw.lstrip().startswith("#"):
            raise line.fault("put a space before a comment", hint="deid cuts a value at its #.")
        if line.action.upper().startswith("FORMAT"):
            wanted = _format(line)
        elif line.action.startswith("%"):
            section = _section(line)
        elif line.action:
            if not (wanted and section):
                raise line.fault("a recipe begins with 'FORMAT dicom' and '%header'")
            yield _action(line)


def _format(line: _Line) -> str:
    if (line.action, line.target, line.value) != ("FORMAT", "dicom", ""):
        raise line.fault("the format is written 'FORMAT dicom'")
    return line.target


def _section(line: _Line) -> str:
    section = line.action[1:]
    if section == "header" and not line.target:
        return section
    if section in SECTIONS:
        raise line.fault(f"mosmed does not honour the section %{section}", hint="Use %header.")
    raise line.fault(f"there is no section %{section}{_nearest(section, SECTIONS)}")


def _action(line: _Line) -> _Line:
    if line.action in NOT_HONOURED:
        raise line.fault(f"{line.action} is not honoured: {NOT_HONOURED[line.action]}")
    if line.action not in ACTIONS:
        known = (*ACTIONS, *NOT_HONOURED)
        raise line.fault(f"there is no action '{line.action}'{_nearest(line.action, known)}")
    if not line.target:
        raise line.fault(f"{line.action} needs an attribute")
    if line.action == "REPLACE" and not line.value:
        raise line.fault("REPLACE needs a value", hint="Use BLANK to empty an element.")
    if line.action != "REPLACE" and line.value:
        raise line.fault(f"{line.action} takes no value: '{line.value}'")
    return line


def _deid_actions(name: str, text: str) -> list[dict[str, Any]]:
    """What deid's own parser makes of a recipe; it prints, and ends the process when it fails."""
    from deid.config import DeidRecipe
    from deid.logger import bot

    bot.level = 0  # quiet; else it traces each line to stderr
    with TemporaryDirectory() as folder:
        path = Path(folder, "recipe")
        path.write_text(text, encoding="utf-8")
        try:
            with redirect_stdout(StringIO()), redirect_stderr(StringIO()):
                recipe = DeidRecipe(str(path))
        except SystemExit as error:
            raise SettingsError(f"{name}: deid cannot read this recipe") from error
    actions: list[dict[str, Any]] = (recipe.deid or {}).get("header", [])
    return actions
