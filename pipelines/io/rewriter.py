"""Takes the identity out of one file after another, decoding only what it has not met before.

The slices of a series repeat nearly all their elements: what became of an element, by its bytes, is
remembered, and a new header is put together from such pieces. The pixels are copied as they are.
The bytes are those of `io.deidentify`, which reads a whole file with pydicom; that way is taken for
every file that is not understood with certainty, and has the last word where a trace is found.
"""

import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import chain
from operator import attrgetter
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.errors import DicomError
from pipelines.core.values import PATIENT_SEX, SPECIFIC_CHARACTER_SET, structural
from pipelines.io.claims import claimed_elements
from pipelines.io.ct_objects import OVERLAYS, Facts
from pipelines.io.engine import Engine, Remembered, Rewritten
from pipelines.io.facts import TYPES_LOOKED_AT, plain_facts
from pipelines.io.new_file import SEQUENCE_END_BYTES, FileRange, encode_start, pixel_header
from pipelines.io.piece import Piece
from pipelines.io.pieces import Maker, Proof
from pipelines.io.quick_pixels import refuse_other_pixels, refuse_unknown_sign, unused_bits_in
from pipelines.io.raw_elements import Uncertain, value_of
from pipelines.io.raw_header import HeaderReader, RawHeader
from pipelines.io.remarks import silenced
from pipelines.io.unused_bits import UNUSED_BITS
from pipelines.io.walker import UNDEFINED_LENGTH

if TYPE_CHECKING:  # loaded only for what is not understood
    from pipelines.io.part10 import Part10

MEMORY_PIECES = 2048
MEMORY_PROOFS = 16
LONGEST_REMEMBERED_BYTES = 4096
"""What is kept in memory however many files there are: some megabytes."""

SOP_CLASS_UID, SOP_INSTANCE_UID = 0x00080016, 0x00080018
STUDY_INSTANCE_UID, SERIES_INSTANCE_UID = 0x0020000D, 0x0020000E
PATIENT_AGE = 0x00101010
LINKS = (SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, SERIES_INSTANCE_UID)
_IS_ASCII, _COUNTED = attrgetter("is_ascii"), attrgetter("counted")


@dataclass(slots=True, kw_only=True)
class Opened:
    """A file on its way: its raw header, if it is understood, else all of it, read by pydicom.

    `facts` has what `io.ct_objects` looks at.
    """

    path: Path
    name: str
    descriptor: int
    raw: RawHeader | None
    facts: Facts
    _part: "Part10 | None" = None

    def part(self) -> "Part10":
        """The whole file; raises DicomError as `read_part10` does."""
        from pipelines.io.part10 import read_part10

        if self._part is None:
            self._part = read_part10(self.path, name=self.name)
        return self._part


