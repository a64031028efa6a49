import base64
import io
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imagecodecs import jpeg8_encode, png_encode
from PIL import Image

from pipelines.core.needles import Needles
from pipelines.core.traces import traces_of
from pipelines.io.embedded import jpeg_segments, taken_apart
from pipelines.io.insides import kind_of, parts_of

NEEDLES = Needles(traces_of(["Ekho^Faina^Modestovna", "MH20-02018", "749358"]))
PIXELS = np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)


def page(*files):
    images = "".join(
        f'<img src="data:{kind};base64,{base64.b64encode(data).decode()}">' for kind, data in files
    )
    return f"<!DOCTYPE html><title>t</title>{images}".encode()


def found(path):
    numbers = NEEDLES.only_long()
    return {
        part.place
        for part in parts_of(path, kind_of(path))
        if (numbers if part.is_numbers else NEEDLES).found_in(part.content)
    }


def with_comment(comment):
    memory = io.BytesIO()
    Image.fromarray(PIXELS).save(memory, "JPEG", comment=comment)
    return memory.getvalue()


PLANTED = {
    "a comment in a JPEG": (("image/jpeg", with_comment(b"MH20-02018")), "embedded 1, segment FE"),
    "a text": (("text/plain", b"of MH20-02018 and 749358"), "embedded 1, file, content"),
    "a picture as SVG": (("image/svg+xml", b"<svg>749358</svg>"), "embedded 1, file, content"),
}


@pytest.mark.parametrize(("file", "place"), PLANTED.values(), ids=PLANTED)
def test_what_is_embedded_in_a_page_is_found(tmp_path, file, place):
    path = tmp_path / "page.html"
    path.write_bytes(page(file))

    assert found(path) == {place}


def test_a_name_that_stands_in_base64_itself_is_found(tmp_path):
    path = tmp_path / "page.html"
    path.write_bytes(b'<img src="data:image/jpeg;base64,AAAA/EkhoFainaModestovna/AAA">')
    needles = Needles(traces_of(["EkhoFainaModestovna"]))

    parts = parts_of(path, kind_of(path))

    assert any(needles.only_long().found_in(part.content) for part in parts)


def test_pictures_of_nothing_but_pixels_hold_nothing(tmp_path):
    files = [
        ("image/jpeg", bytes(jpeg8_encode(PIXELS))),
        ("image/png", bytes(png_encode(PIXELS))),
    ]
    path = tmp_path / "page.html"
    path.write_bytes(page(*files))

    assert found(path) == set()


def test_chance_makes_no_value_of_megabytes_of_base64(tmp_path):
    """Six digits occur somewhere in so much text; they are nobody's."""
    noise = np.random.default_rng(1).integers(0, 256, 3 << 20, dtype=np.uint8).tobytes()
    encoded = base64.b64encode(noise).decode()
    words = set(re.findall(r"[+/]([A-Za-z]{4})(?=[+/])", encoded))
    path = tmp_path / "page.html"
    path.write_bytes(page(("image/jpeg", b"\xff\xd8\xff\xda" + noise)))
    needles = Needles(traces_of(sorted(words)))

    numbers = needles.only_long()

    assert len(words) > 100
    assert not any(
        (numbers if part.is_numbers else needles).found_in(part.content)
        for part in parts_of(path, kind_of(path))
    )


@given(st.lists(st.binary(min_size=3, max_size=60), max_size=5))
def test_files_come_back_as_they_were_put_in(files):
    text, taken, raw = taken_apart(page(*(("image/png", data) for data in files)))

    assert taken == files
    assert base64.b64decode(raw.replace(b"\n", b"")) or not files
    assert text == page(*(("image/png", b"") for _ in files))


@given(st.lists(st.binary(max_size=40), max_size=4), st.binary(max_size=20))
def test_every_segment_of_a_jpeg_is_told_and_the_scan_is_numbers(contents, scan):
    segments = b"".join(b"\xff\xe1" + (len(one) + 2).to_bytes(2, "big") + one for one in contents)

    told = list(jpeg_segments(b"\xff\xd8" + segments + b"\xff\xda" + scan))

    assert [content for _, content, is_numbers in told if not is_numbers] == contents
    assert told[-1] == ("scan", b"\xff\xda" + scan, True)


@given(st.binary(max_size=80))
def test_what_is_no_jpeg_behind_its_first_bytes_is_text(content):
    told = list(jpeg_segments(b"\xff\xd8\x00" + content))

    assert told == [("content", b"\x00" + content, False)]
