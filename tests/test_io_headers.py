"""The quick reader of headers and pydicom: one result, whatever the bytes."""

import os
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.core.errors import DicomError
from pipelines.io import quick_header as quick_module
from pipelines.io.headers import header_of, read_header, read_odd_header
from pipelines.io.quick_header import read_quick_header
from pipelines.io.quick_walk import QuickMemory
from tests.test_io_pixels import write_slice

SHARED_FILES = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def quick_header(path):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        quick = read_quick_header(descriptor)
    finally:
        os.close(descriptor)
    return quick and header_of(path, quick)


def outcome(read, path):
    try:
        return read(path)
    except DicomError as error:
        return error.code


def is_slice(path):
    try:
        read_header(path)
    except DicomError:
        return False
    return True


def agree(path):
    """Whether the quick reader read the file, after it was compared with pydicom."""
    quick, odd = quick_header(path), outcome(read_odd_header, path)
    assert quick is None or quick == odd
    assert outcome(read_header, path) == odd
    return quick is not None


def test_every_real_file_has_one_header_and_the_quick_reader_knows_nearly_all(shared_data):
    files = [path for path in sorted(shared_data.rglob("*")) if path.is_file()]

    slices = {path: agree(path) for path in files if is_slice(path)}
    assert len(slices) > 150
    slow = sorted(path.name.split("_")[1] for path, is_quick in slices.items() if not is_quick)
    assert [name[:8] for name in slow] == ["BigEndia", "Deflated"]


@pytest.mark.parametrize("syntax", ["explicit", "implicit"])
@SHARED_FILES
@given(data=st.data())
def test_flipped_bytes_give_both_readers_one_result(tmp_path, shared_data, syntax, data):
    names = {"explicit": "LittleEndianExplicit", "implicit": "LittleEndianImplicit"}
    (whole,) = (shared_data / "syntaxes_chest_slice").glob(f"*{names[syntax]}*")
    flipped = bytearray(whole.read_bytes()[:4096])
    for _ in range(data.draw(st.integers(1, 3))):
        flipped[data.draw(st.integers(128, 2300))] = data.draw(st.integers(0, 255))
    path = tmp_path / "flipped.dcm"
    path.write_bytes(flipped)

    agree(path)


@SHARED_FILES
@given(at=st.integers(0, 3000), gone=st.integers(1, 40))
def test_lost_and_repeated_bytes_give_both_readers_one_result(tmp_path, shared_data, at, gone):
    (whole,) = (shared_data / "syntaxes_chest_slice").glob("*LittleEndianExplicit*")
    data = whole.read_bytes()[:4096]
    path = tmp_path / "changed.dcm"

    for changed in (data[:at] + data[at + gone :], data[: at + gone] + data[at:], data[:at]):
        path.write_bytes(changed)
        agree(path)


def test_a_header_longer_than_the_first_window_is_read_quickly_too(tmp_path):
    import pydicom

    path = write_slice(tmp_path)
    dataset = pydicom.dcmread(path)
    dataset.add_new(0x00091001, "OB", bytes(20_000))
    dataset.add_new(0x00090010, "LO", "MAKER")
    dataset.save_as(path)

    assert agree(path)


def test_a_sequence_of_undefined_length_is_walked_by_the_quick_reader(tmp_path):
    import pydicom

    path = write_slice(tmp_path)
    dataset = pydicom.dcmread(path)
    inner = pydicom.Dataset()
    inner.ReferencedSOPInstanceUID = "1.2.3"
    inner.PurposeOfReferenceCodeSequence = [pydicom.Dataset()]
    inner.is_undefined_length_sequence_item = True
    dataset.ReferencedStudySequence = [inner, pydicom.Dataset()]
    for sequence in (dataset["ReferencedStudySequence"], inner["PurposeOfReferenceCodeSequence"]):
        sequence.is_undefined_length = True
    dataset.save_as(path)

    assert agree(path)


@SHARED_FILES
@given(data=st.data())
def test_what_was_read_before_changes_no_header(tmp_path, shared_data, data):
    known = sorted((shared_data / "chest_ge_16").rglob("*.dcm"))
    for path in data.draw(st.permutations(known)):
        read_header(path)
    content = bytearray(known[0].read_bytes()[: 1 << 13])
    for _ in range(data.draw(st.integers(0, 2))):
        content[data.draw(st.integers(128, 3000))] = data.draw(st.integers(0, 255))
    path = tmp_path / "known.dcm"
    path.write_bytes(content)
    learnt = quick_header(path)
    with pytest.MonkeyPatch.context() as patch:
        for name in ("EXPLICIT", "IMPLICIT"):
            patch.setattr(quick_module, name, QuickMemory())
        unlearnt = quick_header(path)

    assert learnt == unlearnt


def test_slices_of_a_series_share_what_was_checked_but_not_their_own_values(tmp_path, shared_data):
    series = sorted((shared_data / "chest_ge_16").rglob("*.dcm"))

    headers = [read_header(path) for path in series]

    assert [quick_header(path) for path in series] == headers
    assert len({header.plane.image_position_lps_mm for header in headers}) == len(series)
    assert len({replace(header.pixels) for header in headers}) == 1
