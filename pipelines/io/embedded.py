"""Files that are written into a text as `data:` addresses in base64 (RFC 2397), such as pictures.

Base64 is text by chance: short values occur in megabytes of it. So it is read unpacked, and as it
stands only for values that chance does not make.
"""

import base64
import binascii
import re
from collections.abc import Iterator

JPEG_MAGIC = b"\xff\xd8\xff"
SCAN, STANDALONE = 0xDA, frozenset({0x01, *range(0xD0, 0xD9)})
"""Markers of a JPEG (ITU-T T.81, table B.1): start of scan, and those without a length."""

_ADDRESS = re.compile(
    rb"(data:[a-z0-9.+/;=-]{0,99};base64,)([A-Za-z0-9+/]{4,}={0,2})", re.IGNORECASE
)


def taken_apart(text: bytes) -> tuple[bytes, list[bytes], bytes]:
    """The text without the embedded files, these files, and their base64 as it stood.

    What cannot be decoded stays in the text.
    """
    files: list[bytes] = []
    raw: list[bytes] = []

    def take(match: re.Match[bytes]) -> bytes:
        try:
            files.append(base64.b64decode(match[2], validate=True))
        except binascii.Error:
            return match[0]
        raw.append(match[2])
        return match[1]

    rest = _ADDRESS.sub(take, text)
    return rest, files, b"\n".join(raw)


def jpeg_segments(content: bytes) -> Iterator[tuple[str, bytes, bool]]:
    """What a JPEG holds: place, content, and whether it is but numbers.

    The segments before the scan can hold text, such as Exif and comments; the scan, and what is
    behind it, cannot but by chance. What does not follow the format is text.
    """
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != SCAN:
        marker = content[place + 1]
        end = place + 2
        if marker not in STANDALONE and marker != 0xFF:
            end += int.from_bytes(content[place + 2 : place + 4], "big")
            yield f"segment {marker:02X}", content[place + 4 : end], False
        place = end if marker != 0xFF else place + 1
    is_scan = content[place : place + 2] == bytes((0xFF, SCAN))
    yield ("scan", content[place:], True) if is_scan else ("content", content[place:], False)
