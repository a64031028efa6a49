"""The peers, each installed from PyPI into `.venv-bench`, which mosmed itself never uses."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-bench"
PYTHON = FOLDER / "bin" / "python"


@dataclass(frozen=True, slots=True)
class Peer:
    """A package of PyPI; the version is fixed, so that figures of two days can be compared."""

    package: str
    version: str


def install(peer: Peer) -> str:
    """Install a peer if it is not there; empty, or why it cannot be installed."""
    if not PYTHON.exists() and (fault := _fault_of(sys.executable, "-m", "venv", FOLDER)):
        return fault
    if installed(peer.package) == peer.version:
        return ""
    return _fault_of(PYTHON, "-m", "pip", "install", "--quiet", f"{peer.package}=={peer.version}")


def _fault_of(*command: str | Path) -> str:
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
    )
    if done.returncode == 0:
        return ""
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return f"not installed: {lines[-1].strip()[:120] if lines else 'no message'}"


def installed(package: str, python: Path | str = PYTHON) -> str:
    """The version that is there; empty for none."""
    code = "import importlib.metadata as m, sys; sys.stdout.write(m.version(sys.argv[1]))"
    done = subprocess.run(
        [python, "-c", code, package], capture_output=True, text=True, check=False
    )
    return done.stdout if done.returncode == 0 else ""


def versions(*packages: str) -> str:
    """Python and the packages of `.venv-bench`, and mosmed's own."""
    ours = ", ".join(f"{name} {installed(name, sys.executable)}" for name in ("mosmed", "pydicom"))
    theirs = ", ".join(f"{name} {installed(name) or 'absent'}" for name in packages)
    return f"- {ours}; peers: {theirs}"
