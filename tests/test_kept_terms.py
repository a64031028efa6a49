"""Free text that stays is the term of a maker, or it goes: no name, number or day of anybody."""

import re
from io import BytesIO

import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core.values import TERM
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.test_io_rewriter import VOXELS, engine_of, same

TERMS = (
    "SIEMENS",
    "GE MEDICAL SYSTEMS",
    "FC07",
    "I40f\\3",
    "syngo CT 2011A",
    "VA48A_02_P30",
    "07MW18.4",
    "2.3.0",
    "sles_hde.111",
    "SOMATOM Definition AS+",
    "iDose (5)",
    "мягкое",
)
NO_TERMS = (
    "Ivanov^Ivan",
    "tel 89161234567",
    "PID-7654321",
    "since 03.11.2019",
    "2019-11-03",
    "dr@clinic.example",
    "7/1/1958",
    "QQ77\\Ivanov^I",
    "王小明",
    "ნინო",
    "علي",
    "김민수",
    "FC07 王",
)


def rewritten(tmp_path, keyword, text, *recipes, syntax=Syntax.EXPLICIT_LITTLE):
    """The data set that both engines give, and the counts of what was done."""
    spec = SeriesSpec(
        syntax=syntax,
        specific_character_set=("ISO_IR 192",),
        elements={keyword: text.split("\\")},
    )
    path, *_ = write_series(tmp_path / "series", spec, VOXELS)
    head, counts, *_ = same(path, engine_of(*recipes)).value
    return pydicom.dcmread(BytesIO(head)), counts


@pytest.mark.parametrize("text", TERMS)
@pytest.mark.parametrize("keyword", ["ManufacturerModelName", "SoftwareVersions"])
def test_the_term_of_a_maker_stays(keyword, text, tmp_path):
    image, _ = rewritten(tmp_path, keyword, text)

    assert image.get(keyword) == (text.split("\\") if "\\" in text else text)


@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE])
@pytest.mark.parametrize("text", NO_TERMS)
def test_what_is_no_term_is_blanked_and_counted(text, syntax, tmp_path):
    image, counts = rewritten(tmp_path, "Manufacturer", text, syntax=syntax)
    _, without = rewritten(tmp_path / "term", "Manufacturer", "SIEMENS", syntax=syntax)

    assert image.Manufacturer == ""
    assert (counts["blank"], counts["keep"]) == (without["blank"] + 1, without["keep"] - 1)


def test_a_recipe_that_names_the_attribute_keeps_what_stands_there(tmp_path):
    own = tmp_path / "own.deid"
    own.write_text("FORMAT dicom\n%header\nKEEP Manufacturer\n")

    image, _ = rewritten(tmp_path, "Manufacturer", "works since 03.11.2019", own)

    assert image.Manufacturer == "works since 03.11.2019"


@given(
    before=st.text(max_size=8),
    number=st.from_regex(r"[0-9]{7,12}", fullmatch=True),
    after=st.text(),
)
def test_no_number_as_long_as_a_patient_s_is_part_of_a_term(before, number, after):
    assert not TERM.fullmatch(before + number + after)


@given(st.dates(), st.sampled_from(["%d.%m.%Y", "%Y-%m-%d", "%m/%d/%Y", "%Y%m%d"]))
def test_no_day_is_part_of_a_term(day, form):
    text = day.strftime(form)

    assert not re.fullmatch(TERM, f"since {text}") or day.year < 1900 or day.year > 2099


@pytest.mark.parametrize("syntax", [Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE])
@pytest.mark.parametrize(
    ("keyword", "text", "is_kept"),
    [
        ("PatientSize", "1.73", True),
        ("PatientSize", "0.000000", True),
        ("PatientSize", "173", False),
        ("PatientSize", "123456789", False),
        ("PatientSize", "-1.7", False),
        ("PatientSize", "1.7\\5550123", False),
        ("PatientWeight", "81.632700", True),
        ("PatientWeight", "1E2", True),
        ("PatientWeight", "89161234567", False),
        ("PatientWeight", "1E9", False),
    ],
)
def test_the_size_and_weight_of_nobody_go(keyword, text, is_kept, syntax, tmp_path):
    image, counts = rewritten(tmp_path, keyword, text, syntax=syntax)

    assert (keyword in image) == is_kept
    assert counts["implausible"] == (not is_kept)
