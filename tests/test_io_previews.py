import base64
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from imagecodecs import jpeg8_decode

from pipelines.core.grids import Mask, Volume
from pipelines.core.pictures import outline_of, preview_of, shrunk, windowed
from pipelines.io.previews import write_preview

LAS = np.diag([-0.8, 0.8, 8.0, 1.0])
SVG = "{http://www.w3.org/2000/svg}"


def volume(shape=(60, 50, 9)):
    hu = np.full(shape, 40, dtype=np.int16)
    hu[10:50, 10:40, 4] = -850  # lung, widest in slice 4
    hu[20:30, 20:30, 2:7] = -850
    return Volume(voxels_hu=hu, affine_ras=LAS)


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_an_outline_runs_around_just_the_marked_pixels(marked):
    """Filled by the even-odd rule, counting what lies left of a pixel, it gives the mask again."""
    path = outline_of(marked)

    down = [tuple(map(int, run)) for run in re.findall(r"M(\d+) (\d+)v(\d+)", path)]
    inside = np.zeros_like(marked)
    for column, row, length in down:
        inside[row : row + length, column:] ^= True
    assert (inside == marked).all()


@given(arrays.arrays(bool, st.tuples(st.integers(1, 9), st.integers(1, 9))))
def test_an_outline_goes_the_same_way_across_as_it_goes_down(marked):
    assert sorted(re.findall(r"M(\d+) (\d+)v(\d+)", outline_of(marked.T))) == sorted(
        (line, start, length)
        for start, line, length in re.findall(r"M(\d+) (\d+)h(\d+)", outline_of(marked))
    )


@given(
    arrays.arrays(float, (24, 12), elements=st.integers(-1000, 1000)),
    st.sampled_from([1, 2, 3, 4, 6, 12]),
    st.sampled_from([1, 2, 4, 8, 24]),
)
def test_a_pixel_is_the_mean_of_the_voxels_it_covers(values, columns, rows):
    expected = values.reshape(rows, 24 // rows, columns, 12 // columns).mean(axis=(1, 3))

    np.testing.assert_allclose(shrunk(values, pixels=(columns, rows)), expected)


def test_the_lung_window_is_black_below_and_white_above():
    assert windowed(np.array([-2000.0, -1350.0, -600.0, 150.0, 3000.0])).tolist() == [
        0, 0, 128, 255, 255,
    ]  # fmt: skip


def test_left_is_on_the_right_and_the_front_and_the_head_are_up():
    hu = np.full((40, 30, 5), -1024, dtype=np.int16)
    hu[-10:, -10:, :] = hu[-10:, :, -1] = 1000  # left and anterior, left and superior

    axial = preview_of(Volume(voxels_hu=hu[:, :, -1:], affine_ras=LAS), mask=None).axial.grey
    coronal = preview_of(Volume(voxels_hu=hu, affine_ras=LAS), mask=None).coronal.grey

    assert axial[:10, -10:].min() == 255
    assert axial[:10, :-10].max() < 100
    assert coronal.shape == (5, 40)
    assert coronal[0, -10:].min() == 255
    assert coronal[1:].max() == coronal[0, :-10].max() < 100


def test_what_is_shown_is_where_the_lungs_are_widest():
    preview = preview_of(volume(), mask=None)

    assert preview.axial.grey.min() < preview.axial.grey.max()
    assert np.count_nonzero(preview.axial.grey < 100) == 40 * 30
    assert preview.lung_mean_hu == -850
    assert preview.axial.outline == preview.coronal.outline == ""


def test_what_is_shown_is_where_the_mask_marks_most():
    marked = np.zeros((60, 50, 9), dtype=bool)
    marked[20:30, 20:30, 6] = marked[25, 25, 5] = True

    preview = preview_of(volume(), Mask(marked=marked, affine_ras=LAS))

    assert preview.axial.outline == "M20 20h10M20 30h10M20 20v10M30 20v10"


@pytest.mark.parametrize("marked", [None, np.zeros((60, 50, 9), dtype=bool)], ids=["none", "empty"])
def test_without_a_mark_there_is_no_outline(marked):
    mask = None if marked is None else Mask(marked=marked, affine_ras=LAS)

    assert preview_of(volume(), mask).axial.outline == ""


def test_an_empty_volume_has_a_preview_too():
    hu = np.full((8, 8, 3), -1024, dtype=np.int16)

    preview = preview_of(Volume(voxels_hu=hu, affine_ras=LAS), mask=None)

    assert preview.lung_mean_hu is None
    assert np.ptp(preview.axial.grey) == np.ptp(preview.coronal.grey) == 0


def test_the_file_is_svg_in_millimetres_with_bare_jpegs(tmp_path):
    marked = np.zeros((60, 50, 9), dtype=bool)
    marked[20:30, 20:30, 4] = True
    preview = preview_of(volume(), Mask(marked=marked, affine_ras=LAS))

    root = ET.fromstring(write_preview(tmp_path / "p.svg", preview).read_text("ascii"))

    assert root.get("viewBox") == "0 0 102 72"  # 48 + 6 + 48 mm wide, 9 slices of 8 mm high
    images = root.findall(f".//{SVG}image")
    assert len(images) == len(root.findall(f".//{SVG}path")) == 2
    for image, picture in zip(images, (preview.axial, preview.coronal), strict=True):
        jpeg = base64.b64decode(image.get("href").removeprefix("data:image/jpeg;base64,"))
        assert segments(jpeg) <= {0xE0, 0xDB, 0xC0, 0xC4, 0xDA}  # JFIF, tables, frame, scan
        error = np.abs(jpeg8_decode(jpeg).astype(int) - picture.grey.astype(int))
        assert np.median(error) <= 4


def segments(jpeg):
    """The markers of a JPEG up to its scan (ITU-T T.81, B.1.1.4)."""
    place, markers = 2, set()
    while place < len(jpeg) and 0xDA not in markers:
        markers.add(jpeg[place + 1])
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4], "big")
    return markers


def test_a_preview_of_a_real_size_is_small(tmp_path):
    noise = np.random.default_rng(1).normal(-700, 60, (512, 512, 41)).astype(np.int16)

    path = write_preview(
        tmp_path / "p.svg", preview_of(Volume(voxels_hu=noise, affine_ras=LAS), None)
    )

    assert path.stat().st_size < 20_000
