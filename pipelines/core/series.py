"""Which one series of a study is reconstructed: a pure rule over the headers of its objects."""

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import inf

from pipelines.core.errors import SettingsError
from pipelines.core.model import Decision
from pipelines.core.settings import ExportSettings

CT_SOP_CLASSES = frozenset({"1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.2.1"})
"""CT Image Storage and Enhanced CT Image Storage (PS3.4 B.5): what a volume can be made of."""

OTHER_SOP_CLASSES = {
    "1.2.840.10008.5.1.4.1.1.2.2": "a converted copy (Legacy Converted Enhanced CT)",
    "1.2.840.10008.5.1.4.1.1.7": "a secondary capture",
    "1.2.840.10008.5.1.4.1.1.66.4": "a segmentation",
    "1.2.840.10008.5.1.4.1.1.88.67": "a dose report",
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


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesSummary:
    """A series as the rule sees it: `images` counts frames, `flaw` says why it has none."""

    series_instance_uid: str
    series_number: int | None = None
    description: str = ""
    modalities: tuple[str, ...] = ()
    kernels: tuple[str, ...] = ()
    slice_thicknesses_mm: tuple[float, ...] = ()
    images: int = 0
    flaw: str = ""

    def __str__(self) -> str:
        number = "without number" if self.series_number is None else str(self.series_number)
        kernels = " ".join(self.kernels)
        return f"series {number} '{self.description[:64]}' {kernels}".rstrip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The series that is taken, or None and the reason; one decision for each series."""

    series: SeriesSummary | None
    reason: str
    decisions: tuple[Decision, ...]


def flaw_of(header: ObjectHeader) -> str:
    """Why an object can be no slice of an original volume; empty if it can.

    ImageType is PS3.3 C.7.6.1.1.2 and C.8.2.1.1.1: what is not known does not speak against it.
    """
    if header.sop_class_uid not in CT_SOP_CLASSES:
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
    return tuple(sorted(series, key=_by_number))


def _by_number(series: SeriesSummary) -> tuple[float, str]:
    return (
        inf if series.series_number is None else series.series_number,
        series.series_instance_uid,
    )


def _summary(series_instance_uid: str, members: list[ObjectHeader]) -> SeriesSummary:
    usable = [header for header in members if not flaw_of(header)]
    flaws = Counter(sorted(flaw_of(header) for header in members))
    shown = usable or members
    return SeriesSummary(
        series_instance_uid=series_instance_uid,
        series_number=min(
            (header.series_number for header in shown if header.series_number is not None),
            default=None,
        ),
        description=min((header.series_description or "" for header in shown), default=""),
        modalities=_distinct([(header.modality or "").upper() for header in shown]),
        kernels=_distinct([header.convolution_kernel or "" for header in shown]),
        slice_thicknesses_mm=tuple(
            sorted({h.slice_thickness_mm for h in shown if h.slice_thickness_mm is not None})
        ),
        images=sum(header.frames or 1 for header in usable),
        flaw="" if usable else flaws.most_common(1)[0][0],
    )


def _distinct(values: list[str]) -> tuple[str, ...]:
    return tuple(sorted({value for value in values if value}))


def is_like(text: str, pattern: str) -> bool:
    """SQL LIKE without regard to case: `%` is any text, `_` is one character."""
    wild = {"%": ".*", "_": "."}
    parts = (wild.get(character, re.escape(character)) for character in _nfc(pattern))
    return re.fullmatch("".join(parts), _nfc(text), re.IGNORECASE | re.DOTALL) is not None


def _nfc(text: str) -> str:
    return unicodedata.normalize("NFC", text).strip()


def kernel_rank(kernel: str, allowed: Sequence[str]) -> int | None:
    r"""The place of a kernel among the allowed ones, or None if it is not one of them.

    Siemens adds the strength of its iteration as a second value: both the whole and the first
    value are looked for, so that `I31f` allows any strength and `I31f\3` just that one.
    """
    names = {kernel.strip().upper(), kernel.split("\\", maxsplit=1)[0].strip().upper()}
    return next((k for k, name in enumerate(allowed) if name.strip().upper() in names), None)


def choose_series(series: Sequence[SeriesSummary], settings: ExportSettings) -> Choice:
    """The one series that matches the settings, or None with the reason why there is not one."""
    ordered = sorted(series, key=_by_number)
    outcomes = {one.series_instance_uid: miss(one, settings) for one in ordered}
    left = [one for one in ordered if not outcomes[one.series_instance_uid]]
    for criterion in settings.prefer:
        best = _preferred(left, criterion, settings)
        for one in left:
            if one not in best:
                outcomes[one.series_instance_uid] = (
                    f"matches, but {best[0]} is better by {criterion}"
                )
        left = best
    for one in left:
        verdict = "chosen" if len(left) == 1 else f"matches, as {len(left) - 1} more"
        outcomes[one.series_instance_uid] = verdict
    return Choice(
        series=left[0] if len(left) == 1 else None,
        reason=_reason(ordered, left, outcomes),
        decisions=tuple(
            Decision(
                rule="series",
                value=f"{one}, {one.images} images",
                outcome=outcomes[one.series_instance_uid],
            )
            for one in ordered
        ),
    )


def _reason(
    ordered: Sequence[SeriesSummary], left: Sequence[SeriesSummary], outcomes: dict[str, str]
) -> str:
    if len(left) == 1:
        return ""
    if left:
        return f"{len(left)} series match: " + "; ".join(str(one) for one in left)
    misses = "; ".join(f"{one}: {outcomes[one.series_instance_uid]}" for one in ordered)
    return f"no series matches: {misses}"


def _preferred(
    left: list[SeriesSummary], criterion: str, settings: ExportSettings
) -> list[SeriesSummary]:
    if criterion not in _COSTS:
        raise SettingsError(
            f"prefer under [export] does not know '{criterion}'",
            hint=f"Use some of: {', '.join(_COSTS)}.",
        )
    costs = [_COSTS[criterion](one, settings) for one in left]
    return [one for one, cost in zip(left, costs, strict=True) if cost == min(costs)]


def _kernel_cost(series: SeriesSummary, settings: ExportSettings) -> float:
    ranks = [kernel_rank(kernel, settings.kernels) for kernel in series.kernels]
    return max((inf if rank is None else rank for rank in ranks), default=inf)


def _thickness_cost(series: SeriesSummary, _settings: ExportSettings) -> float:
    return max(series.slice_thicknesses_mm, default=inf)


def _instances_cost(series: SeriesSummary, _settings: ExportSettings) -> float:
    return -series.images


_COSTS: dict[str, Callable[[SeriesSummary, ExportSettings], float]] = {
    "kernel": _kernel_cost,
    "thickness": _thickness_cost,
    "instances": _instances_cost,
}


def miss(series: SeriesSummary, settings: ExportSettings) -> str:
    """The first demand that a series does not meet; empty if it meets them all."""
    return (
        series.flaw
        or _modality_miss(series, settings)
        or _description_miss(series, settings)
        or _kernel_miss(series, settings)
        or _thickness_miss(series, settings)
        or _number_miss(series, settings)
    )


def _modality_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    if series.modalities == (settings.modality.upper(),):
        return ""
    return f"modality is {' and '.join(series.modalities) or 'not known'}, not {settings.modality}"


def _description_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    wanted = settings.descriptions
    if not wanted or any(is_like(series.description, pattern) for pattern in wanted):
        return ""
    return f"description is not like {' or '.join(wanted)}"


def _kernel_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    if not settings.kernels:
        return ""
    if not series.kernels:
        return "kernel is not known"
    others = [kernel for kernel in series.kernels if kernel_rank(kernel, settings.kernels) is None]
    if not others:
        return ""
    return f"kernel {' and '.join(others)} is not {' or '.join(settings.kernels)}"


def _thickness_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    for thickness in series.slice_thicknesses_mm:
        if thickness < settings.minimum_slice_thickness_mm:
            return f"{thickness:g} mm is thinner than {settings.minimum_slice_thickness_mm:g} mm"
        if thickness > settings.maximum_slice_thickness_mm:
            return f"{thickness:g} mm is thicker than {settings.maximum_slice_thickness_mm:g} mm"
    return ""


def _number_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    if series.images >= settings.minimum_instances:
        return ""
    return f"{series.images} images are fewer than {settings.minimum_instances}"
