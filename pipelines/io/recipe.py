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
from dataclasses import replace
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
    tag_text,
)
from pipelines.core.errors import SettingsError
from pipelines.core.profile import profile, recipe_text
from pipelines.core.retained import SHIFTED, PrivateKey, safe_private
from pipelines.io.recipe_filters import read_filters
from pipelines.io.recipe_lines import Line, nearest, read_lines
from pipelines.io.text_file import read_text

NUMBER_VRS = ("DS", "IS")

_TAG = re.compile(r"\(?([0-9A-Fa-f]{4}),?([0-9A-Fa-f]{4})\)?")
_PRIVATE = re.compile(r'\(([0-9A-Fa-f]{4}),"([^"]+)",([0-9A-Fa-f]{2})\)')
_SELECTION = re.compile(r"select:VR:([A-Z]{2})")
_EXPANDER = re.compile(
    r"ALL$|(startswith|endswith|contains|except|select|fields|values):", re.IGNORECASE
)


def load(options: Options, paths: tuple[Path, ...] = ()) -> Rules:
    """The shipped rules for `options`, overridden by the recipes at `paths` in their order.

    Raises SettingsError, with file and line, for anything that would not be done as it is written.
    """
    shipped = profile(options)
    rules = _shipped(shipped, _parsed("mosmed.deid", recipe_text(options)))
    for path in paths:
        text = read_text(path)
        filters = read_filters(path.name, text, _filtered_tag)
        rules = _overridden(rules, _parsed(path.name, text))
        rules = replace(rules, filters=(*rules.filters, *filters))
    return replace(rules, loosened=tuple(_loosened(shipped, rules)))


def _shipped(known: Rules, lines: list[Line]) -> Rules:
    """What the shipped text says; `known` only tells the reasons, which a recipe cannot hold."""
    empty = Rules(options=known.options, by_tag={}, by_vr={})
    said = _overridden(empty, lines, is_shipped=True)
    by_tag = {
        tag: replace(known.by_tag[tag], action=rule.action, value=rule.value)
        for tag, rule in said.by_tag.items()
    }
    by_vr = {vr: replace(known.by_vr[vr], action=rule.action) for vr, rule in said.by_vr.items()}
    return replace(said, by_tag=by_tag, by_vr=by_vr)


def _overridden(rules: Rules, lines: list[Line], *, is_shipped: bool = False) -> Rules:
    by_tag, by_vr, by_private = dict(rules.by_tag), dict(rules.by_vr), dict(rules.by_private)
    for line in lines:
        if selection := _SELECTION.fullmatch(line.target):
            vr = selection[1]
            if vr not in set(VR) or " " in vr:
                raise line.fault(f"there is no value representation {vr}")
            by_vr[vr] = rule = _rule(line, vr, "")
            if rule.action in {Action.SHIFT, Action.CLEAN}:
                raise line.fault(f"'{line.value}' is for one attribute, never for a whole type")
        elif private := _PRIVATE.fullmatch(line.target):
            key = int(private[1], 16), private[2], int(private[3], 16)
            if line.action == "REMOVE":
                by_private.pop(key, None)
            else:
                _refuse_unsafe(line, key, rules.options)
                by_private[key] = safe_private()[key]
        else:
            tag = _tag(line)
            rule = _rule(line, _dictionary_vr(tag), keyword_for_tag(tag))
            before = by_tag.get(tag)
            descriptor = before.is_descriptor if before else _dictionary_vr(tag) in TEXT_VRS
            if not is_shipped:
                _refuse_fixed(line, tag, rule)
                _refuse_function(line, rule, rules.options, is_descriptor=descriptor)
            by_tag[tag] = replace(rule, is_descriptor=descriptor)
    return replace(rules, by_tag=by_tag, by_vr=by_vr, by_private=by_private)


def _refuse_fixed(line: Line, tag: int, rule: Rule) -> None:
    if rule.keyword in FIXED:
        raise line.fault(f"{rule.keyword} has a fixed rule that no recipe can change")
    if not rule.keyword and rule.action is not Action.REMOVE:
        raise line.fault(
            f"{tag_text(tag)} is private, retired or unknown to PS3.6: such elements are removed"
        )


