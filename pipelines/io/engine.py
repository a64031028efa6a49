"""What the two ways of rewriting share: whose object it is, what a rule makes of texts, the proof.

One way is over bytes (`io.rewriter`), the other over whole data sets of pydicom (`io.deidentify`).
"""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from pipelines.core.deid import TEXT_VRS, Action, Rule, Rules
from pipelines.core.dictionary import is_well_known
from pipelines.core.identity import Pseudonyms
from pipelines.core.model import OLDEST_AGE_YEARS
from pipelines.core.retained import cleaned_text, shifted_date
from pipelines.core.traces import Traces, day_of, traces_of, traces_of_names
from pipelines.core.values import CODES, VALID
from pipelines.io.new_file import FileRange

DEEPEST_NESTING = 32
"""Enhanced CT nests five deep; what nests deeper is a bomb."""

LONG_DESCRIPTOR = 16
"""Kernels and codes have at most 16 characters; a description may be "CHEST" or "B40f" by right."""

UTF_8 = "ISO_IR 192"
"""The character set of text that is not ASCII; else none is named."""

METHOD = "mosmed: PS3.15 Annex E Basic Profile"
METHOD_LOOSENED = "mosmed: PS3.15 Annex E, with exceptions of the site"
BASIC_PROFILE = ("113100", "Basic Application Confidentiality Profile")
"""PS3.16 CID 7050."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The rules, the key and what is known of the patient: the same for all files of a study."""

    rules: Rules
    pseudonyms: Pseudonyms
    patient: str
    known: Traces
    shift_days: int = 0

    def new_texts(self, rule: Rule, texts: list[str]) -> list[str]:
        """What a rule other than KEEP and REMOVE makes of the values of an element."""
        match rule.action:
            case Action.UID:
                return [self.new_uid(text) for text in texts]
            case Action.AGE:
                return [capped_age("".join(texts))]
            case Action.PSEUDONYM:
                return [self.patient]
            case Action.SHIFT:
                days = (shifted_date(text, self.shift_days) for text in texts)
                return [day for day in days if day]
            case Action.CLEAN:
                return [cleaned for cleaned in map(self.cleaned, texts) if cleaned]
            case Action.REPLACE:
                return [rule.value]
        return []

    def new_uid(self, uid: str) -> str:
        """The keyed UID for a UID, which stays what it is only if PS3.6 registers it."""
        return uid if is_well_known(uid) else self.pseudonyms.uid(uid)

    def cleaned(self, text: str) -> str:
        """The words of a text that the site allows."""
        return cleaned_text(text, self.rules.options.descriptor_words)

    def claims(self) -> list[tuple[int, str, str]]:
        """What PS3.15 E.1.1 asks a de-identified object to say: tag, type and text."""
        method = METHOD_LOOSENED if self.rules.loosened else METHOD
        return [
            (0x00100010, "PN", self.patient),
            (0x00100020, "LO", self.patient),
            (0x00120062, "CS", "YES"),
            (0x00120063, "LO", method),
            (0x00280303, "CS", self.rules.options.temporal_information),
        ]

    def claimed_codes(self) -> list[list[tuple[int, str, str]]]:
        """The items of DeidentificationMethodCodeSequence (0012,0064)."""
        basic = () if self.rules.loosened else (BASIC_PROFILE,)
        return [
            [(0x00080100, "SH", value), (0x00080102, "SH", "DCM"), (0x00080104, "LO", meaning)]
            for value, meaning in (*basic, *self.rules.options.codes)
        ]


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

    def add_removed(
        self, texts: Iterable[str], *, tag: int, vr: str, rule: Rule, engine: Engine
    ) -> None:
        """Note the texts of an element that a rule removes or replaces, if of a telling kind."""
        if vr == "PN":
            self.names.update(texts)
        elif vr == "UI":
            self.values.update(text for text in texts if not is_well_known(text))
        elif vr in {"DA", "DT"}:
            self.values.update({day_of(text) for text in texts} - {rule.value[:8]})
        elif vr in TEXT_VRS and tag not in CODES:
            is_cleaned = rule.action is Action.CLEAN
            gone = [
                text
                for text in texts
                if text != (engine.cleaned(text) if is_cleaned else rule.value)
            ]
            if rule.is_descriptor:
                self.descriptions.update(text for text in gone if len(text) > LONG_DESCRIPTOR)
            else:
                self.values.update(gone)

    def traces(self) -> Traces:
        """What may not be left.

        But for days and UIDs that an option or a recipe keeps elsewhere, and descriptions that are
        the meaning of a standard code.
        """
        values = (self.values - self.kept) | (self.descriptions - self.meanings)
        return traces_of(values).joined(traces_of_names(self.names))


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """One object without identity: its bytes, its new UIDs, and how many elements met an action.

    `tail` is what follows the header of the pixel element: bytes, or where they lie in the source.
    """

    head: bytes
    tail: bytes | FileRange
    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uid: str
    patient_sex: str
    patient_age: str
    counts: Counter[str]

    def content(self) -> bytes:
        """The whole file."""
        tail = self.tail if isinstance(self.tail, bytes) else self.tail.read()
        return self.head + tail


def capped_age(text: str) -> str:
    """An age (AS, PS3.5 6.2) of 90 years or more as `090Y`; empty if it is no age."""
    if not VALID["AS"].fullmatch(text):
        return ""
    is_old = text.endswith("Y") and int(text[:3]) >= OLDEST_AGE_YEARS
    return f"{OLDEST_AGE_YEARS:03d}Y" if is_old else text
