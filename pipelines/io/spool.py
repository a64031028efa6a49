"""Records that are too many for memory: written once, in order, and read as often as needed."""

import pickle
import tempfile
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Generic, TypeVar

T = TypeVar("T")
IN_MEMORY_BYTES = 8 << 20
RECORDS_AT_ONCE = 1000


class Spool(Generic[T]):
    """A nameless file in `folder`, which is gone when the process ends; memory while it is small.

    Records are values that can be pickled, and come back in the order in which they were added,
    to one reader at a time. Nobody else can write into the file, so nothing foreign is unpickled.
    """

    def __init__(self, folder: Path | None = None) -> None:
        place = None if folder is None else str(folder)
        self._file = tempfile.SpooledTemporaryFile(  # noqa: SIM115 - lives as long as its readers
            max_size=IN_MEMORY_BYTES, dir=place
        )
        self._waiting: list[T] = []
        weakref.finalize(self, self._file.close)

    def append(self, record: T) -> None:
        """Add a record; none may be added once the first was read."""
        self._waiting.append(record)
        if len(self._waiting) == RECORDS_AT_ONCE:
            self._flush()

    def __iter__(self) -> Iterator[T]:
        self._flush()
        self._file.seek(0, 2)
        end = self._file.tell()
        self._file.seek(0)
        while self._file.tell() < end:
            yield from pickle.load(self._file)  # noqa: S301 - our own nameless file

    def _flush(self) -> None:
        if self._waiting:
            pickle.dump(self._waiting, self._file, pickle.HIGHEST_PROTOCOL)
            self._waiting = []
