"""Records that are too many for memory: written once, in order, and read as often as needed."""

import json
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipelines.core.codec import to_jsonable

IN_MEMORY_BYTES = 32 << 20
ENCODER = json.JSONEncoder(
    default=to_jsonable, ensure_ascii=False, check_circular=False, separators=(",", ":")
)


class Spool:
    """A nameless file in `folder`, which is gone when the process ends; memory while it is small.

    Records are JSON values; they come back in the order in which they were added, to one reader at
    a time.
    """

    def __init__(self, folder: Path | None = None) -> None:
        place = None if folder is None else str(folder)
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - lives as long as its readers
            max_size=IN_MEMORY_BYTES, dir=place
        )
        weakref.finalize(self, self._file.close)

    def append(self, record: Any) -> None:
        """Add a record; none may be added once the first was read."""
        self._file.write(ENCODER.encode(record).encode("utf-8", "surrogatepass") + b"\n")

    def lines(self) -> Iterator[bytes]:
        """The records as they lie there, for who needs few of them."""
        self._file.seek(0)
        yield from self._file

    def __iter__(self) -> Iterator[Any]:
        return map(self.record, self.lines())

    @staticmethod
    def record(line: bytes) -> Any:
        """The record of one of the `lines`."""
        return json.loads(line.decode("utf-8", "surrogatepass"))
