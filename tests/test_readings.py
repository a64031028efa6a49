"""Readers' categories: the table, the rule, the agreement, and the list that goes to an expert."""

import csv
import json
from dataclasses import replace
from datetime import date
from itertools import permutations

import openpyxl
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from mosmedcli.main import main
from pipelines.core.errors import SettingsError
from pipelines.core.identity import Pseudonyms, RisRow
from pipelines.core.model import Category, Reading
from pipelines.core.readings import final_category
from pipelines.core.select_settings import SelectSettings
from pipelines.peers.readings import Readings, open_readings, with_readings
from pipelines.select import draw
from tests.workspaces import SAMPLE, mosmed, mosmed_json

NAMES = Pseudonyms(b"k" * 32)
LONG = [
    ("accession_number", "reader", "category"),
    ("A-1", "Ivanova", "CT-1"),
    ("A-1", "Petrov", "CT-1"),
    ("A-2", "Ivanova", "CT-1"),
    ("A-2", "Petrov", "КТ-2"),
    ("A-3", "Ivanova", "CT-2"),
    ("A-3", "Petrov", "CT-3"),
    ("A-3", "Expert Sidorov", "CT-3"),
    ("A-4", "Ivanova", "CT-4"),
]
WIDE = [
    ("Номер исследования", "Ivanova", "Petrov", "Expert Sidorov", "Комментарий"),
    ("A-1", "CT-1", "CT-1", "", ""),
    ("A-2", "CT-1", "КТ 2", "", "CT-1 or CT-2"),
    ("A-3", "КТ-2 (25-50%)", "CT-3", "CT-3", ""),
    ("A-4", "CT-4", "", "", ""),
]
FINAL = {"A-1": Category.CT_1, "A-2": None, "A-3": Category.CT_3, "A-4": None}


def save(path, rows):
    if path.suffix == ".xlsx":
        workbook = openpyxl.Workbook()
        for row in rows:
            workbook.active.append(row)
        workbook.save(path)
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(rows)
    return path


def finals(*paths, **settings):
    readings = open_readings(SelectSettings(readings=paths, **settings))
    return {
        study: final_category(readings.pseudonymous(study, NAMES))[0] for study in readings.by_study
    }


@pytest.mark.parametrize("rows", [LONG, WIDE], ids=["a row a reading", "a column a reader"])
@pytest.mark.parametrize("suffix", [".csv", ".xlsx"])
def test_both_shapes_of_table_are_read_from_both_kinds_of_file(tmp_path, rows, suffix):
    assert finals(save(tmp_path / f"readings{suffix}", rows)) == FINAL


def test_the_order_of_rows_and_of_files_changes_nothing(tmp_path):
    first = save(tmp_path / "first.csv", LONG)
    second = save(tmp_path / "second.csv", [LONG[0], *LONG[:0:-1]])
    settings = [SelectSettings(readings=paths) for paths in permutations((first, second))]

    read = [open_readings(one) for one in settings]

    for study in FINAL:
        assert len({one.pseudonymous(study, NAMES) for one in read}) == 1
    assert not read[0].unreadable


def test_a_reader_who_contradicts_himself_has_not_read_that_study(tmp_path):
    path = save(tmp_path / "readings.csv", [*LONG, ("A-1", "IVANOVA ", "CT-2")])
    readings = open_readings(SelectSettings(readings=(path,)))

    assert [one.reader for one in readings.by_study["A-1"]] == ["Petrov"]
    assert readings.unreadable == {"category": 1}


def test_a_cell_that_is_no_category_is_counted(tmp_path):
    path = save(tmp_path / "readings.csv", [*LONG, ("A-9", "Ivanova", "CT-1 or CT-2")])

    assert open_readings(SelectSettings(readings=(path,))).unreadable == {"category": 1}


@pytest.mark.parametrize(
    "rows",
    [
        [("number", "Ivanova"), ("A-1", "CT-1")],
        [("accession_number", "Ivanova"), ("A-1", "good")],
        [("accession_number", "reader"), ("A-1", "Ivanova")],
    ],
)
def test_a_table_without_what_is_needed_is_refused_with_the_shapes_that_are(tmp_path, rows):
    with pytest.raises(SettingsError) as error:
        open_readings(SelectSettings(readings=(save(tmp_path / "readings.csv", rows),)))

    assert "readings.csv" in error.value.message
    assert error.value.hint


# --- the rule

grades = st.lists(st.sampled_from(list(Category)), max_size=4)


@given(readers=grades, experts=grades)
def test_agreement_goes_before_the_expert_and_nobody_guesses(readers, experts):
    readings = [
        Reading(reader=f"R-{number}", category=category) for number, category in enumerate(readers)
    ] + [
        Reading(reader=f"R-E{number}", category=category, is_expert=True)
        for number, category in enumerate(experts)
    ]

    final, reason = final_category(readings)

    if len(readers) > 1 and len(set(readers)) == 1:
        assert final == readers[0]
    elif len(set(experts)) == 1:
        assert final == experts[0]
    else:
        assert final is None
    assert reason


# --- in the draw


def row(number, category=None):
    return RisRow(
        row=number,
        accession_number=f"a-{number}",
        patient_id=f"P{number}",
        study_date=date(2020, 3, 25),
        modality="CT",
        body_part="chest",
        payer="OMS",
        referrer="GP",
        facility="polyclinic",
        patient_age_years=40,
        spo2_percent=97.0,
        category=category,
    )


