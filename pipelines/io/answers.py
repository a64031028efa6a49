"""What a PACS is asked by C-FIND or QIDO-RS, and its answers, read as the header of a file is.

A text that is not plain ASCII is believed only when a file says so: archives answer in other
character sets than they hold, some with nothing at all. It counts as unknown until then.
"""

import dataclasses
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING

from pipelines.core.errors import DicomError
from pipelines.core.fields import Fields
from pipelines.core.series import AnsweredHeader
from pipelines.core.slices import KEYWORDS, SliceClaim, claims_in
from pipelines.io.attributes import (
    SPECIFIC_CHARACTER_SET,
    WANTED,
    encodings_of,
    header_of,
    text_of,
)
from pipelines.io.quick_header import texts_of as values_of
from pipelines.io.quick_tags import TAGS
from pipelines.io.quick_walk import OddHeaderError
from pipelines.io.walker import Walked

if TYPE_CHECKING:
    from pydicom import Dataset

AVAILABILITY = "InstanceAvailability"
"""How soon an archive can send an object (PS3.3 C.4.23.1.1)."""
STUDY_KEYS = (
    "StudyInstanceUID",
    "AccessionNumber",
    "PatientID",
    "StudyDate",
    "ModalitiesInStudy",
    "NumberOfStudyRelatedInstances",
    AVAILABILITY,
)
SERIES_KEYS = (
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "NumberOfSeriesRelatedInstances",
    AVAILABILITY,
)
IMAGE_KEYS = ("SOPInstanceUID", "SOPClassUID", "InstanceNumber", AVAILABILITY)
DETAIL_KEYS = (
    "ImageType",
    "ConvolutionKernel",
    "SliceThickness",
    "NumberOfFrames",
    "BurnedInAnnotation",
    "Rows",
    "Columns",
)
"""What the standard does not promise at IMAGE level (PS3.4 C.3.4.1.1.4); many archives know it."""

CHOICE_KEYS = IMAGE_KEYS + DETAIL_KEYS
"""What a series is chosen by."""
OVERLAY_ROWS = "60000010"
"""Its keyword stands for many groups, so it is named by the tag of the first one."""
NOT_ASKED = {*CHOICE_KEYS, *SERIES_KEYS, "StudyInstanceUID", "ModalityLUTSequence"}
"""Asked for already, or no archive's to answer: a sequence of pixel values."""
SLICE_KEYS = (
    *CHOICE_KEYS,
    *(keyword for keyword in KEYWORDS if keyword not in NOT_ASKED),
    *("SeriesInstanceUID", "AvailableTransferSyntaxUID", OVERLAY_ROWS),
)
"""All that a slice is read by but its pixels, and what shows that something is drawn over it."""

COUNTS = (0x00201208, 0x00201209)
"""NumberOfStudyRelatedInstances and NumberOfSeriesRelatedInstances."""

