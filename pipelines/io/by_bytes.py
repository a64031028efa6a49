"""What becomes of one element, decided on its bytes, as `io.rewriting` decides on data sets.

Only what is written just as PS3.5 wants it is dealt with, so that a kept element may be copied;
everything else is Uncertain. Nothing here needs pydicom, which takes longer to load than a whole
series takes to rewrite.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipelines.core.deid import STANDARD_SCHEMES, TEXT_VRS, Action, Origin, Rule
from pipelines.core.dictionary import vr_of
from pipelines.core.retained import creator_tag
from pipelines.core.traces import day_of
from pipelines.core.values import (
    CODE_MARKS,
    CODE_MEANING,
    CODES,
    CODING_SCHEME,
    OF_ANYBODY,
    PIXEL_DATA,
    SPECIFIC_CHARACTER_SET,
    is_of_anybody,
    keeps_term,
    rule_for,
    structural,
)
from pipelines.io.canonical import CANONICAL, UID, UNIT_BYTES, is_finite
from pipelines.io.engine import Engine, Remembered
from pipelines.io.piece import Piece, items_of, joined
from pipelines.io.plain_text import TextReader
from pipelines.io.raw_elements import (
    DEEPEST_SKIPPED,
    ODD_GROUP,
    Span,
    Uncertain,
    items_at,
    value_of,
)
from pipelines.io.walker import LONG_VRS

SHORTS = frozenset({b"US", b"SS"})
TELLING_VRS = frozenset({*TEXT_VRS, "DA", "DT", "UI"})
"""Types whose removed values are remembered."""

NUMBER_VRS = frozenset({"DS", "IS"})
INSTANCE_NUMBER = 0x00200013
MEMORY_SEEN = 4096


@dataclass(slots=True)
class ByBytes:
    """Makes pieces of data sets of one encoding and one character set under one engine."""

    engine: Engine
    is_implicit: bool
    reader: TextReader
    _rules: dict[int, tuple[str, Rule]] = field(default_factory=dict)
    _seen: dict[tuple[object, ...], Remembered] = field(default_factory=dict)

    def piece(self, tag: int, element: bytes, depth: int = 0) -> Piece:
        """The piece of one whole element; raises Uncertain."""
        if reason := structural(tag):
            if depth and tag in {SPECIFIC_CHARACTER_SET, PIXEL_DATA}:
                raise Uncertain
            return Piece(counted=(reason,))
        vr, rule = self._rule(tag)
        value = self._value(element, vr)
        if vr == "SQ":
            return self._sequence(element, value, rule, depth)
        if keeps_term(tag, vr, rule):
            rule = rule_for(rule, self.reader.texts(value, vr))
        if rule.action is Action.KEEP:
            return self._kept(tag, element, value, vr)
        return self._replaced(tag, element, value, (vr, rule))

    def private(self, elements: Mapping[int, bytes]) -> dict[int, Piece]:
        """The pieces of the private elements of one data set that are known as safe.

        With each goes the creator of its block, without which nobody could read it (PS3.15 E.3.10).
        """
        pieces: dict[int, Piece] = {}
        for tag, element in elements.items():
            creator = creator_tag(tag)
            if creator not in elements:
                continue
            names = self.reader.texts(self._value(elements[creator], "LO"), "LO")
            safe = self.engine.rules.safe(tag, names[0]) if len(names) == 1 else None
            if safe is not None:
                value = self._value(element, safe.vr)
                pieces[tag] = self._kept(tag, element, value, safe.vr)
                text = self._element(elements[creator], names[0], "LO")
                pieces[creator] = Piece(content=text, counted=(Action.KEEP.value,))
        return pieces

    def _rule(self, tag: int) -> tuple[str, Rule]:
        if tag not in self._rules:
            vr = vr_of(tag)
            self._rules[tag] = vr, self.engine.rules.of(tag, vr)
        return self._rules[tag]

    def _value(self, element: bytes, vr: str) -> bytes:
        """The value of an element that has the type PS3.6 gives it."""
        value = value_of(element, is_implicit=self.is_implicit)
        if self.is_implicit:
            is_typed = " " not in vr or (vr == "US or SS" and len(value) == 2)
        else:
            found = element[4:6]
            is_typed = found == vr.encode() or (found in SHORTS and found.decode() in vr)
            is_typed &= found not in LONG_VRS or element[6:8] == b"\0\0"
        if not is_typed or len(value) % 2:
            raise Uncertain
        return value

    # --- kept

    def _kept(self, tag: int, element: bytes, value: bytes, vr: str) -> Piece:
        kept = Piece(content=element, counted=(Action.KEEP.value,))
        if " " in vr or vr in UNIT_BYTES:
            if not value or len(value) % UNIT_BYTES.get(vr, 2) or not is_finite(value, vr):
                raise Uncertain
            return kept
        if vr not in CANONICAL or (value and not CANONICAL[vr].fullmatch(value)):
            raise Uncertain
        if vr == "IS":
            return replace(kept, counters=_counters(tag, value))
        if tag in OF_ANYBODY and not is_of_anybody(tag, self.reader.texts(value, vr)):
            raise Uncertain
        if tag == CODE_MEANING:
            return replace(kept, seen=self._noted("meanings", self.reader.texts(value, vr)))
        if vr == "UI":
            return replace(kept, seen=self._noted("kept", self.reader.texts(value, vr)))
        return kept

    def _noted(self, kind: str, texts: list[str]) -> Remembered | None:
        return self._remembered((kind, *texts), lambda seen: getattr(seen, kind).update(texts))

    # --- removed or replaced

    def _replaced(self, tag: int, element: bytes, value: bytes, typed: tuple[str, Rule]) -> Piece:
        vr, rule = typed
        texts = self._texts(value, vr, rule)
        new: list[str] = []
        content = b""
        uids: tuple[str, ...] = ()
        if rule.action is not Action.REMOVE:
            if " " in vr or vr in NUMBER_VRS:
                raise Uncertain
            new = self.engine.new_texts(rule, texts)
            content = self._element(element, "\\".join(new), vr)
        if rule.action is Action.UID:
            uids = tuple(old for old, uid in zip(texts, new, strict=True) if old != uid)
            seen = None
        else:
            seen = self._seen_in(tag, texts, typed, new)
        return Piece(content=content, counted=(rule.action.value,), uids=uids, seen=seen)

    def _texts(self, value: bytes, vr: str, rule: Rule) -> list[str]:
        """The texts that are remembered, or made into new ones."""
        if not value or not (vr in TELLING_VRS or rule.action in {Action.AGE, Action.PSEUDONYM}):
            return []
        if rule.action is Action.UID and not UID.fullmatch(value):
            raise Uncertain
        return self.reader.texts(value, vr)

    def _seen_in(
        self, tag: int, texts: list[str], typed: tuple[str, Rule], new: list[str]
    ) -> Remembered | None:
        if not texts:
            return None
        vr, rule = typed

        def note(seen: Remembered) -> None:
            seen.add_removed(texts, tag=tag, vr=vr, rule=rule, engine=self.engine)
            if rule.action is Action.SHIFT:
                seen.kept.update(new)

        told = [day_of(text) for text in texts] if vr in {"DA", "DT"} else texts
        return self._remembered((vr, tag in CODES, id(rule), *told), note)

    def _remembered(
        self, key: tuple[object, ...], note: Callable[[Remembered], None]
    ) -> Remembered | None:
        """The same object for what is the same, so that a proof can be made once for many files."""
        if key not in self._seen:
            if len(self._seen) >= MEMORY_SEEN:
                self._seen.clear()
            self._seen[key] = Remembered()
            note(self._seen[key])
        return self._seen[key] or None

    def _element(self, old: bytes, text: str, vr: str) -> bytes:
        """An element with a new value, its header as that of the old one."""
        if not text.isascii():
            raise Uncertain
        value = text.encode()
        value += (b"\0" if vr == "UI" else b" ") * (len(value) % 2)
        return self._with_value(old, value)

    def _with_value(self, old: bytes, value: bytes) -> bytes:
        if self.is_implicit:
            return old[:4] + len(value).to_bytes(4, "little") + value
        if old[4:6] in LONG_VRS:
            return old[:6] + bytes(2) + len(value).to_bytes(4, "little") + value
        return old[:6] + len(value).to_bytes(2, "little") + value

    # --- sequences

    def _sequence(self, element: bytes, value: bytes, rule: Rule, depth: int) -> Piece:
        if depth > DEEPEST_SKIPPED:
            raise Uncertain
        start = len(element) - len(value)
        length = int.from_bytes(element[start - 4 : start], "little")
        items, end = items_at(element, start, length, is_implicit=self.is_implicit)
        if end != len(element):
            raise Uncertain
        for spans in items:
            tags = [tag for tag, _, _ in spans]
            if tags != sorted(set(tags)):
                raise Uncertain
        if rule.action is Action.KEEP:
            return self._kept_items(element, items, depth + 1)
        seen = Remembered()
        for spans in items:
            self._remember_item(element, spans, seen, depth + 1)
        content = b"" if rule.action is Action.REMOVE else self._with_value(element, b"")
        return Piece(content=content, counted=(rule.action.value,), seen=seen or None)

    def _kept_items(self, element: bytes, items: list[list[Span]], depth: int) -> Piece:
        kept = [spans for spans in items if not self._is_local_code(element, spans)]
        inner = [self._item(element, spans, depth) for spans in kept]
        content = b"" if items and not kept else self._with_value(element, items_of(inner))
        counted = (Action.KEEP.value, *["local code"] * (len(items) - len(kept)))
        return joined(content, counted, [piece for pieces in inner for piece in pieces])

    def _item(self, element: bytes, spans: list[Span], depth: int) -> list[Piece]:
        pieces: dict[int, Piece] = {}
        if self.engine.rules.by_private:
            private = {tag: element[at:end] for tag, at, end in spans if tag & ODD_GROUP}
            pieces = self.private(private)
        return [
            pieces.get(tag) or self.piece(tag, element[at:end], depth) for tag, at, end in spans
        ]

    def _is_local_code(self, element: bytes, spans: list[Span]) -> bool:
        """As `elements.is_local_code`."""
        places = {tag: element[at:end] for tag, at, end in spans}
        if not any(tag in places for tag in CODE_MARKS):
            return False
        if CODING_SCHEME not in places:
            return True
        texts = self.reader.texts(self._value(places[CODING_SCHEME], "SH"), "SH")
        return not texts or not STANDARD_SCHEMES.issuperset(texts)

    def _remember_item(
        self, element: bytes, spans: Iterable[Span], seen: Remembered, depth: int
    ) -> None:
        """Note what stands in an item of a sequence that is removed, however deep."""
        for tag, at, end in spans:
            if structural(tag):
                if tag == SPECIFIC_CHARACTER_SET:
                    raise Uncertain
                continue
            vr, rule = self._rule(tag)
            value = self._value(element[at:end], vr)
            if vr == "SQ":
                inner = self._sequence(element[at:end], value, _REMOVED, depth)
                if inner.seen:
                    seen.add(inner.seen)
            elif vr in TELLING_VRS:
                texts = self.reader.texts(value, vr)
                seen.add_removed(texts, tag=tag, vr=vr, rule=rule, engine=self.engine)


_REMOVED = Rule(action=Action.REMOVE, why="", origin=Origin.PROFILE)


def _counters(tag: int, value: bytes) -> bytes:
    """The numbers of an integer string that are searched for echoes."""
    if tag == INSTANCE_NUMBER:
        return b""
    return b"\0".join(text for text in value.rstrip(b" ").split(b"\\") if int(text or b"0"))
