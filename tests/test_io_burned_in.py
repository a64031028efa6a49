"""Text that was drawn into slices is found, and real chests have none."""

from pathlib import Path

import numpy as np
import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageFont

import pipelines.io
from pipelines.core.errors import PrivacyError, SettingsError
from pipelines.core.field_of_view import aerated, field_of_view
from pipelines.core.grids import Volume
from pipelines.core.model import Ocr
from pipelines.io import text_boxes
from pipelines.io.burned_in import Sight, look, shows_text
from pipelines.phantom.instances import write_series
from pipelines.phantom.lettering import lettered
from pipelines.phantom.spec import SeriesSpec
from pipelines.phantom.thorax import ThoraxSpec, make_thorax
from pipelines.thin import MAY_SHOW_A_FACE, look_at
from tests.workspaces import make_workspace, mosmed

REAL = ("chest_siemens_8mm", "chest_ge_16", "chest_toshiba_singles", "head_phantom_philips")
THORAX = make_thorax(ThoraxSpec(slices=40, rows=192, columns=192, category="CT-3")).voxels_hu
FONT = Path(pipelines.io.__file__).parent / "fonts" / "PTS55F.ttf"
NO_OCR = "no rapidocr here (pip install '.[ocr]')"
LAS_1_MM = np.diag([-1.0, 1.0, 8.0, 1.0])


def axial_slices(folder):
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            try:
                dataset = pydicom.dcmread(path)
            except Exception:
                continue
            image_type = dataset.get("ImageType", "")
            if "AXIAL" in image_type and "ORIGINAL" in image_type:
                slope, intercept = dataset.RescaleSlope, dataset.RescaleIntercept
                yield (dataset.pixel_array * float(slope) + float(intercept)).astype(np.int16)


@pytest.mark.parametrize("name", REAL)
def test_real_slices_show_no_text(shared_data, name):
    slices = list(axial_slices(shared_data / name))

    assert slices
    assert not [slice_hu for slice_hu in slices if look(slice_hu) is Sight.TEXT]


@pytest.mark.parametrize("category", ["CT-0", "CT-1", "CT-2", "CT-3", "CT-4"])
def test_phantom_slices_show_no_text(category):
    voxels = make_thorax(ThoraxSpec(slices=12, category=category, seed=5)).voxels_hu

    assert not any(look(slice_hu) is Sight.TEXT for slice_hu in voxels)


@settings(max_examples=60)
@given(
    words=st.lists(st.text("ABCDEFGHKLNORSTUVWXZ0123456789", min_size=6, max_size=14), max_size=2),
    scale=st.integers(1, 2),
    value=st.integers(800, 32000),
    place=st.tuples(st.floats(0, 1), st.floats(0, 1)),
    upright=st.booleans(),
)
def test_drawn_text_is_found_anywhere_on_a_slice(words, scale, value, place, upright):
    page = lettered(["PATIENT", *words], scale=scale) > 0
    slice_hu = THORAX[20].copy()
    page = page if upright else page.T
    page = page[: slice_hu.shape[0], : slice_hu.shape[1]]
    top, left = (
        int(share * (size - drawn))
        for share, size, drawn in zip(place, slice_hu.shape, page.shape, strict=True)
    )
    slice_hu[top : top + page.shape[0], left : left + page.shape[1]][page] = value

    assert look(slice_hu) is Sight.TEXT


def captured(path):
    """The pixels of a capture in the range of a CT, the brightest of their colours."""
    pixels = np.atleast_3d(pydicom.dcmread(path).pixel_array).max(axis=2).astype(np.float64)
    return (pixels / pixels.max() * 3000 - 1024).astype(np.int16)


CAPTURES = {
    "head_phantom_philips/S21570/S4010/I40": True,  # patient information
    "head_phantom_philips/S21570/S4010/I50": True,  # dose, with BurnedInAnnotation NO
    "head_phantom_philips/S21570/S4010/I60": True,  # results
    "phi_planted/0_ORIGINAL_compressed.dcm": True,  # a CR with name and birth date, dark on bright
    "head_phantom_philips/S21570/S4010/I10": False,  # surveys: no letter stands in them
    "head_phantom_philips/S21570/S4010/I20": False,
    "head_phantom_philips/S21570/S4010/I30": False,
    "phi_planted/RGB_ORIGINAL.dcm": False,  # a fused PET/CT with identity in its header alone
}
"""Real captures, and whether a person sees text in them."""


