import dataclasses
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.convert_settings import ThinSettings
from pipelines.core.errors import SettingsError
from pipelines.core.export_settings import ExportSettings
from pipelines.core.model import ThinBy
from pipelines.core.select_settings import SelectSettings
from pipelines.core.settings import Settings
from pipelines.core.settings_file import load_settings, render_settings

FILE = Path("/data/lungs/mosmed.toml")
texts = st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=12)
settings = st.builds(
    Settings,
    select=st.builds(
        SelectSettings,
        ris=st.none() | st.just(FILE.parent / "ris.xlsx") | st.just(Path("/elsewhere/№ 1.csv")),
        seed=texts,
        studies=st.integers(1, 10**6),
        window_start=st.dates(date(1990, 1, 1)),
        payers=st.lists(texts, max_size=3).map(tuple),
        quota=st.dictionaries(texts, st.integers(0, 999), max_size=3),
        columns=st.dictionaries(texts, texts, max_size=2),
    ),
    export=st.builds(
        ExportSettings,
        whole_study=st.booleans(),
        minimum_slice_thickness_mm=st.floats(0, 10),
    ),
    thin=st.builds(ThinSettings, every=st.integers(1, 50), by=st.sampled_from(ThinBy)),
)


@given(given_settings=settings)
def test_what_is_rendered_is_read_back_the_same(given_settings):
    text = render_settings(given_settings, folder=FILE.parent)

    assert load_settings(text, file=FILE) == given_settings


def test_every_knob_stands_in_the_file_with_its_meaning():
    text = render_settings(Settings(), folder=FILE.parent)

    for table in dataclasses.fields(Settings):
        assert f"[{table.name}]" in text
        for field in dataclasses.fields(getattr(Settings(), table.name)):
            assert f"# {field.metadata['meaning']}\n# {field.name} = " in text


def test_flag_wins_over_environment_over_file_over_default():
    text, environment = "[thin]\nevery = 3\noffset = 1\n", {"MOSMED_THIN_EVERY": "4"}

    in_file = load_settings(text, file=FILE).thin
    in_environment = load_settings(text, file=FILE, environment=environment).thin
    in_flag = load_settings(
        text, file=FILE, environment=environment, flags={"thin.every": 5, "thin.offset": None}
    ).thin

    assert [s.every for s in (ThinSettings(), in_file, in_environment, in_flag)] == [10, 3, 4, 5]
    assert in_flag.offset == 1


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("[thn]", "unknown table `thn`", "Did you mean `thin`?"),
        ("[thin]\nevry = 3", "unknown [thin] key `evry`", "Did you mean `every`?"),
        ("[thin]\nevery = 'x'", "[thin] every = 'x' cannot be used", "a whole number, 1 or more"),
        ("[thin]\nevery = 0", "every = 0 cannot be used", "1 or more"),
        ("[thin]\ngzip_level = 13", "gzip_level = 13 cannot", "a whole number from 1 to 12"),
        ("[convert]\npadding_hu = 40000", "padding_hu = 40000 cannot", "from -32768 to 32767"),
        ("[thin]\nevery = true", "every = True cannot be used", "a whole number"),
        ("[thin]\nby = 'rank'", "by = 'rank'", "'instance' or 'position'"),
        ("[select]\npayers = 'OMS'", "payers = 'OMS'", "a list of text"),
        ("[select]\nquota = 3", "quota = 3", "a table"),
        ("[select]\nwindow_start = '1.3.20'", "window_start", "a date, like 2020-03-01"),
        ("[select]\nseed = ?\n", "line 2", "Mend the line"),
    ],
)
def test_a_wrong_setting_is_met_with_file_cause_and_next_step(text, message, hint):
    with pytest.raises(SettingsError) as caught:
        load_settings(text, file=FILE)

    assert str(FILE) in caught.value.message
    assert message in caught.value.message
    assert hint in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "hint"),
    [
        ("MOSMED_THIN_EVERY", "0", "a whole number, 1 or more"),
        ("MOSMED_THIN_EVERY", "ten", "a whole number"),
        ("MOSMED_THIN_BY", "rank", "'instance' or 'position'"),
        ("MOSMED_SELECT_QUOTA", '{ "CT-0" = 3.5 }', "a table"),
        ("MOSMED_SELECT_WINDOW_START", "1.3.2020", "a date, like 2020-03-01"),
    ],
)
def test_a_wrong_value_out_of_the_environment_is_not_blamed_on_the_file(name, text, hint):
    with pytest.raises(SettingsError) as caught:
        load_settings("[thin]\nevery = 3", file=FILE, environment={name: text})

    assert caught.value.message.startswith(f"environment variable {name} = ")
    assert str(FILE) not in caught.value.message
    assert hint in caught.value.hint


def test_a_wrong_value_of_a_flag_is_not_blamed_on_file_or_environment():
    with pytest.raises(SettingsError) as caught:
        load_settings(
            "[thin]\nevery = 3",
            file=FILE,
            environment={"MOSMED_THIN_EVERY": "4"},
            flags={"thin.every": 0},
        )

    assert caught.value.message == "command line: thin.every = 0 cannot be used"


def test_a_misspelt_environment_variable_is_no_more_passed_over_than_a_misspelt_key():
    given = {"MOSMED_THIN_EVERI": "5", "MOSMED_JOBS": "2", "MOSMED_PACS_TOKEN": "t"}

    with pytest.raises(SettingsError, match="MOSMED_THIN_EVERI") as caught:
        load_settings("", file=FILE, environment=given)

    assert caught.value.hint == "Did you mean `MOSMED_THIN_EVERY`?"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[thin]\nevery = 5\noffset = 7", "every = 5 with offset = 7 keeps nothing"),
        ("[thin]\nrefuse_masks = ['MASK_UGLY']", "no fault 'MASK_UGLY'"),
        ("[export]\nreceivers = ['x']", "receivers: 'x' is not AE@host:port"),
    ],
)
def test_what_cannot_work_is_refused_when_it_is_read_not_when_it_is_needed(text, message):
    with pytest.raises(SettingsError) as caught:
        load_settings(text, file=FILE)

    assert message in caught.value.message


def test_lists_in_the_environment_need_no_brackets():
    read = load_settings("", file=FILE, environment={"MOSMED_EXPORT_KERNELS": "FC07, FC18"})

    assert read.export.kernels == ("FC07", "FC18")


def test_relative_paths_start_at_the_folder_of_the_file():
    read = load_settings('[select]\nris = "in/ris.csv"', file=FILE)

    assert read.select.ris == FILE.parent / "in/ris.csv"


def test_an_archive_is_a_folder_or_an_address():
    def pacs(text):
        return load_settings(f'[export]\npacs = "{text}"', file=FILE).export.pacs

    assert pacs("drop/ct") == FILE.parent / "drop" / "ct"
    assert pacs("dicom://PACS@10.0.0.5:104") == "dicom://PACS@10.0.0.5:104"
    assert pacs("") is None
