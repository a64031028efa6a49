"""Workspaces on the synthetic hospital, for the tests that run whole commands."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from mosmedcli.main import main

SAMPLE = Path(__file__).parents[1] / "sample_dicom"
KEY = "5a" * 32


def mosmed(*args: object) -> Result:
    """One command in this process."""
    return CliRunner().invoke(main, [str(arg) for arg in args])


def mosmed_json(*args: object) -> dict:
    """What a command prints as JSON."""
    return json.loads(mosmed(*args, "--json").stdout)


def start_mosmed(*args: object) -> subprocess.Popen:
    """One command as a process with a session of its own, so that it can be killed whole."""
    return subprocess.Popen(
        [sys.executable, "-m", "mosmedcli", *map(str, args)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def kill(process: subprocess.Popen) -> None:
    """Kill such a process, with all that it has started, unless it has ended."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def make_workspace(
    root: Path, *, studies: int = 12, seed: str = "20200301", pacs: Path = SAMPLE / "pacs"
) -> Path:
    """A workspace on the sample, with a key that is the same in every test."""
    (root / "private").mkdir(parents=True, mode=0o700)
    key = root / "private" / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    made = mosmed(
        "init", root, "--ris", SAMPLE / "ris_export.xlsx", "--pacs", pacs,
        "--masks", SAMPLE / "masks", "--studies", studies, "--seed", seed,
    )  # fmt: skip
    assert made.exit_code == 0, made.output
    return root


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its relative path."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def looked_at_first(root: Path) -> dict[str, bytes]:
    """What users of a dataset look at first, by its path; the report tells how a run was made."""
    return {
        name: data
        for name, data in contents(root / "dataset").items()
        if name.endswith((".nii.gz", "dataset_registry.xlsx", "studies.csv"))
    }
