"""Thousands of values looked for at once, by the rules by which `core.traces` looks for a few.

More strictly in one point: a number before a full stop is found, unless a digit follows that.

A table of the first four bytes of all forms passes over nearly every place; only where it hits
are the forms themselves compared. So the time hardly depends on how many values there are, and
the memory not on how long the content is.
"""

import re
from collections import defaultdict
from collections.abc import Collection, Iterator
from copy import copy
from dataclasses import dataclass
from io import BytesIO
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from pipelines.core.traces import ENCODINGS, LONG_TEXT, Traces

BLOCK_BYTES = 1 << 18
KEY_BYTES = 4
TABLE_BITS = 20
MULTIPLIER = np.uint32(2654435761)
"""Knuth's, the golden ratio of 32 bits: spreads the keys over the table."""

WIDE = ("utf-16-le", "utf-16-be")
"""Not for text files, but for what is in a PDF, or in a file of an unknown kind."""

CONTEXT_BYTES = 4
"""Two neighbours, of one byte each, or two in UTF-16: `.5` beside a number makes it a decimal."""

_LONGER_NUMBER = re.compile(rb"\.?[0-9]")
_LONGER_WORD = re.compile(rb"[0-9A-Za-z\x80-\xff]")
"""What makes of a number or a word a part of a longer one, read away from it."""
_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")


@dataclass(frozen=True, slots=True)
class _Form:
    """A value as bytes, ASCII letters small; `unit_bytes` is the size of a neighbour."""

    text: str
    content: bytes
    unit_bytes: int


class Needles:
    """Values that may not be left, ready to be looked for in anything."""

    def __init__(self, traces: Traces) -> None:
        self.texts = traces.texts
        self._forms: dict[bytes, list[_Form]] = defaultdict(list)
        for text in sorted(traces.texts):
            for form in _forms_of(text):
                self._forms[form.content[:KEY_BYTES]].append(form)
        self._table = np.zeros(1 << TABLE_BITS, dtype=bool)
        self._table[_places(b"".join(self._forms))[::KEY_BYTES]] = True
        lengths = [len(form.content) for forms in self._forms.values() for form in forms]
        self._reach = max(lengths, default=0) + CONTEXT_BYTES

    def without(self, texts: Collection[str]) -> "Needles":
        """All but these."""
        fewer = copy(self)  # the table is shared
        fewer.texts = self.texts.difference(texts)
        return fewer

    def only_long(self) -> "Needles":
        """Those that chance does not put among numbers."""
        return self.without(self.texts - Traces(self.texts).only_long().texts)

    def found_in(self, stream: BinaryIO) -> frozenset[str]:
        """Which of the values occur in what is left of a stream, read block by block."""
        found: set[str] = set()
        tail, skipped = b"", 0
        while block := stream.read(BLOCK_BYTES):
            window = (tail + block).lower()
            end = max(len(window) - self._reach, skipped)
            found.update(self._between(window, skipped, end))
            tail = window[max(end - CONTEXT_BYTES, 0) :]
            skipped = min(end, CONTEXT_BYTES)
        found.update(self._between(tail, skipped, len(tail)))
        return frozenset(found)

    def found_in_bytes(self, content: bytes) -> frozenset[str]:
        """Which of the values occur in `content`."""
        return self.found_in(BytesIO(content))

    def _between(self, window: bytes, start: int, end: int) -> Iterator[str]:
        """The values that begin in `window` from `start` to before `end`."""
        places = _places(window[start : end + KEY_BYTES - 1])
        for offset in np.flatnonzero(self._table[places]).tolist():
            place = start + offset
            for form in self._forms.get(window[place : place + KEY_BYTES], ()):
                is_there = form.text in self.texts and window.startswith(form.content, place)
                if is_there and _counts(form, window, place):
                    yield form.text


def _places(content: bytes) -> NDArray[np.uint32]:
    """Where in the table each four bytes of `content` have their place."""
    one = np.frombuffer(content, dtype=np.uint8).astype(np.uint32)
    if len(one) < KEY_BYTES:
        return one[:0]
    key = one[:-3] | one[1:-2] << 8 | one[2:-1] << 16 | one[3:] << 24
    return ((key * MULTIPLIER) >> np.uint32(32 - TABLE_BITS)).astype(np.uint32)


def _forms_of(text: str) -> set[_Form]:
    variants = {text} if text.isascii() else {text, text.upper(), text.lower(), text.title()}
    forms = set()
    for encoding in (*ENCODINGS, *WIDE):
        for variant in variants:
            try:
                content = variant.encode(encoding).lower()
            except UnicodeEncodeError:
                continue
            unit_bytes = 2 if encoding in WIDE else 1
            forms.add(_Form(text=text, content=content, unit_bytes=unit_bytes))
    return {form for form in forms if len(form.content) >= KEY_BYTES}


def _counts(form: _Form, window: bytes, start: int) -> bool:
    """Whether an occurrence is a whole number or word, where it has to be."""
    if _UID.fullmatch(form.text):
        return True
    is_number = not any(character.isalpha() for character in form.text)
    if not is_number and sum(character.isalnum() for character in form.text) >= LONG_TEXT:
        return True
    end, unit = start + len(form.content), form.unit_bytes
    before = _neighbours(window[max(start - 2 * unit, 0) : start], unit)[::-1]
    after = _neighbours(window[end : end + 2 * unit], unit)
    if unit == 1 and window[end + 1 : end + 2] == b"\0":
        after = b""  # the group of the next tag in little endian, as in core.traces
    longer = _LONGER_NUMBER if is_number else _LONGER_WORD
    return not (longer.match(before) or longer.match(after))


def _neighbours(context: bytes, unit_bytes: int) -> bytes:
    """Two neighbours as a byte each; one of UTF-16 that is not ASCII as a letter."""
    if unit_bytes == 1:
        return context
    pairs = (context[place : place + 2] for place in range(0, len(context), 2))
    return b"".join(pair.replace(b"\0", b"")[:1] if 0 in pair else b"\xff" for pair in pairs)
