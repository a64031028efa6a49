"""The rows of .csv and .tsv files, in the encodings and with the delimiters of Excel and of a RIS.

UTF-8, UTF-16 with its mark, else CP1251, KOI8-R or CP866, whichever gives Russian; what was UTF-8
and is damaged is refused. Cells stay text, so that an accession number keeps its leading zeros. The
standard library reads them and not pandas: it streams, it never guesses a type, and pandas renames
columns that bear the same title instead of saying so.
"""

import codecs
import csv
import re
from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from pipelines.core.errors import PeerError
from pipelines.io.table_header import Line

TEXTS = (".csv", ".tsv", ".txt")
DELIMITERS = ",;\t|"
UTF_8 = "utf-8-sig"
CYRILLIC_ENCODINGS = ("cp1251", "koi8-r", "cp866")
"""Of Windows, Unix and DOS: no byte tells which. Of equals the first is taken."""
COMMON_LETTERS = frozenset("оеаинтОЕАИНТ")
"""Nearly half of what Russian is written with, and a quarter of what a wrong encoding gives."""
TITLE_ROWS = 20
"""So many rows may stand above the header: the name of a report, the day it was made."""
CHUNK_BYTES = 1 << 20
SURE_CHARACTERS = 8
"""So many UTF-8 letters in a row cannot be CP1251 by chance: what fails after them is damage."""
QUOTED = re.compile(r'"[^"]*"')
SAVE_AS_TEXT = "Open it in a spreadsheet and save it as 'CSV UTF-8'."
SAVE_AS_WORKBOOK = "Open it in a spreadsheet and save it as .xlsx or as 'CSV UTF-8'."


def text_rows(path: Path) -> tuple[Iterator[Line], str]:
    """The rows of a text file that are not empty, numbered as a spreadsheet does; its encoding.

    The encoding is "" for UTF-8. Raises PeerError, or csv.Error, OSError and UnicodeError as they
    come.
    """
    encoding = _encoding(path)
    return _rows(path, encoding), "" if encoding == UTF_8 else encoding.upper()


def _rows(path: Path, encoding: str) -> Iterator[Line]:
    with path.open(encoding=encoding, newline="") as file:
        sample = file.read(CHUNK_BYTES)
        if "\0" in sample:
            raise PeerError(f"{path}: not a text file", hint=SAVE_AS_WORKBOOK)
        file.seek(0)
        # Excel reads this first line as an order, and does not count it as a row.
        if sample[:4].lower() == "sep=":
            file.readline()
        reader = csv.reader(file, delimiter=_delimiter(sample), strict=True)
        for number, cells in enumerate(reader, start=1):
            if any(cells) and any(map(str.strip, cells)):
                yield number, cells


def _delimiter(sample: str) -> str:
    if sample[:4].lower() == "sep=":
        return sample[4:5]
    lines = QUOTED.sub("", sample).splitlines()[:TITLE_ROWS]
    counts = {mark: [line.count(mark) for line in lines] for mark in DELIMITERS}
    return max(DELIMITERS, key=lambda mark: (sum(map(bool, counts[mark])), sum(counts[mark])))


def _encoding(path: Path) -> str:
    try:
        with path.open("rb") as file:
            start = file.read(4)
            if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
                return "utf-16"
            file.seek(0)
            chunks = iter(lambda: file.read(CHUNK_BYTES), b"")
            if _is_utf8(path, chunks, has_mark=start.startswith(codecs.BOM_UTF8)):
                return UTF_8
            file.seek(0)
            return _cyrillic_encoding(file.read(CHUNK_BYTES))
    except OSError as error:
        raise unreachable(path, error) from error


def _cyrillic_encoding(sample: bytes) -> str:
    def russian(encoding: str) -> int:
        return sum(map(COMMON_LETTERS.__contains__, sample.decode(encoding, "replace")))

    return max(CYRILLIC_ENCODINGS, key=russian)


def _is_utf8(path: Path, chunks: Iterator[bytes], *, has_mark: bool) -> bool:
    """Whether all of it is UTF-8; raises PeerError where it is UTF-8 that was damaged."""
    decoder = codecs.getincrementaldecoder("utf-8")()
    letters = 0
    for chunk in chain(chunks, [b""]):
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            letters += _beyond_ascii(error.object[: error.start].decode())
            if has_mark or letters > SURE_CHARACTERS:
                raise undecodable(path) from error
            return False
        if letters <= SURE_CHARACTERS:
            letters += _beyond_ascii(text)
    return True


def _beyond_ascii(text: str) -> int:
    return 0 if text.isascii() else sum(character > "\x7f" for character in text)


def unreachable(path: Path, error: OSError) -> PeerError:
    """What is told where the operating system does not give a table."""
    return PeerError(f"{path}: {error.strerror or error}", hint="Check the path of the table.")


def undecodable(path: Path) -> PeerError:
    """What is told of text in no encoding that is known, or that was damaged."""
    return PeerError(
        f"{path}: not text in UTF-8, UTF-16, CP1251, KOI8-R or CP866, or damaged text",
        hint=SAVE_AS_TEXT,
    )
