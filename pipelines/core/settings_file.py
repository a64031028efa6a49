"""`mosmed.toml`: read strictly, written with its comments; flag > environment > file > default."""

import dataclasses
import json
import re
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from pipelines.core.errors import SettingsError
from pipelines.core.settings import Settings

ENVIRONMENT_PREFIX = "MOSMED_"
OPTIONAL_NUMBER = int | None
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


def load_settings(
    text: str,
    *,
    file: Path,
    environment: Mapping[str, str] | None = None,
    flags: Mapping[str, Any] | None = None,
) -> Settings:
    """The settings of a workspace.

    `text` is what stands in `file`; `environment` may set `MOSMED_THIN_EVERY=5`; `flags` are
    values by dotted name, e.g. `{"thin.every": 5}`. Relative paths start at the file's folder.

    Raises SettingsError that names file, key and the nearest right key or the type wanted.
    """
    tables = _parsed(text, file) if text else {}
    for table in tables:
        _must_be_known(table, [field.name for field in dataclasses.fields(Settings)], file, "table")
    merged: dict[str, Any] = {}
    for stage, kind in _tables():
        values = dict(tables.get(stage, {}))
        for key in values:
            names = [field.name for field in dataclasses.fields(kind)]
            _must_be_known(key, names, file, f"[{stage}] key")
        values |= _from_environment(stage, kind, environment or {})
        values |= _from_flags(stage, flags or {})
        merged[stage] = _build(kind, stage, values, file)
    return Settings(**merged)


def render_settings(settings: Settings, *, folder: Path) -> str:
    """`mosmed.toml` with every knob, its meaning above it; paths below `folder` are relative."""
    lines = [
        "# Settings of this mosmed workspace. What is commented out has its default.",
        "# A command-line flag wins over MOSMED_<TABLE>_<KEY> in the environment, that over this.",
    ]
    for stage, kind in _tables():
        lines += ["", f"[{stage}]"]
        values, defaults = getattr(settings, stage), kind()
        for field in _own_first(kind):
            value, default = getattr(values, field.name), getattr(defaults, field.name)
            mark = "# " if value == default else ""
            lines += [f"# {field.metadata['meaning']}"]
            lines += [f"{mark}{field.name} = {_toml(value, folder)}"]
    return "\n".join(lines) + "\n"


def _own_first(kind: Any) -> list[dataclasses.Field[Any]]:
    """The fields of a table: those it shares with others come last."""
    return sorted(
        dataclasses.fields(kind), key=lambda field: field.name not in vars(kind)["__annotations__"]
    )


def _tables() -> Iterator[tuple[str, Any]]:
    for field in dataclasses.fields(Settings):
        yield field.name, typing.get_type_hints(Settings)[field.name]


def _parsed(text: str, file: Path) -> dict[str, Any]:
    import tomllib  # not needed on plain folders, and a tenth of their start

    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}", hint="Mend the line that is named.") from error


def _must_be_known(name: str, names: list[str], file: Path, what: str) -> None:
    if name in names:
        return
    import difflib  # a misspelt name is rare, and it loads slowly

    nearest = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"Did you mean `{nearest[0]}`?" if nearest else f"There are: {', '.join(names)}."
    raise SettingsError(f"{file}: unknown {what} `{name}`", hint=hint)


def _from_environment(stage: str, kind: Any, environment: Mapping[str, str]) -> dict[str, Any]:
    hints, found = typing.get_type_hints(kind), {}
    for field in dataclasses.fields(kind):
        name = f"{ENVIRONMENT_PREFIX}{stage}_{field.name}".upper()
        if name in environment:
            found[field.name] = _from_text(hints[field.name], environment[name], name)
    return found


def _from_text(hint: Any, text: str, name: str) -> Any:
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
            f"environment variable {name}: {text!r} is not a value",
            hint=f"It must be {_describe(hint)}, written as in mosmed.toml.",
        ) from error


def _from_flags(stage: str, flags: Mapping[str, Any]) -> dict[str, Any]:
    prefix = f"{stage}."
    return {
        name.removeprefix(prefix): value
        for name, value in flags.items()
        if name.startswith(prefix) and value is not None
    }


def _build(kind: Any, stage: str, values: Mapping[str, Any], file: Path) -> Any:
    hints = typing.get_type_hints(kind)
    metadata = {field.name: field.metadata for field in dataclasses.fields(kind)}
    checked = {}
    for key, value in values.items():
        least, most = metadata[key]["minimum"], metadata[key]["maximum"]
        try:
            checked[key] = _within(least, _checked(hints[key], value, file.parent), most)
        except (TypeError, ValueError) as error:
            bound = "" if least is None else f", {least} or more"
            bound = bound if most is None else f" from {least} to {most}"
            raise SettingsError(
                f"{file}: [{stage}] {key} = {value!r} cannot be used",
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


def is_address(value: object) -> bool:
    """Whether a value names a place by its address, like dicom://PACS@10.0.0.5:104."""
    return isinstance(value, str) and ADDRESS.match(value) is not None


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


def _toml(value: Any, folder: Path) -> str:
    """A value in TOML; JSON's strings are TOML's basic strings."""
    if value is None:
        return '""'
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Path):
        return json.dumps(_relative(value, folder), ensure_ascii=False)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, tuple):
        return "[" + ", ".join(_toml(item, folder) for item in value) + "]"
    if isinstance(value, Mapping):
        pairs = [
            f"{json.dumps(k, ensure_ascii=False)} = {_toml(v, folder)}" for k, v in value.items()
        ]
        return "{ " + ", ".join(pairs) + " }" if pairs else "{}"
    if isinstance(value, Enum):
        return json.dumps(value.value)
    return json.dumps(value, ensure_ascii=False)


def _relative(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)
