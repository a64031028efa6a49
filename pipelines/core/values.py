"""Which elements may stay at all, and what a value of each type looks like."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace

from pipelines.core.deid import DATE_VRS, TEXT_VRS, Action, Origin, Rule
from pipelines.core.dictionary import is_in_dictionary

PIXEL_DATA = 0x7FE00010
SPECIFIC_CHARACTER_SET = 0x00080005
PATIENT_SEX = 0x00100040
CODE_VALUE, CODING_SCHEME, CODE_MEANING = 0x00080100, 0x00080102, 0x00080104
CODE_MARKS = (CODE_VALUE, CODE_MEANING, 0x00080119, 0x00080120)
"""An item that has one of these is a code (PS3.3 table 8.8-1)."""

CODES = range(CODE_VALUE, 0x00080124)
"""Code sequence macro (PS3.3 table 8.8-1): vocabulary, in removed sequences as in kept ones."""

SEXES = frozenset({"M", "F", "O"})
MOST_OF_ANYBODY: Mapping[int, float] = {0x00101020: 3.0, 0x00101030: 700.0}
"""PatientSize in m and PatientWeight in kg: a larger number is another one, of somebody's card."""

OF_ANYBODY = frozenset({PATIENT_SEX, *MOST_OF_ANYBODY})
"""Attributes with a value that many share."""

INTEGER_VRS = frozenset({"SL", "SS", "SV", "UL", "US", "UV"})
STRING_VRS = frozenset({*TEXT_VRS, *DATE_VRS, "CS", "DS", "IS", "UI"})
VALID = {
    "AS": re.compile(r"\d{3}[DWMY]"),
    "CS": re.compile(r"[A-Z0-9 _]{0,16}"),
    "DA": re.compile(r"\d{8}"),
    "DT": re.compile(r"[\d.+-]{4,26}"),
    "TM": re.compile(r"[\d.]{2,14}"),
    "UI": re.compile(r"[0-9.]{0,64}"),
}
"""PS3.5 table 6.2-1: where free text may hide, a kept value must look like what it claims to be."""

_DATE = r"\d{1,2}[-./]\d{1,2}[-./](?:19|20)\d\d|(?:19|20)\d\d[-./]\d{1,2}[-./]\d{1,2}"
_LETTERS = r" -?A-\]_-~\xa0-\u052f\u2000-\u2bff"
TERM = re.compile(rf"(?!.*(?:\d{{7}}|(?<!\d)(?:{_DATE})(?!\d)))[{_LETTERS}]{{0,64}}", re.ASCII)
"""A maker's term: no number as long as a patient's, no day, no name as DICOM writes it.

It is in Latin, Greek or Cyrillic letters, as all makers write: elsewhere whole names have two or
three letters, and so few are not searched for (`core.traces`).
"""


def keeps_term(tag: int, vr: str, rule: Rule) -> bool:
    """Whether a rule keeps free text of this attribute for science, as the term of a maker.

    A recipe that names the attribute is believed: it keeps whatever stands there.
    """
    is_kept = rule.action is Action.KEEP and rule.origin is Origin.SCIENCE
    return is_kept and vr in TEXT_VRS and tag not in CODES


def rule_for(rule: Rule, texts: Iterable[str]) -> Rule:
    """What becomes of texts of which terms may stay: all of them do, or the element is blanked."""
    return rule if all(map(TERM.fullmatch, texts)) else replace(rule, action=Action.BLANK)


def is_of_anybody(tag: int, texts: Iterable[str]) -> bool:
    """Whether values are such as a person can have, where the attribute is about that."""
    if tag == PATIENT_SEX:
        return SEXES.issuperset(texts)
    most = MOST_OF_ANYBODY.get(tag)
    try:
        return most is None or all(0 <= float(text) <= most for text in texts)
    except ValueError:
        return False


def structural(tag: int) -> str:
    """Why an element is removed whatever a recipe says (`core.deid.STRUCTURAL`), or nothing."""
    group = tag >> 16
    if group % 2:
        return "private"
    if group < 0x0008 or tag & 0xFFFF == 0:
        return "group length"
    if group & 0xFF00 in {0x5000, 0x6000}:
        return "overlay or curve"
    if tag >= PIXEL_DATA:
        return "behind the pixels"
    if not is_in_dictionary(tag):
        return "unknown"
    return "character set" if tag == SPECIFIC_CHARACTER_SET else ""
