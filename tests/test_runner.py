import errno
import os
import platform
import resource
import signal
import subprocess
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.core.errors import GeometryError, PrivacyError, WorkspaceError
from pipelines.core.model import Excluded, Failed
from pipelines.io.disk import wait_for_workers
from pipelines.runner import Task, Workers, attempt

REPOSITORY = Path(__file__).parents[1]
SLICES, SLICE_BYTES = 60, 512 * 512 * 2
PATIENCE_SECONDS = 240


def write_name(name, folder):
    (folder / "name").write_text(name)
    return name


def leave_out(name, folder):
    return Excluded(public_id=name, rule="rule", reason="reason")


def fail(name, folder):
    (folder / "half").write_text("half")
    raise GeometryError("SLICE_GAP", "slices 3 and 4 are far apart")


def leak(name, folder):
    raise PrivacyError("IDENTITY_LEFT", "in (0010,0010)")


def surprise(name, folder):
    raise ZeroDivisionError


def fill_the_disk(name, folder):
    raise OSError(errno.ENOSPC, "full")


def die_unless_name(name, folder):
    if name == "killer":
        os.kill(os.getpid(), signal.SIGKILL)
    return write_name(name, folder)


def task(tmp_path, work, name="s1"):
    return Task(public_id=name, work=work, arguments=(name,), folder=tmp_path / name)


def take_and_free(name, folder):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(SLICES):
        [bytearray(SLICE_BYTES) for _ in range(8)]
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def test_a_result_comes_with_the_seal_of_its_files(tmp_path):
    result = attempt(task(tmp_path, write_name))

    assert result.value == "s1"
    assert (result.outputs.files, result.outputs.size_bytes) == (1, 2)


def test_a_task_that_makes_its_folder_leaves_none_where_it_had_nothing_to_put(tmp_path):
    nothing = replace(task(tmp_path, leak), makes_folder=True, is_sealed=False)
    (tmp_path / "s1").mkdir()
    (tmp_path / "s1" / "of an earlier run").write_bytes(b"")

    assert attempt(nothing).value.code == "IDENTITY_LEFT"
    assert not list(tmp_path.iterdir())


def test_the_folder_of_a_task_is_empty_whatever_was_left_in_it(tmp_path):
    attempt(task(tmp_path, fail))

    assert attempt(task(tmp_path, write_name)).outputs.files == 1


@pytest.mark.parametrize(
    ("work", "code", "private"),
    [
        (fail, "SLICE_GAP", False),
        (leak, "IDENTITY_LEFT", True),
        (surprise, "INTERNAL", False),
    ],
)
def test_whatever_goes_wrong_comes_back_as_a_value_with_a_hint(tmp_path, work, code, private):
    result = attempt(task(tmp_path, work))

    assert isinstance(result.value, Failed)
    assert (result.value.code, result.value.privacy) == (code, private)
    assert result.value.hint
    assert ("ZeroDivisionError" in result.trace) == (code == "INTERNAL")


def test_the_trace_of_a_bug_tells_where_it_is_and_quotes_no_value(tmp_path):
    name = "^".join(["Ivanov", "Ivan"])

    def stumble(*_):
        int(name)

    trace = attempt(Task(public_id="s1", work=stumble, arguments=(), folder=tmp_path / "s1")).trace

    assert "int(name)" in trace
    assert trace.endswith("ValueError\n")
    assert name not in trace


def test_what_the_disk_refuses_is_no_bug_and_has_no_trace(tmp_path):
    def refuse(*_):
        raise PermissionError(errno.EACCES, "told by the library", "IVANOV^IVAN.dcm")

    result = attempt(Task(public_id="s1", work=refuse, arguments=(), folder=tmp_path / "s1"))

    assert (result.value.code, result.value.message) == ("DISK", "Permission denied")
    assert result.trace == ""


def test_a_study_that_is_left_out_has_no_outputs(tmp_path):
    assert attempt(task(tmp_path, leave_out)).outputs is None


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_task_comes_back_exactly_once(tmp_path, jobs):
    names = [f"s{number}" for number in range(23)]
    with Workers(jobs) as workers:
        results = list(workers.run(task(tmp_path, write_name, name) for name in names))

    assert sorted(result.public_id for result in results) == sorted(names)


