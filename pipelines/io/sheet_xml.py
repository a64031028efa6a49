"""The XML of a workbook (ECMA-376 part 1, 18.3 and 18.4), streamed: its rows and its shared texts.

A sheet is read by events and never held: openpyxl makes a tree and several objects of every cell
and takes ten times as long, and calamine holds the whole sheet and gives no number formats, by
which an identifier keeps its leading zeros. Whatever a part claims, what is held of it is bounded.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import IO, TYPE_CHECKING
from xml.parsers import expat

if TYPE_CHECKING:
    from pipelines.io.book import NumberFormat
    from pipelines.io.tables import Cell

SPREADSHEETS = (
    "http://schemas.openxmlformats.org/spreadsheetml/2006/main",
    "http://purl.oclc.org/ooxml/spreadsheetml/main",
)
"""The namespace of what nearly all write, and that of ISO/IEC 29500 strict."""
TAGS = {f"{space} {tag}": tag for space in SPREADSHEETS for tag in ("c", "v", "t", "row", "rPh")}
TEXTS = {f"{space} {tag}": tag for space in SPREADSHEETS for tag in ("si", "t", "rPh")}
CHUNK_BYTES = 1 << 14
MAXIMUM_CELL_BYTES = 1 << 20
"""Excel's limit is 32,767 characters; what holds more is no cell, and would fill the memory."""
MAXIMUM_COLUMNS = 16_384
ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")


class BrokenPartError(ValueError):
    """A part of a workbook that is none."""


class XmlEvents:
    """An XML parser with the text since the last start of an element in `pieces`."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler = self.start
        self._parser.EndElementHandler = self.end
        self._parser.CharacterDataHandler = self.pieces.append
        self._parser.StartDoctypeDeclHandler = _refuse_doctype

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins; `name` is its namespace, a blank, and its own name."""

    def end(self, name: str) -> None:
        """An element ends."""

    def feed(self, source: IO[bytes]) -> Iterator[None]:
        """Read all of a part, and stop after each chunk of it; raises on what is no XML."""
        fed = 0
        while chunk := source.read(CHUNK_BYTES):
            self._parser.Parse(chunk, False)
            fed += len(chunk)
            held = sum(map(len, self.pieces)) + fed - self._parser.CurrentByteIndex
            if held > MAXIMUM_CELL_BYTES:
                raise BrokenPartError("an element is too large")
            yield
        self._parser.Parse(b"", True)
        yield


def _refuse_doctype(*_: object) -> None:
    # ECMA-376 part 2, 8.1.4: not allowed; and the way of every attack by entities
    raise BrokenPartError("a document type")


class _Texts(XmlEvents):
    """Texts with the readings that Japanese workbooks add to them left out."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[str] = []
        self._text = ""
        self._is_phonetic = False

    def start(self, name: str, _attributes: dict[str, str]) -> None:
        self.pieces.clear()
        self._is_phonetic |= TEXTS.get(name) == "rPh"

    def end(self, name: str) -> None:
        tag = TEXTS.get(name)
        if tag == "t" and not self._is_phonetic:
            self._text += "".join(self.pieces)
        elif tag == "rPh":
            self._is_phonetic = False
        elif tag == "si":
            self.done.append(unescaped(self._text))
            self._text = ""


def shared_texts(source: IO[bytes]) -> list[str]:
    """The texts that cells refer to by number."""
    texts = _Texts()
    for _ in texts.feed(source):
        pass
    return texts.done


def unescaped(text: str) -> str:
    """A text in which a character that XML does not allow is written `_x000D_` (22.9.2.19)."""
    return ESCAPED.sub(lambda found: chr(int(found[1], 16)), text) if "_x" in text else text


class _Rows(XmlEvents):
    """The rows of a sheet that have ended; cells without a value are None."""

    def __init__(
        self, texts: Sequence[str], formats: Sequence["NumberFormat"], epoch: datetime
    ) -> None:
        super().__init__()
        self.done: list[tuple[int, list[Cell]]] = []
        self._texts, self._formats, self._epoch = texts, formats, epoch
        self._number = 0
        self._cells: list[Cell] = []
        self._cell: Mapping[str, str] = {}
        self._value: str | None = None
        self._inline = ""
        self._is_phonetic = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.pieces.clear()
        tag = TAGS.get(name)
        if tag == "c":
            self._cell, self._value, self._inline = attributes, None, ""
        elif tag == "row":
            self._number = _row_number(attributes.get("r"), self._number)
            self._cells = []
        elif tag == "rPh":
            self._is_phonetic = True

    def end(self, name: str) -> None:
        tag = TAGS.get(name)
        if tag == "v":
            self._value = "".join(self.pieces)
        elif tag == "c":
            self._end_cell()
        elif tag == "row":
            self.done.append((self._number, self._cells))
        elif tag == "t" and not self._is_phonetic:
            self._inline += "".join(self.pieces)
        elif tag == "rPh":
            self._is_phonetic = False

    def _end_cell(self) -> None:
        reference, cells = self._cell.get("r"), self._cells
        at = _column(reference.rstrip("0123456789")) if reference else len(cells)
        value = self._read(self._cell.get("t", "n"))
        if at == len(cells):
            cells.append(value)
        elif value is not None:
            cells += [None] * (at + 1 - len(cells))
            cells[at] = value

    def _read(self, kind: str) -> "Cell":
        """The value of the cell that ends, by its type (18.18.11)."""
        value = self._value
        if kind == "inlineStr":
            return unescaped(self._inline).strip() or None
        if not value:
            return None
        if kind == "s":
            return self._texts[_index(value)].strip() or None
        if kind == "n":
            style = _index(self._cell.get("s", "0"))
            return self._formats[style].read(value, self._epoch)
        if kind == "b":
            return str(bool(int(value))).upper()
        return unescaped(value).strip() or None


def sheet_rows(
    source: IO[bytes],
    *,
    texts: Sequence[str],
    formats: Sequence["NumberFormat"],
    epoch: datetime,
) -> Iterator[tuple[int, list["Cell"]]]:
    """The rows of a sheet with their numbers, as they come; raises on what is no sheet."""
    rows = _Rows(texts, formats, epoch)
    for _ in rows.feed(source):
        yield from rows.done
        rows.done.clear()


def _row_number(claimed: str | None, before: int) -> int:
    return before + 1 if claimed is None else _index(claimed)


@lru_cache(maxsize=MAXIMUM_COLUMNS)
def _column(letters: str) -> int:
    """The place of a column, from 0: A, B, ... XFD."""
    at = 0
    for letter in letters.upper():
        if not "A" <= letter <= "Z":
            raise BrokenPartError("no column")
        at = at * 26 + ord(letter) - ord("A") + 1
        if at > MAXIMUM_COLUMNS:
            raise BrokenPartError("a column beyond the last")
    if not at:
        raise BrokenPartError("no column")
    return at - 1


def _index(text: str) -> int:
    """A number of a text or a style, which never counts from the end."""
    number = int(text)
    if number < 0:
        raise BrokenPartError("a negative number")
    return number
