"""What a PDF says to its readers: the text of its pages, its properties, its streams unpacked.

Fonts are subset, so that a page's bytes are glyph numbers: only a library that reads the fonts'
tables finds the words again (ISO 32000-1 9.10).
"""

import base64
import binascii
import logging
import zlib
from collections.abc import Iterator
from io import BytesIO

from pypdf import PdfReader
from pypdf.generic import StreamObject

ASCII85_END = b"~>"

logging.getLogger("pypdf").setLevel(logging.CRITICAL)


class BrokenPdfError(ValueError):
    """A document that its reader cannot follow."""


def pdf_texts(content: bytes) -> Iterator[tuple[str, bytes]]:
    """The properties and each page of a document, as place and UTF-8 text.

    Raises BrokenPdfError.
    """
    try:
        reader = PdfReader(BytesIO(content))
        told = {**(reader.metadata or {})}
        yield "properties", "\n".join(f"{name} {value}" for name, value in told.items()).encode()
        for number, page in enumerate(reader.pages, start=1):
            yield f"page {number}", page.extract_text().encode("utf-8", "replace")
            for note in page.get("/Annots") or ():
                yield f"note on page {number}", str(note.get_object()).encode("utf-8", "replace")
        yield from _attachments(reader)
    except Exception as error:  # the library has no end of errors for a broken document
        raise BrokenPdfError("it is no PDF that can be read") from error


def _attachments(reader: PdfReader) -> Iterator[tuple[str, bytes]]:
    for number, attached in enumerate(reader.attachment_list, start=1):
        yield f"attachment {number}", attached.name.encode() + b"\n" + attached.content
    described = reader.root_object.get("/Metadata")
    if described is not None and isinstance(stream := described.get_object(), StreamObject):
        yield "XMP", stream.get_data()


def unpacked(stream: bytes, limit_bytes: int) -> bytes:
    """A stream without its ASCII85 and its deflate, as far as it has them (ISO 32000-1 7.4)."""
    data = stream.strip()
    if data.endswith(ASCII85_END):
        try:
            data = base64.a85decode(data.removeprefix(b"<~").removesuffix(ASCII85_END))
        except (ValueError, binascii.Error):
            return stream
    if data[:1] == b"\x78":
        return zlib.decompressobj().decompress(data, limit_bytes)
    return data if data != stream.strip() else stream
