"""Takes the identity out of one DICOM object, and proves from the bytes that it is out.

The new data set is built from nothing: an element gets into it only where a rule keeps it and its
value is what its value representation says. The pixels' bytes are not touched. Then every value
that was removed or replaced, and every value the caller knows of the patient, is looked for in all
bytes before the pixels (see `core.traces`); compressed pixels are searched for the longer ones.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from pipelines.core.deid import TEXT_VRS, Action, Rule, Rules, tag_text
from pipelines.core.errors import DicomError, PrivacyError
from pipelines.core.identity import Pseudonyms
from pipelines.core.traces import Traces, traces_of, traces_of_names
from pipelines.io.dicom import faults_of
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
from pipelines.io.part10 import PIXEL_DATA, Part10, check_pixels, encode_part10

DEEPEST_NESTING = 32
"""Enhanced CT nests five deep; what nests deeper is a bomb."""

OLDEST_AGE_YEARS = 90
LINKS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")

LONG_DESCRIPTOR = 16
"""Kernels and codes have at most 16 characters; a description may be "CHEST" or "B40f" by right."""

METHOD = "mosmed: PS3.15 Annex E Basic Profile"
METHOD_LOOSENED = "mosmed: PS3.15 Annex E, with exceptions of the site"
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
PATIENT_CHARACTERISTICS = ("113108", "Retain Patient Characteristics Option")
DEVICE_IDENTITY = ("113109", "Retain Device Identity Option")
"""PS3.16 CID 7050."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The rules, the key and what is known of the patient: the same for all files of a study."""

    rules: Rules
    pseudonyms: Pseudonyms
    patient: str
    known: Traces


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """One object without identity: its bytes, its new UIDs, and how many elements met an action."""

    head: bytes
    tail: bytes
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    patient_sex: str
    patient_age: str
    counts: Counter[str]


def deidentify(part: Part10, engine: Engine, *, name: str) -> Rewritten:
    """The object without identity; messages call it `name`.

    Raises DicomError for what cannot be read or is not whole, PrivacyError IDENTITY_LEFT naming
    the place, never the value, if a trace is left.
    """
    pixels = check_pixels(part, name=name)
    rewriting = _Rewriting(engine, name)
    with faults_of(name):
        dataset = rewriting.dataset(part.dataset)
        _require_links(dataset, name)
        traces = engine.known.joined(rewriting.traces())
        rewriting.counts.update(_blank_echoing_counters(dataset, traces))
        _claim(dataset, engine, is_ascii=rewriting.is_ascii)
        sex, age = str(dataset.get("PatientSex") or ""), str(dataset.get("PatientAge") or "")
    head, tail = encode_part10(
        dataset, transfer_syntax=part.transfer_syntax, pixels=pixels, name=name
    )
    if traces.found_in(head, is_left_bounded=part.is_little_endian):
        raise _left(_place(dataset, traces), name)
    if pixels.is_encapsulated and traces.only_long().found_in(pixels.value):
        raise _left(f"PixelData {tag_text(PIXEL_DATA)}", name)
    return Rewritten(
        head=head,
        tail=tail,
        study_instance_uid=str(dataset.StudyInstanceUID),
        series_instance_uid=str(dataset.SeriesInstanceUID),
        sop_instance_uid=str(dataset.SOPInstanceUID),
        patient_sex=sex,
        patient_age=age,
        counts=rewriting.counts,
    )


def capped_age(text: str) -> str:
    """An age (AS, PS3.5 6.2) of 90 years or more as `090Y`; empty if it is no age."""
    if not VALID["AS"].fullmatch(text):
        return ""
    is_old = text.endswith("Y") and int(text[:3]) >= OLDEST_AGE_YEARS
    return f"{OLDEST_AGE_YEARS:03d}Y" if is_old else text


# --- the rewriting of one data set