@pytest.mark.parametrize("name", CAPTURES)
def test_text_is_found_in_those_real_captures_that_show_it(shared_data, name):
    assert (look(captured(shared_data / name)) is Sight.TEXT) == CAPTURES[name]


@pytest.mark.parametrize("name", CAPTURES)
def test_an_ocr_sees_text_where_a_person_does(shared_data, name):
    pytest.importorskip("rapidocr", reason=NO_OCR)

    assert shows_text(captured(shared_data / name), Ocr.ALL) == CAPTURES[name]


@pytest.mark.parametrize("name", REAL)
def test_an_ocr_sees_no_text_on_real_slices(shared_data, name):
    pytest.importorskip("rapidocr", reason=NO_OCR)
    slices = list(axial_slices(shared_data / name))[::10]

    assert slices
    assert not any(shows_text(slice_hu, Ocr.ALL) for slice_hu in slices)


def printed(words, *, pixels, value, share=1.0):
    """A slice with words in a real font, smooth at its edges and blended with the image."""
    image = Image.new("L", THORAX[20].shape[::-1])
    font = ImageFont.truetype(str(FONT), pixels)
    ImageDraw.Draw(image).text((30, 80), words, fill=255, font=font)
    ink = np.asarray(image) / 255 * share
    return (THORAX[20] * (1 - ink) + value * ink).astype(np.int16)


@pytest.mark.parametrize("words", ["DAVIDSON DOUGLAS", "Иванова М.П.", "ID 7255997752"])
@pytest.mark.parametrize(("value", "share"), [(2000, 1.0), (1500, 0.6)])
def test_an_ocr_sees_what_was_printed_smooth_or_blended(words, value, share):
    pytest.importorskip("rapidocr", reason=NO_OCR)

    assert shows_text(printed(words, pixels=14, value=value, share=share), Ocr.ALL)


def test_an_ocr_looks_only_where_it_is_asked_to(monkeypatch):
    looked_at = []
    monkeypatch.setattr(text_boxes, "has_text", lambda slice_hu: bool(looked_at.append(slice_hu)))
    clear, suspicious = THORAX[20], THORAX[20].copy()
    suspicious[5:15, 5:15] = 3000

    looks = {
        ocr: [shows_text(clear, ocr), shows_text(suspicious, ocr), len(looked_at)] for ocr in Ocr
    }

    assert look(suspicious) is Sight.SUSPICIOUS
    assert looks == {
        Ocr.OFF: [False, False, 0],
        Ocr.SUSPICIOUS: [False, False, 1],
        Ocr.ALL: [False, False, 3],
    }


def test_without_the_extra_an_ocr_is_asked_for_in_vain(monkeypatch, tmp_path):
    monkeypatch.setattr(text_boxes, "find_spec", lambda _library: None)
    text_boxes._detector.cache_clear()

    with pytest.raises(SettingsError, match="rapidocr, which is not installed") as raised:
        shows_text(THORAX[20], Ocr.ALL)
    monkeypatch.setenv("MOSMED_THIN_OCR", "all")
    result = mosmed("run", "-w", make_workspace(tmp_path / "w", studies=1))

    assert ".[ocr]" in raised.value.hint
    assert result.exit_code == 2
    assert ".[ocr]" in result.output


def test_text_on_one_slice_of_a_volume_stops_the_study():
    voxels = THORAX.transpose(2, 1, 0).copy()
    page = lettered(["DOE JOHN"], scale=2).T > 0
    voxels[4 : 4 + page.shape[0], 9 : 9 + page.shape[1], 7][page] = 3000

    with pytest.raises(PrivacyError, match="1 of 40 slices"):
        look_at(Volume(voxels_hu=voxels, affine_ras=LAS_1_MM))


