"""Records of the owner's own doings: lines of JSON that only the owner may read, each synced."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

from pipelines.core.codec import canonical_json
from pipelines.core.errors import WorkspaceError
from pipelines.io.disk import sync_folder


def append_line(path: Path, record: Mapping[str, str]) -> None:
    """Add a line; it is on the disk when this returns. What a power cut tore is cut off."""
    is_new = not path.exists()
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o600), "r+b") as file:
        whole = file.read().rfind(b"\n") + 1
        file.seek(whole)
        file.truncate()
        file.write(canonical_json(record).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if is_new:
        sync_folder(path.parent)


def read_lines(path: Path) -> list[dict[str, str]]:
    """The records in their order; none where there is no file. A last line without end is torn.

    Raises WorkspaceError for any other line that is damaged: what it said must not be lost.
    """
    if not path.exists():
        return []
    records = []
    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], start=1):
        try:
            records.append({str(name): str(text) for name, text in json.loads(line).items()})
        except (AttributeError, ValueError) as error:
            raise WorkspaceError(
                f"{path}: line {number} is damaged", hint="Mend it, or bring back a safe copy."
            ) from error
    return records