def test_a_worker_that_dies_takes_only_its_own_study_with_it(tmp_path):
    names = ["s1", "s2", "killer", "s3", "s4", "s5", "s6", "s7"]
    with Workers(2) as workers:
        results = list(workers.run(task(tmp_path, die_unless_name, name) for name in names))

    codes = {r.public_id: r.value.code for r in results if isinstance(r.value, Failed)}
    assert codes == {"killer": "WORKER_DIED"}
    assert sorted(r.public_id for r in results) == sorted(names)


def test_a_full_disk_stops_everything(tmp_path):
    with Workers(1) as workers, pytest.raises(WorkspaceError, match="disk is full"):
        list(workers.run([task(tmp_path, fill_the_disk), task(tmp_path, write_name, "s2")]))

    assert not (tmp_path / "s2").exists()


def write_name_slowly(name, folder):
    time.sleep(0.5)
    return write_name(name, folder)


def test_what_was_in_hand_when_the_disk_filled_up_is_still_brought_back(tmp_path):
    tasks = [task(tmp_path, write_name_slowly, "slow"), task(tmp_path, fill_the_disk, "full")]
    brought = []

    def bring(workers):
        for result in workers.run(tasks):
            brought.append(result.public_id)  # noqa: PERF401  a list would lose them

    with Workers(2) as workers, pytest.raises(WorkspaceError, match="disk is full"):
        bring(workers)

    assert brought == ["slow"]


def linger(name, folder):
    time.sleep(1.5)
    return write_name(name, folder)


@pytest.fixture
def started():
    """Starts Python on some code; whatever is left of it in the end is killed."""
    processes = []

    def start(code, *args):
        command = [sys.executable, "-c", code, *map(str, args)]
        processes.append(subprocess.Popen(command, cwd=REPOSITORY, start_new_session=True))
        return processes[-1]

    yield start
    for process in processes:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def until(is_so):
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.01)
    assert is_so()


@pytest.mark.parametrize("is_reaped", [True, False], ids=["gone", "zombie"])
def test_whoever_comes_after_a_killed_run_waits_for_the_last_of_its_workers(
    tmp_path, started, is_reaped
):
    process = started(
        "import sys; from pathlib import Path; from pipelines.runner import Workers\n"
        "from tests.test_runner import linger, task\n"
        "root = Path(sys.argv[1])\n"
        "with Workers(2, presence=root) as w:\n"
        "    list(w.run(task(root / 'made', linger, n) for n in 'abcdefgh'))",
        tmp_path,
    )
    until((tmp_path / "made" / "b").exists)
    process.kill()
    if is_reaped:
        process.wait()

    waiting = threading.Thread(target=wait_for_workers, args=[tmp_path], daemon=True)
    waiting.start()
    waiting.join(PATIENCE_SECONDS)

    assert not waiting.is_alive()
    before = sorted((tmp_path / "made").rglob("*"))
    time.sleep(2)
    assert sorted((tmp_path / "made").rglob("*")) == before


def read_for_ever(root, batch):
    (root / f"{os.getpid()}.pid").touch()
    time.sleep(600)


def is_alive(stat):
    """Whether a process lives; a container may have nobody to bury those that are dead."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="no /proc here to look at processes")
def test_nobody_goes_on_reading_a_folder_for_a_command_that_was_killed(tmp_path, started):
    for name in "abcd":
        (tmp_path / name).touch()
    process = started(
        "import sys; from pathlib import Path; from pipelines.io import index\n"
        "from tests.test_runner import read_for_ever\n"
        "index.POOL_FILES = index.BATCH_FILES = 1; index._read_batch = read_for_ever\n"
        "root = Path(sys.argv[1])\n"
        "if __name__ == '__main__': index.refresh(root, root / 'index.sqlite3', jobs=2)",
        tmp_path,
    )
    until(lambda: len(list(tmp_path.glob("*.pid"))) == 2)
    readers = [Path("/proc", path.stem, "stat") for path in tmp_path.glob("*.pid")]
    assert all(map(is_alive, readers))

    process.kill()

    until(lambda: not any(map(is_alive, readers)))


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="only glibc learns so")
def test_the_memory_of_one_slice_is_used_again_for_the_next(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.test_runner import *;"
        "print(attempt(task(Path(sys.argv[1]), take_and_free)).value)"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, tmp_path],
        cwd=REPOSITORY,
        check=True,
        capture_output=True,
        text=True,
    )

    pages_of_a_slice = SLICE_BYTES / os.sysconf("SC_PAGE_SIZE")
    assert int(done.stdout) < 2 * 8 * pages_of_a_slice
