"""Whole commands through the command line: help, errors, settings, exit statuses."""

import errno
import json
import os
import re
import shlex
import signal
import subprocess
import sys

import openpyxl
import pytest
from click.testing import CliRunner

from mosmedcli.main import main
from pipelines.core.errors import MosmedError
from pipelines.core.faults import FAULTS
from pipelines.core.model import STAGE_NAMES
from pipelines.io.workspace import Workspace
from tests.workspaces import SAMPLE, contents, make_workspace, mosmed, mosmed_json


@pytest.mark.parametrize("command", list(main.commands))
def test_every_command_has_help_with_an_example(command):
    result = mosmed(command, "--help")

    assert result.exit_code == 0
    assert f"mosmed {command} " in result.output
    assert "Example" in result.output


def test_the_commands_are_listed_in_the_order_of_their_use():
    names = [name for name in main.list_commands(None) if name in STAGE_NAMES]

    assert tuple(names) == STAGE_NAMES


def loaded_by(*args):
    """The modules that a command adds to those that Python starts with."""
    code = (
        "import sys\nbefore = set(sys.modules)\nfrom mosmedcli.main import main\n"
        f"try: main({args!r})\nexcept SystemExit: pass\n"
        "print(*set(sys.modules) - before, file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return set(done.stderr.split())


def test_help_loads_nothing_but_the_command_line():
    loaded = loaded_by("--help")

    packages = {name.partition(".")[0] for name in loaded} - sys.stdlib_module_names
    assert packages == {"click", "mosmedcli", "pipelines"}
    assert {name for name in loaded if name.startswith("pipelines.")} <= {
        "pipelines.core",
        *(name for name in loaded if name.startswith("pipelines.core.")),
    }


def test_a_command_loads_the_settings_of_its_own_stage_alone():
    loaded = loaded_by("anonymize", "--help")

    assert {name for name in loaded if name.endswith("settings")} == {
        "pipelines.core.ocr_settings",
        "pipelines.core.patient_settings",
    }
    assert not loaded & {"mosmedcli.stages", "mosmedcli.volumes", "json", "tempfile", "tomllib"}


def test_whoever_looks_at_a_workspace_loads_none_of_the_libraries_that_work_in_it(tmp_path):
    root = make_workspace(tmp_path / "w")
    mosmed("select", "-w", root)

    loaded = loaded_by("status", "-w", str(root))

    assert not loaded & {"SimpleITK", "deid", "jinja2", "nibabel", "openpyxl", "pandas"}
    assert not loaded & {"pydicom", "pypdf", "reportlab", "requests", "urllib3"}


def test_a_command_outside_a_workspace_says_how_to_make_one(tmp_path):
    result = mosmed("status", "-w", tmp_path)

    assert result.exit_code == 1
    assert "no mosmed.toml here" in result.output
    assert "mosmed init" in result.output


def test_a_command_before_its_time_names_the_one_to_run_first(tmp_path):
    root = make_workspace(tmp_path / "w")

    result = mosmed("export", "-w", root)

    assert result.exit_code == 1
    assert "next: Run: mosmed select" in result.output
    mosmed("select", "-w", root)
    assert "mosmed run" in mosmed("build-registry", "-w", root).output


def test_init_shows_what_it_recognised_and_never_touches_a_workspace(tmp_path):
    root = make_workspace(tmp_path / "w")
    before = contents(root)

    again = mosmed("init", root, "--studies", 3)

    assert again.exit_code == 2
    assert "is there already" in again.output
    assert contents(root) == before
    new = mosmed("init", tmp_path / "new", "--ris", SAMPLE / "ris_export.xlsx")
    assert "Номер исследования" in new.output
    assert "accession_number" in new.output
    assert (tmp_path / "new" / "private" / "key").stat().st_mode & 0o777 == 0o600


def test_init_tells_which_columns_are_missing_and_where_to_name_them(tmp_path):
    head = "Номер исследования;Модальность;Область;Дата исследования;Возраст\n"
    (tmp_path / "ris.csv").write_text(head, "utf-8")

    result = mosmed("init", tmp_path / "w", "--ris", tmp_path / "ris.csv")

    assert result.exit_code == 0
    assert "missing: no column of the RIS is body_part" in result.output
    assert f"next: in {tmp_path / 'w' / 'mosmed.toml'}: Name it under" in result.output
    assert '{ body_part = "Область" }' in result.output


def test_init_tells_that_there_is_no_pacs_yet_and_a_run_where_to_name_one(tmp_path):
    made = mosmed("init", tmp_path / "w", "--ris", SAMPLE / "ris_export.xlsx", "--studies", 3)
    run = mosmed("run", "-w", tmp_path / "w")

    assert "missing: set `pacs` under [export] there" in made.output
    assert "`ris`" not in made.output
    assert run.exit_code == 2
    assert "next: Set `pacs` under [export] in mosmed.toml" in run.output


def test_titles_that_have_lost_their_letters_are_told_as_such(tmp_path):
    head = "Номер исследования;UID исследования;SpO2\n"
    (tmp_path / "ris.csv").write_bytes(head.encode("ascii", "replace"))

    result = mosmed("init", tmp_path / "w", "--ris", tmp_path / "ris.csv")

    assert "If the titles cannot be read, save the table as 'CSV UTF-8'." in result.output


def test_init_tells_how_the_ris_was_read(tmp_path):
    head = "Отчёт\nНомер исследования;Модальность;Область исследования\n"
    (tmp_path / "ris.csv").write_bytes(head.encode("cp866"))

    result = mosmed("init", tmp_path / "w", "--ris", tmp_path / "ris.csv")

    assert "ris.csv (CP866): recognised" in result.output
    assert "Модальность" in result.output


def test_what_is_told_to_be_typed_next_can_be_pasted(tmp_path):
    folder = tmp_path / "лёгкие 2020; $HOME"

    result = mosmed("init", folder, "--ris", SAMPLE / "ris_export.xlsx")

    (line,) = re.findall(r"next: (.*?)    \(", result.output)
    assert shlex.split(line) == ["mosmed", "select", "-w", str(folder)]
    selected = mosmed(*shlex.split(line)[1:], "--studies", 3)
    assert shlex.split(selected.output)[-4:] == ["mosmed", "export", "-w", str(folder)]


@pytest.mark.parametrize(
    "address", ["dicom://nonsense", "dicom://A@b:99999", "ftp://x", "http:///"]
)
def test_an_address_that_is_none_is_wrong_usage_before_anything_is_done(tmp_path, address):
    root = make_workspace(tmp_path / "w")

    for command in (("init", tmp_path / "new"), ("export", "-w", root)):
        result = mosmed(*command, "--pacs", address)

        assert result.exit_code == 2
        assert "is not the address of a PACS" in result.output
    assert not (tmp_path / "new").exists()


def test_a_terminal_that_lacks_a_letter_ends_no_command(tmp_path):
    root = make_workspace(tmp_path / "w")
    mosmed("select", "-w", root)

    def said(*args):
        command = [sys.executable, "-m", "mosmedcli", *args, "-w", root]
        environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
        return subprocess.run(command, capture_output=True, check=True, env=environment).stdout

    assert b"export" in said("status")
    assert json.loads(said("status", "--json"))["wanted"] == 12


def test_the_sheet_of_the_ris_can_be_named_at_init(tmp_path):
    book = openpyxl.load_workbook(SAMPLE / "ris_export.xlsx")
    name = book.active.title
    book.create_sheet("Обложка", 0)
    book.save(tmp_path / "ris.xlsx")

    result = mosmed("init", tmp_path / "w", "--ris", tmp_path / "ris.xlsx", "--sheet", name)

    assert "accession_number" in result.output
    assert mosmed_json("select", "-w", tmp_path / "w", "--studies", 3)["drawn"] == 3


def test_a_draw_that_falls_short_ends_with_status_3(tmp_path):
    root = make_workspace(tmp_path / "w", studies=12)

    assert mosmed("select", "-w", root).exit_code == 0
    short = mosmed("select", "-w", root, "--studies", 999)
    assert (short.exit_code, "fewer than the 999" in short.output) == (3, True)
    assert mosmed_json("select", "-w", root, "--studies", 999)["exit_status"] == 3


def test_a_dry_run_of_the_draw_names_the_draw_as_what_comes_next(tmp_path):
    root = make_workspace(tmp_path / "w")

    assert f"next: mosmed select -w {root}" in mosmed("select", "-w", root, "--dry-run").output


def test_a_dry_run_of_a_new_workspace_tells_what_would_be_drawn_and_draws_nothing(tmp_path):
    root = make_workspace(tmp_path / "w", studies=5)

    result = mosmed("run", "-w", root, "--dry-run")

    assert result.exit_code == 0
    assert "5 studies would be drawn" in result.output
    assert result.output.endswith(f"next: mosmed run -w {root}\n")
    assert not (root / "private" / "select").exists()


def test_status_and_why_look_on_while_another_process_works(tmp_path):
    root = make_workspace(tmp_path / "w")
    mosmed("select", "-w", root)

    with Workspace(root).locked():
        assert mosmed("status", "-w", root).exit_code == 0
        assert mosmed("why", "MH20-00417", "-w", root).exit_code == 0
        assert mosmed("export", "-w", root).exit_code == 1
    assert mosmed("status", "-w", tmp_path).exit_code == 1


def test_two_workspaces_do_not_share_a_seed_or_a_key(tmp_path):
    for name in ("a", "b"):
        mosmed("init", tmp_path / name)

    for name in ("mosmed.toml", "private/key"):
        assert (tmp_path / "a" / name).read_text() != (tmp_path / "b" / name).read_text()


@pytest.mark.parametrize(
    ("text", "said", "status"),
    [
        ("[thn]", "Did you mean `thin`?", 2),
        ("[thin]\nevry = 1", "Did you mean `every`?", 2),
        ("[select]\nris = 'none.xlsx'", "none.xlsx", 2),
        ("", "ris", 2),
    ],
)
def test_a_wrong_setting_ends_with_status_2_and_the_way_out(tmp_path, text, said, status):
    (tmp_path / "mosmed.toml").write_text(text)

    result = mosmed("run", "-w", tmp_path)

    assert result.exit_code == status, result.output
    assert said in result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize("stage", ["anonymize", "convert", "thin"])
def test_a_folder_that_cannot_be_listed_is_a_failure_and_not_passed_over(
    tmp_path, monkeypatch, stage
):
    (tmp_path / "in" / "locked").mkdir(parents=True)
    (tmp_path / "in" / "note.txt").touch()
    scandir = os.scandir

    def scan(place):
        if str(place).endswith("locked"):
            raise PermissionError(errno.EACCES, "Permission denied", place)
        return scandir(place)

    monkeypatch.setattr(os, "scandir", scan)
    monkeypatch.chdir(tmp_path)

    result = mosmed(stage, tmp_path / "in", tmp_path / "out", "-j", 1)

    assert result.exit_code == 3, result.output
    assert "1 failed" in result.output
    assert re.search("folder.* cannot be (listed|read)", result.output)


def test_nothing_half_made_is_left_in_out_where_a_command_is_stopped(tmp_path, monkeypatch):
    def stopped(*_):
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("pipelines.convert.work_plain", stopped)

    result = mosmed("convert", SAMPLE / "pacs", tmp_path / "out", "-j", 1)

    assert result.exit_code == 130
    assert "run the same command again" in result.output
    assert list((tmp_path / "out").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_a_command_stopped_while_a_class_is_made_says_so_by_its_status(tmp_path):
    """`python -m` would end by SIGINT where the interrupt fell into a text that exec() ran."""
    (tmp_path / "stopped.py").write_text(
        "import mosmedcli.dataset\n"
        "def stopped(**_):\n"
        "    exec('raise KeyboardInterrupt')\n"
        "mosmedcli.dataset.status.callback = stopped\n"
        "import mosmedcli.__main__\n"
    )
    command = [sys.executable, "-m", "stopped", "status"]
    path = os.pathsep.join([str(tmp_path), str(SAMPLE.parent)])

    result = subprocess.run(
        command, env={**os.environ, "PYTHONPATH": path}, stderr=subprocess.PIPE, check=False
    )

    assert result.returncode == 130
    assert b"run the same command again" in result.stderr


def test_a_command_stopped_while_it_loads_ends_without_a_word(tmp_path):
    stopped = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n"
    (tmp_path / "click.py").write_text(stopped)

    done = subprocess.run(
        [sys.executable, "-m", "mosmedcli", "status"],
        capture_output=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
    )

    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, b"", b"")


def test_settings_are_read_as_notepad_saves_them_or_refused(tmp_path):
    root = make_workspace(tmp_path / "w")
    text = "# Привет\n" + (root / "mosmed.toml").read_text()
    (root / "mosmed.toml").write_text(text, encoding="utf-8-sig")
    assert mosmed("select", "-w", root).exit_code == 0

    (root / "mosmed.toml").write_text(text, encoding="cp1251")
    result = mosmed("status", "-w", root)

    assert result.exit_code == 2
    assert "mosmed.toml: not a text in UTF-8" in result.output
    assert "save it as UTF-8" in result.output


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("licence = 'wtfpl'", "There are CC-BY-4.0"),
        ("splits = { train = -1 }", "[registry] splits"),
        ("release_date = '1.2.20'", "Write it like 2020-04-28"),
    ],
)
def test_a_run_begins_only_with_settings_that_its_last_stage_can_use(tmp_path, line, said):
    root = make_workspace(tmp_path / "w")
    settings = root / "mosmed.toml"
    settings.write_text(settings.read_text().replace("[registry]", f"[registry]\n{line}"))

    result = mosmed("run", "-w", root)

    assert result.exit_code == 2
    assert said in result.output
    assert not (root / "private" / "select").exists()


