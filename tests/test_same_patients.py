"""One patient under two numbers is one where the owner says so, and nowhere else."""

import string
from dataclasses import replace

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.errors import SettingsError
from pipelines.core.identity import RisRow
from pipelines.core.patients import SamePatients, patient_key
from pipelines.io.same_patients import read_same_patients
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.workspaces import make_workspace, mosmed

VOXELS = np.arange(2 * 8 * 8, dtype=np.int16).reshape(2, 8, 8)
HEAD = "patient_id,same_as_patient_id\n"
ROW = RisRow(row=2, patient_id="12", issuer_of_patient_id="A", patient_name="Иванов^Пётр")


def listed(tmp_path, text):
    path = tmp_path / "same.csv"
    path.write_text(text, encoding="utf-8")
    return path


def test_numbers_that_stand_for_one_another_are_one_patient(tmp_path):
    path = listed(
        tmp_path,
        "patient_id,issuer_of_patient_id,same_as_patient_id,same_as_issuer_of_patient_id\n"
        "12,A,7,B\n 7 ,b,9,B\n",
    )

    rows = list(read_same_patients(path).marked([ROW, replace(ROW, issuer_of_patient_id="C")]))

    assert [patient_key(row) for row in rows] == ["B|9", "C|12"]
    assert [row.patient_id for row in rows] == ["12", "12"]  # it is still looked for in the output


numbers = st.text(string.digits, min_size=1, max_size=3)


@given(pairs=st.dictionaries(numbers, numbers, max_size=6), rows=st.lists(numbers, max_size=12))
def test_only_listed_numbers_become_one(pairs, rows):
    heads = {f"|{alias}": f"|m{main}" for alias, main in pairs.items()}
    same = SamePatients(heads)
    made = [RisRow(row=n, patient_id=one, patient_name="A^B") for n, one in enumerate(rows)]

    keys = [patient_key(row) for row in same.marked(made)]

    for key, number in zip(keys, rows, strict=True):
        assert key == (f"|m{pairs[number]}" if number in pairs else f"|{number}")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "same.csv:"),
        ("patient,same\n1,2\n", "same.csv:"),
        (HEAD + "1,\n", "same.csv:2:"),
        (HEAD + "1,2\n1,3\n", "same.csv:3:"),
        (HEAD + "1,1\n", "stand for each other"),
        (HEAD + "1,2\n2,3\n3,1\n", "stand for each other"),
    ],
)
def test_a_list_that_contradicts_itself_is_refused_without_its_numbers(text, place, tmp_path):
    with pytest.raises(SettingsError) as caught:
        read_same_patients(listed(tmp_path, text.replace("1", "7654321")))

    assert place in caught.value.message
    assert "7654321" not in caught.value.message


def test_a_patient_of_two_numbers_has_one_pseudonym_and_a_namesake_another(tmp_path):
    for number, name in enumerate(["PH-1", "PH-2", "PH-3"]):
        spec = SeriesSpec(
            patient_id=name,
            issuer_of_patient_id=None,
            patient_name="Namesake^Anna",
            series_instance_uid=f"1.2.3.4.{number}",
        )
        write_series(tmp_path / "in" / name, spec, VOXELS)
    path = listed(tmp_path, HEAD + "PH-2,PH-1\n")
    folders = tmp_path / "in", tmp_path / "out"

    done = mosmed("anonymize", *folders, "--key", tmp_path / "key", "--same-patients", path)

    assert done.exit_code == 0, done.output
    made = [pydicom.dcmread(path) for path in (tmp_path / "out").rglob("*.dcm")]
    assert len({image.PatientID for image in made}) == 2
    assert len(made) == 3 * len(VOXELS)


def test_in_a_workspace_the_list_is_not_for_one_command(tmp_path):
    root = make_workspace(tmp_path / "w")

    for more in ((), ("--canary", 1)):
        asked = ("--same-patients", listed(tmp_path, HEAD), *more)
        refused = mosmed("anonymize", "-w", root, *asked)

        assert refused.exit_code == 2
        assert "under [select]" in refused.output
