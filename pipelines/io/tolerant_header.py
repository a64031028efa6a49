"""Some attributes of a DICOM file by pydicom, which takes what `io.quick_header` does not."""

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

import pydicom
from pydicom import FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag

from pipelines.core.errors import DicomError
from pipelines.core.syntaxes import DEFLATED_SYNTAX, EXPLICIT_SYNTAX
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, faults_of
from pipelines.io.fields import fields_of
from pipelines.io.inflating import inflated

FILE_META_AT = PREAMBLE_BYTES + len(MAGIC) + 12
"""Where the file meta starts that (0002,0000) counts: after itself (PS3.10 7.1)."""

FILE_META_PROBE_BYTES = 1024


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributes:
    """Some attributes of a file, and the offset of its PixelData element in its inflated form."""

    dataset: FileDataset
    pixels_at: int
    is_deflated: bool


def plain_form(path: Path) -> bytes:
    """A deflated file (PS3.5 A.5) with its data set inflated, under a limit.

    Raises DicomError UNREADABLE_DICOM or TRUNCATED_FILE.
    """
    with faults_of(path.name):
        meta = read_file_meta_info(path)
        start = FILE_META_AT + int(meta.FileMetaInformationGroupLength)
        if meta.get("TransferSyntaxUID") != DEFLATED_SYNTAX:
            raise DicomError("UNREADABLE_DICOM", f"{path.name}: not what its header pretends")
    raw = path.read_bytes()
    try:
        data, is_whole = inflated(raw[start:])
    except DicomError as error:
        raise DicomError(error.code, f"{path.name}: {error.message}") from error
    if not is_whole:
        raise DicomError("TRUNCATED_FILE", f"{path.name}: the deflated data set is cut off")
    # The shorter UID keeps its place, so that the meta's lengths stay right
    head = raw[:start].replace(DEFLATED_SYNTAX.encode(), EXPLICIT_SYNTAX.encode() + bytes(3), 1)
    return head + data


def read_attributes(path: Path, keywords: tuple[str, ...]) -> Attributes:
    """Only these attributes of the file, as it has them, file meta included.

    Raises DicomError UNREADABLE_DICOM or TRUNCATED_FILE.
    """
    tags = [int(Tag(keyword)) for keyword in keywords]
    with path.open("rb") as file, faults_of(path.name):
        # A deflated data set is inflated under a limit, which a whole reader does not know
        is_deflated = DEFLATED_SYNTAX.encode() in file.read(FILE_META_PROBE_BYTES)
        source: BinaryIO = BytesIO(plain_form(path)) if is_deflated else file
        source.seek(0)
        try:
            dataset = pydicom.dcmread(source, stop_before_pixels=True, specific_tags=tags)
        except OSError as error:
            # pydicom raises an OSError of its own, without errno, for a sequence that is cut off
            if error.errno is not None:
                raise
            message = f"{path.name}: it ends within a sequence"
            raise DicomError("UNREADABLE_DICOM", message) from error
        return Attributes(dataset=dataset, pixels_at=source.tell(), is_deflated=is_deflated)


def read_texts(path: Path, keywords: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """The values of attributes of the data set, or else of the file meta, as stripped text.

    Raises DicomError UNREADABLE_DICOM, TRUNCATED_FILE or BAD_ATTRIBUTE.
    """
    dataset = read_attributes(path, keywords).dataset
    fields, meta = fields_of(dataset, path.name), fields_of(dataset.file_meta, path.name)
    return {keyword: fields.texts(keyword) or meta.texts(keyword) for keyword in keywords}