class Rewriter:
    """De-identifies the files of one item, one at a time; remembers pieces, never whole files."""

    def __init__(self, *, also: frozenset[int] = frozenset()) -> None:
        """`also`: tags of which the facts tell, too."""
        self._also = also
        self._reader = HeaderReader()
        self._engine: Engine | None = None
        self._makers: dict[tuple[bool, bytes], tuple[Maker, dict[bytes, Piece]]] = {}
        self._claims: dict[tuple[bool, bool], dict[int, bytes]] = {}
        self._file_facts: tuple[tuple[bool, tuple[tuple[int, bytes], ...]], Facts] | None = None
        self._proofs: dict[tuple[Remembered, ...], Proof] = {}

    @contextmanager
    def open(self, path: Path, *, name: str) -> Iterator[Opened]:
        """The file at `path`; messages call it `name`. Raises DicomError as `read_part10` does."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            raw = self._reader.read(descriptor, os.fstat(descriptor).st_size)
            yield self._opened(path, name, descriptor, raw)
        finally:
            os.close(descriptor)

    def rewrite(self, opened: Opened, engine: Engine) -> Rewritten:
        """The object without identity; raises as `deidentify` does."""
        if opened.raw is not None:
            self._use(engine)
            try:
                return self._rewritten(opened, opened.raw, engine)
            except (Uncertain, DicomError):
                pass  # the slow way tells what is wrong, if it cannot be read there either
        from pipelines.io.deidentify import deidentify

        return deidentify(opened.part(), engine, name=opened.name)

    def _opened(self, path: Path, name: str, descriptor: int, raw: RawHeader | None) -> Opened:
        if raw is not None:
            try:
                facts = self._facts_of(raw, name)
            except (Uncertain, DicomError):
                pass
            else:
                return Opened(path=path, name=name, descriptor=descriptor, raw=raw, facts=facts)
        from pipelines.io.by_pydicom import facts_of
        from pipelines.io.part10 import read_part10

        part = read_part10(path, name=name)
        facts = facts_of(part.dataset, name=name, also=self._also)
        return Opened(
            path=path, name=name, descriptor=descriptor, raw=None, facts=facts, _part=part
        )

    def _facts_of(self, raw: RawHeader, name: str) -> Facts:
        """What decides about a file; the same object for the same bytes."""
        elements = tuple(
            (tag, element)
            for tag, element in raw.elements.items()
            if tag in TYPES_LOOKED_AT
            or tag in self._also
            or tag >> 24 == OVERLAYS
            or tag == SPECIFIC_CHARACTER_SET
        )
        key = raw.is_implicit, elements
        if self._file_facts is None or self._file_facts[0] != key:
            try:
                facts = plain_facts(dict(elements), self._also, is_implicit=raw.is_implicit)
            except Uncertain:
                from pipelines.io.by_pydicom import facts_in

                contents = [element for _, element in elements]
                facts = facts_in(contents, is_implicit=raw.is_implicit, name=name, also=self._also)
            self._file_facts = key, facts
        return self._file_facts[1]

    def _use(self, engine: Engine) -> None:
        """Forget everything that was made under another engine."""
        if self._engine != engine:
            self._engine = engine
            self._makers.clear()
            self._claims.clear()
            self._proofs.clear()

    # --- one file

    def _rewritten(self, opened: Opened, raw: RawHeader, engine: Engine) -> Rewritten:
        refuse_other_pixels(raw)
        refuse_unknown_sign(raw, engine)
        tail, said = _pixels(raw, opened.descriptor)
        if isinstance(tail, bytes):
            raw = replace(raw, pixels=tail)
        pieces = self._pieces(raw, engine, opened.name)
        proof = self._proof(pieces.values(), engine)
        if proof.finds_counters(pieces.values()):
            pieces |= {
                tag: _blanked(piece, raw)
                for tag, piece in pieces.items()
                if proof.finds_counters([piece])
            }
        contents = {tag: piece.content for tag, piece in pieces.items() if piece.content}
        is_ascii = all(map(_IS_ASCII, pieces.values()))
        contents |= self._claimed(engine, (raw.is_implicit, is_ascii))
        links = [_text(contents, tag, raw) for tag in LINKS]
        if not all(links):
            raise Uncertain
        head = _head(contents, raw, links)
        if proof.fails(head, raw, pieces.values()):
            raise Uncertain
        return Rewritten(
            head=head,
            tail=tail + SEQUENCE_END_BYTES if isinstance(tail, bytes) else tail,
            study_instance_uid=links[2],
            series_instance_uid=links[3],
            sop_instance_uid=links[1],
            patient_sex=_text(contents, PATIENT_SEX, raw),
            patient_age=_text(contents, PATIENT_AGE, raw),
            counts=_counts(raw, pieces) + said,
        )

    def _pieces(self, raw: RawHeader, engine: Engine, name: str) -> dict[int, Piece]:
        key = raw.is_implicit, raw.elements.get(SPECIFIC_CHARACTER_SET, b"")
        if key not in self._makers:
            self._makers.clear()
            self._makers[key] = Maker(engine, *key), {}
        maker, known = self._makers[key]
        maker.name = name
        if len(known) > MEMORY_PIECES:
            known.clear()
        pieces = maker.private(raw.private)
        for tag, element in raw.elements.items():
            piece = known.get(element)
            if piece is None:
                piece = maker.piece(tag, element)
                if len(element) <= LONGEST_REMEMBERED_BYTES:
                    known[element] = piece
            pieces[tag] = piece
        return pieces

    def _claimed(self, engine: Engine, kind: tuple[bool, bool]) -> dict[int, bytes]:
        """The elements in which an object says that it is de-identified."""
        if kind not in self._claims:
            is_implicit, is_ascii = kind
            self._claims[kind] = claimed_elements(
                engine, is_implicit=is_implicit, is_ascii=is_ascii
            )
        return self._claims[kind]

    def _proof(self, pieces: Collection[Piece], engine: Engine) -> Proof:
        seen = tuple(piece.seen for piece in pieces if piece.seen is not None)
        if seen not in self._proofs:
            if len(self._proofs) >= MEMORY_PROOFS:
                self._proofs.clear()
            together = Remembered()
            for one in seen:
                together.add(one)
            traces = engine.known.joined(together.traces())
            self._proofs[seen] = Proof(
                traces=traces, only_long=traces.only_long(), kept=frozenset(together.kept)
            )
        return self._proofs[seen]


def _blanked(piece: Piece, raw: RawHeader) -> Piece:
    """A counter that echoes a value that was removed, as `io.deidentify` blanks it."""
    if value_of(piece.content, is_implicit=raw.is_implicit).rstrip(b" ") not in (
        piece.counters,
        piece.counters.replace(b"\0", b"\\"),
    ):
        raise Uncertain  # it lies within a sequence
    content = piece.content[:4] + (bytes(4) if raw.is_implicit else b"IS" + bytes(2))
    return replace(piece, content=content, counted=(*piece.counted, "echo"), counters=b"")


def _counts(raw: RawHeader, pieces: Mapping[int, Piece]) -> Counter[str]:
    counts = Counter(chain.from_iterable(map(_COUNTED, pieces.values())))
    counts.update(structural(tag) for tag in raw.behind)
    counts["private"] += len(raw.private.keys() - pieces.keys())
    return +counts


def _text(contents: dict[int, bytes], tag: int, raw: RawHeader) -> str:
    """The one value of a new element; empty if there is none."""
    element = contents.get(tag, b"")
    value = value_of(element, is_implicit=raw.is_implicit).rstrip(b" \0")
    if b"\\" in value or not value.isascii():
        raise Uncertain
    return value.decode()


def _head(contents: dict[int, bytes], raw: RawHeader, links: list[str]) -> bytes:
    start = encode_start(sop_class_uid=links[0], sop_instance_uid=links[1], syntax=raw.syntax)
    elements = map(contents.__getitem__, sorted(contents))
    length = UNDEFINED_LENGTH if raw.pixels is not None else raw.pixels_length
    pixels = pixel_header(raw.pixel_vr, length, is_implicit=raw.is_implicit)
    return b"".join((start, *elements, pixels))


def _pixels(raw: RawHeader, descriptor: int) -> tuple[bytes | FileRange, Counter[str]]:
    """The fragments, or where the native pixels lie; and what there was to take out of them."""
    if raw.pixels is not None:
        silent, remarks = silenced(raw.pixels)
        return silent, Counter(remark=remarks)
    native = FileRange(descriptor=descriptor, start=raw.pixels_start, length=raw.pixels_length)
    unused = unused_bits_in(raw)
    if unused is None:
        return native, Counter()
    native = native.once()
    if not unused.say_something(native.pieces):
        return native, Counter()
    return replace(native, mended=unused.cleared), Counter({UNUSED_BITS: 1})
