"""Which values betray a patient, and whether bytes hold a trace of them.

What is looked for, and how, so that a hit means something:
- values of fewer than 4 letters and digits are not looked for, nor numbers of fewer than 6 digits
  or of nothing but zeros, nor words of `VOCABULARY`, which stand in every CT header by right (a
  patient may be "CHEST");
- numbers and dates count as whole numbers only, not as part of a longer one; those of fewer than 7
  digits not with decimals, either: what is measured has six digits before the point at most;
- text of fewer than 6 letters and digits counts as a whole word, longer text anywhere;
- names are looked for whole and by their parts, dates in three notations, all in upper, lower and
  title case, in every character set of `ENCODINGS`.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

ENCODINGS = ("utf-8", "cp1251", "koi8-r", "iso8859-5", "latin-1")
"""The character sets in which Russian and Western hospitals write."""

SHORTEST_TEXT = 4
SHORTEST_NUMBER = 6
LONG_TEXT = 6
LONG_NUMBER = 7
CHANCELESS_TEXT = 8

_WORD = re.compile(r"[^\W_]+")

VOCABULARY = frozenset(
    _WORD.findall("""
    ABDOMEN ADULT ANGIO ANON ANONYMIZED ANONYMOUS APPLICATION ARTERIAL ATTENUATION AXIAL BASIC
    BODY BONE BRAIN CANON CARDIAC CHARACTERISTICS CHEST CHILD COLOR COMPUTED CONFIDENTIALITY
    CONSTANT CONTRAST CORONAL DATA DELAYED DERIVED DETAIL DEVICE DISTORTED DOSE DUAL DYNAMIC
    ELECTRIC ENERGY FEET FEMALE FILTER GENERAL HEAD HEALTHCARE HELICAL HITACHI HOUNSFIELD
    IDENTITY IMAGE IMAGING KERNEL LARGE LEFT LIVER LOCALIZER LUNG LUNGS MALE MATRIX MAXIMUM MEAN
    MEDICAL MEDIUM MINIMUM MIXED MIXES MODALITY MODIFIED MONOCHROME MOSMED MULTIPLANAR NECK
    NEUSOFT NEUTERED NONE NORMAL OPTION ORAL ORIGINAL OTHER PATIENT PELVIS PERFUSION PHANTOM
    PHILIPS PRIMARY PRODUCT PROFILE PROJECTION PRONE QUANTITY REFERENCE REMOVED RESAMPLED
    RESEARCH RETAIN RIGHT ROUTINE SAGITTAL SAMPLED SCAN SCANNER SECONDARY SERIES SERVICE SHARP
    SHOULDER SIEMENS SMOOTH SOFT SPINE SPIRAL STANDARD STUDY SUPINE SURFACE SYSTEM SYSTEMS TEST
    THORAX TISSUE TOMOGRAPHY TOSHIBA UNITED UNKNOWN VENOUS VOLUME WHOLE WINDOW YES
    """)
)
"""Words of CT headers, of makers' names and of what mosmed itself writes."""

OWN_NUMBERS = frozenset({"19000101", "113100", "113108", "113109"})
"""The dummy date and the codes that mosmed itself writes into every file."""

DIGITS_OR_POINT = frozenset(b"%c" % byte for byte in b"0123456789.")

_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")
_DAY = re.compile(r"(\d{4})[-.]?(\d{2})[-.]?(\d{2})(?!\d)")
_EUROPEAN_DAY = re.compile(r"(\d{2})[-./](\d{2})[-./](\d{4})(?!\d)")


@dataclass(frozen=True, slots=True)
class Traces:
    """Values that may not be left, in the forms in which they are looked for."""

    texts: frozenset[str]

    def joined(self, other: "Traces") -> "Traces":
        """Both."""
        return Traces(self.texts | other.texts)

    def only_long(self) -> "Traces":
        """Those that chance does not put into a megabyte of compressed pixels."""
        return Traces(frozenset(text for text in self.texts if len(text) >= CHANCELESS_TEXT))

    def found_in(self, content: bytes, *, is_left_bounded: bool = True) -> bool:
        """Whether any trace occurs in `content`; words need a boundary on both sides.

        In big endian files the byte before a value is the low byte of its length, which may look
        like a letter: there `is_left_bounded` is False.
        """
        lowered = content.lower()
        return any(_occurs(text, content, lowered, is_left_bounded) for text in self.texts)


