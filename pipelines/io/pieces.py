"""The pieces of a header, made once for the same bytes, and what they prove of a file.

The pieces of a data set do not depend on one another but for its character set. Most are decided on
their bytes; the others are made by the very code that rewrites whole data sets, from a data set of
that one element.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from pipelines.core.traces import CHANCELESS_TEXT, Traces
from pipelines.io.by_bytes import ByBytes
from pipelines.io.engine import Engine
from pipelines.io.piece import Piece
from pipelines.io.plain_text import TextReader
from pipelines.io.raw_elements import Uncertain, value_of
from pipelines.io.raw_header import RawHeader


@dataclass(frozen=True, slots=True, kw_only=True)
class Proof:
    """What may not be left where these pieces were taken out, but for replaced UIDs."""

    traces: Traces
    only_long: Traces
    kept: frozenset[str]

    def finds_counters(self, pieces: Collection[Piece]) -> bool:
        """Whether a counter repeats a number that was taken out."""
        counters = b"\0".join(piece.counters for piece in pieces if piece.counters)
        return self.traces.found_in(counters)

    def fails(self, head: bytes, raw: RawHeader, pieces: Collection[Piece]) -> bool:
        """Whether a trace is in the new header or in the compressed pixels."""
        uids = [uid.encode() for piece in pieces for uid in piece.uids if uid not in self.kept]
        if self.traces.found_in(head):
            return True
        if any(uid in head for uid in uids):
            return True
        if raw.pixels is None:
            return False
        long_uids = [uid for uid in uids if len(uid) >= CHANCELESS_TEXT]
        return self.only_long.found_in(raw.pixels) or any(uid in raw.pixels for uid in long_uids)


@dataclass(slots=True)
class Maker:
    """Makes pieces of data sets of one encoding and one character set under one engine."""

    engine: Engine
    is_implicit: bool
    character_set: bytes
    name: str = ""
    _by_bytes: ByBytes = field(init=False)

    def __post_init__(self) -> None:
        value = value_of(self.character_set, is_implicit=self.is_implicit)
        self._by_bytes = ByBytes(self.engine, self.is_implicit, TextReader(value))

    def private(self, elements: Mapping[int, bytes]) -> dict[int, Piece]:
        """The pieces of those private elements that may stay; raises Uncertain."""
        return self._by_bytes.private(elements) if self.engine.rules.by_private else {}

    def piece(self, tag: int, element: bytes) -> Piece:
        """The piece of one whole element; raises Uncertain where it depends on other elements."""
        try:
            return self._by_bytes.piece(tag, element)
        except Uncertain:
            from pipelines.io import by_pydicom

            elements = self.character_set, element
            return by_pydicom.piece(
                self.engine, elements, is_implicit=self.is_implicit, name=self.name
            )
