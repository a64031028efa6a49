"""What becomes of one element of a header, from its raw bytes to its new ones.

The pieces of a data set do not depend on one another but for its character set, so a piece is made
once for the same bytes. Most are made by the very code that rewrites whole data sets, from a data
set of that one element. What differs in every slice of a series, and is written just as PS3.5
wants it, is decided on the bytes, as that code would.
"""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from io import BytesIO

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from pipelines.core.deid import Action, Rule
from pipelines.core.traces import CHANCELESS_TEXT, Traces
from pipelines.io.deidentify import UTF_8, counted_texts, is_counter
from pipelines.io.dicom import faults_of
from pipelines.io.elements import structural
from pipelines.io.raw_header import RawHeader, Uncertain, value_of
from pipelines.io.rewriting import Engine, Remembered, Rewriting

_UID = re.compile(rb"[0-9]+(?:\.[0-9]+){3,}")
_INTEGERS = re.compile(rb"-?[0-9]{1,9}(?:\\-?[0-9]{1,9})* ?")
_DECIMAL = rb"(?=[-0-9.]{1,16}(?:[\\ ]|$))-?[0-9]+(?:\.[0-9]+)?"
_DECIMALS = re.compile(_DECIMAL + rb"(?:\\" + _DECIMAL + rb")* ?")
_DAY = re.compile(rb"[0-9]{8}(?:[0-9]{6}(?:\.[0-9]{1,6})?)? ?")
_TIME = re.compile(rb"[0-9]{2,6}(?:\.[0-9]{1,6})? ?")
REGISTERED_ROOT = b"1.2.840.10008."
"""UIDs of PS3.6, which may be well known."""

FIXED_BYTES = {"US": 2, "SS": 2, "US or SS": 2, "UL": 4, "SL": 4}
"""Lengths of one value; which of `US or SS` it is, only Implicit VR leaves open."""

DROPPED = frozenset({Action.REMOVE, Action.BLANK, Action.REPLACE})
INSTANCE_NUMBER = 0x00200013


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Piece:
    """The new bytes of one element, none if it is removed, and what the proof has to know.

    `counted` names what was done, `uids` were replaced, `seen` remembers all else that was taken
    out, `counters` are integer strings as they are searched for echoes, `text` is the new value.
    """

    content: bytes = b""
    counted: tuple[str, ...] = ()
    uids: tuple[str, ...] = ()
    seen: Remembered | None = None
    counters: bytes = b""
    is_ascii: bool = True


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
    _rules: dict[int, tuple[str, Rule]] = field(default_factory=dict)
    _days: dict[str, Remembered] = field(default_factory=dict)

    def piece(self, tag: int, element: bytes) -> Piece:
        """The piece of one whole element; raises Uncertain where it depends on other elements."""
        if reason := structural(tag):
            return Piece(counted=(reason,))
        if tag not in self._rules:
            vr = dictionary_VR(tag)
            self._rules[tag] = vr, self.engine.rules.of(tag, vr)
        vr, _ = self._rules[tag]
        if self.is_implicit or element[4:6] == vr.encode():
            value = value_of(element, is_implicit=self.is_implicit)
            if piece := self._plain(tag, element, value):
                return piece
        return self._decoded(element)

    # --- on the bytes

    def _plain(self, tag: int, element: bytes, value: bytes) -> Piece | None:
        """The piece of a value that is written just as it should be; None for any other."""
        vr, rule = self._rules[tag]
        if len(value) % 2 or not value:
            return None
        if vr == "UI" and rule.action is Action.UID:
            return self._uid(element, value)
        if rule.action is Action.KEEP:
            return self._number(tag, element, value, vr)
        if vr in {"DA", "DT", "TM"} and rule.action in DROPPED:
            return self._moment(element, value, vr, rule)
        return None

    def _uid(self, element: bytes, value: bytes) -> Piece | None:
        text = value.removesuffix(b"\0")
        if not _UID.fullmatch(text) or text.startswith(REGISTERED_ROOT):
            return None
        new = self.engine.pseudonyms.uid(text.decode()).encode()
        return Piece(
            content=self._element(element, new + b"\0" * (len(new) % 2)),
            counted=(Action.UID.value,),
            uids=(text.decode(),),
        )

    def _number(self, tag: int, element: bytes, value: bytes, vr: str) -> Piece | None:
        if len(value) == FIXED_BYTES.get(vr):
            return Piece(content=element, counted=(Action.KEEP.value,))
        if vr == "DS" and _DECIMALS.fullmatch(value):
            return Piece(content=element, counted=(Action.KEEP.value,))
        if vr == "IS" and _INTEGERS.fullmatch(value):
            texts = value.rstrip(b" ").split(b"\\")
            searched = b"\0".join(text for text in texts if int(text))
            counters = b"" if tag == INSTANCE_NUMBER else searched
            return Piece(content=element, counted=(Action.KEEP.value,), counters=counters)
        return None

    def _moment(self, element: bytes, value: bytes, vr: str, rule: Rule) -> Piece | None:
        if not (_TIME if vr == "TM" else _DAY).fullmatch(value) or not rule.value.isascii():
            return None
        content = b""
        if rule.action is not Action.REMOVE:
            new = rule.value.encode() if rule.action is Action.REPLACE else b""
            content = self._element(element, new + b" " * (len(new) % 2))
        day = value[:8].decode()
        is_told = vr != "TM" and day != rule.value[:8]
        return Piece(
            content=content,
            counted=(rule.action.value,),
            seen=self._days.setdefault(day, Remembered(values={day})) if is_told else None,
        )

    def _element(self, old: bytes, value: bytes) -> bytes:
        if self.is_implicit:
            return old[:4] + len(value).to_bytes(4, "little") + value
        return old[:6] + len(value).to_bytes(2, "little") + value

    # --- with pydicom

    def _decoded(self, element: bytes) -> Piece:
        """The piece as the way over whole data sets makes it."""
        with faults_of(self.name):
            source = decoded((self.character_set, element), is_implicit=self.is_implicit)
            rewriting = Rewriting(self.engine, self.name)
            dataset = rewriting.dataset(source)
            if self.is_implicit or b"UN" in element:
                _refuse_ambiguous(dataset)
            counters = counted_texts(filter(is_counter, dataset.iterall()))
            content = encoded(dataset, is_implicit=self.is_implicit, is_ascii=rewriting.is_ascii)
        counts = rewriting.counts
        counts["character set"] -= bool(self.character_set)
        return Piece(
            content=content,
            counted=tuple(counts.elements()),
            seen=rewriting.seen or None,
            counters=counters,
            is_ascii=rewriting.is_ascii,
        )


def _refuse_ambiguous(dataset: Dataset) -> None:
    """Refuse what has no VR in the file and one of several in PS3.6: other elements decide."""
    if any(" " in dictionary_VR(element.tag) for element in dataset.iterall()):
        raise Uncertain


def decoded(elements: Iterable[bytes], *, is_implicit: bool) -> Dataset:
    """The data set of some raw elements, in the order of their tags."""
    content = b"".join(elements)
    second = content[4:6]
    if is_implicit and second.isalpha() and second.isupper():  # would be read as explicit
        raise Uncertain
    return read_dataset(BytesIO(content), is_implicit, is_little_endian=True)


def encoded(dataset: Dataset, *, is_implicit: bool, is_ascii: bool = True) -> bytes:
    """A data set in Little Endian, its text in UTF-8, as it is in a whole file of ours."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = is_implicit, True
    write_dataset(buffer, dataset, "iso8859" if is_ascii else UTF_8)
    return buffer.getvalue()
