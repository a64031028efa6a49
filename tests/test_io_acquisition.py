import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.io.acquisition import read_acquisition
from pipelines.io.sidecar import Sidecar
from tests.workspaces import SAMPLE

SIDECAR = Sidecar(
    instance_numbers=(1, 2),
    positions_mm=(0.0, 0.8),
    slice_thickness_mm=1.0,
    source_step_mm=0.8,
    convolution_kernel="FC07",
)


@pytest.fixture(scope="session")
def ct_slice():
    for path in sorted((SAMPLE / "pacs").rglob("*")):
        if path.is_file() and pydicom.misc.is_dicom(path):
            dataset = pydicom.dcmread(path)
            if dataset.get("Modality") == "CT" and "KVP" in dataset:
                return dataset
    raise AssertionError("the sample has no CT slice")


def acquisition_of(ct_slice, path, **attributes):
    for keyword, value in attributes.items():
        setattr(ct_slice, keyword, value)
    ct_slice.save_as(path)
    return read_acquisition(path, SIDECAR)


def test_scanner_and_reconstruction_are_what_the_header_and_the_positions_say(ct_slice, tmp_path):
    acquisition = acquisition_of(
        ct_slice, tmp_path / "a.dcm", Manufacturer="TOSHIBA ", ManufacturerModelName="Aquilion",
        KVP="120.0", ReconstructionDiameter="350.0",
    )  # fmt: skip

    assert (acquisition.manufacturer, acquisition.manufacturer_model_name) == (
        "TOSHIBA",
        "Aquilion",
    )
    assert (acquisition.kvp, acquisition.reconstruction_diameter_mm) == (120.0, 350.0)
    assert (acquisition.source_step_mm, acquisition.slice_thickness_mm) == (0.8, 1.0)
    assert acquisition.convolution_kernel == "FC07"


@pytest.mark.parametrize("text", ["", "Иванов", "IVANOV^IVAN", "a\\b", "-x", "a\tb;c", "=cmd"])
def test_text_that_is_no_name_of_a_scanner_is_not_passed_on(ct_slice, tmp_path, text):
    ct_slice.SpecificCharacterSet = "ISO_IR 192"

    assert acquisition_of(ct_slice, tmp_path / "a.dcm", Manufacturer=text).manufacturer is None


@given(raw=st.binary(max_size=16))
def test_no_bytes_in_the_place_of_a_number_stop_the_study(ct_slice, tmp_path_factory, raw):
    path = tmp_path_factory.getbasetemp() / "number.dcm"
    ct_slice.KVP = "1" * 16
    ct_slice.save_as(path)
    path.write_bytes(path.read_bytes().replace(b"1" * 16, raw.ljust(16)[:16]))

    kvp = read_acquisition(path, SIDECAR).kvp

    assert kvp is None or 0 < kvp <= 1000