OVERLAYS = 0x60
"""The first byte of the tags of overlays (PS3.3 C.9.2)."""
SHORTS, SHORT = frozenset({"US", "SS"}), re.compile(r"-?[0-9]{1,5}")
NAMES = frozenset({"PatientName", "ReferringPhysicianName"})
HEXADECIMAL = frozenset("0123456789abcdefABCDEF")
ALWAYS_PLAIN = ("series_description", "convolution_kernel")


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One match: what it says of an object, a series or a study; `objects` is how many it has."""

    header: AnsweredHeader
    objects: int | None = None
    values: Mapping[int, bytes] = dataclasses.field(default_factory=dict, repr=False)


def identifier(level: str, matching: Mapping[str, str], wanted: tuple[str, ...]) -> "Dataset":
    """The identifier of a query: `matching` by keyword, and what else is to be answered."""
    from pydicom import Dataset
    from pydicom.datadict import dictionary_VR

    dataset = Dataset()
    dataset.SpecificCharacterSet = "ISO_IR 192"
    dataset.QueryRetrieveLevel = level
    for keyword in (*wanted, *matching):
        tag = _tag(keyword)
        dataset.add_new(tag, dictionary_VR(tag), matching.get(keyword))
    return dataset


def study_keys(accession_number: str | None, study_instance_uid: str | None) -> dict[str, str]:
    """What one study matches: its StudyInstanceUID if given, else its AccessionNumber."""
    if study_instance_uid:
        return {"StudyInstanceUID": study_instance_uid}
    return {"AccessionNumber": (accession_number or "").strip()}


def day_keys(day: date, times: str) -> dict[str, str]:
    """What the studies of a day match, or those of a range of StudyTime in it (PS3.4 C.2.2.2.5)."""
    keys = {"StudyDate": f"{day:%Y%m%d}"}
    return keys | {"StudyTime": times} if times else keys


def answer_of(dataset: "Dataset") -> Answer:
    """An answer, without decoding more of it than is wanted; what does not parse is unknown."""
    tags = [int(tag) for tag in dataset.keys()]  # noqa: SIM118  iterating would decode
    return _answer({tag: _raw(dataset, tag) for tag in tags})


def answer_of_json(attributes: Mapping[str, object]) -> Answer:
    """An answer in the DICOM JSON model (PS3.18 F.2); what does not parse is unknown."""
    values = {
        int(tag, 16): _raw_of_json(attribute)
        for tag, attribute in attributes.items()
        if len(tag) == 8 and isinstance(attribute, dict) and not set(tag) - HEXADECIMAL
    }
    return _answer({**values, SPECIFIC_CHARACTER_SET: b"ISO_IR 192"})


def texts_of(answer: Answer, keywords: Sequence[str]) -> list[str]:
    """The values of these attributes as text, "" where there is none; of a name the first group."""
    encodings = encodings_of(answer.values.get(SPECIFIC_CHARACTER_SET, b""))
    texts = [text_of(answer.values.get(_tag(keyword)), encodings) or "" for keyword in keywords]
    return [
        text.partition("=")[0] if keyword in NAMES else text
        for keyword, text in zip(keywords, texts, strict=True)
    ]


def availability_of(answer: Answer) -> str:
    """Its InstanceAvailability; empty where the archive does not answer it."""
    return texts_of(answer, [AVAILABILITY])[0].upper()


def claim_of(answer: Answer, name: str) -> SliceClaim | None:
    """What an answer claims of a slice, as its own header would; `name` is what errors call it.

    None where the PACS does not answer all that a slice must have, or something is drawn over it.
    """
    values = answer.values
    if any(tag >> 24 == OVERLAYS and raw for tag, raw in values.items()):
        return None

    def texts(keyword: str) -> tuple[str, ...]:
        tag, representation = TAGS[keyword]
        return values_of(values.get(tag, b""), representation)

    try:
        claims = claims_in(Fields(texts, name))
    except (DicomError, OddHeaderError):
        return None
    (syntax,) = texts_of(answer, ["AvailableTransferSyntaxUID"])
    return SliceClaim(**claims, transfer_syntax_uid=syntax)


def tag_of(keyword: str) -> str:
    """The tag of an attribute as DICOMweb writes it."""
    return f"{_tag(keyword):08X}"


def _tag(keyword: str) -> int:
    from pydicom.tag import Tag

    return int(Tag(keyword))


def _raw_of_json(attribute: Mapping[str, object]) -> bytes:
    """A value as a file would hold it."""
    words = words_of(attribute)
    if str(attribute.get("vr")) in SHORTS:
        numbers = [int(word) for word in words if SHORT.fullmatch(word)]
        return b"".join((number & 0xFFFF).to_bytes(2, "little") for number in numbers)
    return "\\".join(words).encode("utf-8", "replace")


def words_of(attribute: object) -> list[str]:
    """The values of an attribute in the DICOM JSON model; of a name the alphabetic group."""
    found = attribute.get("Value") if isinstance(attribute, dict) else None
    values = found if isinstance(found, list) else []
    names = [value.get("Alphabetic", "") if isinstance(value, dict) else value for value in values]
    return [str(name) for name in names if isinstance(name, str | int | float)]


def _answer(values: dict[int, bytes]) -> Answer:
    walked = Walked(values={tag: raw for tag, raw in values.items() if tag in WANTED})
    header = header_of(walked)
    known = {field.name: getattr(header, field.name) for field in dataclasses.fields(header)}
    for name in ALWAYS_PLAIN:
        text = known[name]
        known[name] = text if text and text.isascii() else None
    return Answer(
        header=AnsweredHeader(**(known | {"truncated": False})),
        objects=next((n for tag in COUNTS if (n := _count(values.get(tag))) is not None), None),
        values=values,
    )


def _raw(dataset: "Dataset", tag: int) -> bytes:
    from pydicom.dataelem import RawDataElement

    element = dataset.get_item(tag)
    value = element.value if isinstance(element, RawDataElement) else None
    return value if isinstance(value, bytes) else b""


def _count(raw: bytes | None) -> int | None:
    text = (raw or b"").strip(b" \0")
    return int(text) if text.isdigit() and len(text) < 10 else None
