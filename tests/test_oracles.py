"""SimpleITK and dcm2niix read every real series as mosmed does, or differ in a known way.

`oracles/comparison.csv` holds what each of the three makes of each series, who is right, and why.
A difference that vanishes and a new one fail here.
"""

import csv
import sys
from functools import cache
from pathlib import Path

import pydicom
import pytest

from pipelines import convert
from pipelines.core.convert_settings import ConvertSettings
from pipelines.core.errors import ItemError
from pipelines.core.model import Excluded
from tests.conftest import SHARED_DATA
from tests.oracles.readers import READERS, difference, misplaced_mm

PYDICOM_DATA = Path(pydicom.__file__).parent / "data" / "test_files" / "dicomdirtests"
TABLE = Path(__file__).parent / "oracles" / "comparison.csv"
LEFT_OUT = ("corrupt_fuzz", "chest_toshiba_singles", "syntaxes_chest_slice", "highdicom")
"""Single images and files made to be broken: no series of slices for anybody."""

with TABLE.open(encoding="utf-8", newline="") as _file:
    ROWS = list(csv.DictReader(_file))


@cache
def items_of(root):
    items = convert.find(root) if root.is_dir() else ()
    return {item.name: item for item in items if not item.name.endswith("-files")}


def item_of(row):
    root = PYDICOM_DATA if row["source"] == "pydicom" else SHARED_DATA
    if not root.is_dir():
        pytest.skip(f"no real DICOM at {root}")
    [name] = [name for name in items_of(root) if name.endswith(row["series"])]
    return items_of(root)[name]


def what_we_make(item, folder):
    """What mosmed makes of a series, as the table says it, and the volume if there is one."""
    try:
        made = convert.work_plain(item, ConvertSettings(), folder)
    except ItemError as error:
        return error.code, None
    if isinstance(made, Excluded):
        return f"excluded: {made.rule}", None
    return "volume", folder / made.volume


def what_they_make(tool, item, volume, folder):
    theirs = READERS[tool](item.files, folder)
    if volume is not None:
        return difference(volume, theirs) or "the same volume"
    if not theirs:
        return "refuses"
    files = f"writes {len(theirs)} file{'s' * (len(theirs) > 1)}"
    away_mm = misplaced_mm(theirs[0], item.files)
    return f"{files}, a slice up to {away_mm:.1f} mm off" if away_mm > 0.05 else files


@pytest.mark.parametrize("row", ROWS, ids=[f"{row['tool']}: {row['series'][-40:]}" for row in ROWS])
def test_another_reader_agrees_or_differs_as_the_table_says(row, tmp_path):
    if not Path(sys.executable).with_name("dcm2niix").exists():
        pytest.skip("dcm2niix is not installed: make setup")
    item = item_of(row)

    ours, volume = what_we_make(item, tmp_path / "ours")
    theirs = what_they_make(row["tool"], item, volume, tmp_path / "theirs")

    assert (ours, theirs) == (row["mosmed"], row["theirs"])


@pytest.mark.parametrize("source", ["shared", "pydicom"])
def test_the_table_leaves_no_series_out(source):
    root = PYDICOM_DATA if source == "pydicom" else SHARED_DATA
    listed = {row["series"] for row in ROWS if row["source"] == source}

    for name in items_of(root):
        if not any(part in name for part in LEFT_OUT):
            assert any(name.endswith(series) for series in listed), name


def test_who_is_right_is_said_with_a_reason_wherever_they_differ():
    for row in ROWS:
        agree = row["theirs"] == ("the same volume" if row["mosmed"] == "volume" else "refuses")
        assert bool(row["right"]) != agree, row
        assert bool(row["why"]) != agree, row
