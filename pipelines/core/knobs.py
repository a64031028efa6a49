"""What a field of the settings is made of: its default, its meaning, and how its value counts.

`enters` says how a value counts when a stage is asked whether its result is still good: by its
value, by the content of the file it names, or not at all (a place that may move).
"""

from dataclasses import field
from enum import StrEnum
from typing import Any


class Enters(StrEnum):
    """How a setting enters the fingerprint of a stage's result."""

    VALUE = "value"
    CONTENT = "content"
    NEVER = "never"


def knob(
    default: Any,
    meaning: str,
    *,
    enters: Enters = Enters.VALUE,
    minimum: float | None = None,
    maximum: float | None = None,
) -> Any:
    """A settings field with its meaning and the least and greatest value that a file may give it.

    A mapping is a fresh one each time.
    """
    metadata = {"meaning": meaning, "enters": enters, "minimum": minimum, "maximum": maximum}
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)
