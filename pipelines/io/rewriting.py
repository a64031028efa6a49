"""What the rules leave of a data set, element by element, and what they took out of it.

The new data set is built from nothing: an element gets into it only where a rule keeps it and its
value is what its value representation says.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence

from pipelines.core.deid import TEXT_VRS, Action, Rule, Rules
from pipelines.core.errors import DicomError
from pipelines.core.identity import Pseudonyms
from pipelines.core.retained import cleaned_text, shifted_date
from pipelines.core.traces import Traces, traces_of, traces_of_names
from pipelines.io.elements import (
    CODE_MEANING,
    CODES,
    STRING_VRS,
    UNDECODABLE,
    VALID,
    checked,
    is_local_code,
    is_well_known,
    structural,
    texts_at,
    texts_of,
)
from pipelines.io.part10 import PIXEL_DATA

DEEPEST_NESTING = 32
"""Enhanced CT nests five deep; what nests deeper is a bomb."""

OLDEST_AGE_YEARS = 90

LONG_DESCRIPTOR = 16
"""Kernels and codes have at most 16 characters; a description may be "CHEST" or "B40f" by right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The rules, the key and what is known of the patient: the same for all files of a study."""

    rules: Rules
    pseudonyms: Pseudonyms
    patient: str
    known: Traces
    shift_days: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Remembered:
    """The texts of what was removed or replaced, by kind, and those of what may stay elsewhere."""

    names: set[str] = field(default_factory=set)
    values: set[str] = field(default_factory=set)
    descriptions: set[str] = field(default_factory=set)
    meanings: set[str] = field(default_factory=set)
    kept: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return any((self.names, self.values, self.descriptions, self.meanings, self.kept))

    def add(self, other: "Remembered") -> None:
        """Remember what `other` does, too."""
        self.names.update(other.names)
        self.values.update(other.values)
        self.descriptions.update(other.descriptions)
        self.meanings.update(other.meanings)
        self.kept.update(other.kept)

    def traces(self) -> Traces:
        """What may not be left.

        But for days and UIDs that an option or a recipe keeps elsewhere, and descriptions that are
        the meaning of a standard code.
        """
        values = (self.values - self.kept) | (self.descriptions - self.meanings)
        return traces_of(values).joined(traces_of_names(self.names))


def capped_age(text: str) -> str:
    """An age (AS, PS3.5 6.2) of 90 years or more as `090Y`; empty if it is no age."""
    if not VALID["AS"].fullmatch(text):
        return ""
    is_old = text.endswith("Y") and int(text[:3]) >= OLDEST_AGE_YEARS
    return f"{OLDEST_AGE_YEARS:03d}Y" if is_old else text


@dataclass(slots=True)
class Rewriting:
    """One pass over an object: what it removes it remembers, to prove that it is gone."""

    engine: Engine
    name: str
    is_ascii: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    seen: Remembered = field(default_factory=Remembered)

    def dataset(self, source: Dataset, depth: int = 0) -> Dataset:
        """What the rules leave of a data set or a sequence's item."""
        if depth > DEEPEST_NESTING:
            raise DicomError("UNREADABLE_DICOM", f"{self.name}: sequences nested too deep")
        new = Dataset()
        for tag in sorted(int(tag) for tag in source.keys()):  # noqa: SIM118 values() would decode
            if reason := structural(tag):
                self.counts[reason] += tag != PIXEL_DATA
                continue
            element = self._element(source, tag, depth)
            if element is not None:
                new.add(element)
        return new

    def _element(self, source: Dataset, tag: int, depth: int) -> DataElement | None:
        vr = dictionary_VR(tag)
        rule = self.engine.rules.of(tag, vr)
        if rule.action is Action.KEEP:
            return self._kept(source, tag, vr, depth)
        self._remember(source, tag, vr, rule, depth)
        self.counts[rule.action.value] += 1
        if rule.action is Action.REMOVE:
            return None
        if vr == "SQ":
            return DataElement(tag, vr, Sequence([]))
        value = self._new_value(source, tag, rule)
        return DataElement(tag, vr.partition(" ")[0], value)

    def _new_value(self, source: Dataset, tag: int, rule: Rule) -> Any:
        if rule.action is Action.UID:
            uids = [self._uid(text) for text in texts_at(source, tag)]
            return uids if len(uids) != 1 else uids[0]
        if rule.action is Action.AGE:
            return capped_age("".join(texts_at(source, tag)))
        if rule.action is Action.PSEUDONYM:
            return self.engine.patient
        if rule.action in {Action.SHIFT, Action.CLEAN}:
            return self._in_part(texts_at(source, tag), rule)
        self.is_ascii &= rule.value.isascii()
        return rule.value if rule.action is Action.REPLACE else None

    def _in_part(self, texts: list[str], rule: Rule) -> list[str]:
        """What an option leaves of each value; no value where nothing is left."""
        if rule.action is Action.SHIFT:
            new = [shifted_date(text, self.engine.shift_days) for text in texts]
            self.seen.kept.update(new)
        else:
            new = [self._cleaned(text) for text in texts]
            self.is_ascii &= all(text.isascii() for text in new)
        return [text for text in new if text]

    def _cleaned(self, text: str) -> str:
        return cleaned_text(text, self.engine.rules.options.descriptor_words)

    def _uid(self, text: str) -> str:
        return text if is_well_known(text) else self.engine.pseudonyms.uid(text)

    def _kept(self, source: Dataset, tag: int, vr: str, depth: int) -> DataElement | None:
        try:
            element = source[tag]
            if vr == "SQ":
                return self._kept_sequence(element, depth)
            kept = checked(element, vr)
        except UNDECODABLE:
            kept = None
        self.counts["keep" if kept is not None else "implausible"] += 1
        if kept is None:
            return None
        texts = [text for text in texts_of(kept.value) if vr in STRING_VRS]
        self.is_ascii &= all(text.isascii() for text in texts)
        if tag == CODE_MEANING:
            self.seen.meanings.update(texts)
        elif vr in {"DA", "DT", "UI"}:
            self.seen.kept.update(text if vr == "UI" else text[:8] for text in texts)
        return kept

    def _kept_sequence(self, element: DataElement, depth: int) -> DataElement | None:
        if not isinstance(element.value, Sequence):
            self.counts["implausible"] += 1
            return None
        self.counts["keep"] += 1
        items = [self.dataset(item, depth + 1) for item in element.value if not is_local_code(item)]
        self.counts["local code"] += len(element.value) - len(items)
        if element.value and not items:
            return None  # an empty sequence where one item is required is no valid object
        return DataElement(element.tag, "SQ", Sequence(items))

    def _remember(self, source: Dataset, tag: int, vr: str, rule: Rule, depth: int) -> None:
        """Note a value that is removed, if it is of a kind that tells who somebody is."""
        if vr == "SQ":
            self._remember_items(source, tag, depth)
            return
        texts = texts_at(source, tag)
        if vr == "PN":
            self.seen.names.update(texts)
        elif vr == "UI":
            self.seen.values.update(text for text in texts if not is_well_known(text))
        elif vr in {"DA", "DT"}:
            self.seen.values.update(text[:8] for text in texts if text[:8] != rule.value[:8])
        elif vr in TEXT_VRS and tag not in CODES:
            new = rule.value
            is_cleaned = rule.action is Action.CLEAN
            texts = [text for text in texts if text != (self._cleaned(text) if is_cleaned else new)]
            if rule.is_descriptor:
                self.seen.descriptions.update(text for text in texts if len(text) > LONG_DESCRIPTOR)
            else:
                self.seen.values.update(texts)

    def _remember_items(self, source: Dataset, tag: int, depth: int) -> None:
        try:
            items = source[tag].value
        except UNDECODABLE:
            return
        if depth > DEEPEST_NESTING or not isinstance(items, Sequence):
            return
        for item in items:
            for inner in (int(inner) for inner in item.keys()):  # noqa: SIM118
                if not structural(inner):
                    vr = dictionary_VR(inner)
                    rule = self.engine.rules.of(inner, vr)
                    self._remember(item, inner, vr, rule, depth + 1)
