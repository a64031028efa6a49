"""A workbook as its parts say it is (ECMA-376 part 2): its sheets, number formats and first day."""

import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING, NamedTuple
from zipfile import ZipFile

from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format, is_timedelta_format
from openpyxl.utils.datetime import MAC_EPOCH, WINDOWS_EPOCH, from_excel

from pipelines.io.sheet_xml import BrokenPartError, XmlEvents, shared_texts, sheet_rows

if TYPE_CHECKING:
    from pipelines.io.tables import Cell, Line

ROOT_RELATIONS = "_rels/.rels"
DEEPEST_ELEMENT = 32
ZEROS = re.compile(r"0{2,15}")
NOT_A_DAY = "#VALUE!"
"""What a spreadsheet shows of a number beyond its calendar."""


@dataclass(frozen=True, slots=True)
class NumberFormat:
    """How numbers of a style are shown, as far as it tells what they are."""

    is_date: bool
    is_duration: bool
    digits: int

    @classmethod
    def of(cls, code: str) -> "NumberFormat":
        """What a format such as `dd.mm.yyyy` or `0000000` says."""
        digits = len(code) if ZEROS.fullmatch(code) else 0
        return cls(is_date_format(code), is_timedelta_format(code), digits)

    def read(self, text: str, epoch: datetime) -> "Cell":
        """A number as what it is: a day, a number, or an identifier with its leading zeros."""
        value = float(text) if "." in text or "e" in text or "E" in text else int(text)
        if self.is_date:
            return self._moment(value, epoch)
        if self.digits and value == int(value):
            return f"{int(value):0{self.digits}d}"
        return value

    def _moment(self, value: float, epoch: datetime) -> "Cell":
        try:
            moment = from_excel(value, epoch, timedelta=self.is_duration)
        except (OverflowError, ValueError):
            return NOT_A_DAY
        return moment if isinstance(moment, date) else str(moment)


GENERAL = NumberFormat.of("General")


@dataclass(frozen=True, slots=True)
class Book:
    """An opened workbook; `sheets` are the names of its parts by title, in their order."""

    archive: ZipFile
    sheets: Mapping[str, str]
    epoch: datetime
    texts_part: str | None
    formats: Sequence[NumberFormat]

    def rows(self, sheet: str) -> Iterator["Line"]:
        """The rows of a sheet that have a cell, with their numbers."""
        texts: list[str] = []
        if self.texts_part is not None:
            with self.archive.open(self.texts_part) as part:
                texts = shared_texts(part)
        with self.archive.open(self.sheets[sheet]) as part:
            yield from sheet_rows(part, texts=texts, formats=self.formats, epoch=self.epoch)


def open_book(archive: ZipFile) -> Book:
    """The workbook in an archive. Raises KeyError, ValueError or what zipfile and expat raise."""
    [workbook] = [r.target for r in _relations(archive, "") if r.kind == "officeDocument"][:1]
    related = {r.id: r for r in _relations(archive, workbook)}
    epoch, sheets = WINDOWS_EPOCH, {}
    for path, attributes in _elements(archive, workbook):
        if path == "workbook/workbookPr" and attributes.get("date1904") in ("1", "true"):
            epoch = MAC_EPOCH
        elif path == "workbook/sheets/sheet":
            relation = related.get(_local(attributes).get("id", ""))
            if relation and relation.kind == "worksheet" and relation.target in archive.NameToInfo:
                sheets[attributes["name"]] = relation.target
    parts = {relation.kind: relation.target for relation in related.values()}
    formats = _formats(archive, parts["styles"]) if "styles" in parts else ()
    return Book(archive, sheets, epoch, parts.get("sharedStrings"), formats or (GENERAL,))


class _Relation(NamedTuple):
    id: str
    kind: str
    target: str


def _relations(archive: ZipFile, part: str) -> list[_Relation]:
    """What a part refers to (part 2, 9.3), or the package itself."""
    folder, name = posixpath.split(part)
    return [
        _Relation(
            id=attributes.get("Id", ""),
            kind=attributes.get("Type", "").rpartition("/")[2],
            target=posixpath.normpath(
                posixpath.join("/", folder, attributes.get("Target", ""))
            ).lstrip("/"),
        )
        for path, attributes in _elements(archive, f"{folder}/_rels/{name}.rels".lstrip("/"))
        if path == "Relationships/Relationship"
    ]


def _formats(archive: ZipFile, part: str) -> tuple[NumberFormat, ...]:
    """The number formats of the styles of cells, by the style's number."""
    codes: dict[int, str] = dict(BUILTIN_FORMATS)
    styles = []
    for path, attributes in _elements(archive, part):
        if path == "styleSheet/numFmts/numFmt":
            codes[int(attributes["numFmtId"])] = attributes["formatCode"]
        elif path == "styleSheet/cellXfs/xf":
            styles.append(int(attributes.get("numFmtId", "0")))
    return tuple(NumberFormat.of(codes.get(style, "General")) for style in styles)


class _Elements(XmlEvents):
    """The elements of a small part: where they stand, and their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[tuple[str, dict[str, str]]] = []
        self._path: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.pieces.clear()
        if len(self._path) == DEEPEST_ELEMENT:
            raise BrokenPartError("elements in elements without end")
        self._path.append(name.rpartition(" ")[2])
        self.done.append(("/".join(self._path), attributes))

    def end(self, _name: str) -> None:
        self._path.pop()


def _elements(archive: ZipFile, part: str) -> Iterator[tuple[str, dict[str, str]]]:
    elements = _Elements()
    with archive.open(part) as source:
        for _ in elements.feed(source):
            yield from elements.done
            elements.done.clear()


def _local(attributes: Mapping[str, str]) -> dict[str, str]:
    """Attributes by their own names: `id` of a sheet is in a namespace of its own."""
    return {name.rpartition(" ")[2]: value for name, value in attributes.items()}
