"""`mosmed.toml`: read strictly, written with its comments; flag > environment > file > default."""

import dataclasses
import json
import tomllib
import typing
from collections.abc import Iterator, Mapping
from datetime import date
from enum import Enum
from pathlib import Path
from typing import Any

from pipelines.core.errors import SettingsError
from pipelines.core.settings import Settings
from pipelines.core.table_values import must_be_known, must_not_be_misspelt, read_table


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

    Raises SettingsError that names the file, variable or flag, the key, and the nearest right key
    or the type wanted.
    """
    tables = _parsed(text, file) if text else {}
    kinds, variables = dict(_tables()), environment or {}
    for table in tables:
        must_be_known(table, list(kinds), f"{file}: unknown table")
    refuse_misspelt(variables)
    return Settings(
        **{
            table: read_table(
                kind,
                tables.get(table, {}),
                file=file,
                environment=variables,
                flags=flags or {},
            )
            for table, kind in kinds.items()
        }
    )


def refuse_misspelt(environment: Mapping[str, str]) -> None:
    """Raise SettingsError for a variable that means a setting of a table, and none it has."""
    for _, kind in _tables():
        must_not_be_misspelt(kind, environment)


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
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{file}: {error}", hint="Mend the line that is named.") from error


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
