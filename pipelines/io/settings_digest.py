"""Whether settings are still those that a result was made by: a digest of what counts of them."""

import dataclasses
from pathlib import Path
from typing import Any

from pipelines.core.codec import digest
from pipelines.core.errors import SettingsError
from pipelines.core.knobs import Enters
from pipelines.io.disk import sha256_of


def settings_digest(settings: Any) -> str:
    """A digest of settings by value, of the files they name by content, of places not at all.

    Raises SettingsError when such a file is not there.
    """
    values = {}
    for field in dataclasses.fields(settings):
        value, enters = getattr(settings, field.name), field.metadata["enters"]
        if enters is Enters.VALUE:
            values[field.name] = value
        elif enters is Enters.CONTENT:
            values[field.name] = _contents(value, field.name)
    return digest(values)


def _contents(value: Any, name: str) -> list[str]:
    if isinstance(value, str):  # an address: what is there is asked for once
        return [value]
    paths = [value] if isinstance(value, Path) else list(value or ())
    for path in paths:
        if not path.is_file():
            raise SettingsError(
                f"{path}: no such file", hint=f"Mend `{name}` in mosmed.toml, or bring the file."
            )
    return [sha256_of(path) for path in paths]
