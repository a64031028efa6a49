"""README says what the program says: its table is made by it, and no command is left out."""

import json
import re

import pytest

from mosmedcli.main import main
from pipelines.core.anonymize_settings import AnonymizeSettings
from pipelines.explanation import explain
from tests.workspaces import SAMPLE, make_workspace, mosmed

README = (SAMPLE.parent / "README.md").read_text("utf-8")


def test_the_table_in_readme_is_what_explain_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    said = mosmed("explain").stdout.strip()

    (table,) = re.findall(r"<!-- explain -->\n(.*?)\n<!-- /explain -->", README, re.DOTALL)
    assert table == said, "put the output of `mosmed explain` between the markers in README.md"


@pytest.mark.parametrize("command", list(main.commands))
def test_every_command_is_told_in_readme(command):
    assert re.search(rf"mosmed {command}\b", README)


def test_the_summary_counts_every_attribute_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rows = [line.split(" | ") for line in mosmed("explain").stdout.splitlines()[2:]]

    whole = json.loads(mosmed("explain", "--json").stdout)

    assert sum(int(row[2]) for row in rows) == len(whole)
    assert len(whole) == len(explain(AnonymizeSettings()))
    assert len(mosmed("explain", "--all").stdout.splitlines()) == len(whole) + 2


def test_explain_follows_the_settings_of_the_workspace(tmp_path):
    root = make_workspace(tmp_path / "w")
    (root / "own.deid").write_text("FORMAT dicom\n\n%header\nKEEP StationName\n")
    settings = root / "mosmed.toml"
    text = re.sub("(?m)^.*recipes = .*$", 'recipes = ["own.deid"]', settings.read_text())
    settings.write_text(text)

    whole = json.loads(mosmed("explain", "-w", root, "--json").stdout)

    (station,) = [row for row in whole if row["keyword"] == "StationName"]
    assert station["action"] == "keep"
    assert "your recipe" in mosmed("explain", "-w", root).output
    assert mosmed("explain", "-w", tmp_path / "none").exit_code == 1