def test_what_the_disk_refuses_is_told_with_the_place_that_was_named_and_no_other(
    tmp_path, monkeypatch
):
    root = make_workspace(tmp_path / "w")

    def refusing(number):
        def refuse(*_, **__):
            raise OSError(number, os.strerror(number), str(root / "pacs" / "IVANOV^IVAN.dcm"))

        return refuse

    monkeypatch.setattr(Workspace, "make_folders", refusing(errno.EROFS))
    result = mosmed("run", "-w", root)

    assert result.exit_code == 1
    assert result.output.startswith(f"error: {root}: Read-only file system\nnext: ")
    monkeypatch.setattr(Workspace, "make_folders", refusing(errno.ENOSPC))
    assert "the disk is full" in mosmed("run", "-w", root).output


def test_a_folder_without_a_file_is_no_success(tmp_path):
    (tmp_path / "in").mkdir()
    key = tmp_path / "key"

    for command in (("anonymize", "--key", key), ("convert",), ("convert", "--thin"), ("thin",)):
        for more in ((), ("--dry-run",)):
            result = mosmed(*command, tmp_path / "in", tmp_path / "out", *more)
            assert result.exit_code == 1, command
            assert f"{tmp_path / 'in'}: there is no file in this folder" in result.output
    assert not (tmp_path / "out").exists()