def traces_of(values: Iterable[str]) -> Traces:
    """The traces of values of any kind: name, number, date, UID, address."""
    return Traces(frozenset(trace for value in values for trace in _forms(value.strip("\0 "))))


def traces_of_names(values: Iterable[str]) -> Traces:
    """The traces of person names (VR PN): whole, and each part of four letters or more."""
    return Traces(frozenset(trace for value in values for trace in _name_forms(value.strip("\0 "))))


def day_of(text: str) -> str:
    """The day in a date, with time or without; also as once written: 2020.04.02 (PS3.5 6.2)."""
    return text[:10] if text[4:5] == "." else text[:8]


def _forms(value: str) -> Iterator[str]:
    if _UID.fullmatch(value):
        yield value
    elif day := (_DAY.match(value) or _EUROPEAN_DAY.match(value)):
        yield from _day_forms(*(day.groups() if len(day[1]) == 4 else day.groups()[::-1]))
        if len(value) > len("YYYY-MM-DD"):
            yield from filter(_is_telling, [value])
    elif any(character.isdigit() for character in value):
        yield from filter(_is_telling, [value])
    else:
        yield from _name_forms(value)


def _day_forms(year: str, month: str, day: str) -> Iterator[str]:
    if _is_telling(f"{year}{month}{day}"):
        yield f"{year}{month}{day}"
        yield f"{year}-{month}-{day}"
        yield f"{day}.{month}.{year}"


def _name_forms(value: str) -> Iterator[str]:
    parts = _WORD.findall(value)
    known = all(part.upper() in VOCABULARY or len(part) < SHORTEST_TEXT for part in parts)
    wholes = [] if known else [value, " ".join(parts)]
    yield from filter(_is_telling, [*wholes, *parts])


def _is_telling(text: str) -> bool:
    letters = sum(character.isalpha() for character in text)
    digits = sum(character.isdigit() for character in text)
    if not letters:
        is_nobody_s = text in OWN_NUMBERS or not text.strip("0.-/ ")
        return digits >= SHORTEST_NUMBER and not is_nobody_s
    words = _WORD.findall(text.upper())
    return letters + digits >= SHORTEST_TEXT and not VOCABULARY.issuperset(words)


def _occurs(text: str, content: bytes, lowered: bytes, is_left_bounded: bool) -> bool:
    where = lowered if text.isascii() else content
    for form in _searched(text):
        start = where.find(form)
        while start >= 0:
            if _counts(text, where, start, start + len(form), is_left_bounded):
                return True
            start = where.find(form, start + 1)
    return False


@lru_cache(maxsize=4096)
def _searched(text: str) -> tuple[bytes, ...]:
    """The bytes of a text in every form; of an ASCII text the one in lower case."""
    return (text.lower().encode(),) if text.isascii() else tuple(set(_encoded(text)))


def _encoded(text: str) -> Iterator[bytes]:
    for variant in {text, text.upper(), text.lower(), text.title()}:
        for encoding in ENCODINGS:
            try:
                yield variant.encode(encoding)
            except UnicodeEncodeError:
                continue


def _counts(text: str, content: bytes, start: int, end: int, is_left_bounded: bool) -> bool:
    """Whether an occurrence is a whole number or word, where it has to be."""
    if _UID.fullmatch(text):
        return True
    is_number = not any(character.isalpha() for character in text)
    if not is_number and sum(character.isalnum() for character in text) >= LONG_TEXT:
        return True
    before = content[start - 1 : start] if is_left_bounded else b""
    after = content[end : end + 2]
    if after[1:] == b"\0":
        after = b""  # the group of the next tag in little endian: 0032 looks like the digit 2
    if is_number:
        is_decimal = after[:1] == b"." and after[1:].isdigit() and len(text) < LONG_NUMBER
        return not (before in DIGITS_OR_POINT or after[:1].isdigit() or is_decimal)
    return not any(byte >= 0x80 or chr(byte).isalnum() for byte in before + after[:1])
