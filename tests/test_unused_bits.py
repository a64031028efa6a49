"""Bits of pixels beside those that are stored: old overlays do not pass, and nothing else changes.

Two implementations that share no code, one over bytes and one over NumPy, judge each other.
"""

from decimal import Decimal

import numpy as np
import pydicom
import pytest
from click.testing import CliRunner
from hypothesis import assume, given
from hypothesis import strategies as st

from mosmedcli.main import main
from pipelines.convert import convert
from pipelines.core.convert_settings import ConvertSettings
from pipelines.core.slices import PixelFormat
from pipelines.io.headers import read_header
from pipelines.io.pixels import _is_more_than_stored, _stored_values
from pipelines.io.unused_bits import unused_bits
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.test_io_rewriter import engine_of, same

VOXELS = np.arange(3 * 24 * 24, dtype=np.int16).reshape(3, 24, 24) % 1500 - 700
NAME = np.zeros((24, 24), dtype=np.uint16)
NAME[4:9, 3:20:2] = 0x1000
"""As an overlay with OverlayBitPosition 12 lies in the words."""

NATIVE = [Syntax.IMPLICIT_LITTLE, Syntax.EXPLICIT_LITTLE, Syntax.EXPLICIT_BIG, Syntax.DEFLATED]


def series(folder, *, syntax=Syntax.EXPLICIT_LITTLE, is_signed=False, drawn=NAME):
    """Twelve stored bits, and an overlay drawn beside them."""
    spec = SeriesSpec(
        syntax=syntax,
        bits_stored=12,
        is_signed=is_signed,
        rescale_intercept=0.0 if is_signed else -1024.0,
    )
    paths = write_series(folder, spec, VOXELS)
    for path in paths:
        image = pydicom.dcmread(path)
        order = "<" if image.original_encoding[1] else ">"
        words = np.frombuffer(image.PixelData, dtype=f"{order}u2").reshape(24, 24)
        image.PixelData = (words ^ drawn).astype(f"{order}u2").tobytes()
        image.save_as(path)
    return paths


def words_of(path):
    image = pydicom.dcmread(path)
    order = "<" if image.original_encoding[1] else ">"
    return np.frombuffer(image.PixelData, dtype=f"{order}u2").reshape(24, 24)


@pytest.mark.parametrize("syntax", NATIVE)
@pytest.mark.parametrize("is_signed", [False, True])
def test_an_overlay_in_the_words_is_cleared_and_counted_either_way(
    syntax, is_signed, tmp_path, real_engine
):
    drawn, *_ = series(tmp_path / "drawn", syntax=syntax, is_signed=is_signed)
    plain, *_ = series(tmp_path / "plain", syntax=syntax, is_signed=is_signed, drawn=NAME * 0)

    (content, counts, *_), (clean, nothing, *_) = (
        same(path, real_engine).value for path in (drawn, plain)
    )

    assert content == clean
    assert (counts["unused bits"], nothing["unused bits"]) == (1, 0)
    if syntax is not Syntax.DEFLATED:
        assert words_of(plain).tobytes() in content


@pytest.fixture(scope="module")
def real_engine():
    return engine_of()


def test_the_command_writes_no_overlay_and_tells_of_it(tmp_path):
    series(tmp_path / "in")
    key = tmp_path / "key"

    result = CliRunner().invoke(
        main, ["anonymize", str(tmp_path / "in"), str(tmp_path / "out"), "--key", str(key)]
    )

    assert result.exit_code == 0, result.output
    written = sorted((tmp_path / "out").rglob("*.dcm"))
    assert len(written) == 3
    for path in written:
        assert not words_of(path).max() & 0xF000
    told = {int(words_of(path).astype(int).sum()) for path in written}
    expected = {int((plane.astype(int) + 1024).sum()) for plane in VOXELS}
    assert told == expected


