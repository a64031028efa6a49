"""What the rules leave of a data set, element by element, and what they took out of it.

The new data set is built from nothing: an element gets into it only where a rule keeps it and its
value is what its value representation says.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.dataelem import DataElement, RawDataElement, convert_raw_data_element
from pydicom.sequence import Sequence

from pipelines.core.deid import Action, Rule
from pipelines.core.dictionary import vr_of
from pipelines.core.errors import DicomError
from pipelines.core.retained import creator_tag
from pipelines.core.traces import day_of
from pipelines.core.values import (
    CODE_MEANING,
    PIXEL_DATA,
    STRING_VRS,
    keeps_term,
    rule_for,
    structural,
)
from pipelines.io.elements import UNDECODABLE, checked, is_local_code, texts_at, texts_of
from pipelines.io.engine import DEEPEST_NESTING, Engine, Remembered


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
        new = self._safe_private(source)
        for tag in sorted(int(tag) for tag in source.keys()):  # noqa: SIM118 values() would decode
            if tag in new:
                continue
            if reason := structural(tag):
                self.counts[reason] += tag != PIXEL_DATA
                continue
            element = self._element(source, tag, depth)
            if element is not None:
                new.add(element)
        return new

    def _safe_private(self, source: Dataset) -> Dataset:
        """The private elements that are known as safe, and the creators of their blocks."""
        new = Dataset()
        if not self.engine.rules.by_private:
            return new
        for tag in [int(tag) for tag in source.keys() if tag.is_private]:  # noqa: SIM118
            creator = creator_tag(tag)
            names = texts_at(source, creator) if creator in source else []
            safe = self.engine.rules.safe(tag, names[0]) if len(names) == 1 else None
            if safe is not None and (kept := _private_number(source, tag, safe.vr)) is not None:
                new.add(kept)
                new.add_new(creator, "LO", names[0])
        self.counts["keep"] += len(new)
        return new

    def _element(self, source: Dataset, tag: int, depth: int) -> DataElement | None:
        vr = vr_of(tag)
        rule = self.engine.rules.of(tag, vr)
        if keeps_term(tag, vr, rule):
            rule = rule_for(rule, texts_at(source, tag))
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
        if rule.action is Action.BLANK:
            return None
        new = self.engine.new_texts(rule, texts_at(source, tag))
        self.is_ascii &= all(text.isascii() for text in new)
        if rule.action is Action.SHIFT:
            self.seen.kept.update(new)
        return new if len(new) != 1 else new[0]

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
            self.seen.kept.update(text if vr == "UI" else day_of(text) for text in texts)
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
        self.seen.add_removed(texts, tag=tag, vr=vr, rule=rule, engine=self.engine)

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
                    vr = vr_of(inner)
                    rule = self.engine.rules.of(inner, vr)
                    self._remember(item, inner, vr, rule, depth + 1)


def _private_number(source: Dataset, tag: int, vr: str) -> DataElement | None:
    """A private element of the type by which it is known, if it is of no other."""
    raw = source.get_item(tag)
    try:
        if isinstance(raw, RawDataElement):
            if raw.VR not in {None, vr}:
                return None
            raw = convert_raw_data_element(raw._replace(VR=vr))
        return checked(raw, vr) if raw is not None and vr == raw.VR else None
    except UNDECODABLE:
        return None
