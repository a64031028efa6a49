"""What lies beside the registry: the table of studies, its dictionary, the checksums."""

import hashlib
import io
import os
import re
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace

import nibabel as nib
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.build_registry import number
from pipelines.core.anonymity import HIDDEN
from pipelines.core.errors import SettingsError
from pipelines.core.model import Category, Sex
from pipelines.core.registry_settings import STUDY_COLUMNS, RegistrySettings
from pipelines.core.volumes import Acquisition
from pipelines.publication.columns import COLUMNS
from pipelines.publication.study_table import (
    columns_of,
    dictionary_bytes,
    list_studies,
    table_bytes,
)
from tests.test_publication import study
from tests.workspaces import contents, make_workspace, mosmed

AS_TEXT = {"keep_default_na": False, "dtype": str}


@pytest.fixture(scope="session")
def dataset(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("table") / "demo")
    done = mosmed("run", "-w", root, "--jobs", 2)
    assert done.exit_code == 3, done.output
    return root / "dataset"


@pytest.fixture(scope="session")
def table(dataset):
    return pd.read_csv(dataset / "studies.csv")


COHORTS = st.lists(
    st.builds(
        study,
        category=st.sampled_from(Category),
        patient_age_years=st.one_of(st.none(), st.integers(18, 90)),
        patient_sex=st.sampled_from(Sex),
        patient_pseudonym=st.integers(0, 30).map(lambda n: f"P-{n:012X}"),
        acquisition=st.builds(Acquisition, manufacturer=st.sampled_from([None, "TOSHIBA", "GE"])),
    ),
    max_size=40,
)


def published(cohort, settings):
    """`studies.csv` of a cohort as a data frame of text."""
    named = [replace(one, public_id=f"s{n:012x}") for n, one in enumerate(cohort)]
    by_id = {one.public_id: one for one in named}
    pairs = [(row, by_id[row.public_id]) for row in number(named)]
    listed = list_studies(pairs, settings, defaultdict(lambda: "0" * 64))
    return pd.read_csv(io.BytesIO(table_bytes(listed, settings)), **AS_TEXT)


@given(cohort=COHORTS, k=st.integers(2, 8), width=st.sampled_from([5, 10, 20]))
def test_no_published_combination_of_sex_age_and_scanner_has_fewer_than_k_patients(
    cohort, k, width
):
    table = published(cohort, RegistrySettings(k_anonymity=k, age_band_years=width))

    people = table.groupby(["sex", "age_band", "scanner"]).patient.nunique()
    if table.patient.nunique() >= k:
        assert (people >= k).all()
    else:
        assert set(people.index) <= {(HIDDEN, HIDDEN, HIDDEN)}


@given(cohort=COHORTS)
def test_no_patient_is_in_two_splits(cohort):
    table = published(cohort, RegistrySettings())

    assert len(table[["patient", "split"]].drop_duplicates()) == table.patient.nunique()


def test_the_table_and_the_registry_list_the_same_studies(dataset, table):
    registry = pd.read_excel(dataset / "dataset_registry.xlsx")

    assert list(table.columns) == list(STUDY_COLUMNS)
    assert list(table.study_id) == list(registry.study_id)
    assert list(table.category) == list(registry.category)
    assert list("/" + table.study_file) == list(registry.study_file)
    assert list("/" + table.mask_file.dropna()) == list(registry.mask_file.dropna())


def test_the_table_says_what_is_in_the_files(dataset, table):
    for row in table.itertuples():
        image = nib.load(dataset / row.study_file)
        assert image.shape == (row.columns, row.rows, row.slices)
        spacing = (row.pixel_spacing_i_mm, row.pixel_spacing_j_mm, row.slice_step_mm)
        np.testing.assert_allclose(image.header.get_zooms(), spacing, atol=1e-3)
        content = (dataset / row.study_file).read_bytes()
        assert hashlib.sha256(content).hexdigest() == row.sha256
        numbers = [int(number) for number in row.instance_numbers.split()]
        assert sorted(numbers) == list(range(10, row.slices_before + 1, 10))


