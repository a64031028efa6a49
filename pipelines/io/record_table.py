"""Records of one kind as a table of text, whose rows may be too many for memory."""

import csv
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from operator import attrgetter
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RecordTable(Generic[T]):
    """The records that `write_records` wrote, read from the disk each time they are asked for."""

    path: Path
    kind: type[T]

    def __iter__(self) -> Iterator[T]:
        whole = {field.name for field in fields(self.kind) if field.type is int}  # type: ignore[arg-type]
        with self.path.open(encoding="utf-8", newline="") as file, _fields_of_any_length():
            for row in csv.DictReader(file):
                yield self.kind(**{k: int(v) if k in whole else v for k, v in row.items()})


@contextmanager
def _fields_of_any_length() -> Iterator[None]:
    """Read what was written, however long a text of the RIS is; elsewhere the limit is a guard."""
    limit = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(limit)


def write_records(path: Path, kind: type[Any], records: Iterable[Any]) -> None:
    """A table of records whose fields are text and whole numbers; what is not there is empty."""
    names = [field.name for field in fields(kind)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names)
        writer.writerows(map(attrgetter(*names), records))
