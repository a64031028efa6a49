"""What is known of each study at one stage: append-only lines of JSON, each synced to the disk.

The ledger, not the folder, says what was made: killed at any instant, what it names is whole, or is
not there and is made again.
Only the parent process writes it.
"""

import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pipelines.core.codec import canonical_json, from_jsonable
from pipelines.core.errors import WorkspaceError
from pipelines.io.disk import write_whole

OTHER_VERSION = (
    "Use the version that was here last, or remove that line: its study is then processed again."
)


class Outcome(StrEnum):
    """How a study left a stage; `kept` is not written, it is what `done` is the next time."""

    DONE = "done"
    EXCLUDED = "excluded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outputs:
    """What a stage left in a folder: enough to see later whether it is still whole."""

    files: int
    size_bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One line: `record` is the stage's own record, or the Excluded or Failed, as JSON values."""

    public_id: str
    fingerprint: str
    outcome: Outcome
    record: dict[str, Any]
    outputs: Outputs | None
    seconds: float
    versions: dict[str, str]


class Ledger:
    """The entries of one stage, the latest of each study."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._is_open = False
        self._entries = {entry.public_id: entry for entry in self._read()}

    def get(self, public_id: str) -> Entry | None:
        """The latest entry of a study, if it has any."""
        return self._entries.get(public_id)

    def append(self, entry: Entry) -> None:
        """Add an entry; it is on the disk when this returns."""
        if not self._is_open:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._cut_torn_line()
            self._is_open = True
        with self.path.open("ab") as file:
            file.write(canonical_json(entry).encode() + b"\n")
            file.flush()
            os.fsync(file.fileno())
        self._entries[entry.public_id] = entry

    def drop(self, public_ids: Collection[str]) -> None:
        """Remove every line of these studies, the earlier ones too; whole or not at all."""
        if not self._entries.keys() & set(public_ids):
            return
        lines = self.path.read_bytes().split(b"\n")[:-1]
        kept = [line for line in lines if json.loads(line)["public_id"] not in public_ids]
        write_whole(self.path, b"".join(line + b"\n" for line in kept))
        for public_id in public_ids:
            self._entries.pop(public_id, None)

    def _cut_torn_line(self) -> None:
        """Cut off a last line that a power cut tore, so that the next one starts a new line."""
        data = self.path.read_bytes() if self.path.exists() else b""
        whole = data.rfind(b"\n") + 1
        if whole < len(data):
            os.truncate(self.path, whole)

    def _read(self) -> Iterator[Entry]:
        if not self.path.exists():
            return
        lines = self.path.read_bytes().split(b"\n")
        for number, line in enumerate(lines[:-1], start=1):  # what follows the last \n is torn
            try:
                yield from_jsonable(Entry, json.loads(line))
            except (KeyError, TypeError, ValueError) as error:
                raise WorkspaceError(
                    f"{self.path}: line {number} is damaged, or of another version of mosmed",
                    hint=OTHER_VERSION,
                ) from error