@dataclass(slots=True)
class _Rewriting:
    """One pass over an object: what it removes it remembers, to prove that it is gone."""

    engine: Engine
    name: str
    is_ascii: bool = True
    counts: Counter[str] = field(default_factory=Counter)
    _names: set[str] = field(default_factory=set)
    _values: set[str] = field(default_factory=set)
    _descriptions: set[str] = field(default_factory=set)
    _meanings: set[str] = field(default_factory=set)
    _kept_days_and_uids: set[str] = field(default_factory=set)

    def traces(self) -> Traces:
        """What was removed or replaced.

        But for days and UIDs that an option or a recipe keeps elsewhere, and descriptions that are
        the meaning of a standard code.
        """
        values = (self._values - self._kept_days_and_uids) | (self._descriptions - self._meanings)
        return traces_of(values).joined(traces_of_names(self._names))

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
        self.is_ascii &= rule.value.isascii()
        return rule.value if rule.action is Action.REPLACE else None

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
            self._meanings.update(texts)
        elif vr in {"DA", "DT", "UI"}:
            self._kept_days_and_uids.update(text if vr == "UI" else text[:8] for text in texts)
        return kept

    def _kept_sequence(self, element: DataElement, depth: int) -> DataElement | None:
        if not isinstance(element.value, Sequence):
            self.counts["implausible"] += 1
            return None
        self.counts["keep"] += 1
        items = [self.dataset(item, depth + 1) for item in element.value if not is_local_code(item)]
        self.counts["local code"] += len(element.value) - len(items)
        return DataElement(element.tag, "SQ", Sequence(items))

    def _remember(self, source: Dataset, tag: int, vr: str, rule: Rule, depth: int) -> None:
        """Note a value that is removed, if it is of a kind that tells who somebody is."""
        if vr == "SQ":
            self._remember_items(source, tag, depth)
            return
        texts = texts_at(source, tag)
        if vr == "PN":
            self._names.update(texts)
        elif vr == "UI":
            self._values.update(text for text in texts if not is_well_known(text))
        elif vr in {"DA", "DT"}:
            self._values.update(text[:8] for text in texts if text[:8] != rule.value[:8])
        elif vr in TEXT_VRS and tag not in CODES:
            texts = [text for text in texts if text != rule.value]
            if rule.is_descriptor:
                self._descriptions.update(text for text in texts if len(text) > LONG_DESCRIPTOR)
            else:
                self._values.update(texts)

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


# --- claims and proof


def _require_links(dataset: Dataset, name: str) -> None:
    for keyword in ("SOPClassUID", *LINKS):
        if not dataset.get(keyword):
            raise DicomError("MISSING_ATTRIBUTE", f"{name}: {keyword} is missing")
        if isinstance(dataset.get(keyword), MultiValue):
            raise DicomError("UNREADABLE_DICOM", f"{name}: {keyword} has several values")


def _claim(dataset: Dataset, engine: Engine, *, is_ascii: bool) -> None:
    """What PS3.15 E.1.1 asks a de-identified object to say of itself."""
    rules = engine.rules
    dataset.PatientName = dataset.PatientID = engine.patient
    dataset.PatientIdentityRemoved = "YES"
    dataset.DeidentificationMethod = METHOD_LOOSENED if rules.loosened else METHOD
    dataset.LongitudinalTemporalInformationModified = "REMOVED"
    codes = [] if rules.loosened else [BASIC_PROFILE]
    if rules.options.retain_patient_characteristics:
        codes.append(PATIENT_CHARACTERISTICS)
    if rules.options.retain_device_identity:
        codes.append(DEVICE_IDENTITY)
    if codes:
        dataset.DeidentificationMethodCodeSequence = Sequence([_code(*code) for code in codes])
    if not is_ascii:
        dataset.SpecificCharacterSet = "ISO_IR 192"


def _code(value: str, meaning: str) -> Dataset:
    item = Dataset()
    item.CodeValue = value
    item.CodingSchemeDesignator = "DCM"
    item.CodeMeaning = meaning
    return item


def _blank_echoing_counters(dataset: Dataset, traces: Traces) -> list[str]:
    """Blank counters that repeat a number that was removed: some sites count series by PatientID.

    InstanceNumber stays, since thinning counts by it: an echo there is for the proof to find.
    """
    echoing = [
        element
        for element in dataset.iterall()
        if element.VR == "IS"
        and element.keyword != "InstanceNumber"
        and traces.found_in("\0".join(texts_of(element.value)).encode())
    ]
    for element in echoing:
        element.value = None
    return ["echo"] * len(echoing)


def _left(place: str, name: str) -> PrivacyError:
    return PrivacyError("IDENTITY_LEFT", f"{name}: a value that was removed is still in {place}")


def _place(dataset: Dataset, traces: Traces) -> str:
    for element in dataset.iterall():
        if element.VR != "SQ":
            text = "\0".join(texts_of(element.value))
            if traces.found_in(text.encode()):
                return f"{keyword_for_tag(element.tag)} {tag_text(int(element.tag))}"
    return "the file meta information"
