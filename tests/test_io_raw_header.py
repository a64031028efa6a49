"""Headers are read the same whatever was read before them."""

import os

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.io import header_memory
from pipelines.io.raw_header import HeaderReader
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax

VOXELS = np.zeros((4, 8, 8), dtype=np.int16)
CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["set", "cut", "double"]),
        st.integers(132, 1400),
        st.sampled_from([0, 1, 0x20, 0x41, 0xFF]),
    ),
    max_size=3,
)


def read(path, reader):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        whole = reader.read(descriptor, path.stat().st_size)
        return whole, reader.elements(descriptor)
    finally:
        os.close(descriptor)


def changed(content, changes):
    content = bytearray(content)
    for kind, at, byte in changes:
        if kind == "set":
            content[at] = byte
        elif kind == "cut":
            del content[at : at + 2]
        else:
            content[at:at] = content[at : at + 10]
    return bytes(content)


@pytest.fixture(scope="module")
def slices(tmp_path_factory):
    """The bytes of four slices in each of two encodings."""
    folder = tmp_path_factory.mktemp("slices")
    return [
        path.read_bytes()
        for syntax in (Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE)
        for path in write_series(folder / syntax, SeriesSpec(syntax=syntax), VOXELS)
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    spoilt=st.lists(st.tuples(st.integers(0, 7), CHANGES), min_size=2, max_size=12),
    most=st.sampled_from([0, 5, header_memory.MOST_VARYING]),
)
def test_a_header_is_read_alike_whatever_was_read_before(
    spoilt, most, slices, tmp_path, monkeypatch
):
    monkeypatch.setattr(header_memory, "MOST_VARYING", most)
    reader, path = HeaderReader(), tmp_path / "f.dcm"

    for number, changes in spoilt:
        path.write_bytes(changed(slices[number], changes))
        assert read(path, reader) == read(path, HeaderReader())


def test_every_real_header_is_read_alike_whatever_was_read_before(shared_data):
    reader, understood = HeaderReader(), 0
    files = [path for path in sorted(shared_data.rglob("*")) if path.is_file()]

    for path in (*files, *files[::-1]):
        found = read(path, reader)
        assert found == read(path, HeaderReader())
        understood += found[0] is not None

    assert understood > 300


def test_what_slices_share_is_not_taken_apart_again(tmp_path):
    reader = HeaderReader()
    paths = write_series(tmp_path, SeriesSpec(), VOXELS)

    *_, last, this = (read(path, reader)[0].elements for path in paths)

    same = [tag for tag, element in last.items() if element == this[tag]]
    assert len(same) > len(this) / 2
    assert all(last[tag] is this[tag] for tag in same)


def test_a_huge_header_is_not_kept_in_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(header_memory, "LONGEST_REMEMBERED_BYTES", 100)
    reader = HeaderReader()

    for path in write_series(tmp_path, SeriesSpec(), VOXELS):
        assert read(path, reader) == read(path, HeaderReader())

    assert not reader._explicit.runs
