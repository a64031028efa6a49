"""The rules as data, the recipe made from them, and what is looked for afterwards."""

import csv
from datetime import date, timedelta
from importlib.resources import files
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.datadict import dictionary_VR, private_dictionaries, tag_for_keyword

from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.core.deid import (
    FIXED,
    FUNCTION_VRS,
    OPTION_CODES,
    Action,
    Options,
    Origin,
    tag_text,
)
from pipelines.core.errors import SettingsError
from pipelines.core.identity import Pseudonyms
from pipelines.core.profile import CT_TYPE_1, CT_TYPE_2, profile, recipe_text
from pipelines.core.retained import (
    CLEANED,
    SHIFTED,
    cleaned_text,
    safe_private,
    shifted_date,
    words_of,
)
from pipelines.core.traces import ENCODINGS, VOCABULARY, traces_of, traces_of_names
from pipelines.io import recipe
from pipelines.io.engine import capped_age
from pipelines.io.profile_options import options_of
from pipelines.io.recipe_lines import Line

WORDS = frozenset({"chest", "lung", "b70f"})
ALL_OPTIONS = [
    Options(
        retain_patient_characteristics=patient,
        retain_device_identity=device,
        retain_modified_dates=is_more,
        retain_safe_private=is_more,
        descriptor_words=WORDS if is_more else frozenset(),
    )
    for patient, device, is_more in product((False, True), repeat=3)
]
STRICT, MORE = ALL_OPTIONS[:2]


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
def test_an_option_does_only_what_its_column_marks(options):
    columns = {
        "retain_patient_characteristics": ("K", {Action.KEEP, Action.AGE}),
        "retain_device_identity": ("K", {Action.KEEP}),
        "retain_longitudinal_modified_dates": ("C", {Action.SHIFT}),
        "clean_descriptors": ("C", {Action.CLEAN}),
    }
    taken = {
        "retain_patient_characteristics": options.retain_patient_characteristics,
        "retain_device_identity": options.retain_device_identity,
        "retain_longitudinal_modified_dates": options.retain_modified_dates,
        "clean_descriptors": bool(options.descriptor_words),
    }
    rules = profile(options)

    for row in table():
        if row["keyword"] and (rule := rules.by_tag[tag_of(row)]).origin is Origin.OPTION:
            assert any(
                taken[column] and row[column] == mark and rule.action in actions
                for column, (mark, actions) in columns.items()
            ), row["keyword"]


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


def test_the_lists_of_what_is_shifted_and_cleaned_are_of_the_table_and_of_the_right_types():
    rows = {row["keyword"]: row for row in table()}

    for keyword in SHIFTED:
        assert rows[keyword]["retain_longitudinal_modified_dates"] == "C"
        assert rows[keyword]["vr"] in FUNCTION_VRS[Action.SHIFT]
    for keyword in CLEANED:
        assert rows[keyword]["clean_descriptors"] == "C"
        assert rows[keyword]["vr"] in FUNCTION_VRS[Action.CLEAN]


@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_no_option_keeps_a_birth_date_a_time_of_day_or_a_day_that_patients_share(options):
    rules = profile(options)
    by_keyword = {rule.keyword: rule.action for rule in rules.by_tag.values()}
    retained = {Action.KEEP, Action.SHIFT, Action.CLEAN}

    for row in table():
        if row["vr"] == "TM" or row["keyword"] in {
            "PatientBirthDate",
            "DateOfInstallation",
            "DateOfManufacture",
            "InstanceCreationDate",
            "LastMenstrualDate",
        }:
            is_device = row["retain_device_identity"] == "K" and options.retain_device_identity
            assert is_device or by_keyword[row["keyword"]] not in retained, row["keyword"]


def test_safe_private_elements_are_numbers_that_pydicom_knows_by_the_same_type():
    for element in safe_private().values():
        tag = f"{element.group:04X}xx{element.element:02X}"
        entry = private_dictionaries[element.creator].get(tag.lower()) or private_dictionaries[
            element.creator
        ].get(tag)
        assert element.vr in {"DS", "FL", "SS"}
        assert entry is not None
        assert entry[0] == element.vr
        assert element.group % 2 == 1
    assert profile(STRICT).by_private == {}
    assert profile(MORE).by_private == safe_private()