@st.composite
def images(draw):
    """Words of any layout: as they are drawn, without unused bits, or with signs in them."""
    width = draw(st.sampled_from([8, 16]))
    stored = draw(st.integers(1, width))
    high = draw(st.integers(stored - 1, width - 1))
    is_signed = draw(st.booleans())
    word = np.dtype(f"u{width // 8}")
    words = np.array(draw(st.lists(st.integers(0, (1 << width) - 1), min_size=1)), dtype=word)
    used = ((1 << stored) - 1) << (high + 1 - stored)
    kind = draw(st.sampled_from(["any", "zeros", "signs"]))
    if kind != "any":
        words &= word.type(used)
    if kind == "signs" and is_signed:
        words |= (words >> high & 1) * word.type((1 << width) - (1 << (high + 1)))
    layout = {"allocated": width, "stored": stored, "high": high, "is_signed": is_signed}
    return layout, words, kind


@given(image=images())
def test_what_is_cleared_has_the_same_values_and_says_nothing_else(image):
    layout, words, kind = image
    assume(not layout["is_signed"] or layout["high"] >= layout["allocated"] - 8)
    pixels = PixelFormat(
        bits_allocated=layout["allocated"],
        bits_stored=layout["stored"],
        high_bit=layout["high"],
        is_signed=layout["is_signed"],
        rescale_slope=Decimal(1),
        rescale_intercept=Decimal(0),
    )
    says = _is_more_than_stored(words.copy(), pixels)
    unused = unused_bits(**layout, is_little_endian=True)

    if unused is None:
        assert not says
        return
    cleared = np.frombuffer(unused.cleared(words.tobytes()), words.dtype)

    assert unused.say_something(lambda: [words.tobytes()]) == says
    assert not (says and kind != "any")
    assert not unused.say_something(lambda: [cleared.tobytes()])
    assert not _is_more_than_stored(cleared.copy(), pixels)
    assert np.array_equal(
        _stored_values(cleared.copy(), pixels), _stored_values(words.copy(), pixels)
    )


@given(image=images(), cut=st.integers(0, 200))
def test_an_image_is_judged_as_a_whole_however_it_comes_in_pieces(image, cut):
    layout, words, _ = image
    assume(not layout["is_signed"] or layout["high"] >= layout["allocated"] - 8)
    unused = unused_bits(**layout, is_little_endian=True)
    assume(unused is not None)
    pieces = [words[:cut].tobytes(), words[cut:].tobytes()]

    assert unused.say_something(lambda: pieces) == unused.say_something(lambda: [words.tobytes()])


@pytest.mark.parametrize(
    ("stored", "high", "is_signed"), [(0, 0, False), (12, 16, False), (12, 10, False), (6, 5, True)]
)
def test_bits_that_cannot_be_are_refused_by_both_ways(stored, high, is_signed, tmp_path):
    path, *_ = series(tmp_path, drawn=NAME * 0)
    image = pydicom.dcmread(path)
    image.BitsStored, image.HighBit, image.PixelRepresentation = stored, high, int(is_signed)
    image.save_as(path)

    code, _ = same(path, engine_of()).value

    assert code == "BAD_PIXELS"


def test_without_the_number_of_stored_bits_nothing_passes(tmp_path):
    path, *_ = series(tmp_path, drawn=NAME * 0)
    image = pydicom.dcmread(path)
    del image.BitsStored
    image.save_as(path)

    code, _ = same(path, engine_of()).value

    assert code == "MISSING_ATTRIBUTE"


@pytest.mark.parametrize("is_signed", [False, True])
def test_convert_tells_of_bits_that_it_takes_for_no_values(is_signed, tmp_path):
    drawn = series(tmp_path / "drawn", is_signed=is_signed)[:2]
    plain = series(tmp_path / "plain", is_signed=is_signed, drawn=NAME * 0)
    settings = ConvertSettings(minimum_slices=3)

    told, silent = (
        convert([read_header(path) for path in paths], settings)
        for paths in ([*drawn, plain[2]], plain)
    )

    assert np.array_equal(told.volume.voxels_hu, silent.volume.voxels_hu)
    (decision,) = set(told.decisions) - set(silent.decisions)
    assert (decision.rule, decision.value) == ("unused_bits_slices", "2")
