"""The rules as data, the recipe made from them, and what is looked for afterwards."""

import csv
from importlib.resources import files
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, tag_for_keyword

from pipelines.core.deid import (
    CT_TYPE_1,
    CT_TYPE_2,
    FIXED,
    Action,
    Options,
    Origin,
    profile,
    recipe_text,
    tag_text,
)
from pipelines.core.errors import SettingsError
from pipelines.core.traces import ENCODINGS, VOCABULARY, traces_of, traces_of_names
from pipelines.io import recipe
from pipelines.io.deidentify import capped_age

ALL_OPTIONS = [
    Options(retain_patient_characteristics=patient, retain_device_identity=device)
    for patient, device in product((False, True), repeat=2)
]
STRICT = ALL_OPTIONS[0]


def table(name="ps3.15-table-e1-1.csv"):
    with files("pipelines.core").joinpath(name).open(encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def tag_of(row):
    return int(row["tag"][1:5] + row["tag"][6:10], 16)


# --- the profile


def test_every_attribute_of_table_e1_1_is_removed_blanked_or_replaced():
    rules = profile(STRICT)

    rows = [row for row in table() if row["keyword"] and not row["basic_profile"].endswith("U*")]

    assert len(rows) > 600
    for row in rows:
        assert rules.by_tag[tag_of(row)].action is not Action.KEEP, row["keyword"]


def test_a_row_with_one_code_gets_just_that_action():
    wanted = {"X": {Action.REMOVE}, "Z": {Action.BLANK}, "U": {Action.UID}}
    wanted["D"] = {Action.REPLACE, Action.REMOVE, Action.UID}
    rules = profile(STRICT)

    for row in table():
        if (
            row["keyword"] not in {"", "PatientName", "PatientID"}
            and row["basic_profile"] in wanted
        ):
            assert rules.by_tag[tag_of(row)].action in wanted[row["basic_profile"]], row["keyword"]


def test_a_choice_is_resolved_by_the_type_in_the_ct_image_iods():
    rules = profile(STRICT)

    by_keyword = {rule.keyword: rule.action for rule in rules.by_tag.values()}

    assert {by_keyword[keyword] for keyword in CT_TYPE_1} == {Action.REPLACE}
    assert {by_keyword[keyword] for keyword in CT_TYPE_2} == {Action.BLANK}
    assert by_keyword["SeriesDate"] is by_keyword["OperatorsName"] is Action.REMOVE


@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_an_option_keeps_only_what_its_column_marks_k(options):
    columns = [
        column
        for column, is_taken in (
            ("retain_patient_characteristics", options.retain_patient_characteristics),
            ("retain_device_identity", options.retain_device_identity),
        )
        if is_taken
    ]
    rules = profile(options)

    for row in table():
        if row["keyword"] and rules.by_tag[tag_of(row)].origin is Origin.OPTION:
            assert "K" in [row[column] for column in columns], row["keyword"]


def test_ages_are_capped_wherever_they_are_kept():
    for options, row in product(ALL_OPTIONS, table()):
        if row["vr"] == "AS":
            assert profile(options).by_tag[tag_of(row)].action is not Action.KEEP


def test_the_ct_rules_name_attributes_as_ps3_6_does_and_do_not_contradict_the_table():
    listed = {row["tag"] for row in table()}

    for row in table("ct-rules.csv"):
        assert tag_for_keyword(row["keyword"]) == tag_of(row)
        assert row["why"]
        assert row["tag"] not in listed


def test_no_free_text_is_kept_without_a_rule_that_names_it():
    rules = profile(STRICT)

    for vr in ("PN", "LO", "SH", "LT", "ST", "UT", "UC", "UR", "AE", "DA", "DT", "TM", "OB", "UN"):
        assert rules.of(0x00099999, vr).action is Action.REMOVE
    assert rules.of(0x00099999, "UI").action is Action.UID
    assert rules.of(0x00099999, "US or OW").action is Action.REMOVE
    assert rules.of(0x00099999, "US or SS").action is Action.KEEP


@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_the_shipped_recipe_compiles_to_exactly_the_profile(options):
    assert recipe.load(options) == profile(options)


def test_a_dummy_is_a_valid_value_of_its_type():
    for tag, rule in profile(STRICT).by_tag.items():
        if rule.action is Action.REPLACE:
            line = recipe._Line(
                place="t:1", action="REPLACE", target=tag_text(tag), value=rule.value
            )
            recipe._check_value(line, dictionary_VR(tag))


# --- recipes of the user


def load(tmp_path, *bodies, options=STRICT):
    paths = []
    for number, body in enumerate(bodies):
        path = tmp_path / f"own{number}.deid"
        path.write_text(f"FORMAT dicom\n\n%header\n{body}\n", encoding="utf-8")
        paths.append(path)
    return recipe.load(options, tuple(paths))


BAD_LINES = {
    "remove PatientAddress": "did you mean REMOVE",
    "REMOV PatientAddress": "did you mean REMOVE",
    "REMOVE PatientAdress": "did you mean PatientAddress",
    "REPLACE PatientAddress": "needs a value",
    "REMOVE": "needs an attribute",
    "REPLACE StudyDescription var:title": "supplies no 'var:title'",
    "REPLACE StudyDescription deid_func:jitter": "supplies no 'deid_func:jitter'",
    "REPLACE FrameOfReferenceUID func:pseudonym_ui": "did you mean pseudonym_uid",
    "REPLACE StudyDate func:pseudonym_uid": "does not give a value of type DA",
    "REPLACE StudyDate yesterday": "no valid value of type DA",
    "REPLACE Rows 512": "cannot be the value",
    "REPLACE KVP high": "no valid value of type DS",
    "REPLACE StudyDescription ct#chest": "space before a comment",
    "REPLACE StudyDescription 'a  b'": "deid reads this line differently",
    "KEEP StudyDate always": "takes no value",
    "KEEP (0009,1001)": "such elements are removed",
    "BLANK (0010,0041)": "such elements are removed",
    "REMOVE contains:Name": "one attribute a line",
    "REMOVE ALL": "one attribute a line",
    "KEEP OtherPatientIDsSequence__PatientID": "one attribute a line",
    "REMOVE select:VR:XX": "no value representation XX",
    "JITTER StudyDate 3": "not honoured",
    "ADD PatientName Nobody": "not honoured",
    "%filter graylist": "does not honour",
    "%heade": "did you mean header",
    "FORMAT nifti": "FORMAT dicom",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_would_not_be_done_is_refused_with_its_place(line, tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, f"REMOVE StudyComments\n{line}")

    assert BAD_LINES[line] in caught.value.message
    assert caught.value.message.startswith("own0.deid:5:")


@pytest.mark.parametrize("keyword", sorted(FIXED))
@pytest.mark.parametrize("action", ["KEEP", "REMOVE", "BLANK"])
def test_no_recipe_changes_what_links_and_claims_hang_on(action, keyword, tmp_path):
    with pytest.raises(SettingsError, match="fixed rule"):
        load(tmp_path, f"{action} {keyword}")


@pytest.mark.parametrize("head", ["", "FORMAT dicom\n", "%header\n"])
def test_a_recipe_without_its_head_is_refused(head, tmp_path):
    path = tmp_path / "own.deid"
    path.write_text(head + "REMOVE StudyDate\n")

    with pytest.raises(SettingsError, match="begins with"):
        recipe.load(STRICT, (path,))


def test_what_is_no_text_or_not_there_is_a_settings_error(tmp_path):
    binary = tmp_path / "binary.deid"
    binary.write_bytes(b"\xff\xfe\x00")

    for path in (binary, tmp_path / "absent.deid", tmp_path):
        with pytest.raises(SettingsError):
            recipe.load(STRICT, (path,))


def test_a_later_recipe_overrides_an_earlier_one_and_a_tag_its_type(tmp_path):
    rules = load(
        tmp_path,
        "KEEP StudyDescription\nREPLACE (0008,103E) one",
        "REMOVE (0008,1030)\nREPLACE SeriesDescription chest  # two words\nREMOVE select:VR:CS",
    )

    assert rules.by_tag[0x00081030].action is Action.REMOVE
    assert rules.by_tag[0x0008103E].value == "chest"
    assert rules.of(0x00185100, "CS").action is Action.REMOVE
    assert rules.loosened == ()


def test_what_a_recipe_keeps_against_the_profile_is_remembered(tmp_path):
    rules = load(tmp_path, "KEEP StudyDate\nKEEP select:VR:LO\nKEEP ConvolutionKernel")

    assert rules.loosened == ("StudyDate", "select:VR:LO")


def test_deid_prints_nothing_while_it_reads(tmp_path, capfd):
    load(tmp_path, "REMOVE StudyDate")

    assert capfd.readouterr() == ("", "")


def test_the_recipe_gives_a_reason_for_every_line():
    lines = recipe_text(STRICT).splitlines()[4:]

    assert len(lines) % 2 == 0
    assert all(line.startswith("# ") and len(line) > 5 for line in lines[::2])


# --- ages


@given(number=st.integers(0, 999), unit=st.sampled_from("DWMY"))
def test_no_age_above_90_years_is_left(number, unit):
    capped = capped_age(f"{number:03d}{unit}")

    assert capped[3] == unit
    assert int(capped[:3]) == (min(number, 90) if unit == "Y" else number)


@pytest.mark.parametrize("text", ["", "45", "45Y", "0450Y", "IVAN", "-45Y"])
def test_what_is_no_age_is_not_kept(text):
    assert capped_age(text) == ""


# --- traces

CYRILLIC = st.text("абвгдежзийклмнопрстуфхцчшщъыьэюя", min_size=4, max_size=12)
LATIN = st.text("bcdfghjklmnpqrstvwxyz", min_size=4, max_size=12)


@given(
    name=CYRILLIC,
    encoding=st.sampled_from(ENCODINGS[:4]),
    case=st.sampled_from([str.upper, str.lower, str.title]),
)
def test_a_cyrillic_name_is_found_in_any_charset_and_case(name, encoding, case):
    content = b"LO\x20\x00" + case(name).encode(encoding) + b"\x00"

    assert traces_of_names([f"{name.title()}^И"]).found_in(content)


@given(name=LATIN.filter(lambda text: text.upper() not in VOCABULARY), given_name=LATIN)
def test_each_part_of_a_name_is_found(name, given_name):
    traces = traces_of([f"{name.upper()}^{given_name}^X"])

    assert traces.found_in(b"SH\x08\x00" + name.encode() + b"\x00 ")


@given(number=st.integers(10**5, 10**12), digit=st.integers(0, 9))
def test_a_number_is_found_only_as_a_whole_number(number, digit):
    traces = traces_of([str(number)])

    assert traces.found_in(f"X-{number}-1".encode())
    assert not traces.found_in(f"{number}{digit}".encode())
    assert not traces.found_in(f"0.{number}".encode())


@pytest.mark.parametrize("value", ["1961-05-03", "19610503", "03.05.1961"])
@pytest.mark.parametrize("written", ["1961-05-03", "19610503", "03.05.1961"])
def test_a_day_is_found_in_each_notation(value, written):
    assert traces_of([value]).found_in(f"\0{written}\0".encode())


@pytest.mark.parametrize("value", ["CHEST^PHANTOM", "12345", "A1", "Li", "GE MEDICAL SYSTEMS", ""])
def test_what_stands_in_every_header_is_not_looked_for(value):
    assert not traces_of([value]).texts
    assert not traces_of_names([value]).texts


def test_a_short_name_is_found_as_a_whole_word_and_a_long_one_anywhere():
    assert traces_of_names(["Ivan"]).found_in(b"\0DR IVAN\0")
    assert not traces_of_names(["Ivan"]).found_in(b"\0DIVANS\0")
    assert traces_of_names(["Ivanov"]).found_in(b"\0DRIVANOVA\0")


def test_in_big_endian_a_length_byte_is_no_letter():
    content = b"SH\x00\x34IVAN\x00"

    assert not traces_of_names(["Ivan"]).found_in(content)
    assert traces_of_names(["Ivan"]).found_in(content, is_left_bounded=False)


@pytest.mark.parametrize("zeros", ["000000", "00000000.000"])
def test_a_number_of_nothing_but_zeros_is_nobody_s(zeros):
    assert not traces_of({zeros}).found_in(f" {zeros} ".encode(), is_left_bounded=True)
    assert traces_of({"000001"}).found_in(b" 000001 ", is_left_bounded=True)
