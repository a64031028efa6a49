"""A PACS in place of a RIS: the same studies give the same draw as from a file."""

import csv
from dataclasses import replace
from datetime import date, timedelta

import pydicom
import pytest
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

from pipelines.core.errors import PeerError
from pipelines.core.identity import Pseudonyms
from pipelines.core.node_settings import NodeSettings
from pipelines.core.select_settings import SelectSettings
from pipelines.peers import opening, ris
from pipelines.peers.policy import Clock
from pipelines.select import draw
from tests.pacs import dcmqrscp, orthanc
from tests.scripted_web import WebScript, scripted_web
from tests.test_peers_dicomweb import web

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

FIRST = date(2020, 3, 1)
TITLES = ("AccessionNumber", "StudyInstanceUID", "PatientID", "PatientName", "PatientBirthDate",
          "PatientSex", "StudyDate", "Modality")  # fmt: skip
LIMITS = SelectSettings(
    rules=("identified", "modality", "window", "age", "one_study_per_patient"),
    studies=6, reserves=3, window_start=FIRST, window_end=FIRST + timedelta(days=3),
)  # fmt: skip


def studies(count=30):
    return [
        (f"ACC {k}", f"2.25.77{k}", f"{k % 20:05d}", f"Ёлкин{k % 20}^Пётр",
         f"{1930 + 4 * (k % 20)}0301", "MF"[k % 2], f"{FIRST + timedelta(days=k % 6):%Y%m%d}",
         "MR" if k % 7 == 0 else "CT")
        for k in range(1, count + 1)
    ]  # fmt: skip


def objects():
    for row in studies():
        dataset = pydicom.Dataset()
        dataset.SpecificCharacterSet = "ISO_IR 192"
        for keyword, value in zip(TITLES, row, strict=True):
            setattr(dataset, keyword, value)
        dataset.SOPClassUID = CTImageStorage
        dataset.SeriesInstanceUID = f"{dataset.StudyInstanceUID}.1"
        dataset.SOPInstanceUID = f"{dataset.StudyInstanceUID}.1.1"
        dataset.StudyTime, dataset.StudyID = "101500", "1"
        dataset.file_meta = pydicom.dataset.FileMetaDataset()
        dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
        yield dataset


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("studies")
    for k, dataset in enumerate(objects()):
        dataset.save_as(root / f"{k}.dcm", enforce_file_format=True)
    return root


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    """The draw from a file of the same studies."""
    path = tmp_path_factory.mktemp("file") / "ris.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        titles = (*TITLES, "NumberOfStudyRelatedInstances")
        csv.writer(file).writerows([titles, *((*row, 1) for row in studies())])
    return drawn_from(path)


def drawn_from(place, **changes):
    limits = replace(LIMITS, ris=place, **changes)
    source = ris.open_ris(limits, NodeSettings(timeout_seconds=60.0, tries=2))
    found = draw(source.rows(), limits, Pseudonyms(b"key of the tests")).candidates
    assert not source.unreadable
    return found


@pytest.mark.parametrize("protocol", ["dimse", "dicomweb"])
def test_a_pacs_gives_the_same_draw_as_a_file(folder, expected, protocol):
    with orthanc(folder) as running:
        place = running.address if protocol == "dimse" else web(running)

        assert len(expected) == 9
        assert drawn_from(place) == expected


def test_a_pacs_that_knows_no_modality_of_a_study_draws_by_the_other_rules(folder, expected):
    rules = tuple(rule for rule in LIMITS.rules if rule != "modality")
    with dcmqrscp(folder) as running:
        assert drawn_from(running.address) == ()
        found = drawn_from(running.address, rules=rules, reserves=99)

    eligible = {
        row[2] for row in studies() if "20200301" <= row[6] <= "20200304" and row[4] <= "20020301"
    }
    assert {one.patient_key for one in found} == {f"|{patient}" for patient in eligible}


def test_only_the_days_of_the_window_are_asked_for(expected):
    script = WebScript(list(objects()))
    with scripted_web(script) as address:
        found = drawn_from(address)

    assert [one.public_id for one in found] == [one.public_id for one in expected]
    assert {path.partition("StudyDate=")[2][:8] for path in script.asked} == {
        "20200301", "20200302", "20200303", "20200304",
    }  # fmt: skip


def test_a_day_that_is_not_told_in_full_is_no_frame(monkeypatch):
    monkeypatch.setattr(opening, "CLOCK", Clock(sleep=lambda _: None))
    script = WebScript(list(objects()), most_matches=2, is_warning=True)

    with scripted_web(script) as address, pytest.raises(PeerError, match="2020-03-01") as error:
        drawn_from(address)

    assert error.value.hint
