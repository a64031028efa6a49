"""What is fetched may be anonymized in memory: then no DICOM with identity comes to the disk."""

import shutil
import time

import pytest

from pipelines.core.errors import WorkspaceError
from pipelines.io.workspace import MEMORY, Workspace
from tests.workspaces import contents, kill, make_workspace, mosmed, mosmed_json, start_mosmed

pytestmark = pytest.mark.skipif(not MEMORY.is_dir(), reason=f"no disk in memory at {MEMORY}")

STUDIES = 5


def done(root, stage, *how):
    stages = mosmed_json("status", "-w", root)["stages"]
    (found,) = [one for one in stages if one["stage"] == stage]
    return found["done"] + found["kept"]


def dicom_below(folder):
    return [path for path in folder.rglob("*") if path.is_file() and is_dicom(path)]


def names_in(folder):
    """What lies in a folder that comes and goes."""
    try:
        return list(folder.iterdir())
    except FileNotFoundError:
        return []


def is_dicom(path):
    with path.open("rb") as file:
        return file.read(132)[128:] == b"DICM"


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    root = make_workspace(tmp_path_factory.mktemp("memory") / "disk", studies=STUDIES)
    assert mosmed("run", "-w", root, "-j", 1).exit_code in {0, 3}
    return contents(root / "dataset")


@pytest.fixture
def root(tmp_path):
    made = make_workspace(tmp_path / "memory", studies=STUDIES)
    mosmed("select", "-w", made)
    return made


def test_only_what_is_anonymized_comes_to_the_disk_and_the_dataset_is_the_same(root, on_disk):
    assert mosmed("export", "-w", root, "--anonymize", "-j", 1).exit_code == 3

    assert done(root, "export") == done(root, "anonymize") == STUDIES
    assert dicom_below(root / "private") == []
    assert not Workspace(root).in_memory.exists()
    again = mosmed("export", "-w", root, "--anonymize", "-j", 1)
    assert "anonymize:" not in again.stderr
    assert mosmed("run", "-w", root, "-j", 1).exit_code == 3
    assert contents(root / "dataset") == on_disk


def test_a_study_that_fails_leaves_its_reason_and_nothing_else(root):
    mosmed("export", "-w", root, "--anonymize", "-j", 1)

    left = [path.name for path in (root / "private/quarantine").rglob("*") if path.is_file()]
    assert set(left) == {"reason.json"}


def test_killed_at_any_moment_it_goes_on(root, on_disk):
    memory = Workspace(root).in_memory
    for count in (1, 2):
        process = start_mosmed("export", "-w", root, "--anonymize", "-j", 1)
        while process.poll() is None and len(names_in(memory)) < count:
            time.sleep(0.002)
        kill(process)

    mosmed("export", "-w", root, "--anonymize", "-j", 1)

    assert dicom_below(root / "private") == []
    assert not Workspace(root).in_memory.exists()
    assert mosmed("run", "-w", root, "-j", 1).exit_code == 3
    assert contents(root / "dataset") == on_disk


def test_a_polite_end_leaves_nothing_in_memory(root):
    memory = Workspace(root).in_memory
    process = start_mosmed("export", "-w", root, "--anonymize", "-j", 1)
    while process.poll() is None and not names_in(memory):
        time.sleep(0.002)

    process.terminate()

    assert process.wait() == 130
    assert not memory.exists()
    assert mosmed("export", "-w", root, "--anonymize", "-j", 1).exit_code == 3


def test_an_anonymized_study_that_is_lost_is_fetched_again(root):
    mosmed("export", "-w", root, "--anonymize", "-j", 1)
    lost = next(path for path in (root / "work/anonymize").iterdir() if path.is_dir())
    shutil.rmtree(lost)

    mosmed("export", "-w", root, "--anonymize", "-j", 1)

    assert dicom_below(lost)
    assert dicom_below(root / "private") == []


def test_a_folder_in_memory_that_others_can_read_is_refused(tmp_path):
    workspace = Workspace(tmp_path)
    workspace.in_memory.mkdir(mode=0o755)
    try:
        with pytest.raises(WorkspaceError, match="not ours alone"):
            workspace.make_in_memory()
    finally:
        workspace.in_memory.rmdir()
