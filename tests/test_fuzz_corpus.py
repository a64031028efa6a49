"""A corpus of malformed files that others made: each comes out whole and proven, or not at all."""

import json
import re
import warnings
from collections import Counter

import pydicom
import pytest

from tests.workspaces import KEY, contents, mosmed

SOP_CLASS = b"\x08\x00\x16\x00UI"
IMAGE_TYPE = b"\x08\x00\x08\x00CS\x16\x00ORIGINAL\\PRIMARY\\AXIAL"
CASE = re.compile(r"TC\d+")


def files_of(corpus):
    """The files of the corpus by the number of their case, as they are."""
    paths = sorted(corpus.rglob("*.dcm"))
    return {(CASE.match(path.stem) or ["baseline"])[0]: path.read_bytes() for path in paths}


def as_original_images(files):
    """The same, said to be original axial images of a maker who is not called as the patient."""
    return {
        case: content.replace(SOP_CLASS, IMAGE_TYPE + SOP_CLASS, 1).replace(
            b"FUZZ_MFG", b"MAKERCO."
        )
        for case, content in files.items()
    }


def anonymized(files, folder):
    """What became of each file by itself: its end, and the bytes that were written."""
    folder.mkdir()
    key = folder / "key"
    key.write_text(KEY)
    key.chmod(0o600)
    ends, written = {}, {}
    for case, content in files.items():
        place = folder / case / "in"
        place.mkdir(parents=True)
        (place / "file.dcm").write_bytes(content)
        done = mosmed("anonymize", place, place.parent / "out", "--key", key, "-j", 1, "--json")
        report = json.loads(done.stdout)
        assert "Traceback" not in done.output
        assert report["found"] == 1
        assert done.exit_code == report["exit_status"]
        excluded = [one["rule"] for one in report["excluded"]]
        failed = [one["code"] for one in report["failed"]]
        (ends[case],) = [*("done" for _ in report["done"]), *excluded, *failed]
        written[case] = contents(place.parent / "out")
    return ends, written


def read_by_pydicom(path):
    """The bytes of the pixels, if pydicom reads them and every element before them; else None.

    What lies behind the pixels is for nobody to understand: it is never copied.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            header = pydicom.dcmread(path, stop_before_pixels=True)
            header.decode()
            header.walk(lambda _dataset, element: element.value)
            return pydicom.dcmread(path).get("PixelData")
        except Exception:
            return None


@pytest.fixture
def corpus(shared_data):
    return files_of(shared_data / "corrupt_fuzz")


def test_of_a_corpus_of_malformed_files_none_passes_for_an_original_image(corpus, tmp_path):
    ends, written = anonymized(corpus, tmp_path / "all")

    assert Counter(ends.values()) == {
        "image_type": 100,
        "MISSING_ATTRIBUTE": 7,
        "UNREADABLE_DICOM": 7,
        "TRUNCATED_FILE": 6,
        "IDENTITY_LEFT": 1,
        "BAD_PIXELS": 1,
        "UNSUPPORTED_SYNTAX": 1,
    }
    assert not any(written.values())


def test_what_pydicom_cannot_read_does_not_come_out_and_what_comes_out_is_whole(corpus, tmp_path):
    files = as_original_images(corpus)

    ends, written = anonymized(files, tmp_path / "all")

    read = {case: read_by_pydicom(tmp_path / "all" / case / "in" / "file.dcm") for case in files}
    assert {case for case, end in ends.items() if end == "done"} == {
        case for case, made in written.items() if made
    }
    assert not {case for case, made in written.items() if made and read[case] is None}
    for case, made in written.items():
        for name in made:
            assert read_by_pydicom(tmp_path / "all" / case / "out" / name) == read[case], case
            assert b"FUZZ" not in made[name].upper(), case
    assert Counter(end for case, end in ends.items() if read[case] is not None) == {
        "done": 76,
        "BAD_PIXELS": 14,  # of another length or depth than the header says, or no depth at all
        "TRUNCATED_FILE": 7,
        "IDENTITY_LEFT": 2,  # the patient's name stands where something else is kept
        "MISSING_ATTRIBUTE": 2,
        "UNSUPPORTED_SYNTAX": 1,
        "image_type": 1,  # the one in implicit VR, which is left as it is
    }
    assert Counter(end for case, end in ends.items() if read[case] is None) == {
        "UNREADABLE_DICOM": 7,
        "MISSING_ATTRIBUTE": 6,
        "TRUNCATED_FILE": 6,
        "BAD_PIXELS": 1,
    }
