"""Reading X-Ray Radiation Dose SR (PS3.16 TID 10011): numbers of a tree that may be anything."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipelines.core.dose import DoseReport, examination_dose
from pipelines.core.errors import DicomError
from pipelines.core.model import Decision
from pipelines.io.content_items import code_of, concept_of, items_of
from pipelines.io.dicom import faults_of, read_dataset

if TYPE_CHECKING:
    from pydicom import Dataset

DOSE_REPORT = "113701"
ACCUMULATED = "113811"
DLP_TOTAL = "113813"
ACQUISITION = "113819"
ACQUISITION_TYPE = "113820"
CONSTANT_ANGLE = "113805"
EVENT_UID = "113769"
CT_DOSE = "113829"
DLP = "113838"
"""Codes of the scheme DCM (PS3.16 annex D)."""

MGY_CM_OF_UNIT = {"mgy.cm": 1.0, "mgycm": 1.0, "mgy*cm": 1.0, "gy.cm": 1000.0, "mgy.m": 100.0}
"""UCUM's mGy.cm (PS3.16 TID 10013), how else scanners have spelled it, and other sizes of it."""

REPORT_LIMIT_BYTES = 1 << 24
DEPTH_LIMIT = 32
ITEMS_LIMIT = 20_000
"""A report of hundreds of events has thousands of items, five deep; beyond it is no report."""


def read_doses(paths: Sequence[Path]) -> tuple[float | None, Decision]:
    """The dose length product of a study in mGy.cm, of the structured reports in `paths`.

    Never raises for what a file holds: what cannot be read is counted in the decision.
    """
    reports, unread = [], 0
    for path in paths:
        try:
            report = read_dose_report(path)
        except DicomError:
            unread += 1
            continue
        if report is not None:
            reports.append(report)
    dose, how = examination_dose(reports)
    if unread:
        dose, how = None, f"{unread} structured reports cannot be read"
    value = f"{len(reports)} dose reports" if dose is None else f"{dose:g} mGy.cm"
    return dose, Decision(rule="dose", value=value, outcome=how)


def read_dose_report(path: Path) -> DoseReport | None:
    """What a file reports of CT dose; None where it is no dose report.

    Raises DicomError UNREADABLE_DICOM for what is not whole, or larger or deeper than any report.
    """
    if path.stat().st_size > REPORT_LIMIT_BYTES:
        raise DicomError("UNREADABLE_DICOM", "larger than any structured report")
    dataset = read_dataset(path, pixels=False, name="a structured report")
    with faults_of("a structured report"):
        if concept_of(dataset) != DOSE_REPORT:
            return None
        nodes = list(_tree(dataset))
        totals = [
            _mgy_cm(node)
            for node, within in nodes
            if concept_of(node) == DLP_TOTAL and ACCUMULATED in within
        ]
        acquisitions = [node for node, _ in nodes if concept_of(node) == ACQUISITION]
        events = [event for node in acquisitions if (event := _event(node)) is not None]
    return DoseReport(
        total_mgy_cm=totals[0] if len(set(totals)) == 1 else None, events_mgy_cm=tuple(events)
    )


def _tree(root: "Dataset") -> "Iterator[tuple[Dataset, frozenset[str]]]":
    """Every content item below `root`, with the concepts of all containers it lies in."""
    waiting = [(root, frozenset[str](), 0)]
    items = 0
    while waiting:
        parent, within, depth = waiting.pop()
        inside = within | {concept_of(parent)}
        for node in reversed(items_of(parent, "ContentSequence")):
            items += 1
            if items > ITEMS_LIMIT or depth > DEPTH_LIMIT:
                raise DicomError("UNREADABLE_DICOM", "deeper or longer than any structured report")
            yield node, inside
            waiting.append((node, inside, depth + 1))


def _event(acquisition: "Dataset") -> tuple[str, float | None] | None:
    """UID and dose of one acquisition; None for a localizer that states none."""
    nodes = list(_tree(acquisition))
    doses = {
        _mgy_cm(node) for node, within in nodes if concept_of(node) == DLP and CT_DOSE in within
    }
    uids = [str(node.get("UID", "")) for node, _ in nodes if concept_of(node) == EVENT_UID]
    kinds = {code_of(node, "ConceptCodeSequence") for node, _ in nodes if _is_kind(node)}
    if not doses and kinds == {CONSTANT_ANGLE}:
        return None
    return (uids[0] if len(uids) == 1 else ""), (doses.pop() if len(doses) == 1 else None)


def _is_kind(node: "Dataset") -> bool:
    return concept_of(node) == ACQUISITION_TYPE


def _mgy_cm(node: "Dataset") -> float | None:
    """The number of a NUM item in mGy.cm; None for what is no such number."""
    measured = items_of(node, "MeasuredValueSequence")
    if len(measured) != 1:
        return None
    unit = code_of(measured[0], "MeasurementUnitsCodeSequence", scheme="UCUM").casefold()
    factor = MGY_CM_OF_UNIT.get(unit)
    try:
        value = float(measured[0].get("NumericValue", math.nan))
    except (TypeError, ValueError):
        return None
    is_dose = factor is not None and math.isfinite(value) and value >= 0
    return round(value * factor, 6) if is_dose and factor is not None else None
