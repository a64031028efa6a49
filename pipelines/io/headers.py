"""What is needed of the header of one CT slice, checked: nothing past it has to doubt a number.

The seam for a faster reader: everything after `read_header` knows `InstanceHeader` only. Pixels are
not read here; `pixels_at` says where their element stands, so that nobody parses a header twice.
"""

import zlib
from dataclasses import dataclass, replace
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom import FileDataset
from pydicom.filereader import read_file_meta_info
from pydicom.tag import Tag

from pipelines.core.errors import DicomError
from pipelines.core.slices import KEYWORDS, SliceClaim, claims_in
from pipelines.io.dicom import MAGIC, PREAMBLE_BYTES, faults_of
from pipelines.io.fields import fields_of

EXPLICIT_SYNTAX = "1.2.840.10008.1.2.1"
DEFLATED_SYNTAX = "1.2.840.10008.1.2.1.99"
PIXEL_TAG = 0x7FE00010
FILE_META_AT = PREAMBLE_BYTES + len(MAGIC) + 12
"""Where the file meta starts that (0002,0000) counts: after itself (PS3.10 7.1)."""

FILE_META_PROBE_BYTES = 1024

INFLATED_LIMIT_BYTES = 1 << 28
"""A deflated slice that grows beyond this is refused: sixteen times the largest matrix taken."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Attributes:
    """Some attributes of a file, and the offset of its PixelData element in its inflated form."""

    dataset: FileDataset
    pixels_at: int
    is_deflated: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHeader(SliceClaim):
    """The claim of a slice, and the file it was read from.

    `pixels_at` is the offset in bytes of the PixelData element, in the inflated form if the file
    is deflated, and `transfer_syntax_uid` is that of this form.
    """

    path: Path
    pixels_at: int
    is_deflated: bool

    @property
    def rank(self) -> tuple[Any, ...]:
        """A key to sort by, so that nothing depends on the order in which slices come."""
        number = self.instance_number
        return number is None, number or 0, *self.image, self.path.as_posix()


def read_header(path: Path) -> InstanceHeader:
    """The header of the CT slice in `path`.

    Raises DicomError UNREADABLE_DICOM, UNSUPPORTED_OBJECT, MISSING_ATTRIBUTE or BAD_ATTRIBUTE.
    """
    attributes = read_attributes(path, KEYWORDS)
    syntax = attributes.dataset.file_meta.get("TransferSyntaxUID")
    if not syntax:
        raise DicomError("MISSING_ATTRIBUTE", f"{path.name}: TransferSyntaxUID is missing")
    header = InstanceHeader(
        **claims_in(fields_of(attributes.dataset, path.name)),
        transfer_syntax_uid=str(syntax),
        path=path,
        pixels_at=attributes.pixels_at,
        is_deflated=attributes.is_deflated,
    )
    label = slice_name(path, header.sop_instance_uid, header.instance_number)
    return replace(header, plane=replace(header.plane, label=label))


def slice_name(path: Path, sop_instance_uid: str, instance_number: int | None) -> str:
    """What errors call a slice: its number, and its file's name unless that is a UID."""
    if instance_number is None:
        return path.name
    number = f"instance {instance_number}"
    return number if path.stem == sop_instance_uid else f"{number} ({path.name})"


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
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        data = engine.decompress(raw[start:], INFLATED_LIMIT_BYTES)
    except zlib.error as error:
        message = f"{path.name}: the deflated data set is corrupt"
        raise DicomError("UNREADABLE_DICOM", message) from error
    if engine.unconsumed_tail:
        raise DicomError("UNREADABLE_DICOM", f"{path.name}: the data set inflates without end")
    if not engine.eof:
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
