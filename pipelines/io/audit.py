"""Who did what in a workspace, and when: lines that cannot be changed without its showing.

Each line holds the SHA-256 of the one before it. So whoever has noted the last one (`head`) can
tell whether any line was changed, taken out or put in since.
"""

import hashlib
import os
import platform
import pwd
from datetime import UTC, datetime
from pathlib import Path

from pipelines.core.errors import WorkspaceError
from pipelines.io.json_lines import append_line, read_lines

AUDIT_NAME = "audit.jsonl"
"""In the private folder of a workspace; no line says who a patient is."""


def note(private: Path, what: str, **values: str) -> None:
    """Add a line; it is on the disk when this returns."""
    path = private / AUDIT_NAME
    stamp = {"who": _user(), "host": platform.node(), "previous": head(private)}
    when = datetime.now(UTC).isoformat(timespec="seconds")
    append_line(path, {**stamp, "when": when, "what": what, **values})


def head(private: Path) -> str:
    """The SHA-256 of the last line; empty where there is none."""
    lines = _lines(private)
    return hashlib.sha256(lines[-1]).hexdigest() if lines else ""


def checked(private: Path) -> list[dict[str, str]]:
    """All lines; raises WorkspaceError where one does not follow the one before it."""
    path = private / AUDIT_NAME
    records = read_lines(path)
    previous = ""
    for number, (line, record) in enumerate(zip(_lines(private), records, strict=True), start=1):
        if record.get("previous") != previous:
            raise WorkspaceError(
                f"{path}: line {number} does not follow the one before it",
                hint="A line was changed, taken out or put in: bring back a safe copy.",
            )
        previous = hashlib.sha256(line).hexdigest()
    return records


def _lines(private: Path) -> list[bytes]:
    path = private / AUDIT_NAME
    return path.read_bytes().split(b"\n")[:-1] if path.exists() else []


def _user() -> str:
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:  # a container may run as a number without a name
        return str(os.getuid())
