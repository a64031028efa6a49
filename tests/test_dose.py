"""The dose of an examination: what the scanners' reports say, and what they may not do."""

from copy import deepcopy

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from pipelines.core.dose import DoseReport, effective_dose_msv, examination_dose
from pipelines.core.errors import DicomError
from pipelines.io.dose_report import read_dose_report, read_doses
from pipelines.phantom.documents import dose_report_sr
from pipelines.phantom.instances import write_dataset
from pipelines.phantom.spec import SeriesSpec

SPEC = SeriesSpec()
doses = st.floats(0.5, 2000).map(lambda dose: round(dose, 2))


def codes(dataset, code):
    """All content items of a concept, at any depth."""
    found = [
        item
        for item in dataset.get("ContentSequence", ())
        if item.ConceptNameCodeSequence[0].CodeValue == code
    ]
    for item in dataset.get("ContentSequence", ()):
        found += codes(item, code)
    return found


def set_dose(item, dose, unit="mGy.cm"):
    measured = item.MeasuredValueSequence[0]
    measured.NumericValue = str(dose)
    measured.MeasurementUnitsCodeSequence[0].CodeValue = unit


def report(*events, total=None, uids=None, unit="mGy.cm"):
    """A dose report of several irradiation events, as scanners send them."""
    dataset = dose_report_sr(SPEC)
    [acquisition], [accumulated] = codes(dataset, "113819"), codes(dataset, "113811")
    content = [item for item in dataset.ContentSequence if item is not acquisition]
    for number, dose in enumerate(events):
        event = deepcopy(acquisition)
        codes(event, "113769")[0].UID = uids[number] if uids else f"2.25.{number + 1}"
        set_dose(codes(event, "113838")[0], dose, unit)
        content.append(event)
    if total is None:
        accumulated.ContentSequence = accumulated.ContentSequence[:1]
    else:
        set_dose(codes(accumulated, "113813")[0], total, unit)
    dataset.ContentSequence = Sequence(content)
    return dataset


def read(tmp_path, *datasets):
    paths = [
        write_dataset(tmp_path / str(number), dataset) for number, dataset in enumerate(datasets)
    ]
    return read_doses(paths)


def test_the_total_of_the_report_is_the_dose(tmp_path):
    dose, decision = read(tmp_path, dose_report_sr(SPEC, dlp_mgy_cm=321.5))

    assert dose == 321.5
    assert (decision.rule, decision.value) == ("dose", "321.5 mGy.cm")
    assert effective_dose_msv(dose, 0.017) == pytest.approx(5.4655)


@pytest.mark.parametrize(
    ("events", "total", "dose", "how"),
    [
        ((3.1, 240.0), 243.1, 243.1, "the total of the dose report"),
        ((3.1, 240.0), None, 243.1, "the sum of 2 irradiation events; no total is stated"),
        ((3.1, 240.0), 250.0, 250.0, "though its events add up to 243.1"),
        ((), 250.0, 250.0, "the total of the dose report"),
        ((), None, None, "states no dose length product"),
    ],
)
def test_a_stated_total_goes_before_the_sum_of_the_events(tmp_path, events, total, dose, how):
    found, decision = read(tmp_path, report(*events, total=total))

    assert found == (None if dose is None else pytest.approx(dose))
    assert how in decision.outcome


@pytest.mark.parametrize(
    ("unit", "dose"),
    [("mGy.cm", 250), ("mGycm", 250), ("Gy.cm", 250), ("mGy", None), ("", None)],
)
def test_the_unit_is_looked_at(tmp_path, unit, dose):
    stated = 0.25 if unit == "Gy.cm" else 250.0

    found, _ = read(tmp_path, report(stated, total=stated, unit=unit))

    assert found == dose


@pytest.mark.parametrize("value", ["-1", "1e9", "", "0x10", "nan"])
def test_a_number_that_is_no_dose_is_none(tmp_path, value):
    dataset = report(1.0, total=1.0)
    for item in codes(dataset, "113813") + codes(dataset, "113838"):
        element = pydicom.DataElement(0x0040A30A, "DS", "1")
        element._value = value
        item.MeasuredValueSequence[0]["NumericValue"] = element

    assert read(tmp_path, dataset)[0] is None


def test_an_acquisition_without_its_dose_is_not_passed_over(tmp_path):
    dataset = report(3.1, 240.0)
    [dose] = codes(codes(dataset, "113819")[1], "113829")
    dose.ContentSequence = dose.ContentSequence[:1]

    assert read(tmp_path, dataset)[0] is None


