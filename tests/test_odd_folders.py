"""Folders as no one would make them: deep, closed, with names of any bytes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipelines.core.grids import Volume
from pipelines.io.nifti import write_volume
from tests.workspaces import KEY, mosmed

DEEP = 1200


@pytest.fixture
def deep(tmp_path):
    """A folder in a folder in a folder ..., deeper than Python may call itself."""
    here = Path.cwd()
    top = tmp_path / "deep"
    top.mkdir()
    try:
        os.chdir(top)
        for _ in range(DEEP):
            Path("d").mkdir()
            os.chdir("d")
        Path("junk.txt").touch()
        yield top
    finally:
        os.chdir(top)
        while Path("d").is_dir():
            Path("d/d").is_dir() and Path("d/d").rename("e")
            shutil.rmtree("d")
            Path("e").is_dir() and Path("e").rename("d")
        os.chdir(here)


@pytest.mark.parametrize("command", ["convert", "anonymize", "thin", "validate"])
def test_no_tree_is_too_deep_to_be_looked_through(deep, tmp_path, command):
    (tmp_path / "key").write_text(KEY)
    (tmp_path / "key").chmod(0o600)
    out = [] if command == "validate" else [tmp_path / "out"]
    key = ["--key", tmp_path / "key"] if command == "anonymize" else []

    done = mosmed(command, deep, *out, *key, "--json")

    assert done.exit_code in {0, 3}, done.output
    if out:
        assert len(json.loads(done.stdout)["excluded"]) == 1


@pytest.mark.parametrize("out", ["/dev/null", "file/out"])
def test_an_out_that_can_be_no_folder_is_told(tmp_path, out):
    (tmp_path / "in").mkdir()
    (tmp_path / "in/junk.txt").touch()
    (tmp_path / "file").touch()

    done = mosmed("convert", tmp_path / "in", tmp_path / out)

    assert done.exit_code == 1
    assert "cannot be made" in done.output


def test_a_name_of_any_bytes_is_thinned(tmp_path):
    folder = tmp_path / os.fsdecode(b"in/na\xffme")
    folder.mkdir(parents=True)
    volume = Volume(voxels_hu=np.zeros((4, 5, 20), np.int16), affine_ras=np.diag([-1.0, 1, 1, 1]))
    write_volume(folder / "a.nii.gz", volume, gzip_level=1)
    command = ("-m", "mosmedcli", "thin", tmp_path / "in", tmp_path / "out", "--by", "position")

    # In a process of its own: where ITK is told such a name, it ends the process
    done = subprocess.run([sys.executable, *command, "-j", "1"], capture_output=True, check=False)

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "out").rglob("a.nii.gz"))) == 1
