"""The values of one table of settings: checked, from the file, the environment and flags."""

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from pipelines.core.addresses import is_address
from pipelines.core.errors import SettingsError
from pipelines.core.spelling import did_you_mean

T = TypeVar("T")

ENVIRONMENT_PREFIX = "MOSMED_"
OPTIONAL_NUMBER = int | None


@dataclass(frozen=True, slots=True)
class Given:
    """A value as it was written, and where: `place` stands before it in a message."""

    value: Any
    place: str


def read_table(
    kind: type[T],
    given: Mapping[str, Any],
    *,
    file: Path,
    environment: Mapping[str, str],
    flags: Mapping[str, Any],
) -> T:
    """The settings of class `kind`: `given` is what stands in its table of `file`.

    Raises SettingsError as `settings_file.load_settings` does.
    """
    table: str = kind.TABLE  # type: ignore[attr-defined]
    names = [field.name for field in dataclasses.fields(kind)]  # type: ignore[arg-type]
    for key in given:
        must_be_known(key, names, f"{file}: unknown [{table}] key")
    in_file = {key: Given(value, f"{file}: [{table}] {key}") for key, value in given.items()}
    found = in_file | _from_environment(table, kind, environment) | _from_flags(table, flags)
    return typing.cast("T", _build(kind, found, file.parent))


def must_be_known(name: str, names: list[str], what: str) -> None:
    """Raise SettingsError that names the nearest one for a name that is not among `names`.

    `what` stands before the name in the message.
    """
    if name in names:
        return
    hint = did_you_mean(name, names).strip() or f"There are: {', '.join(names)}."
    raise SettingsError(f"{what} `{name}`", hint=hint)


def _variable(table: str, key: str) -> str:
    return f"{ENVIRONMENT_PREFIX}{table}_{key}".upper()


def must_not_be_misspelt(kind: Any, environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable that means a setting of this table, and none it has."""
    names = [_variable(kind.TABLE, field.name) for field in dataclasses.fields(kind)]
    for name in sorted(environment):
        if name.startswith(_variable(kind.TABLE, "")):
            must_be_known(name, names, "unknown environment variable")


def _from_environment(table: str, kind: Any, environment: Mapping[str, str]) -> dict[str, Given]:
    hints, found = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        name = _variable(table, field.name)
        if name in environment:
            place = f"environment variable {name}"
            value = _from_text(hints[field.name], environment[name], place)
            found[field.name] = Given(value, place)
    return found


def _from_text(hint: Any, text: str, place: str) -> Any:
    """A value as TOML would have given it; text and lists of text need no quotes."""
    if hint == OPTIONAL_NUMBER and not text:
        return text
    if hint in (str, Path) or _is_optional_path(hint) or _is_enum(hint):
        return text
    if typing.get_origin(hint) is tuple and not text.lstrip().startswith("["):
        return [part.strip() for part in text.split(",") if part.strip()]
    import tomllib

    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(
            f"{place} = {text!r} cannot be used",
            hint=f"It must be {_describe(hint)}, written as in mosmed.toml.",
        ) from error


def _from_flags(table: str, flags: Mapping[str, Any]) -> dict[str, Given]:
    prefix = f"{table}."
    return {
        name.removeprefix(prefix): Given(value, f"command line: {name}")
        for name, value in flags.items()
        if name.startswith(prefix) and value is not None
    }


def _build(kind: Any, given: Mapping[str, Given], folder: Path) -> Any:
    hints = typing.get_type_hints(kind)
    metadata = {field.name: field.metadata for field in dataclasses.fields(kind)}
    checked = {}
    for key, one in given.items():
        least, most = metadata[key]["minimum"], metadata[key]["maximum"]
        try:
            checked[key] = _within(least, _checked(hints[key], one.value, folder), most)
        except (TypeError, ValueError) as error:
            bound = "" if least is None else f", {least} or more"
            bound = bound if most is None else f" from {least} to {most}"
            raise SettingsError(
                f"{one.place} = {one.value!r} cannot be used",
                hint=f"It must be {_describe(hints[key])}{bound}.",
            ) from error
    return kind(**checked)


def _within(least: float | None, value: Any, most: float | None) -> Any:
    if value is None:
        return None
    if (least is not None and not value >= least) or (most is not None and not value <= most):
        raise ValueError
    return value


def _checked(hint: Any, value: Any, folder: Path) -> Any:
    if typing.get_origin(hint) in (tuple, Mapping):
        return _checked_many(hint, value, folder)
    if _may_be_address(hint) and is_address(value):
        return value
    if hint is Path or _is_optional_path(hint):
        return (folder / Path(value).expanduser()).absolute() if str(value) else None
    if hint == OPTIONAL_NUMBER:
        return None if value == "" else _checked(int, value, folder)
    if _is_enum(hint):
        return hint(value)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise TypeError
    return value


def _checked_many(hint: Any, value: Any, folder: Path) -> Any:
    item_hint = typing.get_args(hint)[-1]
    if typing.get_origin(hint) is Mapping:
        if not isinstance(value, Mapping):
            raise TypeError
        return {str(key): _checked(item_hint, item, folder) for key, item in value.items()}
    if isinstance(value, str):
        raise TypeError
    return tuple(_checked(typing.get_args(hint)[0], item, folder) for item in value)


def _is_enum(hint: Any) -> bool:
    return isinstance(hint, type) and issubclass(hint, Enum)


def _is_optional_path(hint: Any) -> bool:
    return typing.get_origin(hint) is types.UnionType and Path in typing.get_args(hint)


def _may_be_address(hint: Any) -> bool:
    return _is_optional_path(hint) and str in typing.get_args(hint)


def _describe(hint: Any) -> str:
    if hint == OPTIONAL_NUMBER:
        return 'a whole number, or "" for none'
    if _is_enum(hint):
        return " or ".join(repr(member.value) for member in hint)
    if typing.get_origin(hint) is tuple:
        return 'a list of text, like ["one", "two"]'
    if typing.get_origin(hint) is Mapping:
        examples = {int: '"CT-0" = 254', float: "train = 0.7", str: 'a = "b"'}
        return f"a table, like {{ {examples[typing.get_args(hint)[-1]]} }}"
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    names[date] = "a date, like 2020-03-01"
    return names.get(hint, "a path")
