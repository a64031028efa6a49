"""The audit trail of a draw: who, when, what, by which rules; and that the list is that draw's."""

import json
import sqlite3

import pytest

from pipelines import selection
from pipelines.io.json_lines import read_lines
from pipelines.io.tables import read_table
from tests.workspaces import SAMPLE, contents, make_workspace, mosmed, mosmed_json


@pytest.fixture
def root(tmp_path):
    made = make_workspace(tmp_path / "w", studies=8, seed="семя")
    assert mosmed("select", "-w", made).exit_code == 0
    return made


def trail(root):
    return read_lines(root / "private" / "audit.jsonl")


def refused(root):
    result = mosmed("select", "-w", root, "--verify")
    assert result.exit_code == 1
    assert "next: " in result.output
    return result.output


def test_the_trail_tells_who_drew_what_from_where_by_which_rules(root):
    begun, drawn = trail(root)

    assert begun["what"], drawn["what"] == ("select begins", "select")
    assert drawn["source"] == "ris_export.xlsx"
    assert (drawn["seed"], "seed" in begun) == ("семя", False)
    excluded = json.loads(drawn["excluded"])
    assert int(drawn["rows"]) == sum(excluded.values()) + int(drawn["drawn"])
    assert set(json.loads(drawn["rules"])) <= set(excluded)
    assert drawn["who"]
    assert drawn["when"]
    assert drawn["frame_sha256"]


def test_the_trail_holds_nobodys_identity(root):
    text = (root / "private" / "audit.jsonl").read_text()

    for _, row in read_table(SAMPLE / "ris_export.xlsx").rows:
        for title in ("Номер исследования", "UID исследования", "ID пациента", "ФИО пациента"):
            assert not row[title] or str(row[title]) not in text


def test_the_same_list_is_drawn_again_from_what_was_kept(root):
    found = mosmed_json("select", "-w", root, "--verify")

    assert found["drawn"] == 8
    assert found["audit_lines"] == 2
    assert found["frame"] == found["drawn"] + found["reserves"]


def test_what_was_verified_is_shown_to_people_too(root):
    shown = mosmed("select", "-w", root, "--verify")

    assert shown.exit_code == 0
    assert "семя" in shown.output


def test_it_is_drawn_again_with_the_settings_of_the_draw(root):
    text = (root / "mosmed.toml").read_text()
    (root / "mosmed.toml").write_text(text.replace("studies = 8", "studies = 3"))

    assert mosmed_json("select", "-w", root, "--verify")["drawn"] == 8


def test_it_holds_when_a_study_was_withdrawn(root):
    drawn = json.loads((root / "private/select/selection/candidates.json").read_text())
    name = drawn[0]["public_id"]
    assert mosmed("forget", name, "--yes", "-w", root).exit_code == 0

    found = mosmed_json("select", "-w", root, "--verify")

    assert found["drawn"] == 8
    kept = b"".join(
        path.read_bytes() for path in (root / "private").rglob("*") if path.suffix == ".csv"
    )
    assert drawn[0]["accession_number"].encode() not in kept


# --- what was changed shows


@pytest.mark.parametrize("change", ["edit", "drop", "insert", "swap"])
def test_a_line_that_was_touched_breaks_the_chain(root, change):
    path = root / "private" / "audit.jsonl"
    mosmed("select", "-w", root, "--again")
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(
        b"".join(
            {
                "edit": [lines[0].replace(b'"who":"', b'"who":"not '), *lines[1:]],
                "drop": lines[1:],
                "insert": [lines[0], *lines],
                "swap": [lines[1], lines[0], *lines[2:]],
            }[change]
        )
    )

    assert "does not follow" in refused(root)


def test_another_frame_is_not_the_one_that_was_drawn_from(root):
    path = root / "private" / "select" / "selection" / "frame.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(lines[:-1]))

    assert "frame.csv was changed" in refused(root)


def test_another_list_is_not_the_one_that_was_drawn(root):
    path = root / "private" / "select" / "selection" / "candidates.json"
    drawn = json.loads(path.read_text())
    path.write_text(json.dumps(drawn[1:]))

    assert "the draw differs" in refused(root)


def test_a_workspace_without_a_draw_says_so(tmp_path):
    root = make_workspace(tmp_path / "w")

    result = mosmed("select", "-w", root, "--verify")

    assert (result.exit_code, "mosmed select" in result.output) == (1, True)


# --- a RIS that lives


def test_a_database_is_asked_again_only_on_request(tmp_path):
    table = read_table(SAMPLE / "ris_export.xlsx")
    names = ", ".join(f'"{title}"' for title in table.columns)
    rows = [[None if cell is None else str(cell) for cell in row.values()] for _, row in table.rows]
    marks = ", ".join("?" * len(table.columns))
    database = sqlite3.connect(tmp_path / "ris.db")
    with database:
        database.execute(f"CREATE TABLE ct ({names})")
        database.executemany(f"INSERT INTO ct VALUES ({marks})", rows[:-4])
    root = tmp_path / "w"
    mosmed("init", root, "--ris", f"sqlite:///{tmp_path}/ris.db", "--query", "SELECT * FROM ct")
    first = mosmed_json("select", "-w", root)
    with database:
        database.executemany(f"INSERT INTO ct VALUES ({marks})", rows[-4:])
    database.close()

    second = mosmed_json("select", "-w", root)
    third = mosmed_json("select", "-w", root, "--again")

    assert (first["is_new"], second["is_new"], third["is_new"]) == (True, False, True)
    assert second["flow"] == first["flow"]
    assert third["flow"][0]["remaining"] == first["flow"][0]["remaining"] + 4
    assert [line["what"] for line in trail(root)] == ["select begins", "select"] * 2


def test_a_ris_export_that_is_replaced_while_it_is_read_is_no_frame(root, tmp_path, monkeypatch):
    ris = tmp_path / "ris_export.xlsx"
    ris.write_bytes((SAMPLE / "ris_export.xlsx").read_bytes())
    draw, before = selection.draw, contents(root / "private/select")

    def replaced(*args):
        ris.write_bytes(ris.read_bytes() + b"\0")
        return draw(*args)

    monkeypatch.setattr(selection, "draw", replaced)
    refused = mosmed("select", "-w", root, "--ris", ris, "--seed", "another")
    monkeypatch.undo()

    assert refused.exit_code == 1
    assert "changed while it was read" in refused.output
    assert contents(root / "private/select") == before
    assert mosmed("select", "-w", root, "--ris", ris, "--seed", "another").exit_code == 0


@pytest.mark.parametrize("damage", ["torn", "gone"])
def test_a_selection_that_is_damaged_is_drawn_again(root, damage):
    path = root / "private/select/selection/flow.json"
    whole = path.read_bytes()
    path.unlink() if damage == "gone" else path.write_bytes(whole[:-9])

    looked = mosmed("status", "-w", root)

    assert looked.exit_code == 1
    assert "next: Run: mosmed select --again" in looked.output
    assert mosmed("select", "-w", root).exit_code == 0
    assert path.read_bytes() == whole