def test_each_option_taken_is_claimed_with_its_code():
    everything = ALL_OPTIONS[-1]

    assert STRICT.codes == ()
    assert STRICT.temporal_information == "REMOVED"
    assert dict(everything.codes) == dict(OPTION_CODES)
    assert everything.temporal_information == "MODIFIED"


@pytest.mark.parametrize("options", ALL_OPTIONS)
def test_the_shipped_recipe_compiles_to_exactly_the_profile(options):
    assert recipe.load(options) == profile(options)


def test_a_dummy_is_a_valid_value_of_its_type():
    for tag, rule in profile(STRICT).by_tag.items():
        if rule.action is Action.REPLACE:
            line = Line(place="t:1", action="REPLACE", target=tag_text(tag), value=rule.value)
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
    "%values patient": "does not honour",
    "%heade": "did you mean header",
    "FORMAT nifti": "FORMAT dicom",
    "REPLACE StudyDate func:shift_date": "needs retain_modified_dates",
    "REPLACE StudyDescription func:clean_text": "needs descriptor_words",
    "REPLACE select:VR:DA func:shift_date": "never for a whole type",
    'KEEP (0019,"GEMS_ACQU_01",23)': "needs retain_safe_private",
    'KEEP (0019,"GEMS_ACQU_01",99)': "not one of the safe private elements",
    'BLANK (0019,"GEMS_ACQU_01",23)': "not one of the safe private elements",
}
BAD_LINES_WITH_OPTIONS = {
    "REPLACE PatientBirthDate func:shift_date": "is not the day of a scan",
    "REPLACE DateOfInstallation func:shift_date": "is not the day of a scan",
    "REPLACE InstitutionName func:clean_text": "identifies",
    "REPLACE PatientName func:clean_text": "does not give a value of type PN",
    "REPLACE select:VR:LO func:clean_text": "never for a whole type",
    'KEEP (0019,"GEMS_ACQU_02",23)': "not one of the safe private elements",
}


@pytest.mark.parametrize("line", BAD_LINES)
def test_a_line_that_would_not_be_done_is_refused_with_its_place(line, tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, f"REMOVE StudyComments\n{line}")

    assert BAD_LINES[line] in caught.value.message
    assert caught.value.message.startswith("own0.deid:5:")


@pytest.mark.parametrize("line", BAD_LINES_WITH_OPTIONS)
def test_an_option_s_function_is_only_for_what_the_option_is_about(line, tmp_path):
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, line, options=MORE)

    assert BAD_LINES_WITH_OPTIONS[line] in caught.value.message


def test_a_recipe_takes_back_what_an_option_keeps(tmp_path):
    rules = load(
        tmp_path,
        'REMOVE (0019,"GEMS_ACQU_01",23)\nREMOVE StudyDate\n'
        "REPLACE SeriesDescription func:clean_text\nREPLACE ImageComments func:clean_text",
        options=MORE,
    )

    assert set(safe_private()) - set(rules.by_private) == {(0x0019, "GEMS_ACQU_01", 0x23)}
    assert rules.by_tag[0x00080020].action is Action.REMOVE
    assert rules.by_tag[0x00204000].action is Action.CLEAN
    assert rules.loosened == ()


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


# --- dates, words, settings of the options

DAYS = st.dates(min_value=date(1900, 1, 1), max_value=date(2100, 12, 31))
KEYS = st.binary(min_size=32, max_size=32)


@given(key=KEYS, patient=st.text(max_size=20), maximum=st.integers(365, 40_000))
def test_a_shift_goes_back_at_least_a_day_and_at_most_the_maximum(key, patient, maximum):
    assert -maximum <= Pseudonyms(key).shift_days(patient, maximum) <= -1


@given(key=KEYS, first=DAYS, second=DAYS)
def test_the_interval_between_two_scans_stays_what_it_was(key, first, second):
    days = Pseudonyms(key).shift_days("patient", 3650)

    one, other = (shifted_date(f"{day:%Y%m%d}", days) for day in (first, second))

    assert other != f"{second:%Y%m%d}"
    assert date.fromisoformat(one) - date.fromisoformat(other) == first - second