def test_the_draw_goes_by_the_readers_and_by_the_ris_where_nobody_has_read(tmp_path):
    readings = open_readings(SelectSettings(readings=(save(tmp_path / "r.csv", LONG),)))
    rows = [row(1), row(2, Category.CT_4), row(3, Category.CT_0), row(5, Category.CT_0)]

    drawn = draw(with_readings(rows, readings, NAMES), SelectSettings(), NAMES)

    found = {one.accession_number: one for one in drawn.candidates}
    assert {number: one.category for number, one in found.items()} == {
        "a-1": Category.CT_1,
        "a-3": Category.CT_3,
        "a-5": Category.CT_0,
    }
    assert len(found["a-3"].readings) == 3
    assert sum(one.is_expert for one in found["a-3"].readings) == 1
    [decision] = [one for one in found["a-3"].decisions if one.rule == "readings"]
    assert decision.outcome == "the expert's word"
    [left_out] = drawn.excluded
    assert (left_out.accession_number, left_out.rule) == ("a-2", "category")
    assert left_out.value == "the readers differ, and no expert has decided"


def test_without_readings_every_row_is_there_once():
    rows = [row(1), row(2)]

    assert list(with_readings(rows, Readings(), NAMES)) == rows


def test_the_readers_stand_in_for_a_ris_without_a_column_of_categories(tmp_path):
    book = openpyxl.load_workbook(SAMPLE / "ris_export.xlsx")
    titles = [cell.value for cell in book.active[1]]
    book.active.delete_cols(titles.index("Категория КТ (итог)") + 1)
    book.save(tmp_path / "ris.xlsx")
    (tmp_path / "r.csv").write_text(
        "accession_number,reader,category\nMH20-00529,expert,CT-0\nMH20-01107,expert,CT-1\n"
    )
    root = tmp_path / "w"
    mosmed("init", root, "--ris", tmp_path / "ris.xlsx", "--studies", 2)
    assert "which the rule 'category' needs" in mosmed("select", "-w", root).output

    settings = root / "mosmed.toml"
    settings.write_text(settings.read_text().replace("# readings = []", 'readings = ["../r.csv"]'))

    assert mosmed_json("select", "-w", root)["drawn"] == 2


def test_no_name_of_a_reader_leaves_the_selection(tmp_path):
    readings = open_readings(SelectSettings(readings=(save(tmp_path / "r.csv", WIDE),)))
    drawn = draw(with_readings([row(1), row(3)], readings, NAMES), SelectSettings(), NAMES)

    assert "Ivanova" not in repr(drawn)
    assert "Sidorov" not in repr(drawn)
    assert replace(row(1), readings=()) == row(1)


# --- the command


@pytest.fixture
def workspace(tmp_path):
    folder, ris = tmp_path / "w", save(tmp_path / "ris.csv", [("accession_number", "category")])
    made = CliRunner().invoke(main, ["init", str(folder), "--ris", str(ris)])
    assert made.exit_code == 0, made.output
    return folder


def run(workspace, *files, flags=()):
    named = [part for file in files for part in ("--readings", str(file))]
    return CliRunner().invoke(main, ["readings", "-w", str(workspace), *named, *flags])


def test_what_an_expert_has_decided_is_read_in_again(tmp_path, workspace):
    path = save(tmp_path / "readings.xlsx", WIDE)
    assert "2 studies to decide" in run(workspace, path).output.replace("\n", " ")
    sent = workspace / "private" / "disagreements.xlsx"
    sheet = openpyxl.load_workbook(sent)["To decide"]
    assert [cell.value for cell in sheet["A"]] == ["accession_number", "A-2", "A-4"]

    book = openpyxl.load_workbook(sent)
    titles = [cell.value for cell in book["To decide"][1]]
    for line in (2, 3):
        book["To decide"].cell(line, titles.index("Expert Sidorov") + 1, "КТ-2")
    book.save(tmp_path / "decided.xlsx")

    decided = {**FINAL, "A-2": Category.CT_2, "A-4": Category.CT_2}
    assert finals(path, tmp_path / "decided.xlsx") == decided
    assert "0 studies to decide" in run(workspace, path, tmp_path / "decided.xlsx").output.replace(
        "\n", " "
    )


def test_the_command_names_no_reader_but_in_private(tmp_path, workspace):
    path = save(tmp_path / "readings.csv", LONG)

    result = run(workspace, path, flags=["--json"])

    told = json.loads(result.output)
    assert (told["studies"], told["undecided"]) == (4, 2)
    assert told["by_rule"]["all readers agree"] == 1
    assert "Ivanova" not in result.output + run(workspace, path).output
    book = openpyxl.load_workbook(workspace / "private" / "disagreements.xlsx")
    assert "Ivanova" in {row[0].value for row in book["Readers"].iter_rows()}
    assert book.sheetnames == ["To decide", "Decided", "Agreement", "Readers"]


def test_the_same_readings_give_the_same_workbook(tmp_path, workspace):
    path = save(tmp_path / "readings.csv", LONG)
    sent = workspace / "private" / "disagreements.xlsx"
    run(workspace, path)
    before = sent.read_bytes()

    run(workspace, path)

    assert sent.read_bytes() == before


def test_the_tables_that_the_settings_name_are_read_from_where_they_lie(
    tmp_path, workspace, monkeypatch
):
    save(tmp_path / "readings.csv", LONG)
    settings = workspace / "mosmed.toml"
    text = settings.read_text(encoding="utf-8")
    assert "# readings = []" in text
    settings.write_text(text.replace("# readings = []", 'readings = ["../readings.csv"]'), "utf-8")

    assert json.loads(run(workspace, flags=["--json"]).output)["studies"] == 4
    monkeypatch.chdir(tmp_path)
    assert json.loads(run(workspace, "readings.csv", flags=["--json"]).output)["studies"] == 4
    assert run(workspace, "nowhere.csv").exit_code == 2


def test_without_readings_the_command_says_what_to_name(workspace):
    result = run(workspace)

    assert result.exit_code == 2
    assert "readings = " in result.stderr
