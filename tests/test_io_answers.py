"""What an archive answers of a slice claims what the slice's own header claims."""

import copy
from dataclasses import fields, replace
from io import BytesIO

import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset as encode

from pipelines.core.errors import DicomError
from pipelines.core.slices import SliceClaim
from pipelines.io.answers import SLICE_KEYS, answer_of, answer_of_json, claim_of, identifier
from pipelines.io.headers import read_header
from pipelines.phantom.instances import instance_dataset, write_dataset
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.pacs import objects_in

NOT_ALIKE = {"plane", "transfer_syntax_uid"}
COMPARED = [one.name for one in fields(SliceClaim) if one.name not in NOT_ALIKE]


def by_json(dataset):
    """As DICOMweb answers it."""
    header = {tag: item for tag, item in dataset.to_json_dict().items() if tag != "7FE00010"}
    return answer_of_json(header)


def by_dimse(dataset):
    """As C-FIND answers it: what was asked for, in Implicit VR Little Endian."""
    answer = Dataset()
    for element in identifier("IMAGE", {"StudyInstanceUID": ""}, SLICE_KEYS):
        if element.tag in dataset:
            answer[element.tag] = dataset[element.tag]
    buffer = pydicom.filebase.DicomBytesIO()
    buffer.is_little_endian, buffer.is_implicit_VR = True, True
    encode(buffer, answer)
    return answer_of(read_dataset(BytesIO(buffer.getvalue()), True, True))


def assert_same(header, claim):
    assert [getattr(claim, name) for name in COMPARED] == [
        getattr(header, name) for name in COMPARED
    ]
    assert replace(claim.plane, label="") == replace(header.plane, label="")


REAL = ("chest_siemens_8mm", "chest_ge_16", "head_phantom_philips", "chest_toshiba_singles",
        "syntaxes_chest_slice", "geometry_bad")  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_answers_of_real_slices_claim_what_their_headers_do(shared_data, tmp_path, name):
    told, path = 0, tmp_path / "slice.dcm"
    for content in list(objects_in(shared_data / name))[::5]:
        path.write_bytes(content)
        try:
            header = read_header(path)
        except DicomError:
            continue
        dataset = pydicom.dcmread(path, stop_before_pixels=True)
        for answer in (by_json, by_dimse):
            claim = claim_of(answer(dataset), "a slice")
            assert claim is not None or header.has_overlays
            if claim is not None:
                assert_same(header, claim)
                told += 1

    assert told >= 2


@given(
    spec=st.builds(
        replace,
        st.just(SeriesSpec()),
        slice_step_mm=st.sampled_from([0.8, 1.0, 0.123456789]),
        first_position_lps_mm=st.tuples(*[st.floats(-999, 999).map(lambda x: round(x, 6))] * 3),
        padding_hu=st.sampled_from([None, -2000, -1024, 0]),
        syntax=st.sampled_from([Syntax.EXPLICIT_LITTLE, Syntax.IMPLICIT_LITTLE]),
        convolution_kernel=st.sampled_from(["FC07", None, "I31f\\3"]),
    )
)
def test_answers_of_any_slice_claim_what_its_header_does(spec, tmp_path_factory):
    dataset = instance_dataset(spec, 1, np.zeros((4, 6), dtype=np.int16))
    path = tmp_path_factory.mktemp("slice") / "slice.dcm"
    write_dataset(path, dataset)

    for answer in (by_json, by_dimse):
        claim = claim_of(answer(pydicom.dcmread(path)), "a slice")
        assert claim is not None
        assert_same(read_header(path), claim)


def test_what_is_drawn_over_a_slice_or_not_answered_makes_no_claim():
    dataset = instance_dataset(SeriesSpec(), 0, np.zeros((4, 6), dtype=np.int16))
    assert claim_of(by_json(dataset), "a slice") is not None
    for keyword in ("RescaleSlope", "ImagePositionPatient", "Rows"):
        lacking = copy.deepcopy(dataset)
        delattr(lacking, keyword)
        assert claim_of(by_json(lacking), "a slice") is None
    dataset.add_new(0x60000010, "US", 4)

    assert claim_of(by_json(dataset), "a slice") is None
    assert claim_of(by_dimse(dataset), "a slice") is None