def test_shifts_spread_over_the_whole_range_and_follow_neither_pseudonym_nor_another_key():
    one, other = Pseudonyms(b"1" * 32), Pseudonyms(b"2" * 32)
    patients = [f"patient {number}" for number in range(2000)]
    shifts = [one.shift_days(patient, 3650) for patient in patients]
    pseudonyms = np.argsort(np.argsort([one.patient(patient) for patient in patients]))

    assert abs(np.corrcoef(shifts, pseudonyms)[0, 1]) < 0.1
    assert abs(np.corrcoef(shifts, [other.shift_days(p, 3650) for p in patients])[0, 1]) < 0.1
    assert np.histogram(shifts, bins=10, range=(-3650, 0))[0].min() > 120


@given(day=DAYS, time=st.sampled_from(["", "12", "1259", "125959.123456", "235959+0300"]))
def test_of_a_date_with_time_only_the_shifted_day_is_left(day, time):
    assert shifted_date(f"{day:%Y%m%d}{time}", -7) == f"{day - timedelta(days=7):%Y%m%d}"


@pytest.mark.parametrize(
    "text",
    ["", "2020", "202013", "20201301", "2020.01.02", "20200101-20200202", "00010101", "Ivan"],
)
def test_what_is_not_one_whole_day_is_not_kept(text):
    assert shifted_date(text, -30) == ""


@given(day=DAYS)
def test_without_a_shift_no_date_is_kept(day):
    assert shifted_date(f"{day:%Y%m%d}", 0) == ""


@given(text=st.text(max_size=60))
def test_only_words_of_the_allowlist_are_left_of_a_text(text):
    assert set(cleaned_text(text, WORDS).lower().split()) <= WORDS
    assert cleaned_text(text, ()) == ""
    everything = {word.lower() for word in words_of(text)}
    assert cleaned_text(text, everything) == " ".join(words_of(text))


def test_a_name_between_known_words_is_dropped():
    assert cleaned_text("Chest^Lung (IVANOV 55F)  B70f", WORDS) == "Chest Lung B70f"


def test_the_options_are_what_the_settings_say(tmp_path):
    words = tmp_path / "words.txt"
    words.write_text("# ours\nChest\nЛЁГКИЕ  # lungs\n\nB70f\n", encoding="utf-8")
    settings = AnonymizeSettings(
        retain_device_identity=True,
        retain_modified_dates=True,
        retain_safe_private=True,
        descriptor_words=words,
    )

    assert options_of(settings) == Options(
        retain_patient_characteristics=True,
        retain_device_identity=True,
        retain_modified_dates=True,
        retain_safe_private=True,
        descriptor_words=frozenset({"chest", "лёгкие", "b70f"}),
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "two words\n", "19610503\n", "a,b\n"])
def test_an_allowlist_that_says_nothing_or_too_much_is_refused(text, tmp_path):
    words = tmp_path / "words.txt"
    words.write_text(text)

    with pytest.raises(SettingsError):
        options_of(AnonymizeSettings(descriptor_words=words))


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


@pytest.mark.parametrize(
    "content",
    [
        b" 77120345 ",
        b"called 77120345. He",
        b"\x08\x0077120345\x32\x00\x33\x10",  # the next tag is (0032,1033)
        b"\x08\x0077120345\x38\x00\x10\x00",  # the next tag is (0038,0010)
    ],
)
def test_a_number_ends_at_a_full_stop_and_at_the_next_tag(content):
    assert traces_of({"77120345"}).found_in(content, is_left_bounded=True)


@pytest.mark.parametrize("content", [b"177120345", b"771203456", b"0.77120345"])
def test_a_number_within_another_number_is_another_number(content):
    assert not traces_of({"77120345"}).found_in(b" " + content + b" ", is_left_bounded=True)


def test_only_a_number_that_is_too_long_to_be_measured_is_found_with_decimals():
    assert traces_of({"7712034"}).found_in(b" 7712034.5 ", is_left_bounded=True)
    assert not traces_of({"771203"}).found_in(b" 771203.5 ", is_left_bounded=True)
