"""What is replaced whole, such as a dataset: it is recorded first, and then moved in.

The last line of the ledger says which one holds. Whoever comes after a process that was killed in
between moves in what that line names, so the line and the place agree again.
"""

from dataclasses import dataclass
from pathlib import Path

from pipelines.io.disk import TEMPORARY_PREFIX, swap_in, sync_folder
from pipelines.io.ledger import Entry, Ledger
from pipelines.io.sealing import is_whole, seal


@dataclass(frozen=True, slots=True)
class Seat:
    """A folder that is replaced whole, and the ledger that names what lies there by its name."""

    place: Path
    ledger: Path

    @property
    def next(self) -> Path:
        """Where the next one is made."""
        return self.place.with_name(f"{TEMPORARY_PREFIX}{self.place.name}")

    def entry(self) -> Entry | None:
        """What the ledger says of the one that holds."""
        return Ledger(self.ledger).get(self.place.name)

    def entry_of(self, fingerprint: str) -> Entry | None:
        """The same, where it has this fingerprint and lies whole in its place."""
        entry = self.entry()
        if entry is None or entry.fingerprint != fingerprint or entry.outputs is None:
            return None
        return entry if is_whole(self.place, entry.outputs) else None

    def replace(self, entry: Entry) -> None:
        """Record the next one, and put it in its place."""
        sync_folder(self.place.parent)
        Ledger(self.ledger).append(entry)
        swap_in(self.next, self.place)

    def finish(self) -> None:
        """Put the next one in its place if it was recorded, and not more, before a kill."""
        outputs = entry.outputs if self.next.is_dir() and (entry := self.entry()) else None
        if outputs is not None and is_whole(self.next, outputs) and seal(self.next) == outputs:
            swap_in(self.next, self.place)
