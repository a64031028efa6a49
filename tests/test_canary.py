"""Canaries: the user's own rules are tried on the user's own files, and nothing stays behind."""

import json
import re

import pydicom
import pytest

from pipelines.canary import ALPHABETS, SCORED, value_of
from pipelines.core.retained import CLEANED
from tests.workspaces import contents, make_workspace, mosmed, mosmed_json


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("canary") / "w", studies=2)
    mosmed("select", "-w", root)
    mosmed("export", "-w", root, "--jobs", 1)
    return root


@pytest.fixture
def rules(workspace):
    """Sets a recipe of the user's; afterwards there is none."""
    file = workspace / "mosmed.toml"
    before = file.read_text()

    def use(text):
        (workspace / "own.deid").write_text(f"FORMAT dicom\n\n%header\n{text}\n")
        file.write_text(re.sub("(?m)^.*recipes = .*$", 'recipes = ["own.deid"]', before))

    yield use
    file.write_text(before)


def by_place(report):
    return {score["place"]: score for score in report["places"]}


def test_the_shipped_rules_leave_none_in_any_place(workspace):
    report = mosmed_json("canary", "-w", workspace, "--studies", 3)

    assert report["exit_status"] == 0
    assert report["score_percent"] == 100.0
    assert report["planted"] == 3 * len(SCORED) == report["removed"] + report["caught"]
    for place, score in by_place(report).items():
        assert score["left"] == 0, place
    caught = {place for place, score in by_place(report).items() if score["caught"]}
    assert caught == {"name in a kept attribute (ConvolutionKernel)", "pixels of a capture"}


def test_a_recipe_that_keeps_too_much_is_told_place_by_place(workspace, rules):
    rules("KEEP StudyDescription\nKEEP PatientAddress")

    result = mosmed("canary", "-w", workspace, "--studies", 3, "--json")
    report = json.loads(result.stdout)

    assert result.exit_code == report["exit_status"] == 4
    left = {place for place, score in by_place(report).items() if score["left"]}
    assert left == {"StudyDescription", "PatientAddress"}
    assert report["score_percent"] < 100


@pytest.fixture
def options(workspace):
    """Switches on what keeps safe private numbers, and the words of a list in descriptions."""
    file = workspace / "mosmed.toml"
    before = file.read_text()
    (workspace / "words.txt").write_text("CT\nchest\nlung\nthin\n")
    loosened = re.sub("(?m)^.*retain_safe_private = .*$", "retain_safe_private = true", before)
    loosened = re.sub("(?m)^.*descriptor_words = .*$", 'descriptor_words = "words.txt"', loosened)
    file.write_text(loosened)
    yield
    file.write_text(before)


def test_what_private_numbers_and_known_words_let_through_is_scored_place_by_place(
    workspace, options
):
    report = mosmed_json("canary", "-w", workspace, "--studies", 3)

    assert report["score_percent"] == 100.0
    scores = by_place(report)
    assert scores["patient's number in private numbers known as safe"]["caught"] == 3
    safe = {place for place in scores if "known as safe" in place}
    described = {place for place in scores if "among the words of" in place}
    assert len(safe) == 3
    assert len(described) == len(CLEANED) - 3  # three of them are planted without words
    for place in {*safe, *described} - {"patient's number in private numbers known as safe"}:
        assert scores[place]["removed"] == 3, place


def test_a_word_too_many_in_the_list_is_told(workspace, options):
    number = list(SCORED).index("among the words of DerivationDescription")
    canary = value_of(SCORED["among the words of DerivationDescription"], "ISO_IR 100", number)
    (workspace / "words.txt").write_text(f"chest\n{canary}\n")

    report = json.loads(mosmed("canary", "-w", workspace, "--studies", 1, "--json").stdout)

    left = {place for place, score in by_place(report).items() if score["left"]}
    assert left == {"among the words of DerivationDescription"}


def test_nothing_stays_on_the_disk_but_the_score(workspace):
    before = set(contents(workspace))

    mosmed("canary", "-w", workspace, "--studies", 3)

    assert set(contents(workspace)) - before <= {"private/canary.json"}
    assert (workspace / "private" / "canary.json").stat().st_mode & 0o077 == 0


def test_the_score_stands_in_the_certificate_while_the_rules_are_the_same(workspace, rules):
    mosmed("canary", "-w", workspace, "--studies", 3)
    mosmed("run", "-w", workspace, "--jobs", 1)
    page = (workspace / "private" / "certificate.md").read_text()
    assert "180 of 180 removed or caught" in page

    rules("KEEP StationName")
    mosmed("run", "-w", workspace, "--jobs", 1)

    page = (workspace / "private" / "certificate.md").read_text()
    assert "Canaries: not run under these rules." in page


@pytest.mark.parametrize("charset", ALPHABETS)
def test_no_two_canaries_of_a_file_are_alike_and_none_is_in_the_originals(charset, workspace):
    values = [value_of(kind, charset, n) for n, kind in enumerate(SCORED.values())]

    assert len(set(values)) == len(values)
    for path in list((workspace / "private" / "export").glob("*/series/*.dcm"))[:3]:
        header = str(pydicom.dcmread(path, stop_before_pixels=True))
        assert not any(value in header for value in values)


def test_anonymize_tries_its_rules_by_the_same_command(workspace, tmp_path):
    report = mosmed_json("anonymize", "-w", workspace, "--canary", 3)

    refused = mosmed("anonymize", tmp_path, tmp_path / "out", "--canary", 3)

    assert report == mosmed_json("canary", "-w", workspace, "--studies", 3)
    assert refused.exit_code == 2
    assert "-w" in refused.output


def test_canaries_before_an_export_say_what_to_do_first(tmp_path):
    root = make_workspace(tmp_path / "w")
    mosmed("select", "-w", root)

    result = mosmed("canary", "-w", root)

    assert result.exit_code == 1
    assert "mosmed export" in result.output