def test_a_pacs_folder_that_is_not_there_is_named(tmp_path):
    root = make_workspace(tmp_path / "w")
    text = (root / "mosmed.toml").read_text()
    (root / "mosmed.toml").write_text(text.replace(str(SAMPLE / "pacs"), "/no/such/folder"))

    result = mosmed("run", "-w", root)

    assert result.exit_code == 1
    assert "/no/such/folder" in result.output


def test_paths_on_the_command_line_start_at_the_current_folder(tmp_path, monkeypatch):
    root = make_workspace(tmp_path / "w", pacs=tmp_path)
    monkeypatch.chdir(SAMPLE)
    mosmed("select", "-w", root)

    report = mosmed_json("export", "-w", root, "--pacs", "pacs", "--jobs", 1)

    assert report["stages"][0]["done"] == 12


def test_the_environment_and_flags_reach_the_stages(tmp_path, monkeypatch):
    root = make_workspace(tmp_path / "w")
    monkeypatch.setenv("MOSMED_SELECT_STUDIES", "5")
    monkeypatch.setenv("MOSMED_WORKSPACE", str(root))

    assert mosmed_json("select")["drawn"] == 5
    assert mosmed_json("select", "--studies", 3)["drawn"] == 3


def test_an_unexpected_error_ends_without_a_traceback_on_the_screen(tmp_path, monkeypatch):
    name = "^".join(["Ivanov", "Ivan"])

    def surprise(*_):
        try:
            int(name)
        except ValueError as error:
            raise ZeroDivisionError(name) from error

    monkeypatch.setattr("mosmedcli.start.start", surprise)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))

    result = mosmed("init", tmp_path / "w")

    assert result.exit_code == 1
    assert "Traceback" not in result.output
    (log,) = tmp_path.glob("mosmed-*.log")
    text = log.read_text()
    assert text.index("ValueError") < text.index("ZeroDivisionError")
    assert "line " in text
    assert name not in text


