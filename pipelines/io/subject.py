"""Who a study is of, by the headers of its objects: what must not be found in any output."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from pydicom import Dataset
from pydicom.dataelem import DataElement
from pydicom.multival import MultiValue
from pydicom.tag import Tag

from pipelines.io.dicom import faults_of, read_dataset

NAMES = (
    "PatientName",
    "OtherPatientNames",
    "PatientBirthName",
    "PatientMotherBirthName",
    "ReferringPhysicianName",
    "RequestingPhysician",
    "PerformingPhysicianName",
    "NameOfPhysiciansReadingStudy",
    "PhysiciansOfRecord",
    "OperatorsName",
    "ResponsiblePerson",
)
"""Person names: components are parted by ^, component groups by = (PS3.5 6.2.1)."""

VALUES = (
    "PatientID",
    "OtherPatientIDs",
    "MedicalRecordLocator",
    "PatientBirthDate",
    "PatientAddress",
    "PatientTelephoneNumbers",
    "AccessionNumber",
    "StudyInstanceUID",
)
SEQUENCES = ("OtherPatientIDsSequence", "RequestAttributesSequence")
NAME_TAGS = frozenset(int(Tag(keyword)) for keyword in NAMES)
VALUE_TAGS = frozenset(int(Tag(keyword)) for keyword in VALUES)
SEX_AND_AGE = (int(Tag("PatientSex")), int(Tag("PatientAge")))
TAGS = sorted({*NAME_TAGS, *VALUE_TAGS, *SEX_AND_AGE, *(int(Tag(word)) for word in SEQUENCES)})

SHORTEST_LETTERS = 4
"""Shorter values are in any text by chance: they cannot be looked for."""

AGE = re.compile(r"(\d{3})([DWMY])")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What one or several headers say of a person: sorted, without repetition."""

    identifying_values: tuple[str, ...] = ()
    sexes: tuple[str, ...] = ()
    ages_years: tuple[int, ...] = ()


def read_subject(path: Path, *, name: str) -> Subject:
    """What the header of one file says of the person; DicomError calls the file `name`."""
    dataset = read_dataset(path, pixels=False, tags=list(TAGS), name=name)
    with faults_of(name):
        return Subject(
            identifying_values=tuple(sorted(set(_identifying(dataset)))),
            sexes=tuple(sorted({_text(value) for value in _values(dataset, "PatientSex")})),
            ages_years=tuple(sorted(_ages(dataset))),
        )


def merged(subjects: Iterable[Subject]) -> Subject:
    """What all the headers together say."""
    several = list(subjects)
    return Subject(
        identifying_values=tuple(sorted({v for one in several for v in one.identifying_values})),
        sexes=tuple(sorted({sex for one in several for sex in one.sexes})),
        ages_years=tuple(sorted({age for one in several for age in one.ages_years})),
    )


def _identifying(dataset: Dataset) -> Iterator[str]:
    for element in dataset.iterall():
        texts = [_text(value) for value in _parts_of(element)]
        if int(element.tag) in VALUE_TAGS:
            yield from (text for text in texts if len(text) >= SHORTEST_LETTERS)
        elif int(element.tag) in NAME_TAGS:
            for text in texts:
                yield from parts_of_name(text)


def parts_of_name(name: str) -> Iterator[str]:
    """Every component group, component and word of a person name that is long enough."""
    for group in name.split("="):
        for component in (group, *group.split("^")):
            words = re.split(r"[\W_]+", component)
            for part in (component.strip(" ^"), *words):
                if len(part) >= SHORTEST_LETTERS:
                    yield part


def _values(dataset: Dataset, keyword: str) -> list[object]:
    return _parts_of(dataset[keyword]) if keyword in dataset else []


def _parts_of(element: DataElement) -> list[object]:
    value = element.value
    if value is None or element.VR == "SQ":
        return []
    return list(value) if isinstance(value, MultiValue) else [value]


def _text(value: object) -> str:
    text = value.decode("latin-1") if isinstance(value, bytes) else str(value)
    return text.strip(" \0\t\r\n")


def _ages(dataset: Dataset) -> Iterator[int]:
    """PatientAge in whole years (AS, PS3.5 6.2)."""
    days = {"D": 1, "W": 7, "M": 30, "Y": 365}
    for value in _values(dataset, "PatientAge"):
        if match := AGE.fullmatch(_text(value)):
            number, unit = int(match[1]), match[2]
            yield number if unit == "Y" else number * days[unit] // 365
