"""Frozen dataclasses to JSON values and back, by their type hints; and digests of them."""

import dataclasses
import hashlib
import json
import types
import typing
from collections.abc import Mapping
from datetime import date
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def to_jsonable(value: Any) -> Any:
    """A record as JSON values: dataclasses as objects, enums, dates and paths as text."""
    if dataclasses.is_dataclass(value):
        fields = dataclasses.fields(value)
        return {field.name: to_jsonable(getattr(value, field.name)) for field in fields}
    if isinstance(value, Mapping):
        return {str(key): to_jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [to_jsonable(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Path):
        return str(value)
    return value


def from_jsonable(kind: type[T], value: Any) -> T:
    """The record of class `kind` that `to_jsonable` wrote.

    Raises KeyError, TypeError or ValueError where the value was not written by it.
    """
    return typing.cast("T", _decode(kind, value))


def _decode(hint: Any, value: Any) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        (inner,) = (part for part in typing.get_args(hint) if part is not types.NoneType)
        return _decode(inner, value)
    if origin is tuple:
        parts = typing.get_args(hint)
        if parts[-1] is Ellipsis:
            return tuple(_decode(parts[0], item) for item in value)
        return tuple(_decode(part, item) for part, item in zip(parts, value, strict=True))
    if origin in (dict, Mapping):
        _, item_hint = typing.get_args(hint)
        return {key: _decode(item_hint, item) for key, item in value.items()}
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        hints = _type_hints(hint)
        return hint(**{name: _decode(hints[name], item) for name, item in value.items()})
    return _decode_plain(hint, value)


@cache
def _type_hints(kind: type[Any]) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_plain(hint: Any, value: Any) -> Any:
    if hint is Any:
        return value
    if hint is date:
        return date.fromisoformat(value)
    if hint is float:
        return float(value)
    if isinstance(hint, type) and issubclass(hint, Enum | Path):
        return hint(value)
    if not isinstance(value, hint):
        raise TypeError(f"{value!r} is not {hint}")
    return value


def canonical_json(value: Any) -> str:
    """One text for one value: sorted keys, no blanks, Unicode as it is."""
    return json.dumps(to_jsonable(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def readable_json(value: Any) -> str:
    """The text of a value for people and for programs: indented, in its own order."""
    return json.dumps(to_jsonable(value), indent=2, ensure_ascii=False)


def digest(*values: Any) -> str:
    """The SHA-256 of values, in hexadecimal."""
    return hashlib.sha256(canonical_json(list(values)).encode()).hexdigest()