def test_a_localizer_may_state_no_dose(tmp_path):
    dataset = report(3.1, 240.0)
    scout = codes(dataset, "113819")[0]
    kind = codes(scout, "113820")[0].ConceptCodeSequence[0]
    kind.CodeValue, kind.CodingSchemeDesignator = "113805", "DCM"
    scout.ContentSequence = [i for i in scout.ContentSequence if i not in codes(scout, "113829")]

    assert read(tmp_path, dataset)[0] == 240.0


def test_a_dose_deeper_in_the_tree_is_found(tmp_path):
    dataset = report(240.0, total=240.0)
    inner = deepcopy(dataset)
    box = deepcopy(codes(dataset, "113811")[0])
    box.ConceptNameCodeSequence[0].CodeValue = "121070"
    box.ContentSequence = inner.ContentSequence
    dataset.ContentSequence = Sequence([box])

    assert read(tmp_path, dataset)[0] == 240.0


def test_another_structured_report_is_no_dose_report(tmp_path):
    dataset = dose_report_sr(SPEC)
    dataset.ConceptNameCodeSequence[0].CodeValue = "121060"

    dose, decision = read(tmp_path, dataset)

    assert (dose, decision.outcome) == (None, "no dose report in the study")


def nested(depth):
    """A content tree so deep, written by hand: pydicom itself could not write it."""
    inner = b""
    for _ in range(depth):
        item = b"\xfe\xff\x00\xe0" + b"\xff" * 4 + inner + b"\xfe\xff\x0d\xe0" + bytes(4)
        end = b"\xfe\xff\xdd\xe0" + bytes(4)
        inner = b"\x40\x00\x30\xa7SQ\0\0" + b"\xff" * 4 + item + end
    return inner


def many(items):
    dataset = dose_report_sr(SPEC)
    dataset.ContentSequence = Sequence([Dataset() for _ in range(items)])
    return dataset


@pytest.mark.parametrize("what", ["deep", "bottomless", "long", "cut", "empty", "huge"])
def test_a_hostile_report_costs_its_dose_and_nothing_else(tmp_path, what):
    path = write_dataset(tmp_path / "sr", many(20_500) if what == "long" else dose_report_sr(SPEC))
    content = path.read_bytes()
    if what in {"deep", "bottomless"}:
        head = content[: content.index(b"\x40\x00\x30\xa7SQ")]
        path.write_bytes(head + nested(60 if what == "deep" else 4_000))
    elif what == "cut":
        path.write_bytes(content[: len(content) // 2])
    elif what == "empty":
        path.write_bytes(b"")
    elif what == "huge":
        with path.open("r+b") as file:
            file.truncate(1 << 30)

    dose, decision = read_doses([path])

    assert dose is None
    assert decision.outcome == "1 structured reports cannot be read"
    with pytest.raises(DicomError):
        read_dose_report(path)


# --- several reports


def of(*events, total=None):
    return DoseReport(total_mgy_cm=total, events_mgy_cm=events)


@given(first=doses, second=doses)
def test_reports_of_different_scans_add_up(first, second):
    reports = [of(("2.25.1", first), total=first), of(("2.25.2", second), total=second)]

    dose, _ = examination_dose(reports)

    assert dose == pytest.approx(first + second)


@given(one=doses, more=st.lists(doses, min_size=1, max_size=4))
def test_a_report_that_repeats_an_earlier_one_counts_once(one, more):
    events = [(f"2.25.{number}", dose) for number, dose in enumerate([one, *more])]
    reports = [of(*events[:1]), of(*events)]

    dose, _ = examination_dose(reports)

    assert dose == pytest.approx(sum([one, *more]))
    assert examination_dose(reports[::-1])[0] == dose


def test_nobody_guesses_what_overlapping_reports_add_up_to():
    a, b, c = ("2.25.1", 1.0), ("2.25.2", 2.0), ("2.25.3", 3.0)

    assert examination_dose([of(a, b), of(b, c)])[0] is None
    assert examination_dose([of(("", 1.0)), of(("", 2.0))])[0] is None
    assert examination_dose([of(("", 2.0), total=2.0), of(a, c, total=2.0)])[0] == 2.0


def test_the_same_report_sent_twice_counts_once(tmp_path):
    assert read(tmp_path, report(9.5, total=9.5), report(9.5, total=9.5))[0] == 9.5
