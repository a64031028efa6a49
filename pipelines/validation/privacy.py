"""What the files of a published folder tell of persons: every file but the studies' own."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from pipelines.core.checks import Finding
from pipelines.core.leaks import has_foreign_uid, has_identity_column, leaks_in
from pipelines.io.embedded import JPEG_MAGIC, jpeg_segments
from pipelines.io.insides import kind_of, parts_of
from pipelines.io.parts import PART_LIMIT_BYTES, UnreadableError
from pipelines.validation.studies import facts_of, header_leaks

HIDDEN = "[…]"
TABLES = (".csv", ".tsv")
VOLUMES = (".nii", ".nii.gz")
PICTURE_CHUNKS = re.compile(r"chunk (?:tEXt|zTXt|iTXt|eXIf)")
PROGRAM = re.compile(rb"Software\0[\x20-\x7e]{0,80}")
"""The one text of a PNG that says nothing of a person."""

JPEG_TEXTS = {"segment E1": "EXIF or XMP", "segment ED": "IPTC", "segment FE": "comment"}
"""The segments of a JPEG that hold text (ITU-T T.81 B.1.1)."""

CHUNK_BYTES = 1 << 24


def check_privacy(root: Path, name: str) -> list[Finding]:
    """What the name and the content of one file tell of a person."""
    found: dict[tuple[str, str], None] = {}
    shown = shown_name(name)
    if shown != name:
        found["NAME_OF_PERSON" if "^" in name else "FOREIGN_UID", "the name of the file"] = None
    path = root / name
    try:
        for code, place in _inside(path):
            found[code, place] = None
    except UnreadableError as error:
        found["NOT_PROVEN", str(error)] = None
    except OSError as error:
        found["NOT_PROVEN", error.strerror or "it cannot be read"] = None
    return [Finding(code=code, file=shown, place=place) for code, place in found]


def shown_name(name: str) -> str:
    """A path as it may be shown: without the parts that look like a person's."""
    parts = [
        HIDDEN if "^" in part or has_foreign_uid(os.fsencode(part)) else part
        for part in name.split("/")
    ]
    return "/".join(parts)


def _inside(path: Path) -> Iterator[tuple[str, str]]:
    if path.name.endswith(VOLUMES) and (facts := facts_of(path)) is not None:
        yield from header_leaks(path, facts)
        return
    with path.open("rb") as file:
        head = file.read(1 << 16)
        if head.startswith(JPEG_MAGIC):
            yield from _jpeg_texts(head + file.read(PART_LIMIT_BYTES))
    if path.suffix.lower() in TABLES and has_identity_column(head.split(b"\n", 1)[0]):
        yield "IDENTITY_LABEL", "header of the table"
    for part in parts_of(path, kind_of(path)):
        is_text = PICTURE_CHUNKS.search(part.place)
        while content := part.content.read(CHUNK_BYTES):
            if is_text and not PROGRAM.fullmatch(content):
                yield "PICTURE_TEXT", part.place
            if not part.is_numbers:
                yield from ((code, part.place) for code in leaks_in(content))


def _jpeg_texts(content: bytes) -> Iterator[tuple[str, str]]:
    told = (JPEG_TEXTS.get(place) for place, _, _ in jpeg_segments(content))
    yield from (("PICTURE_TEXT", text) for text in told if text)
