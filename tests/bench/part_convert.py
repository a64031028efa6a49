"""convert: 300 slices of 512 x 512, thinned and whole, against the tools that people use."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.bench.convert_contestants import (
    CODECS,
    PEERS,
    SCRIPTS,
    WORKERS_NOTE,
    batches,
    floors,
    install_all,
    thinned,
    whole,
)
from tests.bench.harness import BYTES_PER_MB, Contestant, Runs, markdown, once, run, size_mb
from tests.bench.venv import PYTHON, ROOT, install, versions
from tests.bench.volumes import MAKERS, REAL

TITLE = "convert and thin"
SLICES, STUDIES = 300, 20
SYNTAXES = {"raw": "uncompressed", "jpeg": "JPEG lossless SV1", "j2k": "JPEG 2000 lossless"}
LEAGUE = ("dcm2niix", "SimpleITK", "dicom2nifti")
MIB_PER_MB = 1e6 / 2**20

PROSE = """Input: one chest CT of 300 slices of 512 x 512 at 0.8 mm, made of the pixels of a real \
Siemens chest where it is at hand. Whole processes from start to end, children included; medians \
of the rounds, ratios within the same round, after one round to warm up. *HU off* and *mm off* \
are the largest differences of the written volume from the DICOM slices that lie where it says \
its own do."""


def measure(scratch: Path, say: Callable[[str], None], rounds: int) -> str:
    """Run this part in `scratch`; its section of BENCHMARKS.md."""
    broken = install_all()
    parts, runs = [], {}
    for syntax, title in SYNTAXES.items():
        source = scratch / syntax
        _make("series", str(SLICES), syntax, source)
        _prepare(syntax, source, scratch)
        contestants = [*thinned(broken), *floors(syntax, scratch)]
        runs[syntax] = run(contestants, source, scratch, rounds=rounds, say=say)
        parts.append(f"### Every 10th of {SLICES} slices, {title}, {size_mb(source):.0f} MB")
        parts.append(_table(runs[syntax], scratch / "raw", scratch, source=source))
    raw = scratch / "raw"
    runs["whole"] = run(whole(broken, scratch), raw, scratch, rounds=rounds, say=say)
    parts += ["### All slices, uncompressed", _table(runs["whole"], raw, scratch)]
    _make("batch", str(STUDIES), raw, scratch / "batch")
    runs["batch"] = run(batches(), scratch / "batch", scratch, rounds=min(rounds, 3), say=say)
    parts.append(f"### {STUDIES} studies, every 10th slice, uncompressed")
    parts.append(_table(runs["batch"], raw, scratch, source=scratch / "batch"))
    microseconds = json.loads(_make("headers", raw))
    parts += ["### Targets", _targets(runs, microseconds), "### Packing", _packing(scratch)]
    parts += ["### Traps", _league(scratch, broken)]
    return "\n\n".join(["", PROSE, versions(*(peer.package for peer in PEERS.values())), *parts])


def _prepare(syntax: str, source: Path, scratch: Path) -> None:
    if syntax == "raw":
        _make("plain", source, scratch / "plain")
    else:
        _make("frames", source, scratch / f"frames-{syntax}")


def _table(
    all_runs: Sequence[Runs], truth: Path, scratch: Path, *, source: Path | None = None
) -> str:
    """CPU, wall, memory, ratios, and what was written; the first that ran is the base."""
    base = next(runs for runs in all_runs if runs.by_round)
    heads = ["", "CPU s", "wall s", f"CPU x {base.contestant.name}", "peak MiB", "MB out"]
    heads += ["slices", "HU off", "mm off", "rounds", "note"]
    rows = []
    for runs in all_runs:
        one = runs.contestant
        if not runs.by_round:
            rows.append([one.name, *["–"] * 9, f"not measured: {runs.fault}"])
            continue
        figures = [
            f"{runs.median('cpu_seconds'):.2f}",
            f"{runs.median('wall_seconds'):.2f}",
            f"{runs.ratio(base, 'cpu_seconds'):.2f}",
            f"{runs.median('peak_rss_mb') * MIB_PER_MB:.0f}",
        ]
        written = _written(one, source or truth, truth, scratch)
        note = "; ".join(part for part in (one.note, runs.fault) if part)
        rows.append([one.name, *figures, *written, str(len(runs.by_round)), note])
    return markdown(heads, rows)


def _written(contestant: Contestant, source: Path, truth: Path, scratch: Path) -> list[str]:
    """Megabytes of volumes, slices, and how far off they are, after the very command timed."""
    out = scratch / "kept"
    once(contestant, source, out, keeps=True)
    if contestant.note.startswith("floor"):
        packed = sum(path.stat().st_size for path in out.rglob("*.gz")) / BYTES_PER_MB
        return [f"{packed:.1f}" if packed else "", "", "", ""]
    told = json.loads(_make("check", truth, out))
    names = ("mb", "slices", "hu_off", "mm_off")
    return [f"{told[name]:.4g}" if name in told else "" for name in names]


def _targets(runs: dict[str, list[Runs]], microseconds: dict[str, float]) -> str:
    by_name = {
        part: {one.contestant.name: one for one in some if one.by_round}
        for part, some in runs.items()
    }

    def ratio(part: str, one: str, base: str) -> str:
        there = by_name[part]
        if one not in there or base not in there:
            return "not measured"
        return f"{there[one].ratio(there[base], 'cpu_seconds'):.2f}"

    short, smart = "mosmed, short way", "smart chain, level 1"
    rows = [
        ["short way : smart chain", "0.60", ratio("raw", short, smart)],
        ["short way : dcm2niix -z n + thin", "0.30", ratio("raw", short, "dcm2niix + thin")],
        ["short way : SimpleITK + thin", "", ratio("raw", short, "SimpleITK + thin")],
        ["short way : dicom2nifti + thin", "", ratio("raw", short, "dicom2nifti + thin")],
        ["whole volume : dcm2niix -z i", "0.50", ratio("whole", "mosmed", "dcm2niix -z i")],
        ["JPEG lossless : decoding alone", "1.30", ratio("jpeg", short, "decode 30 frames")],
        ["J2K : decoding alone", "1.30", ratio("j2k", short, "decode 30 frames")],
        ["headers, µs a file", "60", f"{microseconds['mosmed']:.0f}"],
        *_batch_rows(by_name["batch"]),
    ]
    told = ", ".join(f"{name} {value:g}" for name, value in microseconds.items())
    rows_told = markdown(["CPU", "target, at most", "measured", ""], [[*row, ""] for row in rows])
    return f"{rows_told}\n\nMicroseconds of CPU a header, files in memory: {told}."


def _batch_rows(batch: dict[str, Runs]) -> list[list[str]]:
    rows = []
    for name, runs in batch.items():
        wall = runs.median("wall_seconds") / STUDIES
        if runs.contestant.note == WORKERS_NOTE:
            rows.append([f"{name}: wall s a study", "", f"{wall:.3f}"])
            continue
        seconds = runs.median("cpu_seconds") / STUDIES
        peak = runs.median("peak_rss_mb") * MIB_PER_MB
        rows.append([f"{name}: CPU s a study", "0.15", f"{seconds:.3f}"])
        rows.append([f"{name}: peak MiB a process", "100", f"{peak:.0f}"])
    return rows


def _packing(scratch: Path) -> str:
    """What every codec makes of real series, against zlib 6, which packed the published ones."""
    faults = [fault for fault in map(install, CODECS) if fault]
    if faults or not REAL.exists():
        return "; ".join(faults) or "not measured: there are no real series"
    _make("real", scratch / "series")
    told = {}
    for maker, (name, kernel) in MAKERS.items():
        raw = scratch / "series" / f"{name}-{kernel}.raw"
        told[maker] = json.loads(_run_peer("pack_levels.py", raw))
    heads = ["", *(head for maker in told for head in (f"{maker}: ns/byte", "x zlib 6"))]
    rows = []
    for codec in next(iter(told.values())):
        row = [codec]
        for figures in told.values():
            nanoseconds, size = figures[codec]
            row += [f"{nanoseconds:.1f}", f"{size / figures['zlib 6'][1]:.3f}"]
        rows.append(row)
    prose = (
        "CPU and size of whole real series, in HU. The bytes that isal makes depend on the "
        "processor; those of libdeflate on its version alone."
    )
    return f"{prose}\n\n{markdown(heads, rows)}"


def _run_peer(script: str, *arguments: Path | str) -> str:
    command = [str(PYTHON), str(SCRIPTS / script), *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _league(scratch: Path, broken: dict[str, str]) -> str:
    """How many of the traps of `tests/edge` each tool turns into a wrong volume."""
    cases = scratch / "cases"
    _run("tests.edge", "write", cases)
    outcomes = {"mosmed": _own_outcomes(scratch, cases)}
    for tool in LEAGUE:
        if not broken[tool]:
            out = scratch / "league" / tool
            command = [str(PYTHON), str(SCRIPTS / "every_case.py"), tool, str(cases), str(out)]
            subprocess.run(command, check=False, capture_output=True)
            outcomes[tool] = json.loads(_run("tests.edge", "grade", out))
    rows = []
    for tool, by_case in outcomes.items():
        counts = [sum(one == kind for one in by_case.values()) for kind in KINDS]
        wrong = ", ".join(name for name, outcome in by_case.items() if outcome == "wrong")
        rows.append([tool, *map(str, counts), wrong or "none"])
    heads = ["", "right", "refused", "wrong", "which are wrong"]
    total = len(outcomes["mosmed"])
    text = f"{total} small series that converters get wrong, each with its truth (`tests/edge`)."
    return f"{text}\n\n{markdown(heads, rows)}"


KINDS = ("right", "nothing", "wrong")


def _own_outcomes(scratch: Path, cases: Path) -> dict[str, str]:
    out = scratch / "league" / "mosmed"
    mosmed = Path(sys.executable).with_name("mosmed")
    subprocess.run([mosmed, "convert", cases, out], check=False, capture_output=True)
    told: dict[str, str] = json.loads(_run("tests.edge", "grade", out, "mosmed"))
    return told


def _make(*arguments: Path | str) -> str:
    return _run("tests.bench.volumes", *arguments)


def _run(module: str, *arguments: Path | str) -> str:
    """A process of its own, so that this one stays small."""
    done = subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
