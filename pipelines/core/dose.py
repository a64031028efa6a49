"""The dose of an examination, of what its dose reports say (PS3.16 TID 10011): a pure rule.

A scanner may send one report of the whole study, one for each series, or one after each series
that repeats those before. Irradiation events have UIDs: by them it is seen which of these it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import fsum

DLP_LIMIT_MGY_CM = 50_000.0
"""A hundred chest examinations: more is no dose but a wrong unit."""

SUM_TOLERANCE = 0.01
"""Totals and sums of events are rounded by the scanner: one in a hundred is still the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoseReport:
    """One report: its own total, and the dose of each irradiation event by UID, in mGy.cm.

    None is a dose that is not stated, or not as a number in a unit of dose length product.
    """

    total_mgy_cm: float | None
    events_mgy_cm: tuple[tuple[str, float | None], ...] = ()

    @property
    def sum_mgy_cm(self) -> float | None:
        """The sum over all events; None where one has no dose, or there is none."""
        doses = [dose for _, dose in self.events_mgy_cm]
        known = [dose for dose in doses if dose is not None]
        return fsum(known) if known and len(known) == len(doses) else None

    @property
    def dose_mgy_cm(self) -> float | None:
        """The total that is stated, else the sum of the events."""
        return self.sum_mgy_cm if self.total_mgy_cm is None else self.total_mgy_cm

    @property
    def event_uids(self) -> frozenset[str]:
        """Which events it reports; empty where one of them has no UID to tell it by."""
        uids = frozenset(uid for uid, _ in self.events_mgy_cm)
        return frozenset() if "" in uids else uids


def examination_dose(reports: Sequence[DoseReport]) -> tuple[float | None, str]:
    """The dose length product of the whole examination in mGy.cm, and how it is known or why not.

    A report whose events another one repeats does not count. Reports without an event in common
    add up; where some events are in common, or a report does not say which events it is of,
    nobody can tell, unless all of them state the same dose.
    """
    if not reports:
        return None, "no dose report in the study"
    largest = [report for report in dict.fromkeys(reports) if not _is_repeated(report, reports)]
    doses = [report.dose_mgy_cm for report in largest]
    known = [dose for dose in doses if dose is not None]
    if len(known) < len(doses):
        return None, "a dose report states no dose length product in mGy.cm"
    uids = [report.event_uids for report in largest]
    if len(known) == 1:
        return _plausible(known[0], _of_one(largest[0]))
    if all(uids) and sum(map(len, uids)) == len(frozenset().union(*uids)):
        return _plausible(fsum(known), f"the sum of {len(known)} dose reports")
    if len(set(known)) == 1:
        return _plausible(known[0], f"what {len(known)} dose reports state alike")
    return None, "several dose reports, and which scans they share is not said"


def effective_dose_msv(dlp_mgy_cm: float | None, msv_per_mgy_cm: float) -> float | None:
    """The effective dose by the conversion of the body part: 0.017 mSv/(mGy.cm) for the chest."""
    return None if dlp_mgy_cm is None else dlp_mgy_cm * msv_per_mgy_cm


def _is_repeated(report: DoseReport, reports: Sequence[DoseReport]) -> bool:
    return bool(report.event_uids) and any(
        report.event_uids < other.event_uids for other in reports
    )


def _of_one(report: DoseReport) -> str:
    total, events = report.total_mgy_cm, report.sum_mgy_cm
    if total is None:
        return f"the sum of {len(report.events_mgy_cm)} irradiation events; no total is stated"
    if events is None or abs(total - events) <= max(SUM_TOLERANCE * total, SUM_TOLERANCE):
        return "the total of the dose report"
    return f"the total of the dose report, though its events add up to {events:g}"


def _plausible(dose: float, how: str) -> tuple[float | None, str]:
    if dose > DLP_LIMIT_MGY_CM:
        return None, "the dose report states more than any examination has"
    return dose, how
