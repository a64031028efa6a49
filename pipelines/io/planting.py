"""Invented identities in real files: where identity may stand in a DICOM object, and putting it.

What is planted is well formed, in the character set the file says it has, so that nothing is taken
out for being broken. The places and the values are the caller's to look for afterwards.
"""

import io
from collections.abc import Callable, Mapping
from enum import StrEnum
from pathlib import Path

from pydicom import Dataset, dcmread, dcmwrite
from pydicom.dataelem import DataElement
from pydicom.sequence import Sequence
from pydicom.uid import UID, ExplicitVRLittleEndian

from pipelines.core.deid import TEXT_VRS
from pipelines.core.retained import CLEANED, safe_private
from pipelines.io.dicom import faults_of

SECONDARY_CAPTURE = UID("1.2.840.10008.5.1.4.1.1.7")
PREAMBLE_BYTES = 128
CAPTURE_EDGE = 32


class Kind(StrEnum):
    """What a value must look like to stand in a place."""

    NAME = "name"
    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    UID = "uid"


TOP_LEVEL = {
    "PatientName": Kind.NAME,
    "PatientID": Kind.NUMBER,
    "OtherPatientNames": Kind.NAME,
    "OtherPatientIDs": Kind.NUMBER,
    "PatientBirthDate": Kind.DATE,
    "PatientAddress": Kind.TEXT,
    "PatientTelephoneNumbers": Kind.NUMBER,
    "PatientComments": Kind.TEXT,
    "AdditionalPatientHistory": Kind.TEXT,
    "AccessionNumber": Kind.NUMBER,
    "StudyID": Kind.NUMBER,
    "StudyDate": Kind.DATE,
    "SeriesDate": Kind.DATE,
    "AcquisitionDate": Kind.DATE,
    "ContentDate": Kind.DATE,
    "StudyDescription": Kind.TEXT,
    "SeriesDescription": Kind.TEXT,
    "ProtocolName": Kind.TEXT,
    "ImageComments": Kind.TEXT,
    "ReferringPhysicianName": Kind.NAME,
    "OperatorsName": Kind.NAME,
    "InstitutionName": Kind.TEXT,
    "InstitutionAddress": Kind.TEXT,
    "StudyInstanceUID": Kind.UID,
    "SeriesInstanceUID": Kind.UID,
    "SOPInstanceUID": Kind.UID,
    "FrameOfReferenceUID": Kind.UID,
}
"""Attributes of the data set itself, by keyword."""


NUMBERED = {"ContrastBolusAgent": Kind.NUMBER, "AcquisitionProtocolDescription": Kind.DATE}
"""Descriptions in which a number or a date stands among the words."""


def _request(dataset: Dataset) -> Dataset:
    return _item(dataset, "RequestAttributesSequence")


def _anatomy(dataset: Dataset) -> Dataset:
    return _item(dataset, "AnatomicRegionSequence")


def _deeper(dataset: Dataset) -> Dataset:
    return _item(_anatomy(dataset), "AnatomicRegionModifierSequence")


def _item(dataset: Dataset, keyword: str) -> Dataset:
    if not dataset.get(keyword):
        setattr(dataset, keyword, Sequence([Dataset()]))
    item: Dataset = dataset[keyword].value[0]
    return item


def _private(dataset: Dataset, text: str) -> None:
    dataset.private_block(0x0029, "MOSMED CANARY", create=True).add_new(0x01, "LT", text)


def _private_nested(dataset: Dataset, text: str) -> None:
    item = Dataset()
    item.PatientComments = text
    block = dataset.private_block(0x0029, "MOSMED CANARY", create=True)
    block.add_new(0x02, "SQ", Sequence([item]))


def _safe_private(dataset: Dataset, text: str, vr: str = "LO") -> None:
    """Let a text, or a number, stand in the private decimals of PS3.15 Table E.3.10-1."""
    for one in safe_private().values():
        if one.vr == "DS":
            block = dataset.private_block(one.group, one.creator, create=True)
            block.add_new(one.element, vr, text)


def _beside_safe_private(dataset: Dataset, text: str) -> None:
    for group, creator in {(one.group, one.creator) for one in safe_private().values()}:
        dataset.private_block(group, creator, create=True).add_new(0xF0, "LO", text)


def _among_words(keyword: str) -> Callable[[Dataset, str], None]:
    return lambda dataset, text: setattr(dataset, keyword, f"CT {text}")


def _referenced(dataset: Dataset, uid: str) -> None:
    item = Dataset()
    item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = dataset.SOPClassUID, uid
    dataset.SourceImageSequence = Sequence([item])


def _meta(keyword: str) -> Callable[[Dataset, str], None]:
    return lambda dataset, value: setattr(dataset.file_meta, keyword, value)


def _setter(keyword: str) -> Callable[[Dataset, str], None]:
    return lambda dataset, value: setattr(dataset, keyword, value)