def test_every_fault_has_a_meaning_and_a_next_step_and_is_raised_somewhere():
    source = "".join(path.read_text() for path in (SAMPLE.parent / "pipelines").rglob("*.py"))
    raised = set(re.findall(r'Error\(\s*"([A-Z_]+)"', source))
    assert raised <= set(FAULTS)
    for code, fault in FAULTS.items():
        assert fault.meaning, code
        assert fault.hint.endswith((".", "?")), code
        assert source.count(f'"{code}"') > 1, f"{code} is never raised"


def test_every_error_class_has_its_exit_status():
    def family(cls):
        return [cls, *(below for child in cls.__subclasses__() for below in family(child))]

    statuses = {cls.__name__: cls.exit_status for cls in family(MosmedError)}
    assert statuses == {
        "MosmedError": 1,
        "SettingsError": 2,
        "WorkspaceError": 1,
        "PeerError": 1,
        "CodedError": 3,
        "ItemError": 3,
        "DicomError": 3,
        "GeometryError": 3,
        "PrivacyError": 4,
    }


@pytest.fixture(scope="module")
def plain(shared_data, tmp_path_factory):
    """A real chest study through the three stages that work on plain folders."""
    root = tmp_path_factory.mktemp("plain")
    key = root / "k"
    runs = [
        mosmed_json("anonymize", shared_data / "chest_siemens_8mm", root / "a", "--key", key),
        mosmed_json("convert", root / "a", root / "b"),
        mosmed_json("thin", root / "b", root / "c"),
    ]
    return root, runs


