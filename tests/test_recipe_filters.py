"""deid's %filter groups: what they flag is left out; what deid passes over in silence is told."""

import json
import subprocess
import sys

import numpy as np
import pydicom
import pytest

from pipelines.core.deid import Options
from pipelines.core.errors import SettingsError
from pipelines.io.by_pydicom import facts_of
from pipelines.io.recipe import load
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec
from tests.workspaces import mosmed

OPTIONS = Options(retain_patient_characteristics=True, retain_device_identity=False)
VOXELS = np.arange(2 * 8 * 8, dtype=np.int16).reshape(2, 8, 8)
HEAD = "FORMAT dicom\n\n%filter ours\n\n"


def recipe(tmp_path, text):
    path = tmp_path / "ours.deid"
    path.write_text(text, encoding="utf-8")
    return path


def filters_of(tmp_path, text):
    return load(OPTIONS, (recipe(tmp_path, text),)).filters


BAD = {
    "LABEL a\ncontain Modality CT": (6, "did you mean contains"),
    "LABEL a\nContains Modality CT": (6, "did you mean contains"),
    "LABEL a\ncontains Modalty CT": (6, "did you mean Modality"),
    "LABEL a\ncontains Modality": (6, "needs an attribute and a value"),
    "LABEL a\nmissing Modality CT": (6, "needs an attribute"),
    "LABEL a\ncontains Modality CT(": (6, "no regular expression"),
    "LABEL a\nequals Modality CT\nequals Rows 512": (7, "joined by"),
    "LABEL a\n+ equals Modality CT": (6, "begins without"),
    "LABEL a\nequals Modality CT || equal Rows 512": (6, "did you mean equals"),
    "LABEL a\ncoordinates 0,0,512,110": (6, "never blackens pixels"),
    "LABEL a\nequals 0x00091001 CT": (6, "private, retired or unknown"),
    "LABEL a": (5, "has no condition"),
    "LABEL": (5, "begins with 'LABEL name'"),
    "label a\nequals Modality CT": (5, "begins with 'LABEL name'"),
    "equals Modality CT": (5, "begins with 'LABEL name'"),
}


@pytest.mark.parametrize("body", BAD)
def test_a_filter_that_would_not_work_is_refused_with_its_line(body, tmp_path):
    line, message = BAD[body]

    with pytest.raises(SettingsError) as caught:
        filters_of(tmp_path, HEAD + body)

    assert caught.value.message.startswith(f"ours.deid:{line}:")
    assert message in caught.value.message


@pytest.mark.parametrize("head", ["%filter", "%filter two words", "%filter whitelist"])
def test_a_group_has_one_name_and_lets_nothing_pass(head, tmp_path):
    with pytest.raises(SettingsError, match=r"ours\.deid:2:"):
        filters_of(tmp_path, f"FORMAT dicom\n{head}\nLABEL a\nmissing Modality\n")


CASES = {
    "equals Modality CT": True,
    "equals Modality ct": True,
    "equals Modality CT|MR": False,
    "contains Modality CT|MR": True,
    "notcontains Modality MR": True,
    "notequals Modality CT": False,
    "missing ContrastBolusAgent": True,
    "present ContrastBolusAgent": False,
    "present Modality": True,
    "empty Modality": False,
    "contains SeriesDescription SCREEN": True,
    "contains SeriesDescription screen + equals Modality MR": False,
    "contains SeriesDescription nothing || equals Modality CT": True,
    "equals Modality CT\n+ contains SeriesDescription nothing": False,
    "equals Modality CT\n+ contains SeriesDescription screen": True,
}
"""Conditions on the phantom, and whether it is flagged."""


@pytest.fixture(scope="module")
def slice_path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slice")
    return write_series(folder, SeriesSpec(series_description="Screen save 3"), VOXELS)[0]


TAGS = {"equals 0x00080060 CT": True, "missing 0x00080060": False}
"""In deid a condition on a tag is one on the element's description, and hardly ever holds."""


@pytest.mark.parametrize("lines", [*CASES, *TAGS])
def test_a_filter_flags_what_its_lines_say(lines, slice_path, tmp_path):
    (found,) = filters_of(tmp_path, f"{HEAD}LABEL a\n{lines}\n")
    facts = facts_of(pydicom.dcmread(slice_path), name="f", also=found.tags)

    assert found.flags(facts.texts) is {**CASES, **TAGS}[lines]


DEID = """
import json, sys
from deid.config import DeidRecipe
from deid.dicom import has_burned_pixels
from deid.logger import bot
bot.level = 0
file, *recipes = sys.argv[1:]
print(json.dumps([bool(has_burned_pixels(file, deid=path)["flagged"]) for path in recipes]))
"""


def test_deid_flags_the_same(slice_path, tmp_path):
    paths = []
    for number, lines in enumerate(CASES):
        paths.append(tmp_path / f"{number}.deid")
        paths[-1].write_text(f"{HEAD}LABEL a\n{lines}\n")

    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", DEID, str(slice_path), *map(str, paths)],
        capture_output=True,
        text=True,
        check=True,
    )

    flagged = json.loads(done.stdout.splitlines()[-1])
    assert dict(zip(CASES, flagged, strict=True)) == CASES


def test_what_a_filter_flags_is_left_out_under_its_name(tmp_path, monkeypatch):
    write_series(tmp_path / "in" / "a", SeriesSpec(series_description="Screen save"), VOXELS)
    write_series(
        tmp_path / "in" / "b",
        SeriesSpec(series_description="Thorax", series_instance_uid="1.2.3.4.9"),
        VOXELS,
    )
    path = recipe(tmp_path, f"{HEAD}LABEL screen saves\ncontains SeriesDescription screen\n")

    monkeypatch.setenv("MOSMED_ANONYMIZE_RECIPES", f'["{path}"]')

    done = mosmed("anonymize", tmp_path / "in", tmp_path / "out", "--key", tmp_path / "key")

    assert done.exit_code == 0, done.output
    assert "a filter of your recipe" in done.stdout
    assert "filter ours: screen saves" in done.stderr
    assert len(list((tmp_path / "out").rglob("*.dcm"))) == len(VOXELS)
