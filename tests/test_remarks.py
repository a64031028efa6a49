"""Compressed frames keep the code of their pixels, and nothing that was written beside it."""

import struct
from io import BytesIO

import imagecodecs
import numpy as np
import pydicom
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydicom.encaps import encapsulate, generate_fragments

from pipelines.io.remarks import silenced
from pipelines.phantom.instances import write_series
from pipelines.phantom.spec import SeriesSpec, Syntax
from tests.test_io_rewriter import engine_of, same

SECRET = b"Zykmund, room 7"
PIXELS = np.random.default_rng(5).integers(0, 4096, (24, 31)).astype(np.uint16)


def jpeg(pixels):
    return bytes(imagecodecs.jpeg8_encode(pixels, lossless=True, bitspersample=16, predictor=1))


def jpeg_ls(pixels):
    return bytes(imagecodecs.jpegls_encode(pixels))


def jpeg_2000(pixels, kind="j2k"):
    return bytes(imagecodecs.jpeg2k_encode(pixels, level=0, codecformat=kind, reversible=True))


def jp2(pixels):
    return jpeg_2000(pixels, "jp2")


def segment(marker, text):
    return bytes((0xFF, marker)) + struct.pack(">H", len(text) + 2) + text


def behind_size(frame, inserted):
    """A JPEG 2000 frame with something between its size and what follows that."""
    at = frame.index(b"\xff\x4f\xff\x51") + 4
    at += int.from_bytes(frame[at : at + 2], "big")
    return frame[:at] + inserted + frame[at:]


def before_codestream(frame, kind):
    at = frame.index(b"jp2c") - 4
    return frame[:at] + struct.pack(">L4s", 8 + len(SECRET), kind) + SECRET + frame[at:]


FRAMES = {
    "JPEG comment": (jpeg, lambda f: f[:2] + segment(0xFE, SECRET) + f[2:]),
    "JPEG application": (jpeg, lambda f: f[:2] + segment(0xE4, SECRET) + f[2:]),
    "JPEG comment of two lines": (jpeg, lambda f: f[:2] + segment(0xFE, SECRET) * 2 + f[2:]),
    "JPEG comment before the end": (jpeg, lambda f: f[:-2] + segment(0xFE, SECRET) + f[-2:]),
    "JPEG remains": (jpeg, lambda f: f + SECRET),
    "JPEG-LS comment": (jpeg_ls, lambda f: f[:2] + segment(0xFE, SECRET) + f[2:]),
    "JPEG-LS remains": (jpeg_ls, lambda f: f + SECRET),
    "JPEG 2000 comment": (jpeg_2000, lambda f: behind_size(f, segment(0x64, b"\0\1" + SECRET))),
    "JPEG 2000 remains": (jpeg_2000, lambda f: f + SECRET),
    "JP2 box of text": (jp2, lambda f: before_codestream(f, b"xml ")),
    "JP2 box of an application": (jp2, lambda f: before_codestream(f, b"uuid")),
}
DECODERS = {
    jpeg: imagecodecs.jpeg8_decode,
    jpeg_ls: imagecodecs.jpegls_decode,
    jpeg_2000: imagecodecs.jpeg2k_decode,
    jp2: imagecodecs.jpeg2k_decode,
}


def frame_of(items):
    return b"".join(generate_fragments(items[items.index(b"\xfe\xff\x00\xe0", 4) :]))


@pytest.mark.parametrize("fragments", [1, 4])
@pytest.mark.parametrize("kind", FRAMES)
def test_a_remark_goes_and_every_pixel_stays(kind, fragments):
    encode, with_remark = FRAMES[kind]
    frame = with_remark(encode(PIXELS))
    items = encapsulate([frame, frame], fragments_per_frame=fragments)
    assert items.count(SECRET[:4]) >= 2

    silent, remarks = silenced(items)

    assert len(silent) == len(items)
    assert SECRET[:4] not in silent
    assert SECRET[-4:] not in silent
    assert remarks >= 2
    assert silenced(silent) == (silent, 0)
    one, _ = silenced(encapsulate([frame], fragments_per_frame=fragments, has_bot=False))
    assert np.array_equal(DECODERS[encode](frame_of(one)), PIXELS)


@pytest.mark.parametrize("encode", [jpeg, jpeg_ls, jpeg_2000, jp2])
def test_frames_without_remarks_keep_every_byte(encode):
    bare = encode(PIXELS)
    items = encapsulate([bare, bare])

    assert silenced(items) == (items, 0)


def test_a_table_of_offsets_that_is_a_text_is_emptied():
    items = encapsulate([jpeg_ls(PIXELS)], has_bot=False)
    assert silenced(items) == (items, 0)
    text = SECRET + b"!"
    lying = struct.pack("<HHL", 0xFFFE, 0xE000, len(text)) + text + items[8:]

    assert silenced(lying) == (items, 1)
    assert silenced(encapsulate([jpeg_ls(PIXELS)]))[1] == 0


@given(data=st.data())
def test_no_bytes_stop_the_search(data):
    encode, with_remark = FRAMES[data.draw(st.sampled_from(sorted(FRAMES)))]
    frame = bytearray(with_remark(encode(PIXELS[:4, :5])))
    for _ in range(data.draw(st.integers(1, 6))):
        frame[data.draw(st.integers(0, len(frame) - 1))] = data.draw(st.integers(0, 255))
    items = encapsulate([bytes(frame)], has_bot=False)

    silent, _ = silenced(items)

    assert len(silent) == len(items)


@pytest.mark.parametrize("syntax", [Syntax.JPEG_LOSSLESS, Syntax.JPEG_2000])
def test_no_remark_is_left_in_an_anonymized_file(tmp_path, syntax):
    path, *_ = write_series(tmp_path, SeriesSpec(syntax=syntax), PIXELS[None].astype(np.int16))
    dataset = pydicom.dcmread(path)
    frame = frame_of(dataset.PixelData)
    is_jpeg = syntax is Syntax.JPEG_LOSSLESS
    comment = segment(0xFE if is_jpeg else 0x64, SECRET)
    marked = frame[:2] + comment + frame[2:] if is_jpeg else behind_size(frame, comment)
    dataset.PixelData = encapsulate([marked + SECRET])
    dataset.save_as(path)

    content, counts, *_ = same(path, engine_of()).value

    assert SECRET not in content
    assert counts["remark"] >= 2
    silent = frame_of(pydicom.dcmread(BytesIO(content)).PixelData)
    decode = DECODERS[jpeg if is_jpeg else jpeg_2000]
    assert np.array_equal(decode(silent), decode(frame))
