"""The series of a study, as the headers of its objects make them up."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf
from typing import ClassVar

from pipelines.core.dictionary import CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE

CT_SOP_CLASSES = frozenset({CT_IMAGE_STORAGE, ENHANCED_CT_IMAGE_STORAGE})
"""CT Image Storage and Enhanced CT Image Storage (PS3.4 B.5): what a volume can be made of."""

SR_STORAGE = "1.2.840.10008.5.1.4.1.1.88."
"""The beginning of the classes of all structured reports."""
DOSE_REPORT = "1.2.840.10008.5.1.4.1.1.88.67"
KEY_OBJECTS = "1.2.840.10008.5.1.4.1.1.88.59"
"""Key Object Selection Document Storage: some of them are rejection notes."""
OTHER_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2.2": "a converted copy (Legacy Converted Enhanced CT)",
    "1.2.840.10008.5.1.4.1.1.7": "a secondary capture",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    DOSE_REPORT: "a dose report",
    KEY_OBJECTS: "a key object document",
    "1.2.840.10008.5.1.4.1.1.88": "a structured report",
    "1.2.840.10008.5.1.4.1.1.11": "a presentation state",
    "1.2.840.10008.5.1.4.1.1.104": "a document",
    "1.2.840.10008.5.1.4.1.1.481": "a radiotherapy object",
}
"""What objects are that often lie beside the images, by the beginning of their SOP class."""

LOCALIZERS = ("LOCALIZER", "SCOUT")
REFORMATS = ("REFORMATTED", "MPR", "MIP", "MINIP", "VRT", "CSA MPR", "PROJECTION", "SCREEN SAVE")


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectHeader:
    """What the header of one archived object says: None is unknown, a backslash parts values."""

    sop_class_uid: str | None = None
    sop_instance_uid: str | None = None
    study_instance_uid: str | None = None
    series_instance_uid: str | None = None
    transfer_syntax_uid: str | None = None
    accession_number: str | None = None
    patient_id: str | None = None
    modality: str | None = None
    series_description: str | None = None
    series_number: int | None = None
    convolution_kernel: str | None = None
    slice_thickness_mm: float | None = None
    image_type: str | None = None
    instance_number: int | None = None
    rows: int | None = None
    columns: int | None = None
    frames: int | None = None
    burned_in_annotation: str | None = None
    has_pixels: bool = False
    truncated: bool = False

    is_whole: ClassVar[bool] = True
    """Whether the header itself was read: then what is not in it is not known to anyone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AnsweredHeader(ObjectHeader):
    """What an archive answers of an object it has not sent yet: None may still turn out."""

    is_whole: ClassVar[bool] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSummary:
    """A series as the rule sees it: `images` counts frames, `flaw` says why it has none.

    Until every header of it `is_whole`, the summary is the best the series can turn out to be;
    `is_vague` says that one header would tell more. `frames_unknown`: `images` may be too few.
    """

    series_instance_uid: str
    series_number: int | None = None
    description: str = ""
    modalities: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    slice_thicknesses_mm: tuple[float, ...] = ()
    images: int = 0
    flaw: str = ""
    is_whole: bool = True
    is_vague: bool = False
    frames_unknown: bool = False

    def __str__(self) -> str:
        number = "without number" if self.series_number is None else str(self.series_number)
        kernels = " ".join(self.kernels)
        return f"series {number} '{self.description[:64]}' {kernels}".rstrip()


def flaw_of(header: ObjectHeader) -> str:
    """Why an object can be no slice of an original volume; empty if it can.

    ImageType is PS3.3 C.7.6.1.1.2 and C.8.2.1.1.1: what is not known does not speak against it.
    """
    is_named = header.is_whole or header.sop_class_uid is not None
    if is_named and header.sop_class_uid not in CT_SOP_CLASSES:
        return f"it is {_class_name(header.sop_class_uid)}"
    if (header.burned_in_annotation or "").upper() == "YES":
        return "text is burned into its pixels"
    values = [value.strip().upper() for value in (header.image_type or "").split("\\")]
    if any(value in LOCALIZERS for value in values):
        return "it is a localizer"
    if values[:3] == ["ORIGINAL", "PRIMARY", "AXIAL"]:
        return ""
    if "DERIVED" in values or any(value.startswith(REFORMATS) for value in values):
        return "it is derived or reformatted"
    return "it is not primary" if values[1:2] == ["SECONDARY"] else ""


def _class_name(sop_class_uid: str | None) -> str:
    beginnings = sorted(OTHER_SOP_CLASSES, key=len, reverse=True)
    for beginning in beginnings:
        if f"{sop_class_uid}.".startswith(f"{beginning}."):
            return OTHER_SOP_CLASSES[beginning]
    return "no CT image"


def summarize(headers: Sequence[ObjectHeader]) -> tuple[SeriesSummary, ...]:
    """The series that the objects make up, by series number; only usable images are counted."""

    def series_of(header: ObjectHeader) -> str:
        return header.series_instance_uid or ""

    series = [
        _summary(uid, list(members))
        for uid, members in groupby(sorted(headers, key=series_of), key=series_of)
    ]
    return tuple(sorted(series, key=by_number))


def by_number(series: SeriesSummary) -> tuple[float, str]:
    """The order in which series are told: by number, those without one last."""
    return (
        inf if series.series_number is None else series.series_number,
        series.series_instance_uid,
    )


def _summary(series_instance_uid: str, members: list[ObjectHeader]) -> SeriesSummary:
    usable = [header for header in members if not flaw_of(header)]
    flaws = Counter(sorted(flaw_of(header) for header in members))
    shown = usable or members
    certain = [header for header in shown if _is_certain(header)]
    is_whole = all(header.is_whole for header in members)
    descriptions = [h.series_description for h in shown if h.is_whole or h.series_description]
    return SeriesSummary(
        series_instance_uid=series_instance_uid,
        series_number=min(
            (header.series_number for header in shown if header.series_number is not None),
            default=None,
        ),
        description=min((text or "" for text in descriptions), default=""),
        modalities=_distinct([(header.modality or "").upper() for header in shown]),
        kernels=_distinct([header.convolution_kernel or "" for header in certain]),
        slice_thicknesses_mm=tuple(
            sorted({h.slice_thickness_mm for h in certain if h.slice_thickness_mm is not None})
        ),
        images=sum(_images_in(header) for header in usable),
        flaw="" if usable else flaws.most_common(1)[0][0],
        is_whole=is_whole,
        is_vague=not is_whole and _is_vague(usable, members),
        frames_unknown=any(not h.is_whole and _may_have_frames(h) for h in usable),
    )


def _is_certain(header: ObjectHeader) -> bool:
    """Whether what an object is stands fast: one that may turn out derived says nothing yet."""
    return header.is_whole or None not in {header.sop_class_uid, header.image_type}


def _is_vague(usable: list[ObjectHeader], members: list[ObjectHeader]) -> bool:
    """Whether nothing of a series was read, and its answers lack what a series is chosen by."""
    return not any(header.is_whole for header in members) and any(
        None in {header.convolution_kernel, header.slice_thickness_mm, header.image_type}
        for header in usable
    )


def _images_in(header: ObjectHeader) -> int:
    """A plain CT image is one, whatever its NumberOfFrames claims (PS3.3 A.3)."""
    return 1 if header.sop_class_uid == CT_IMAGE_STORAGE else header.frames or 1


def _may_have_frames(header: ObjectHeader) -> bool:
    return header.frames is None and header.sop_class_uid in {None, ENHANCED_CT_IMAGE_STORAGE}


def _distinct(values: list[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))
