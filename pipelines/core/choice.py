"""Which one series of a study is reconstructed: a pure rule, and what must be known to apply it.

An archive far away answers with a part of what the headers say. As long as what is not known
counts in favour of a series, the best one is a bound: once its own headers have all been read
and it still is the best, no other one can be better. So the series is the one that all headers
together would have given, and little else is transferred.
"""

import re
import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf

from pipelines.core.errors import SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.model import Decision
from pipelines.core.series import ObjectHeader, SeriesSummary, by_number, summarize


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The series that is taken, or None and the reason; one decision for each series.

    `best` are all those that no other one is better than: one of them, if a series is taken.
    """

    series: SeriesSummary | None
    reason: str
    decisions: tuple[Decision, ...]
    best: tuple[SeriesSummary, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """The series to look into next: at one object of each, or at all objects."""

    series_instance_uids: tuple[str, ...]
    is_probe: bool


def next_look(headers: Sequence[ObjectHeader], settings: ExportSettings) -> Look | None:
    """What to look into next; None once the choice among the series stands."""
    summaries = summarize(headers)
    unread = [one for one in choose_series(summaries, settings).best if not one.is_whole]
    if not unread:
        return None
    possible = [one for one in summaries if not miss(one, settings)]
    vague = tuple(one.series_instance_uid for one in possible if one.is_vague)
    if vague and len(possible) > 1:
        return Look(series_instance_uids=vague, is_probe=True)
    return Look(series_instance_uids=(unread[0].series_instance_uid,), is_probe=False)


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
    ordered = sorted(series, key=by_number)
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
        best=tuple(left),
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


# What is not known yet costs the least it can: no series is passed over that may be the best.
def _kernel_cost(series: SeriesSummary, settings: ExportSettings) -> float:
    if not series.is_whole and not series.kernels and settings.kernels:
        return 0
    ranks = [kernel_rank(kernel, settings.kernels) for kernel in series.kernels]
    return max((inf if rank is None else rank for rank in ranks), default=inf)


def _thickness_cost(series: SeriesSummary, _settings: ExportSettings) -> float:
    return max(series.slice_thicknesses_mm, default=inf if series.is_whole else 0)


def _instances_cost(series: SeriesSummary, _settings: ExportSettings) -> float:
    return -inf if series.frames_unknown else -series.images


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
    if not series.is_whole and not series.modalities:
        return ""
    return f"modality is {' and '.join(series.modalities) or 'not known'}, not {settings.modality}"


def _description_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    wanted = settings.descriptions
    if not series.is_whole and not series.description:
        return ""
    if not wanted or any(is_like(series.description, pattern) for pattern in wanted):
        return ""
    return f"description is not like {' or '.join(wanted)}"


def _kernel_miss(series: SeriesSummary, settings: ExportSettings) -> str:
    if not settings.kernels:
        return ""
    if not series.kernels:
        return "kernel is not known" if series.is_whole else ""
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
    if series.images >= settings.minimum_instances or series.frames_unknown:
        return ""
    return f"{series.images} images are fewer than {settings.minimum_instances}"
