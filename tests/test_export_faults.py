"""A run on a PACS that is stopped anyhow goes on to the dataset that an unbroken one makes."""

import shutil
import subprocess
import time

import pytest

from tests.pacs import Proxy, orthanc
from tests.workspaces import SAMPLE, contents, kill, make_workspace, mosmed, start_mosmed

pytest.importorskip("pynetdicom", reason="no pynetdicom here (pip install '.[pacs]')")

STUDIES = 4
ROOM_KB = 700
"""Room for the workspace and one or two studies, not for four."""


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("faults") / "folder", studies=STUDIES)
    assert mosmed("run", "-w", root, "-j", 1).exit_code in {0, 3}
    return contents(root / "dataset")


@pytest.fixture(scope="module")
def hospital():
    with orthanc(SAMPLE / "pacs") as running:
        yield running


def left_behind(root):
    """What only a study in the making may hold."""
    return [path for name in (".part-*", "receiving", "*.part") for path in root.rglob(name)]


def is_fetching(folder, fetched):
    """Whether an export has so many studies, and is at work on another one."""
    whole = [path for path in folder.glob("*/") if not path.name.startswith(".")]
    return len(whole) >= fetched and any(folder.glob(".part-*"))


def test_killed_at_any_moment_of_the_transfer_it_goes_on_to_the_same_bytes(
    hospital, unbroken, tmp_path
):
    root = make_workspace(tmp_path / "killed", studies=STUDIES, pacs=hospital.address)
    mosmed("select", "-w", root)
    for fetched in range(STUDIES - 1):
        process = start_mosmed("export", "-w", root, "-j", 1)
        while process.poll() is None and not is_fetching(root / "private" / "export", fetched):
            time.sleep(0.002)
        kill(process)

    assert mosmed("run", "-w", root, "-j", 1).exit_code in {0, 3}

    assert contents(root / "dataset") == unbroken
    assert left_behind(root) == []


def test_a_line_cut_again_and_again_changes_no_byte(hospital, unbroken, tmp_path, monkeypatch):
    budgets = [200, 5_000, 40_000, 100_000, 1_000, 90_000]
    with Proxy(hospital.port, budgets=budgets) as line:
        address = f"dicom://ORTHANC@127.0.0.1:{line.port}"
        monkeypatch.setattr("pipelines.peers.policy.FIRST_PAUSE_SECONDS", 0.01)
        root = make_workspace(tmp_path / "cut", studies=STUDIES, pacs=address)

        assert mosmed("run", "-w", root, "-j", 1).exit_code in {0, 3}

        assert line.budgets == []
    assert contents(root / "dataset") == unbroken


def test_a_full_disk_stops_the_export_and_room_lets_it_go_on(hospital, unbroken, tmp_path):
    small = tmp_path / "small"
    small.mkdir()
    mounted = shutil.which("mount") and subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={ROOM_KB}k", "tmpfs", str(small)],
        capture_output=True, check=False,
    )  # fmt: skip
    if not mounted or mounted.returncode != 0:
        pytest.skip("no small disk can be made here (mount -t tmpfs)")
    try:
        root = make_workspace(small / "lungs", studies=STUDIES, pacs=hospital.address)
        mosmed("select", "-w", root)

        stopped = mosmed("export", "-w", root, "-j", 1)

        assert stopped.exit_code == 1
        assert "disk is full" in stopped.stderr
        assert mosmed("status", "-w", root).exit_code in {0, 3}
        subprocess.run(["mount", "-o", "remount,size=200m", str(small)], check=True)
        assert mosmed("run", "-w", root, "-j", 1).exit_code in {0, 3}
        assert contents(root / "dataset") == unbroken
        assert left_behind(root) == []
    finally:
        subprocess.run(["umount", "-l", str(small)], check=False)