def _refuse_unsafe(line: Line, key: PrivateKey, options: Options) -> None:
    if line.action != "KEEP" or key not in safe_private():
        raise line.fault(f"{line.target} is not one of the safe private elements of PS3.15 E.3.10")
    if not options.retain_safe_private:
        raise line.fault(f"{line.target} needs retain_safe_private = true under [anonymize]")


def _refuse_function(line: Line, rule: Rule, options: Options, *, is_descriptor: bool) -> None:
    """A function of an option, for an attribute that the option is not about."""
    if rule.action is Action.SHIFT:
        if not options.retain_modified_dates:
            raise line.fault("func:shift_date needs retain_modified_dates = true")
        if rule.keyword not in SHIFTED:
            raise line.fault(f"{rule.keyword} is not the day of a scan, and may be shared or known")
    if rule.action is Action.CLEAN:
        if not options.descriptor_words:
            raise line.fault("func:clean_text needs descriptor_words under [anonymize]")
        if not is_descriptor:
            raise line.fault(f"{rule.keyword} identifies: no part of it may stay")


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


def _rule(line: Line, vr: str, keyword: str) -> Rule:
    action, value = Action[line.action], ""
    if line.action == "REPLACE":
        action, value = _replacement(line, vr)
    return Rule(action=action, value=value, why=line.place, origin=Origin.RECIPE, keyword=keyword)


def _replacement(line: Line, vr: str) -> tuple[Action, str]:
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


def _function(line: Line, name: str, vr: str) -> Action:
    if name not in FUNCTIONS:
        raise line.fault(f"mosmed supplies no function '{name}'{nearest(name, tuple(FUNCTIONS))}")
    if vr not in FUNCTION_VRS[FUNCTIONS[name]]:
        raise line.fault(f"func:{name} does not give a value of type {vr}")
    return FUNCTIONS[name]


def _check_value(line: Line, vr: str) -> None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            validate_value(vr, line.value, RAISE)
            if vr in NUMBER_VRS:
                float(line.value)
    except (ValueError, UserWarning) as error:
        raise line.fault(f"'{line.value}' is no valid value of type {vr}") from error


def _tag(line: Line) -> int:
    match = _TAG.fullmatch(line.target)
    if match:
        return int(match[1] + match[2], 16)
    if line.target in keyword_dict:
        return keyword_dict[line.target]
    if _EXPANDER.match(line.target) or "__" in line.target or "," in line.target:
        raise line.fault(
            f"'{line.target}': mosmed takes one attribute a line",
            hint='Write a keyword, (GGGG,EEEE), (GGGG,"CREATOR",EE), or select:VR:XX.',
        )
    raise line.fault(
        f"there is no attribute '{line.target}'{nearest(line.target, tuple(keyword_dict))}"
    )


def _filtered_tag(line: Line) -> int:
    """The tag a filter looks at; deid writes those without a keyword 0xGGGGEEEE."""
    number = re.fullmatch(r"0x([0-9A-Fa-f]{8})", line.target)
    tag = int(number[1], 16) if number else _tag(line)
    if not keyword_for_tag(tag):
        raise line.fault(f"{tag_text(tag)} is private, retired or unknown to PS3.6")
    return tag


def _dictionary_vr(tag: int) -> str:
    try:
        return dictionary_VR(tag)
    except KeyError:
        return "UN"


# --- one file


def _parsed(name: str, text: str) -> list[Line]:
    """The actions of a recipe: read here with their line numbers, and once more by deid itself."""
    lines = list(read_lines(name, text))
    said = _deid_actions(name, text)
    if len(said) != len(lines):
        raise SettingsError(f"{name}: deid reads {len(said)} actions, mosmed {len(lines)}")
    for line, action in zip(lines, said, strict=True):
        value = str(action.get("value", "")).strip()
        if (action["action"], action["field"], value) != (line.action, line.target, line.value):
            raise line.fault("deid reads this line differently", hint="Write it more simply.")
    return lines


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
