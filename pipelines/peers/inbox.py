"""Where received objects arrive: only what is waited for, whole, each once.

An object is written under a temporary name, read back as the index of a folder reads it, and only
then given its own; what was not asked for, or is not what it says, is counted and gone.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pipelines.core.series import ObjectHeader
from pipelines.io.disk import sha256_of
from pipelines.io.new_file import encode_start
from pipelines.io.probe import Kind, probe_file

PART_SUFFIX = ".part"


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """An object that has arrived whole."""

    path: Path
    size_bytes: int
    header: ObjectHeader


@dataclass(slots=True)
class Inbox:
    """The received objects of one study, by SOPInstanceUID; `spend` is told every byte taken.

    `oddities` counts what was not taken and why; `differing` are the objects that came twice,
    but not with the same bytes.
    """

    folder: Path
    study_instance_uid: str
    spend: Callable[[int], None] = lambda _: None
    received: dict[str, Received] = field(default_factory=dict)
    oddities: Counter[str] = field(default_factory=Counter)
    differing: set[str] = field(default_factory=set)
    _waited: set[str] = field(default_factory=set)
    _series: dict[str, int] = field(default_factory=dict)
    _arrived: Counter[str] = field(default_factory=Counter)
    _parts: int = 0

    def wait_for(self, sop_instance_uids: Iterable[str]) -> None:
        """Take these from now on."""
        self._waited.update(sop_instance_uids)

    def wait_for_series(self, sizes: Mapping[str, int]) -> None:
        """Take all objects of these series, so many of each: their names are not known."""
        self._series.update(sizes)

    def has(self, sop_instance_uid: str, series_instance_uid: str) -> bool:
        """Whether an object has arrived, by its name or with all of a series without names."""
        if series_instance_uid in self._series:
            size = self._series[series_instance_uid]
            return self._arrived[series_instance_uid] == size
        return sop_instance_uid in self.received

    def names_in(self, series_instance_uid: str) -> list[str]:
        """The SOPInstanceUIDs that have arrived of a series, in their order."""
        return sorted(
            uid
            for uid, received in self.received.items()
            if received.header.series_instance_uid == series_instance_uid
        )

    def may_take(self, sop_instance_uid: str) -> bool:
        """Whether an object of that name may be one that was asked for."""
        return bool(self._series) or sop_instance_uid in self._waited

    def take(
        self, dataset: bytes, *, sop_class_uid: str, sop_instance_uid: str, syntax: str
    ) -> bool:
        """Store a data set as it was sent, behind a file meta of our own; whether it was taken."""
        if not self.may_take(sop_instance_uid):
            self.oddities["were not asked for"] += 1
            return False
        self.spend(len(dataset))
        path = self.new_part()
        with path.open("xb") as file:
            file.write(
                encode_start(
                    sop_class_uid=sop_class_uid, sop_instance_uid=sop_instance_uid, syntax=syntax
                )
            )
            file.write(dataset)
        return self.settle(path)

    def new_part(self) -> Path:
        """A new name for a file that is on its way; `settle` it once it is written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._parts += 1
        return self.folder / f"{self._parts}{PART_SUFFIX}"

    def settle(self, path: Path) -> bool:
        """Keep a file that was written if it is an object that is waited for; else remove it."""
        size_bytes = path.stat().st_size
        entry = probe_file(path, size_bytes)[0]
        uid = entry.header.sop_instance_uid or ""
        oddity = self._oddity(entry.kind, entry.header)
        if not oddity and uid in self.received:
            oddity = "came twice"
            if sha256_of(path) != sha256_of(self.received[uid].path):
                self.differing.add(uid)
        if oddity:
            self.oddities[oddity] += 1
            path.unlink()
            return oddity == "came twice"
        kept = path.with_suffix(".dcm")
        path.rename(kept)
        self.received[uid] = Received(path=kept, size_bytes=size_bytes, header=entry.header)
        self._arrived[entry.header.series_instance_uid or ""] += 1
        return True

    def _oddity(self, kind: Kind, header: ObjectHeader) -> str:
        if kind is not Kind.INSTANCE:
            return "could not be read"
        if header.study_instance_uid != self.study_instance_uid:
            return "are of another study"
        is_of_series = header.series_instance_uid in self._series
        if not is_of_series and header.sop_instance_uid not in self._waited:
            return "were not asked for"
        return ""
