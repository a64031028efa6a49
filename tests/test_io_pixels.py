"""Headers read with distrust, and pixels decoded to exact Hounsfield units."""

import shutil
import warnings
import zlib
from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import imagecodecs
import numpy as np
import pydicom
import pytest
import SimpleITK
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom.encaps import encapsulate

from pipelines.core.errors import DicomError
from pipelines.core.slices import PixelFormat
from pipelines.io import inflating
from pipelines.io.headers import read_header
from pipelines.io.pixels import Rescue, decode, to_hu
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax

SHARED_FILES = settings(
    deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60
)


def noise_hu(rows=12, columns=10, low=-1000, high=1000):
    return np.random.default_rng(1).integers(low, high, (1, rows, columns)).astype(np.int16)


def write_slice(folder: Path, voxels=None, **spec) -> Path:
    voxels = noise_hu() if voxels is None else voxels
    return write_series(folder, SeriesSpec(**spec), voxels)[0]


def edited(path: Path, **elements) -> Path:
    """The file with attributes set by keyword, or taken out where the value is None."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        dataset = pydicom.dcmread(path)
        for keyword, value in elements.items():
            if value is None:
                del dataset[keyword]
            elif isinstance(value, str | bytes):
                raw = value.encode() if isinstance(value, str) else value
                tag, vr = pydicom.tag.Tag(keyword), dataset[keyword].VR
                at = pydicom.dataelem.RawDataElement(tag, vr, len(raw), raw, 0, False, True)
                dataset[keyword] = at
            else:
                setattr(dataset, keyword, value)
        dataset.save_as(path)
    return path


def code_of(path: Path, **options) -> str:
    with pytest.raises(DicomError) as caught:
        decode(read_header(path), **options)
    assert path.name in caught.value.message
    return caught.value.code


# --- real slices against other decoders


def test_one_slice_has_the_same_hounsfield_units_in_every_lossless_syntax(shared_data):
    folder = shared_data / "syntaxes_chest_slice"
    endings = ("1.2", "1.2.1", "1.2.1.99", "1.2.2", "1.2.5", "4.57", "4.70", "4.80", "4.90")
    expected = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(folder / "CTImage.dcm")))[0]

    for ending in endings:
        (path,) = folder.glob(
            f"*_1.2.840.10008.{ending if '4.' not in ending else '1.2.' + ending}.dcm"
        )
        decoded = decode(read_header(path))

        assert np.array_equal(decoded.voxels_hu, expected), ending
        assert decoded.voxels_hu.dtype == np.int16
        assert not decoded.is_lossy


def test_lossy_slices_are_refused_unless_allowed_and_then_flagged(shared_data):
    folder = shared_data / "syntaxes_chest_slice"
    exact = decode(read_header(folder / "CTImage.dcm")).voxels_hu

    for ending in ("4.81", "4.91"):
        (path,) = folder.glob(f"*_1.2.840.10008.1.2.{ending}.dcm")
        assert code_of(path) == "LOSSY_PIXELS"
        decoded = decode(read_header(path), allow_lossy=True)
        assert decoded.is_lossy
        assert 0 < np.abs(decoded.voxels_hu.astype(int) - exact).max() < 50
    for ending in ("4.50", "4.51"):
        (path,) = folder.glob(f"*_1.2.840.10008.1.2.{ending}.dcm")
        assert code_of(path) == "LOSSY_PIXELS"
        # RescaleSlope 2.0002442 and 32.1216: no whole numbers
        assert code_of(path, allow_lossy=True) == "HU_OUT_OF_RANGE"


def test_a_lossy_frame_is_found_out_when_its_header_keeps_silent(shared_data, tmp_path):
    for ending in ("4.81", "4.91"):
        (path,) = (shared_data / "syntaxes_chest_slice").glob(f"*_1.2.840.10008.1.2.{ending}.dcm")
        silent = edited(
            Path(shutil.copyfile(path, tmp_path / path.name)), LossyImageCompression=None
        )

        assert code_of(silent) == "LOSSY_PIXELS"


def test_retired_syntaxes_are_refused_by_name(shared_data):
    for ending in ("4.53", "4.55"):
        (path,) = (shared_data / "syntaxes_chest_slice").glob(f"*_1.2.840.10008.1.2.{ending}.dcm")
        assert code_of(path) == "UNSUPPORTED_SYNTAX"


def test_every_real_chest_slice_decodes_as_pydicom_and_simpleitk_decode_it(shared_data):
    files = [
        *sorted((shared_data / "chest_siemens_8mm").rglob("1-0*.dcm")),
        *sorted((shared_data / "chest_ge_16").rglob("-1*.dcm")),
        *sorted((shared_data / "chest_toshiba_singles").rglob("*.dcm")),
        *sorted((shared_data / "chest_pair_bare_header").glob("*.dcm")),
        *sorted((shared_data / "head_phantom_philips/S21570/S2010").glob("I1*")),
        shared_data / "syntaxes_chest_slice/CT2_J2KR",
    ]
    for path in files:
        voxels_hu = decode(read_header(path)).voxels_hu
        dataset = pydicom.dcmread(path)
        assert np.array_equal(
            voxels_hu, pydicom.pixels.apply_rescale(dataset.pixel_array, dataset)
        ), path.name
        image = SimpleITK.GetArrayFromImage(SimpleITK.ReadImage(str(path)))
        assert np.array_equal(voxels_hu, image[0]), path.name
    assert len(files) > 40


# --- the rescale


@given(
    stored=st.lists(st.integers(0, 65535), min_size=1, max_size=30),
    is_signed=st.booleans(),
    slope=st.sampled_from(["1", "1.0", "2", "0.5", "0.1", "0.29", "1e0", "1.25"]),
    intercept=st.sampled_from(["0", "-1024", "-1024.0", "-8192", "31000", "0.5", "-0.1", "70000"]),
)
def test_rescaling_is_exact_or_refused(stored, is_signed, slope, intercept):
    raw = np.array(stored, dtype=np.uint16)
    values = raw.view(np.int16) if is_signed else raw
    pixels = PixelFormat(
        bits_allocated=16,
        bits_stored=16,
        high_bit=15,
        is_signed=is_signed,
        rescale_slope=Decimal(slope),
        rescale_intercept=Decimal(intercept),
    )
    exact = [Fraction(slope) * value + Fraction(intercept) for value in values.tolist()]

    if all(hu.denominator == 1 and -32768 <= hu <= 32767 for hu in exact):
        assert to_hu(values, pixels)[0].tolist() == exact
    else:
        with pytest.raises(OverflowError):
            to_hu(values, pixels)


@pytest.mark.parametrize(
    ("bits_stored", "above"),
    [(1, 0), (1, 2), (8, 0), (8, 2), (10, 0), (12, 0), (12, 2), (12, 4), (15, 0), (15, 1), (16, 0)],
)
@pytest.mark.parametrize("is_signed", [True, False])
def test_only_the_stored_bits_count_with_their_own_sign(tmp_path, bits_stored, above, is_signed):
    words = np.random.default_rng(2).integers(0, 65536, (1, 12, 10)).astype(np.uint16)
    path = edited(
        write_slice(tmp_path),
        PixelData=words.tobytes(),
        BitsStored=bits_stored,
        HighBit=bits_stored - 1 + above,
        PixelRepresentation=int(is_signed),
        RescaleIntercept="0" if is_signed else "-32768",
    )

    voxels_hu = decode(read_header(path)).voxels_hu

    def value(word):
        bits = format(word, "016b")[16 - above - bits_stored : 16 - above]
        number = int(bits, 2)
        return number - (1 << bits_stored) if is_signed and bits[0] == "1" else number

    expected = [value(word) + (0 if is_signed else -32768) for word in words.ravel().tolist()]
    assert voxels_hu.ravel().tolist() == expected


def test_metal_beyond_16_bits_is_refused_and_not_wrapped(tmp_path):
    path = edited(write_slice(tmp_path), PixelRepresentation=0, BitsStored=16, HighBit=15)

    assert code_of(path) == "HU_OUT_OF_RANGE"


def test_a_padding_value_keeps_its_hounsfield_units(tmp_path):
    voxels = noise_hu()
    voxels[0, 0, 0] = -2048
    path = write_slice(tmp_path, voxels, padding_hu=-2048, rescale_intercept=-1024)

    assert np.array_equal(decode(read_header(path)).voxels_hu, voxels[0])


# --- files that lie


@pytest.mark.parametrize("syntax", list(Syntax))
def test_a_file_that_is_cut_off_is_never_a_slice(tmp_path, syntax):
    path = write_slice(tmp_path, syntax=syntax)
    whole = path.read_bytes()
    assert np.array_equal(decode(read_header(path)).voxels_hu, noise_hu()[0])

    for size in {0, 100, 132, 400, *range(600, len(whole) - 1, 61), len(whole) - 9}:
        path.write_bytes(whole[:size])
        with pytest.raises(DicomError):
            decode(read_header(path))
    path.write_bytes(whole[:-30])
    assert code_of(path) == "TRUNCATED_FILE"


@pytest.mark.parametrize("syntax", list(Syntax))
@SHARED_FILES
@given(data=st.data())
def test_flipped_bytes_raise_nothing_but_coded_errors(tmp_path, syntax, data):
    path = tmp_path / "flipped.dcm"
    if not (tmp_path / "whole").exists():
        write_slice(tmp_path, syntax=syntax).rename(tmp_path / "whole")
    flipped = bytearray((tmp_path / "whole").read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        flipped[data.draw(st.integers(128, len(flipped) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(flipped)

    try:
        decoded = decode(read_header(path), allow_lossy=True)
    except DicomError:
        return
    assert decoded.voxels_hu.dtype == np.int16


def test_no_fuzzed_file_gives_anything_but_a_slice_or_a_coded_error(shared_data):
    files = [path for path in (shared_data / "corrupt_fuzz").rglob("*") if path.is_file()]
    for path in files:
        with pytest.raises(DicomError):
            decode(read_header(path))
    assert len(files) > 120


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ImagePositionPatient", "0\\0\\nan"),
        ("ImagePositionPatient", "0\\0\\inf"),
        ("ImagePositionPatient", "0\\0\\1e30"),
        ("ImagePositionPatient", "0\\0"),
        ("ImagePositionPatient", "0\\0\\1,5"),
        ("ImagePositionPatient", "0\\0\\1_0"),
        ("ImageOrientationPatient", "1\\0\\0\\1\\0\\0"),
        ("ImageOrientationPatient", "0\\0\\0\\0\\0\\0"),
        ("ImageOrientationPatient", "1\\0\\0\\0\\1"),
        ("PixelSpacing", "0\\0.7"),
        ("PixelSpacing", "-0.7\\0.7"),
        ("PixelSpacing", "0.7"),
        ("RescaleSlope", "0"),
        ("RescaleSlope", "nan"),
        ("RescaleSlope", "1e-99999"),
        ("RescaleIntercept", "1e99999"),
        ("RescaleIntercept", "abc"),
        ("Rows", b"\xff\xff"),
        ("Rows", b"\0\0"),
        ("BitsAllocated", b"\x0c\0"),
        ("BitsStored", b"\x11\0"),
        ("HighBit", b"\x10\0"),
        ("PixelRepresentation", b"\2\0"),
    ],
)
def test_hostile_values_are_refused_by_keyword(tmp_path, keyword, value):
    path = edited(write_slice(tmp_path), **{keyword: value})

    with pytest.raises(DicomError, match=keyword) as caught:
        read_header(path)
    assert caught.value.code == "BAD_ATTRIBUTE"


@pytest.mark.parametrize(
    "keyword",
    [
        "SOPInstanceUID",
        "SeriesInstanceUID",
        "ImagePositionPatient",
        "ImageOrientationPatient",
        "PixelSpacing",
        "Rows",
        "Columns",
        "BitsStored",
        "PixelRepresentation",
        "RescaleSlope",
        "RescaleIntercept",
    ],
)
def test_missing_attributes_are_named(tmp_path, keyword):
    path = edited(write_slice(tmp_path), **{keyword: None})

    with pytest.raises(DicomError, match=f"{path.name}: {keyword} is missing") as caught:
        read_header(path)
    assert caught.value.code == "MISSING_ATTRIBUTE"


@pytest.mark.parametrize(
    "elements",
    [
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"},
        {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.2.1"},
        {"Modality": "MR"},
        {"NumberOfFrames": 2},
        {"SamplesPerPixel": 3},
        {"PhotometricInterpretation": "MONOCHROME1"},
        {"RescaleType": "MGML"},
    ],
)
def test_what_is_no_plain_ct_slice_is_refused_by_its_attribute(tmp_path, elements):
    path = edited(write_slice(tmp_path, sop_class_uid="1.2.840.10008.5.1.4.1.1.2"), **elements)

    with pytest.raises(DicomError, match=next(iter(elements))) as caught:
        read_header(path)
    assert caught.value.code == "UNSUPPORTED_OBJECT"


def test_decimal_strings_may_be_written_in_every_way_the_standard_allows(tmp_path):
    path = edited(
        write_slice(tmp_path),
        ImagePositionPatient="+1.50e+2\\ -0 \\.5",
        PixelSpacing="0.70000 \\ 7E-1",
        RescaleIntercept="-0 ",
    )

    plane = read_header(path).plane

    assert plane.image_position_lps_mm == (150.0, 0.0, 0.5)
    assert plane.pixel_spacing_mm == (0.7, 0.7)


@pytest.mark.parametrize("syntax", [syntax for syntax in Syntax if syntax.is_encapsulated])
def test_a_frame_of_another_size_than_the_header_says_is_refused(tmp_path, syntax):
    path = edited(write_slice(tmp_path, syntax=syntax), Rows=4096, Columns=4096)

    assert code_of(path) == "BAD_PIXELS"


def test_native_pixels_of_another_size_than_the_header_says_are_refused(tmp_path):
    assert code_of(edited(write_slice(tmp_path), Rows=13)) == "BAD_PIXELS"
    assert code_of(edited(write_slice(tmp_path), Rows=11)) == "BAD_PIXELS"
    assert code_of(edited(write_slice(tmp_path), PixelData=None)) == "TRUNCATED_FILE"


def test_a_deflated_file_that_inflates_without_end_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(inflating, "INFLATED_LIMIT_BYTES", 1 << 20)
    path = write_slice(tmp_path, syntax=Syntax.DEFLATED)
    whole = path.read_bytes()
    start = 144 + int.from_bytes(whole[140:144], "little")
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    path.write_bytes(whole[:start] + engine.compress(bytes(1 << 22)) + engine.flush())

    assert code_of(path) == "UNREADABLE_DICOM"


@pytest.mark.parametrize(
    ("ending", "reversible", "flag", "code"),
    [
        ("201", True, None, None),
        ("202", True, None, None),
        ("203", True, "00", None),
        ("203", True, None, "LOSSY_PIXELS"),
        ("203", False, "00", "LOSSY_PIXELS"),
        ("201", False, None, "LOSSY_PIXELS"),
    ],
)
def test_htj2k_is_lossless_only_where_nothing_speaks_against_it(
    tmp_path, ending, reversible, flag, code
):
    voxels = noise_hu(64, 64)
    path = write_slice(tmp_path, voxels)
    dataset = pydicom.dcmread(path)
    frame = imagecodecs.htj2k_encode(voxels[0], reversible=reversible)
    dataset.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
    dataset["PixelData"].is_undefined_length = True
    dataset["PixelData"].VR = "OB"
    dataset.file_meta.TransferSyntaxUID = f"1.2.840.10008.1.2.4.{ending}"
    if flag:
        dataset.LossyImageCompression = flag
    dataset.save_as(path)

    if code:
        assert code_of(path) == code
    else:
        assert np.array_equal(decode(read_header(path)).voxels_hu, voxels[0])


def test_a_real_chest_in_htj2k_is_what_another_decoder_makes_of_it(tmp_path, shared_data):
    for path in sorted((shared_data / "chest_ge_16").rglob("*.dcm"))[:3]:
        dataset = pydicom.dcmread(path)
        frame = imagecodecs.htj2k_encode(dataset.pixel_array, reversible=True)  # by OpenJPH
        dataset.PixelData = encapsulate([frame + b"\0" * (len(frame) % 2)])
        dataset["PixelData"].is_undefined_length = True
        dataset["PixelData"].VR = "OB"
        dataset.file_meta.TransferSyntaxUID = "1.2.840.10008.1.2.4.201"
        dataset.save_as(tmp_path / path.name)
        by_openjpeg = imagecodecs.jpeg2k_decode(frame)

        voxels_hu = decode(read_header(tmp_path / path.name)).voxels_hu

        assert np.array_equal(voxels_hu, by_openjpeg + int(dataset.RescaleIntercept))
        assert np.array_equal(voxels_hu, decode(read_header(path)).voxels_hu)


@pytest.mark.parametrize("way", ["older version", "smaller build"])
def test_a_syntax_whose_decoder_is_not_at_hand_is_refused_by_name(tmp_path, monkeypatch, way):
    path = write_slice(tmp_path, syntax=Syntax.JPEG_LS)

    def absent(_):
        raise ImportError

    monkeypatch.setattr(imagecodecs, "jpegls_decode", None if way == "older version" else absent)

    assert code_of(path) == "UNSUPPORTED_SYNTAX"


def test_a_slice_that_was_lossy_once_stays_lossy(tmp_path):
    path = write_slice(tmp_path, elements={"LossyImageCompression": "01"})

    assert code_of(path) == "LOSSY_PIXELS"
    assert decode(read_header(path), allow_lossy=True).is_lossy


def test_a_signed_frame_under_an_unsigned_header_is_refused(tmp_path):
    path = write_slice(tmp_path, syntax=Syntax.JPEG_2000)

    assert code_of(edited(path, PixelRepresentation=0)) == "BAD_PIXELS"


def test_a_frame_in_several_fragments_is_joined(tmp_path):
    path = write_slice(tmp_path, syntax=Syntax.JPEG_LS)
    dataset = pydicom.dcmread(path)
    (frame,) = pydicom.encaps.generate_frames(dataset.PixelData, number_of_frames=1)
    dataset.PixelData = encapsulate([frame], fragments_per_frame=3)
    dataset.save_as(path)

    assert np.array_equal(decode(read_header(path)).voxels_hu, noise_hu()[0])


# --- what may be asked for


@given(
    stored=st.lists(st.integers(0, 65535), min_size=2, max_size=30),
    low=st.integers(0, 65535),
    width=st.integers(0, 2000),
    slope=st.sampled_from(["1", "2"]),
)
def test_padding_is_set_and_everything_else_keeps_its_hounsfield_units(stored, low, width, slope):
    values = np.array([stored], dtype=np.uint16).view(np.int16)
    ends = sorted(np.array([low, min(low + width, 65535)], np.uint16).view(np.int16).tolist())
    pixels = PixelFormat(
        bits_allocated=16,
        bits_stored=16,
        high_bit=15,
        is_signed=True,
        rescale_slope=Decimal(slope),
        rescale_intercept=Decimal(-24),
        padding=(ends[0], ends[1]),
    )
    is_padding = (values >= ends[0]) & (values <= ends[1])
    exact = values.astype(int) * int(slope) - 24
    clipped = np.clip(exact, -32768, 32767)

    voxels_hu, padded, beyond = to_hu(values, pixels, Rescue(padding_hu=-2048, clip=True))

    assert np.array_equal(voxels_hu, np.where(is_padding, -2048, clipped))
    assert padded == is_padding.sum()
    assert beyond == ((clipped != exact) & ~is_padding).sum()


def test_padding_of_a_real_scanner_is_set_to_what_is_asked_for(shared_data):
    names = ("ct_1.dcm", "ct_2.dcm")
    files = [
        path for path in (shared_data / "seg_rtstruct").rglob("ct_*.dcm") if path.name in names
    ]
    headers = [read_header(path) for path in files]

    padded = 0
    for header in headers:
        assert header.pixels.padding == (-2000, -2000)
        as_stored = decode(header).voxels_hu
        filled = decode(header, rescue=Rescue(padding_hu=-2048))
        outside = as_stored == -3024
        assert filled.padded == outside.sum()
        assert np.array_equal(filled.voxels_hu, np.where(outside, -2048, as_stored))
        padded += filled.padded
    assert padded > 100_000


def test_metal_is_clipped_and_counted_only_on_request(tmp_path):
    path = edited(write_slice(tmp_path), PixelRepresentation=0, BitsStored=16, HighBit=15)

    decoded = decode(read_header(path), rescue=Rescue(clip=True))

    assert decoded.clipped == (decoded.voxels_hu == 32767).sum() > 0