@pytest.mark.parametrize("is_drawn", [True, False])
def test_plain_anonymization_looks_at_pixels_where_it_is_asked_to(tmp_path, monkeypatch, is_drawn):
    monkeypatch.setattr(text_boxes, "has_text", lambda _slice_hu: False)
    voxels = THORAX[18:21].copy()
    if is_drawn:
        page = lettered(["DOE JOHN"], scale=2) > 0
        voxels[1, 4 : 4 + page.shape[0], 9 : 9 + page.shape[1]][page] = 3000
    write_series(tmp_path / "in", SeriesSpec(), voxels)
    command = ["anonymize", tmp_path / "in", tmp_path / "out", "--key", tmp_path / "key", "-j", 1]

    looked = mosmed(*command, "--ocr", "suspicious")
    written = list((tmp_path / "out").rglob("*.dcm"))
    passed = mosmed(*command)

    assert looked.exit_code == (4 if is_drawn else 0)
    assert ("1 of 3 slices show text" in looked.output) == is_drawn
    assert bool(written) != is_drawn
    assert passed.exit_code == 0


def chest_and_neck(neck_slices):
    """A squeezed chest of 10 slices 8 mm apart with a neck above it: tissue without lung."""
    chest = make_thorax(ThoraxSpec(slices=10, rows=96, columns=96)).voxels_hu
    neck = np.full((neck_slices, 96, 96), -1000, np.int16)
    neck[:, 30:66, 30:66] = 40
    neck[:, 46:50, 46:50] = -990  # the trachea
    return np.concatenate([chest, neck]).transpose(2, 1, 0)


@given(neck_slices=st.integers(0, 40))
@settings(max_examples=20)
def test_a_view_far_above_the_lungs_is_told(neck_slices):
    voxels = chest_and_neck(neck_slices)

    view = field_of_view(voxels, LAS_1_MM)
    decision = look_at(Volume(voxels_hu=voxels, affine_ras=LAS_1_MM))

    assert view.above_lungs_mm >= 8 * neck_slices
    assert view.above_lungs_mm <= 8 * (neck_slices + 3)
    assert (decision.outcome == MAY_SHOW_A_FACE) == (view.above_lungs_mm > 120)


def test_a_volume_without_lungs_is_told():
    neck = chest_and_neck(20)[:, :, 10:]

    assert field_of_view(neck, LAS_1_MM).above_lungs_mm is None
    assert look_at(Volume(voxels_hu=neck, affine_ras=LAS_1_MM)).outcome == MAY_SHOW_A_FACE


def test_real_chests_end_soon_above_the_lungs(shared_data):
    slices = list(axial_slices(shared_data / "chest_siemens_8mm"))[:30]
    view = field_of_view(np.stack(slices).transpose(2, 1, 0), LAS_1_MM)

    assert view.above_lungs_mm <= 50


@given(rows=st.integers(1, 40), columns=st.integers(1, 40), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=30)
def test_lung_is_where_tissue_is_on_all_four_sides_however_a_slice_lies_in_memory(
    rows, columns, seed
):
    plane = np.random.default_rng(seed).choice([-1000, -800, 40], (rows, columns)).astype(np.int16)
    tissue = plane > -300
    sides = [
        np.logical_or.accumulate(np.flip(tissue, axis) if is_flipped else tissue, axis)
        for axis in (0, 1)
        for is_flipped in (False, True)
    ]
    sides[1], sides[3] = np.flip(sides[1], 0), np.flip(sides[3], 1)
    within = np.logical_and.reduce(sides)

    lung, section = aerated(plane)
    turned, same_section = aerated(plane.T)

    assert section == same_section == np.count_nonzero(within)
    np.testing.assert_array_equal(lung, within & (plane == -800))
    np.testing.assert_array_equal(turned, lung.T)


@pytest.mark.parametrize("value", [201, 210, 248, 249, 3000])
def test_a_slice_of_one_bright_value_is_looked_at(value):
    assert look(np.full((64, 64), value, np.int16)) is Sight.SUSPICIOUS


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    share=st.floats(0.001, 0.3),
    shape=st.tuples(st.integers(2, 6), st.integers(20, 90)),
)
def test_a_slice_looks_the_same_however_it_is_turned(seed, share, shape):
    # Lines too long for strokes one way, and as thin as these the other
    spots = np.random.default_rng(seed).random(shape).repeat(20, axis=0)
    slice_hu = np.where(spots < share, -1024, 40).astype(np.int16)

    assert {look(each) for each in (slice_hu.T, slice_hu[::-1], slice_hu[:, ::-1])} == {
        look(slice_hu)
    }
