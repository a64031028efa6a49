"""select: the draw of 1,110 studies from a RIS of a million rows, by where the rows lie."""

import csv
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.bench.harness import Contestant, Measured, markdown, once
from tests.bench.peers.ris_rows import rows

TITLE = "select"
MOSMED = Path(sys.executable).with_name("mosmed")
ROWS = Path(__file__).parent / "peers" / "ris_rows.py"
TABLES = {"csv": 1_000_000, "db": 1_000_000, "xlsx": 100_000}
ADDED = 10_000
ROUNDS = 3

PROSE = """`mosmed select` as a whole process, from start to the synced selection: every row is \
judged by all twelve rules, told from the others by its numbers, and what was left out is kept for \
`mosmed why`. The round with the least CPU; the floor is a loop over Python's own csv reader."""


def measure(scratch: Path, say: Callable[[str], None], rounds: int) -> str:
    """Run this part in `scratch`; its section of BENCHMARKS.md."""
    lines, told = [], ""
    for kind, count in TABLES.items():
        path = scratch / f"ris.{kind}"
        subprocess.run([sys.executable, ROWS, str(count), path], check=True)
        contestants = [_mosmed(path)]
        if kind == "csv":
            contestants.insert(0, _floor(path))
        for one in contestants:
            best = _best(one, scratch, min(rounds, ROUNDS), say)
            lines.append([
                one.name, f"{count:,}", f"{best.cpu_seconds:.1f}", f"{best.wall_seconds:.1f}",
                f"{1e6 * best.cpu_seconds / count:.0f}", f"{best.peak_rss_mb:.0f}", best.fault,
            ])  # fmt: skip
        if kind == "csv":
            told = _told(path, scratch)
        path.unlink()
    heads = ["", "rows", "CPU s", "wall s", "CPU us per row", "peak RSS MB", "note"]
    return f"\n{PROSE}\n\n{markdown(heads, lines)}\n\n{told}\n"


def _floor(path: Path) -> Contestant:
    loop = f"import csv; print(sum(1 for _ in csv.reader(open({str(path)!r}))))"
    return Contestant(name="csv.reader", command=lambda _source, _out: [sys.executable, "-c", loop])


def _mosmed(path: Path) -> Contestant:
    place = f"sqlite:///{path}" if path.suffix == ".db" else str(path)
    query = ["--query", "SELECT * FROM ct"] if path.suffix == ".db" else []

    def setup(out: Path) -> None:
        command = [MOSMED, "init", out, "--ris", place, *query, "--seed", "1"]
        subprocess.run(command, check=True, capture_output=True)

    return Contestant(
        name=f"mosmed select, {path.suffix}",
        setup=setup,
        command=lambda _source, out: [str(MOSMED), "select", "-w", str(out)],
    )


def _told(path: Path, scratch: Path) -> str:
    """What becomes of a draw when rows are added to the RIS."""
    before = _drawn(path, scratch)
    with path.open("a", encoding="utf-8", newline="") as file:
        for number, uid, issuer, patient, *rest in rows(ADDED):
            csv.writer(file).writerow([f"NEW{number}", f"{uid}.1", issuer, f"NEW{patient}", *rest])
    after = _drawn(path, scratch)
    added = sum(number.startswith("NEW") for number in after)
    stays = after & before
    moved = len(after) - added - len(stays)
    return (
        f"{len(before):,} studies and reserves are drawn. When {ADDED:,} rows of other patients "
        f"come, {len(stays):,} of them stay, {added} of the new ones take the places of those of "
        f"the highest rank, and of the rows that were there before {moved} move in."
    )


def _drawn(path: Path, scratch: Path) -> set[str]:
    once(_mosmed(path), scratch, scratch / "out", keeps=True)
    [candidates] = (scratch / "out").glob("private/*/selection/candidates.json")
    return {one["accession_number"] for one in json.loads(candidates.read_bytes())}


def _best(one: Contestant, scratch: Path, rounds: int, say: Callable[[str], None]) -> Measured:
    measured = []
    for number in range(rounds):
        measured.append(once(one, scratch, scratch / "out"))
        say(f"{one.name}, round {number}: {measured[-1].cpu_seconds:.1f} s CPU")
    return min(measured, key=lambda found: found.cpu_seconds)
