"""Killed in the middle of each stage, the same command again ends in the same bytes."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from pipelines import convert
from pipelines.io.ledger import Ledger
from tests.kills import digests
from tests.workspaces import (
    SAMPLE,
    contents,
    kill,
    make_workspace,
    mosmed,
    mosmed_json,
    start_mosmed,
)

PATIENCE_SECONDS = 240
WORKERS_BEGIN_SECONDS = 4
NOBODY = "dicom://PACS@127.0.0.1:1"
ATTEMPTS = 4


def lines(path):
    return path.read_bytes().count(b"\n") if path.exists() else 0


def is_in(root, stage):
    """Whether a run is in the middle of a stage: begun, and not at its end."""
    if stage == "select":
        return (root / "private" / "select").exists()
    if stage == "build-registry":
        return any(root.glob(".part-*")) or (root / "dataset").exists()
    folder = root / ("private" if stage == "export" else "work") / stage
    return lines(folder / "ledger.jsonl") >= 3


def killed_in(stage, tmp_path, *, whole_session):
    """A workspace whose run was killed in a stage; on a busy machine a run may slip through."""
    for attempt in range(ATTEMPTS):
        root = make_workspace(tmp_path / str(attempt))
        process = start_mosmed("run", "-w", root, "--jobs", 2)
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not is_in(root, stage) and process.poll() is None and time.monotonic() < deadline:
            time.sleep(0.002)
        if process.poll() is None:
            (os.killpg if whole_session else os.kill)(process.pid, signal.SIGKILL)
            process.wait()
            return root
    pytest.fail(f"{ATTEMPTS} runs ended before they were met in {stage}")


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("unbroken") / "w")
    mosmed("run", "-w", root, "--jobs", 2)
    return contents(root / "dataset")


@pytest.mark.parametrize("whole_session", [True, False], ids=["all processes", "the parent alone"])
@pytest.mark.parametrize(
    "stage", ["select", "export", "anonymize", "convert", "thin", "build-registry"]
)
def test_a_run_killed_in_a_stage_goes_on_to_the_same_bytes(
    tmp_path, unbroken, stage, whole_session
):
    root = killed_in(stage, tmp_path, whole_session=whole_session)

    result = mosmed("run", "-w", root, "--jobs", 2)

    assert result.exit_code == 3, result.output
    assert contents(root / "dataset") == unbroken
    assert not list(root.rglob(".part-*"))
    again = mosmed_json("run", "-w", root)
    assert sum(stage["done"] for stage in again["stages"]) == 0


def test_a_run_killed_again_and_again_comes_to_the_same_bytes(tmp_path, unbroken):
    root = make_workspace(tmp_path / "w")
    for attempt in range(12):
        process = start_mosmed("run", "-w", root, "--jobs", 2)
        try:
            process.wait(timeout=1.2 + 0.35 * attempt)
            break
        except subprocess.TimeoutExpired:
            kill(process)

    mosmed("run", "-w", root, "--jobs", 1)

    assert contents(root / "dataset") == unbroken


def interrupted(*args, after_seconds):
    """What a command says that is interrupted so long after it has told what there is to do."""
    process = subprocess.Popen(
        [sys.executable, "-m", "mosmedcli", *map(str, args)],
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while "to do" not in process.stderr.readline():
        assert process.poll() is None
    time.sleep(after_seconds)
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=PATIENCE_SECONDS)
    assert process.returncode == 130, said
    return said


@pytest.mark.parametrize("after_seconds", [0, 0.1, 0.3, 0.6])
def test_ctrl_c_stops_a_run_that_starts_its_workers_and_says_that_nothing_is_lost(
    tmp_path, after_seconds
):
    root = make_workspace(tmp_path / "w")
    mosmed("select", "-w", root)

    said = interrupted("run", "-w", root, "--jobs", 2, after_seconds=after_seconds)

    assert said.splitlines()[-1].startswith("stopped: nothing is lost")
    assert "Traceback" not in said


def test_ctrl_c_ends_the_wait_for_a_pacs_that_is_down(tmp_path):
    root = make_workspace(tmp_path / "w")
    mosmed("select", "-w", root)
    command = ("export", "-w", root, "--jobs", 2, "--pacs", NOBODY)

    assert "nothing is lost" in interrupted(*command, after_seconds=WORKERS_BEGIN_SECONDS)


def test_what_other_settings_made_is_never_taken_for_what_the_ledger_knows(tmp_path, monkeypatch):
    root = make_workspace(tmp_path / "w", studies=1)
    mosmed("run", "-w", root, "--jobs", 1)
    read_slices, append = convert.read_slices, Ledger.append

    def read_otherwise(*args):
        volume, decisions = read_slices(*args)
        return replace(volume, voxels_hu=volume.voxels_hu + 1), decisions

    def killed_at_convert(ledger, entry):
        if ledger.path.parent.name == "convert":
            raise KeyboardInterrupt
        append(ledger, entry)

    with monkeypatch.context() as patched:
        patched.setattr(convert, "read_slices", read_otherwise)
        patched.setattr(Ledger, "append", killed_at_convert)
        patched.setenv("MOSMED_CONVERT_MINIMUM_SLICES", "3")
        assert mosmed("convert", "-w", root, "--jobs", 1).exit_code == 130

    again = mosmed_json("run", "-w", root, "--jobs", 1)
    assert [stage["done"] for stage in again["stages"] if stage["stage"] == "convert"] == [1]


def test_a_pacs_folder_that_fills_up_between_two_runs_ends_in_the_bytes_of_the_full_one(tmp_path):
    pacs = tmp_path / "pacs"
    shutil.copytree(SAMPLE / "pacs", pacs)
    missing = [path for path in pacs.rglob("*") if path.is_file() and path.stem.endswith("12")]
    kept = {path: path.read_bytes() for path in missing}
    for path in missing:
        path.unlink()
    root = make_workspace(tmp_path / "w", studies=2, pacs=pacs)
    early = mosmed("run", "-w", root, "--jobs", 1)
    assert "INCOMPLETE_STUDY" in early.output

    for path, content in kept.items():
        path.write_bytes(content)
    mosmed("run", "-w", root, "--jobs", 1)

    at_once = make_workspace(tmp_path / "at_once", studies=2)
    mosmed("run", "-w", at_once, "--jobs", 1)
    assert contents(root / "dataset") == contents(at_once / "dataset")


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged in one step on Linux only")
@pytest.mark.parametrize(
    ("place", "offsets", "command"),
    [
        ("dataset", "-2,0,1", ["build-registry", "--name", "OTHER"]),
        ("private/select/selection", "-5,-3,-1,0,1,2", ["select", "--seed", "7"]),
    ],
    ids=["dataset", "selection"],
)
def test_killed_around_the_moment_in_which_it_is_replaced_there_is_the_old_or_the_new(
    tmp_path, place, offsets, command
):
    root = make_workspace(tmp_path / "w", studies=2)
    mosmed("run", "-w", root, "--jobs", 1)
    old = digests(root)[place]

    killed = subprocess.run(
        [sys.executable, "-m", "tests.kills", root, offsets, *command],
        cwd=SAMPLE.parent, capture_output=True, text=True, check=True,
    )  # fmt: skip

    mosmed(*command, "-w", root)
    new = digests(root)[place]
    assert new != old
    for found in json.loads(killed.stdout):
        assert found["left"][place] in {old, new}
        assert found["is_agreed"]
        assert found["then"][place] == new
        assert found["parts"] == []