def test_three_stages_work_on_plain_folders(plain):
    root, (anonymized, converted, thinned) = plain

    assert (anonymized["found"], len(anonymized["done"]), len(anonymized["excluded"])) == (4, 2, 2)
    assert len(converted["done"]) == len(thinned["done"]) == 2
    assert [run["exit_status"] for run in plain[1]] == [0, 0, 0]
    assert len(list((root / "c").rglob("*.nii.gz"))) == 2
    assert not list(root.rglob(".part-*"))


def test_what_lies_in_out_is_kept_if_it_is_the_same_and_never_replaced_unasked(plain):
    root, _ = plain
    before = contents(root / "c")

    same = mosmed_json("thin", root / "b", root / "c")
    other = mosmed_json("thin", root / "b", root / "c", "--every", 5)

    assert len(same["kept"]) == 2
    assert {failed["code"] for failed in other["failed"]} == {"OUTPUT_EXISTS"}
    assert contents(root / "c") == before
    replaced = mosmed_json("thin", root / "b", root / "c", "--every", 5, "--overwrite")
    assert len(replaced["done"]) == 2
    mosmed_json("thin", root / "b", root / "c", "--overwrite")
    assert contents(root / "c") == before


def test_out_may_not_lie_in_in(tmp_path):
    result = mosmed("convert", tmp_path, tmp_path / "out")

    assert result.exit_code == 2
    assert "Choose an OUT outside of IN" in result.output
    assert mosmed("convert", tmp_path).exit_code == 2


def test_a_command_that_is_refused_or_only_tried_makes_no_key(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")

    assert mosmed("anonymize", tmp_path).exit_code == 2
    dry = mosmed("anonymize", SAMPLE / "masks", tmp_path / "out", "--dry-run")

    assert dry.exit_code == 0
    assert "(1 file)" in dry.output
    assert [path.name for path in tmp_path.rglob("*")] == ["here"]


@pytest.mark.parametrize("command", ["anonymize", "convert", "thin", "explain"])
def test_a_misspelt_variable_is_refused_without_a_workspace_too(tmp_path, monkeypatch, command):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MOSMED_THIN_EVERI", "5")
    folders = () if command == "explain" else (SAMPLE / "masks", tmp_path / "out", "--dry-run")

    result = mosmed(command, *folders)

    assert result.exit_code == 2
    assert "Did you mean `MOSMED_THIN_EVERY`?" in result.output
    assert not list(tmp_path.iterdir())


def test_a_sample_of_any_size_can_be_run_where_it_lies(tmp_path):
    made = mosmed("sample", tmp_path / "twin", "--studies", 8, "--seed", 3)
    assert "next: mosmed run -w" in made.output

    report = json.loads(mosmed("run", "-w", tmp_path / "twin", "--json").stdout)

    assert report["published"] == 8
    assert report["shortfall"] == {}


def test_the_help_lists_every_command_once_and_whole_on_80_columns():
    help_text = CliRunner().invoke(main, ["--help"], terminal_width=80).output

    for name in main.commands:
        lines = re.findall(rf"^  {name} +(\S.*)$", help_text, re.MULTILINE)
        assert len(lines) == 1, name
        assert lines[0].endswith("."), name
        assert not lines[0].endswith("..."), name
    assert max(map(len, help_text.splitlines())) <= 80


def test_a_name_of_a_file_does_not_drive_the_terminal(tmp_path):
    hostile = tmp_path / "in" / "a\x1b[2J\nfailed b"
    hostile.mkdir(parents=True)
    (hostile / "slice.dcm").write_bytes(b"\0" * 128 + b"DICM" + b"\xff" * 40)
    (hostile / "заметки.txt").write_text("none")

    for stage in ("convert", "anonymize", "thin"):
        result = mosmed(stage, tmp_path / "in", tmp_path / stage)
        assert "\x1b[2J" not in result.output
        assert not [line for line in result.output.splitlines() if line.startswith("failed b")]
    assert "\\x1b[2J\\nfailed b" in mosmed("convert", tmp_path / "in", tmp_path / "out").output
