"""Measures whole processes against one another: interleaved rounds, medians, ratios to the first.

Keep this process small: on Linux a child's peak RSS is never told lower than what its parent had
when it was started. So nothing heavy is imported here; inputs are made by other processes.
"""

import ctypes
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

BYTES_PER_MB = 1e6
PR_SET_CHILD_SUBREAPER = 36
LONGEST_FAREWELL_SECONDS = 10.0
KIB_PER_MB = 1e6 / 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Contestant:
    """A program that turns a folder into another: `command` gives its argument list.

    `rounds` limits a slow one, `largest` (files) keeps it out of larger sets; `note` says what
    else a reader has to know. `broken` is why it cannot run at all: it is listed all the same.
    """

    name: str
    command: Callable[[Path, Path], Sequence[str]]
    setup: Callable[[Path], None] = lambda _out: None
    rounds: int = 5
    largest: int = 1_000_000
    note: str = ""
    broken: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """One whole process, from start to end, with all its children."""

    cpu_seconds: float
    wall_seconds: float
    peak_rss_mb: float
    files: int
    fault: str = ""


@dataclass(slots=True, kw_only=True)
class Runs:
    """All rounds of one contestant, by number of the round; the warm-up is not among them."""

    contestant: Contestant
    by_round: dict[int, Measured] = field(default_factory=dict)
    fault: str = ""

    def median(self, name: str) -> float:
        return median(getattr(one, name) for one in self.by_round.values())

    def ratio(self, base: "Runs", name: str) -> float:
        """The median of the ratios to `base` in the rounds that both have run."""
        return median(
            getattr(one, name) / getattr(base.by_round[number], name)
            for number, one in self.by_round.items()
            if number in base.by_round
        )


def run(
    contestants: Sequence[Contestant],
    source: Path,
    scratch: Path,
    *,
    rounds: int = 5,
    say: Callable[[str], None] = lambda _text: None,
) -> list[Runs]:
    """A B C, A B C, ...: one round to warm up, then `rounds` that count; the first is the base."""
    adopt_orphans()
    files = count_files(source)
    all_runs = [Runs(contestant=one, fault=_left_out(one, files)) for one in contestants]
    for number in range(rounds + 1):
        for runs in all_runs:
            if runs.fault or number > runs.contestant.rounds:
                continue
            measured = once(runs.contestant, source, scratch / "out")
            say(f"{runs.contestant.name}, round {number}: {measured.cpu_seconds:.2f} s CPU")
            if measured.fault:
                runs.fault = measured.fault
            elif number:
                runs.by_round[number] = measured
    return all_runs


def _left_out(contestant: Contestant, files: int) -> str:
    if contestant.broken:
        return contestant.broken
    return "too slow for this set, see the smaller one" if files > contestant.largest else ""


def once(contestant: Contestant, source: Path, out: Path, *, keeps: bool = False) -> Measured:
    """Run a contestant once; its output is removed unless `keeps`."""
    shutil.rmtree(out, ignore_errors=True)
    contestant.setup(out)
    os.sync()  # or what the one before has written is paid for by this one
    log = out.with_suffix(".log")
    with log.open("wb") as stream:
        start = time.perf_counter()
        try:
            process = subprocess.Popen(
                list(contestant.command(source, out)), stdout=stream, stderr=subprocess.STDOUT
            )
        except OSError as error:
            return Measured(cpu_seconds=0, wall_seconds=0, peak_rss_mb=0, files=0, fault=str(error))
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        left_behind = _left_behind()
    process.returncode = os.waitstatus_to_exitcode(status)
    files = count_files(out)
    fault = "" if process.returncode == 0 else f"exit {process.returncode}: {_last_line(log)}"
    if not keeps:
        shutil.rmtree(out, ignore_errors=True)
    return Measured(
        cpu_seconds=usage.ru_utime + usage.ru_stime + left_behind,
        wall_seconds=wall,
        peak_rss_mb=usage.ru_maxrss / KIB_PER_MB,
        files=files,
        fault=fault,
    )


