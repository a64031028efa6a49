"""What there is to read in a PDF: what it says to a reader, and the bytes that say it."""

import re
from collections.abc import Iterator

from pipelines.io.parts import PART_LIMIT_BYTES, Part, UnreadableError, held

_STREAM = re.compile(rb"stream\r?\n(.*?)\r?\n?endstream", re.DOTALL)
_KERNING = re.compile(rb"\)\s*-?[\d.]*\s*\(")
_HEX_STRING = re.compile(rb"<([0-9A-Fa-f\s]{8,})>")


def pdf_parts(content: bytes) -> Iterator[Part]:
    """What the document says to a reader, then its bytes: those of its streams unpacked.

    In fonts and pictures text stands by chance, so that streams count as numbers wherever a reader
    has found the words.
    """
    from pipelines.io.pdf_text import BrokenPdfError, pdf_texts, unpacked  # most trees have no PDF

    if b"/Encrypt" in content:
        raise UnreadableError("it is encrypted")
    yield from _pdf_texts("document", _STREAM.sub(b"", content))
    broken = ""
    try:
        yield from (held(place, text) for place, text in pdf_texts(content))
    except BrokenPdfError as error:
        broken = str(error)
    for match in _STREAM.finditer(content):
        for part in _pdf_texts("stream", unpacked(match[1], PART_LIMIT_BYTES)):
            yield Part(part.place, part.content, is_numbers=not broken)
    if broken:
        raise UnreadableError(broken)


def _pdf_texts(place: str, content: bytes) -> Iterator[Part]:
    yield held(place, content)
    yield held(place, _KERNING.sub(b"", content))
    strings = (bytes.fromhex(match[1].decode()) for match in _HEX_STRING.finditer(content)
               if len(b"".join(match[1].split())) % 2 == 0)  # fmt: skip
    yield held(place, b"\n".join(strings))