def test_the_volume_of_a_mask_is_that_of_its_marked_voxels(dataset, table):
    for row in table.dropna(subset="mask_file").itertuples():
        mask = nib.load(dataset / row.mask_file)
        marked_ml = np.count_nonzero(mask.dataobj) * abs(np.linalg.det(mask.affine)) / 1000
        assert row.mask_volume_ml == pytest.approx(marked_ml, rel=1e-4, abs=1e-3)


def test_scanner_step_and_kernel_come_from_the_series(table):
    assert set(table.kernel) <= {"FC07", "FC18"}
    assert set(table.source_step_mm) == {0.8}
    assert set(table.kvp) == {120.0}
    assert set(table.scanner) <= {"TOSHIBA Aquilion", HIDDEN}


def test_sha256sum_accepts_the_checksums_of_every_other_file(dataset):
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"],
        cwd=dataset, capture_output=True, text=True, check=False,
    )  # fmt: skip

    assert done.returncode == 0, done.stdout + done.stderr
    checked = [line.removesuffix(": OK") for line in done.stdout.splitlines()]
    assert sorted(checked) == checked
    assert set(checked) == set(contents(dataset)) - {"SHA256SUMS"}


def test_the_datasheet_answers_from_the_ledgers(dataset):
    text = (dataset / "DATASHEET.md").read_text("utf-8")

    told = re.search(r"Of (\d+) rows .* (\d+) met .* (\d+) of these were opened.* (\d+) came", text)
    rows, eligible, opened, came_through = map(int, told.groups())
    assert rows >= eligible >= opened >= came_through == 12
    assert "Basic Application Confidentiality Profile (113100)" in text
    assert "Made with " in text


def test_another_day_and_another_number_of_jobs_give_the_same_bytes(dataset, tmp_path):
    root = make_workspace(tmp_path / "again")
    code = (
        "import sys, time, datetime\n"
        "now, local, utc = time.time() - 40 * 86400, time.localtime, time.gmtime\n"
        "time.time = lambda: now\n"
        "time.localtime = lambda seconds=None: local(now if seconds is None else seconds)\n"
        "time.gmtime = lambda seconds=None: utc(now if seconds is None else seconds)\n"
        "from mosmedcli.main import main\n"
        "main(sys.argv[1:])\n"
    )
    command = [sys.executable, "-c", code, "run", "-w", root, "--jobs", "1"]
    environment = {**os.environ, "TZ": "Asia/Tokyo", "LC_ALL": "C", "PYTHONHASHSEED": "7"}

    done = subprocess.run(command, env=environment, capture_output=True, check=False)

    assert done.returncode == 3, done.stderr
    assert contents(root / "dataset") == contents(dataset)


def test_the_dictionary_explains_every_column(dataset):
    dictionary = pd.read_csv(dataset / "data_dictionary.csv", keep_default_na=False)

    assert list(dictionary.column) == list(STUDY_COLUMNS) == list(COLUMNS)
    assert dictionary.meaning.str.len().min() > 8
    assert dictionary.meaning_ru.str.len().min() > 8


def test_a_column_that_is_taken_out_of_the_settings_is_not_published():
    settings = RegistrySettings(columns=("study_id", "sha256"))

    assert list(published([study()], settings).columns) == ["study_id", "sha256"]
    assert len(dictionary_bytes(settings).splitlines()) == 3


@pytest.mark.parametrize(("name", "hint"), [("agebands", "`age_band`"), ("zzz", "There are")])
def test_a_column_nobody_knows_is_refused_with_the_nearest_one(name, hint):
    with pytest.raises(SettingsError) as error:
        columns_of(RegistrySettings(columns=("study_id", name)))

    assert hint in error.value.hint


@pytest.mark.parametrize("columns", [(), ("sex", "sex")])
def test_no_columns_and_a_column_named_twice_are_refused(columns):
    with pytest.raises(SettingsError):
        columns_of(RegistrySettings(columns=columns))


def test_no_pseudonym_is_published():
    text = published([study()], RegistrySettings()).to_csv()

    assert "s000000000000" not in text
    assert "P-000000000000" not in text
