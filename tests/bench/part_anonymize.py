"""anonymize: 200 and 2000 slices against `cp -r`, and what each tool leaves and loses."""

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.harness import Contestant, once, run, size_mb, table
from tests.bench.venv import PYTHON, ROOT, Peer, install, versions

TITLE = "anonymize"
SIZES = (200, 2000)
SCRIPTS = Path(__file__).parent / "peers"
MOSMED = Path(sys.executable).with_name("mosmed")

PEERS = {
    "pydicom": Peer("pydicom", "3.0.2"),
    "deid": Peer("deid", "0.4.13"),
    "dicom-anonymizer": Peer("dicom-anonymizer", "2.1.0"),
    "dicognito": Peer("dicognito", "0.19.0"),
    "dcmanon": Peer("dcmanon", "0.3.1"),
}

PROSE = """Input: {made_from}, each with its own UID, number and position, and an invented \
identity. Whole processes from start to end, children included, one after another in each round; \
medians of the rounds, ratios to `cp -r` in the same round, after one round to warm up. \
*Left* says how many of {places} planted canaries are in any byte or name of the output of the \
very same command, *lost* which of {science} attributes of science (pixels among them) are not \
what they were: a tool is only fast at what it does. `cp -r` is the control: it leaves all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """How many canaries a tool leaves, how many values it loses, and which."""

    left: str
    lost: str
    text: str


def measure(scratch: Path, say: Callable[[str], None], rounds: int) -> str:
    """Run this part in `scratch`; its section of BENCHMARKS.md."""
    _make("rules", scratch / "rules")
    _make("canaries", scratch / "canaries")
    _make("key", scratch / "bench.key")
    contestants = _contestants(scratch)
    verdicts = {one.name: _verdict(one, scratch) for one in contestants if not one.broken}
    more = {
        "left": {name: verdict.left for name, verdict in verdicts.items()},
        "lost": {name: verdict.lost for name, verdict in verdicts.items()},
    }
    parts = []
    for size in SIZES:
        source = scratch / f"slices{size}"
        _make("slices", str(size), source)
        all_runs = run(contestants, source, scratch, rounds=rounds, say=say)
        heading = f"### {size} slices of 512 x 512, {size_mb(source):.0f} MB"
        parts += [heading, table(all_runs, source, more if size == SIZES[0] else {})]
    places = "\n".join(f"- {name} {verdict.text}" for name, verdict in verdicts.items())
    head = f"\n{_prose()}\n\n{versions(*(peer.package for peer in PEERS.values()))}"
    return "\n\n".join([head, *parts, "What is left and lost, by place:\n\n" + places])


def _prose() -> str:
    return PROSE.format(**json.loads(_make("places")))


def _contestants(scratch: Path) -> list[Contestant]:
    rules = scratch / "rules"

    def script(name: str, *arguments: Path) -> Callable[[Path, Path], Sequence[str]]:
        return lambda source, out: [
            str(word) for word in (PYTHON, SCRIPTS / name, source, out, *arguments)
        ]

    def mosmed(jobs: int) -> Callable[[Path, Path], Sequence[str]]:
        key = str(scratch / "bench.key")
        options = ["--key", key, "--jobs", str(jobs)]
        return lambda source, out: [
            str(word) for word in (MOSMED, "anonymize", source, out, *options)
        ]

    broken = {name: install(peer) for name, peer in PEERS.items()}
    return [
        Contestant(name="cp -r", command=lambda source, out: ["cp", "-r", str(source), str(out)]),
        Contestant(name="mosmed", command=mosmed(1), note="proof of each file, synced to disk"),
        Contestant(
            name="pydicom",
            command=script("pydicom_table.py", rules / "rules.json"),
            broken=broken["pydicom"],
            note="read, edit by the same table, write; no proof",
        ),
        Contestant(
            name="dcmanon",
            command=script("dcmanon_folder.py"),
            broken=broken["dcmanon"],
            note="Rust, its own default list",
        ),
        Contestant(
            name="dicom-anonymizer",
            command=lambda source, out: [
                str(word) for word in (PYTHON.with_name("dicom-anonymizer"), source, out)
            ],
            setup=lambda out: out.mkdir(),
            largest=SIZES[0],
            broken=broken["dicom-anonymizer"],
            note="its command line, defaults",
        ),
        Contestant(
            name="dicognito",
            command=lambda source, out: [
                str(word) for word in (PYTHON, "-m", "dicognito", "--quiet", "-o", out, source)
            ],
            largest=SIZES[0],
            broken=broken["dicognito"],
            note="`python -m dicognito`, defaults",
        ),
        Contestant(
            name="deid",
            command=script("deid_documented.py", rules / "mosmed.deid"),
            rounds=3,
            largest=SIZES[0],
            broken=broken["deid"],
            note="documented calls, the recipe that mosmed ships",
        ),
    ]


def _verdict(contestant: Contestant, scratch: Path) -> Verdict:
    """What is left of the canaries and lost of science after the very command that is timed."""
    out = scratch / "verdict" / contestant.name
    out.mkdir(parents=True)
    planted, echo = (
        once(contestant, scratch / "canaries" / kind, out / kind, keeps=True)
        for kind in ("planted", "echo")
    )
    if not planted.files:
        return Verdict(left="–", lost="–", text=f"wrote nothing: {planted.fault}")
    found = json.loads(_make("check", scratch / "canaries", out))
    left, lost = (", ".join(found[kind]) or "nothing" for kind in ("left", "lost"))
    refused = "" if echo.files else "; refuses the file with the echoed name"
    return Verdict(
        left=str(len(found["left"])),
        lost=str(len(found["lost"])),
        text=f"leaves {left}; loses {lost}{refused}",
    )


def _make(what: str, *arguments: Path | str) -> str:
    """A process of its own, so that this one stays small."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.inputs", what, *map(str, arguments)],
        cwd=ROOT,
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return done.stdout
