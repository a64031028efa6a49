"""`python -m tests.bench [PART ...]`: runs the parts, prints their tables, writes BENCHMARKS.md."""

import argparse
import compileall
import importlib
import re
import sys
import tempfile
from pathlib import Path

from tests.bench.harness import machine
from tests.bench.venv import ROOT

FILE = ROOT / "BENCHMARKS.md"
HEAD = """# Benchmarks

Made by `make bench` (one part: `make bench PART=anonymize`). Peers are installed from PyPI into
`.venv-bench`; who cannot run is listed with the reason. A shared machine is noisy: compare ratios,
not seconds.
"""
SECTION = re.compile(r"<!-- part: (\w+) -->\n(.*?)<!-- end of part -->\n", re.DOTALL)


def parts() -> list[str]:
    """The parts there are: the modules `part_*.py` beside this one."""
    return sorted(path.stem.removeprefix("part_") for path in Path(__file__).parent.glob("part_*"))


def write(sections: dict[str, str]) -> None:
    """Write BENCHMARKS.md with new sections; those of other parts stay."""
    before = dict(SECTION.findall(FILE.read_text("utf-8"))) if FILE.exists() else {}
    text = HEAD
    for name, section in sorted({**before, **sections}.items()):
        text += f"\n<!-- part: {name} -->\n{section.strip()}\n\n<!-- end of part -->\n"
    FILE.write_text(text, encoding="utf-8")


def say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"some of: {', '.join(parts())}; all by default")
    parser.add_argument("--rounds", type=int, default=5, help="rounds that count")
    parser.add_argument("--folder", type=Path, help="where the temporary folder is made")
    arguments = parser.parse_args()
    chosen = arguments.parts or parts()
    if unknown := set(chosen) - set(parts()):
        parser.error(f"no part {', '.join(sorted(unknown))}: there are {', '.join(parts())}")
    # pip has compiled the peers: mosmed does not parse its source at each start, either
    for package in ("mosmedcli", "pipelines"):
        compileall.compile_dir(ROOT / package, quiet=2)
    sections = {}
    for name in chosen:
        part = importlib.import_module(f"tests.bench.part_{name}")
        with tempfile.TemporaryDirectory(prefix="mosmed-bench-", dir=arguments.folder) as folder:
            body = part.measure(Path(folder), say, arguments.rounds)
            sections[name] = f"## {part.TITLE}\n\n{machine(Path(folder))}\n{body}\n"
        sys.stdout.write(sections[name])
    write(sections)


if __name__ == "__main__":
    main()