def _within(place: Callable[[Dataset], Dataset], keyword: str) -> Callable[[Dataset, str], None]:
    return lambda dataset, value: setattr(place(dataset), keyword, value)


def _bytes_at(tag: int) -> Callable[[Dataset, str], None]:
    return lambda dataset, value: dataset.add_new(tag, "OB", _even(value.encode()))


def _preamble(dataset: Dataset, value: str) -> None:
    dataset.preamble = value.encode()[:PREAMBLE_BYTES].ljust(PREAMBLE_BYTES, b"\0")


def _even(value: bytes) -> bytes:
    return value + b"\0" * (len(value) % 2)


ELSEWHERE: Mapping[str, tuple[Kind, Callable[[Dataset, str], None]]] = {
    "nested: PatientName": (Kind.NAME, _within(_request, "PatientName")),
    "nested: RequestedProcedureDescription": (
        Kind.TEXT,
        _within(_request, "RequestedProcedureDescription"),
    ),
    "nested in a kept sequence: PatientComments": (Kind.TEXT, _within(_anatomy, "PatientComments")),
    "nested twice: PatientID": (Kind.NUMBER, _within(_deeper, "PatientID")),
    "nested reference: ReferencedSOPInstanceUID": (Kind.UID, _referenced),
    "private element": (Kind.TEXT, _private),
    "nested in a private sequence": (Kind.TEXT, _private_nested),
    "private in a kept sequence": (
        Kind.TEXT,
        lambda dataset, text: _private(_anatomy(dataset), text),
    ),
    "text in private numbers known as safe": (Kind.TEXT, _safe_private),
    "beside private numbers known as safe": (Kind.TEXT, _beside_safe_private),
    **{
        f"among the words of {keyword}": (Kind.TEXT, _among_words(keyword))
        for keyword in sorted(CLEANED - TOP_LEVEL.keys() - NUMBERED.keys())
    },
    **{
        f"{kind} among the words of {keyword}": (kind, _among_words(keyword))
        for keyword, kind in NUMBERED.items()
    },
    "overlay (6000,3000)": (Kind.NUMBER, _bytes_at(0x60003000)),
    "overlay comment (6000,4000)": (
        Kind.TEXT,
        lambda dataset, text: dataset.add_new(0x60004000, "LT", text),
    ),
    "curve (5000,3000)": (Kind.NUMBER, _bytes_at(0x50003000)),
    "behind the pixels (FFFC,FFFC)": (Kind.NUMBER, _bytes_at(0xFFFCFFFC)),
    "preamble": (Kind.NUMBER, _preamble),
    "file meta: SourceApplicationEntityTitle": (
        Kind.NUMBER,
        _meta("SourceApplicationEntityTitle"),
    ),
}
"""All other places, by what a reader calls them: what is planted there, and how."""

PLACES: Mapping[str, Kind] = TOP_LEVEL | {place: kind for place, (kind, _) in ELSEWHERE.items()}


def planted(source: Path, values: Mapping[str, str], *, charset: str, name: str) -> Dataset:
    """The object in `source` with a value of `values` in each of `PLACES`; errors call it `name`.

    Raises DicomError for a file that cannot be read.
    """
    with faults_of(name):
        dataset = dcmread(source)
        dataset.decode()
        dataset.walk(_without_foreign_text)
        dataset.SpecificCharacterSet = charset
        for place in TOP_LEVEL:
            setattr(dataset, place, values[place])
        for place, (_, plant) in ELSEWHERE.items():
            plant(dataset, values[place])
        return dataset


def echo(dataset: Dataset) -> None:
    """Let the patient's name stand where CT science wants another text to be kept."""
    dataset.ConvolutionKernel = str(dataset.PatientName.family_name)[:16]


def echo_privately(dataset: Dataset) -> None:
    """Let the patient's number stand in private numbers that are known as safe."""
    _safe_private(dataset, str(dataset.PatientID), "DS")


def make_capture(dataset: Dataset, text: str) -> None:
    """Make of an image a small secondary capture with `text` in its pixels, which denies it."""
    dataset.SOPClassUID = dataset.file_meta.MediaStorageSOPClassUID = SECONDARY_CAPTURE
    dataset.ImageType = ["DERIVED", "SECONDARY"]
    dataset.BurnedInAnnotation = "NO"
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.Rows = dataset.Columns = CAPTURE_EDGE
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    pixels = text.encode().ljust(CAPTURE_EDGE**2, b"\0")
    dataset["PixelData"] = DataElement("PixelData", "OB", pixels)


def encoded(dataset: Dataset, *, name: str) -> bytes:
    """The object as a file; raises DicomError where it cannot be written."""
    buffer = io.BytesIO()
    with faults_of(name):
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dcmwrite(buffer, dataset, enforce_file_format=True)
    return buffer.getvalue()


def _without_foreign_text(dataset: Dataset, element: DataElement) -> None:
    """Drop text that the new character set may not hold."""
    if element.VR in TEXT_VRS and not str(element.value).isascii():
        del dataset[element.tag]
