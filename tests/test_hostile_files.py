"""Files made to harm: each ends with a code, in bounded time and memory; what is sound passes."""

import json
import resource
import subprocess
import sys

import numpy as np

from pipelines.phantom.instances import instance_dataset
from pipelines.phantom.spec import SeriesSpec
from tests.workspaces import KEY, contents

SECRET = b"IVANOVSKIJ"
MEMORY_BYTES = 3 << 30
CPU_SECONDS = 60
SEQUENCE = b"\x08\x00\x40\x11"  # ReferencedImageSequence
ITEM, ITEM_END, END = b"\xfe\xff\x00\xe0", b"\xfe\xff\x0d\xe0", b"\xfe\xff\xdd\xe0"
OPEN = b"\xff\xff\xff\xff"


def element(tag, vr, value, length=None):
    size = len(value) if length is None else length
    long = vr in {b"SQ", b"UN", b"OB", b"UT"}
    head = b"\0\0" + size.to_bytes(4, "little") if long else size.to_bytes(2, "little")
    return tag + vr + head + value


def nested(depth, inner):
    """Sequences within sequences, of undefined length."""
    start = SEQUENCE + b"SQ\0\0" + OPEN + ITEM + OPEN
    return start * depth + inner + (ITEM_END + bytes(4) + END + bytes(4)) * depth


def nested_with_lengths(depth, inner):
    """The same with the length of everything."""
    for _ in range(depth):
        item = ITEM + len(inner).to_bytes(4, "little") + inner
        inner = element(SEQUENCE, b"SQ", item)
    return inner


NAME = element(b"\x10\x00\x10\x00", b"PN", SECRET)
KERNEL = element(b"\x18\x00\x10\x12", b"SH", SECRET)
HOSTILE = {  # what stands between (0008,1090) and the patient
    "nested 5000": nested(5000, KERNEL),
    "nested 5000 with lengths": nested_with_lengths(5000, KERNEL),
    "nested 5000 in UN": element(SEQUENCE, b"UN", nested(5000, KERNEL)),
    "never closed": (SEQUENCE + b"SQ\0\0" + OPEN + ITEM + OPEN) * 5000,
    "4 GB of bytes": element(SEQUENCE, b"OB", SECRET, 0xFFFFFFFE),
    "4 GB of text": element(b"\x08\x00\x12\x11", b"UT", SECRET, 0xFFFFFFF0),
    "4 GB sequence": element(SEQUENCE, b"SQ", ITEM + b"\xf0\xff\xff\xff", 0xFFFFFFF8),
    "item longer than its sequence": element(SEQUENCE, b"SQ", ITEM + b"\xff\xff\0\0" + KERNEL),
    "text as sequence": element(SEQUENCE, b"LO", SECRET),
    "sequence of text": element(SEQUENCE, b"SQ", SECRET),
    "no such type": element(SEQUENCE, b"ZZ", SECRET),
    "number of text": element(b"\x18\x00\x60\x00", b"DS", SECRET),
    "text as a number": element(b"\x18\x00\x60\x00", b"US", SECRET),
    "twice": NAME + NAME,
    "out of order": NAME + KERNEL,
    "a command": element(b"\x00\x00\x00\x10", b"UI", SECRET),
    "file meta again": element(b"\x02\x00\x16\x00", b"AE", SECRET),
    "a stray end": END + bytes(4) + NAME,
}


def hostile_files(folder):
    """One CT image for each, a sound one, and one with bytes behind its end."""
    for number, (name, what) in enumerate({"sound": b"", "trailing": b"", **HOSTILE}.items()):
        spec = SeriesSpec(
            study_instance_uid=f"1.2.3.{number}", series_number=number, patient_name="Ivanovskij^I"
        )
        dataset = instance_dataset(spec, 0, np.zeros((8, 8), dtype=np.int16))
        for keyword in ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID"):
            setattr(dataset, keyword, f"1.2.3.4.{number}.{len(keyword)}")
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        path = folder / f"{name}.dcm"
        dataset.save_as(path, enforce_file_format=True)
        content = path.read_bytes()
        place = content.index(b"\x10\x00\x10\x00PN")
        content = content[:place] + what + content[place:]
        path.write_bytes(content + SECRET * (name == "trailing"))


def limited():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))


def anonymized(folder, out, key):
    """The report of the command, run with bounded memory and time; and what it printed."""
    key.write_text(KEY)
    key.chmod(0o600)
    command = [sys.executable, "-m", "mosmedcli", "anonymize", folder, out, "--key", key, "-j", "1"]
    done = subprocess.run(
        [*map(str, command), "--json"],
        capture_output=True,
        timeout=20 * CPU_SECONDS,
        check=False,
        preexec_fn=limited,
    )
    report = json.loads(done.stdout)
    assert done.returncode == report["exit_status"]
    assert b"Traceback" not in done.stderr
    assert not {one["code"] for one in report["failed"]} & {"INTERNAL", "WORKER_DIED"}
    assert SECRET not in (done.stdout + done.stderr).upper().replace(b"IVANOVSKIJ.DCM", b"")
    return report


def test_each_hostile_file_ends_with_a_code_and_the_sound_one_passes(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    hostile_files(folder)

    report = anonymized(folder, tmp_path / "out", tmp_path / "key")

    ends = {one["public_id"]: one["code"] for one in report["failed"]}
    assert report["found"] == len(HOSTILE) + 2
    assert "sound.dcm" in report["done"]
    assert report["exit_status"] in {3, 4}
    written = contents(tmp_path / "out")
    assert len(written) == len(report["done"])
    assert not [name for name, data in written.items() if SECRET in data.upper()]
    refused = "nested 5000|nested 5000 with lengths|never closed|4 GB of bytes|4 GB of text"
    refused += "|4 GB sequence|item longer than its sequence|no such type|trailing"
    assert ends.keys() == {f"{name}.dcm" for name in refused.split("|")}