def adopt_orphans() -> None:
    """Let processes that outlive a contestant become children of this one, to be counted (Linux).

    Python's forkserver, from which workers come, is waited for by nobody.
    """
    if hasattr(ctypes.CDLL(None), "prctl"):
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _left_behind() -> float:
    """The CPU seconds of what a contestant has not waited for itself."""
    seconds, stop = 0.0, time.monotonic() + LONGEST_FAREWELL_SECONDS
    while time.monotonic() < stop:
        try:
            pid, _, usage = os.wait4(-1, os.WNOHANG)
        except ChildProcessError:
            break
        if pid:
            seconds += usage.ru_utime + usage.ru_stime
        else:
            time.sleep(0.01)
    return seconds


def _last_line(log: Path) -> str:
    lines = log.read_text("utf-8", "replace").strip().splitlines()
    return lines[-1].strip()[:120].replace("|", "/") if lines else "no message"


def count_files(folder: Path) -> int:
    """The files below a folder that are DICOM by their name."""
    return sum(path.is_file() and path.suffix == ".dcm" for path in folder.rglob("*"))


def size_mb(folder: Path) -> float:
    """All bytes below a folder."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / BYTES_PER_MB


def table(all_runs: Sequence[Runs], source: Path, more: dict[str, dict[str, str]]) -> str:
    """A Markdown table; `more` has further columns, by heading and contestant."""
    base, mb = all_runs[0], size_mb(source)
    heads = ["", "CPU s", "wall s", f"CPU x {base.contestant.name}", "wall x", "MB per CPU s"]
    heads += ["peak RSS MB", "files", "rounds", *more, "note"]
    rows = []
    for runs in all_runs:
        name = runs.contestant.name
        extra = [column.get(name, "") for column in more.values()]
        if runs.by_round:
            note = "; ".join(part for part in (runs.contestant.note, runs.fault) if part)
            rows.append([name, *_figures(runs, base, mb), *extra, note])
        else:
            rows.append([name, *["–"] * 8, *extra, f"not measured: {runs.fault}"])
    return markdown(heads, rows)


def _figures(runs: Runs, base: Runs, mb: float) -> list[str]:
    cpu = runs.median("cpu_seconds")
    return [
        f"{cpu:.2f}",
        f"{runs.median('wall_seconds'):.2f}",
        f"{runs.ratio(base, 'cpu_seconds'):.1f}",
        f"{runs.ratio(base, 'wall_seconds'):.1f}",
        f"{mb / cpu:.0f}",
        f"{runs.median('peak_rss_mb'):.0f}",
        f"{runs.median('files'):.0f}",
        str(len(runs.by_round)),
    ]


def markdown(heads: Iterable[str], rows: Iterable[Sequence[str]]) -> str:
    """A table in Markdown, its columns of figures flush right."""
    heads = list(heads)
    lines = ["| " + " | ".join(heads) + " |"]
    lines += ["|---|" + "--:|" * (len(heads) - 2) + "---|"]
    lines += ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join(lines)


def machine(folder: Path) -> str:
    """What was measured on: processor, cores, memory, kernel, file system of `folder`, date."""
    memory_gb = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return "\n".join(
        [
            f"- {datetime.now(UTC):%Y-%m-%d}, {_processor()}, {cores} cores, {memory_gb:.0f} GB",
            f"- {platform.system()} {platform.release()}, {_file_system(folder)}, "
            f"Python {platform.python_version()}",
        ]
    )


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _file_system(folder: Path) -> str:
    done = subprocess.run(["df", "-T", str(folder)], capture_output=True, text=True, check=False)
    fields = done.stdout.splitlines()[-1].split() if done.stdout else []
    return fields[1] if len(fields) > 1 else "unknown file system"
