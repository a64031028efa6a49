"""The header of one CT slice, checked, and where its pixels stand.

Pixels are not read here. A header that is as the standard has it is read on its first bytes; all
others by pydicom, with the same result or a fault by its code.
"""

import os
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from pipelines.core.dictionary import ENHANCED_CT_IMAGE_STORAGE
from pipelines.core.errors import DicomError
from pipelines.core.fields import Fields
from pipelines.core.geometry import SlicePlane
from pipelines.core.slices import KEYWORDS, SliceClaim, claims_in, position_of
from pipelines.io.quick_header import QuickHeader, read_quick_header, texts_of
from pipelines.io.quick_tags import TAGS
from pipelines.io.quick_walk import OddHeaderError

OWN_VALUES = {
    "SOPInstanceUID": b"0",
    "InstanceNumber": b"",
    "ImagePositionPatient": b"0\\0\\0",
}
"""What differs from slice to slice, and what stands for it where the rest is looked at."""

SHARED_KEYWORDS = tuple(keyword for keyword in KEYWORDS if keyword not in OWN_VALUES)
SHARED_TAGS = tuple(TAGS[keyword][0] for keyword in SHARED_KEYWORDS)
SERIES_AT_ONCE = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class InstanceHeader(SliceClaim):
    """The claim of a slice or a frame, and the file it was read from, which holds `frames`.

    `pixels_at` is the offset in bytes of the PixelData element, in the inflated form if the file
    is deflated, and `transfer_syntax_uid` is that of this form. `pixels_bytes` is the length that
    this element gives, where it is known that the file holds so many. `has_overlays` unless it is
    known that none stands before the pixels. `fragments` are those of a frame of many, each with
    its offset and length in bytes; they are known to be there.
    """

    path: Path
    pixels_at: int
    is_deflated: bool
    pixels_bytes: int | None = field(default=None, compare=False)
    has_overlays: bool = field(default=True, compare=False)
    frames: int = 1
    fragments: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    @property
    def rank(self) -> tuple[Any, ...]:
        """A key to sort by, so that nothing depends on the order in which slices come."""
        number = self.instance_number
        return number is None, number or 0, *self.image, self.path.as_posix()


def read_header(path: Path) -> InstanceHeader:
    """The header of the CT slice in `path`.

    Raises DicomError UNREADABLE_DICOM, UNSUPPORTED_OBJECT, MISSING_ATTRIBUTE or BAD_ATTRIBUTE.
    """
    quick = _look(path)
    return (quick and header_of(path, quick)) or read_odd_header(path)


def read_headers(path: Path) -> tuple[InstanceHeader, ...]:
    """The header of the CT slice in `path`, or one for each frame of a multi-frame image.

    Raises DicomError as `read_header` does.
    """
    try:
        return (read_header(path),)
    except DicomError as error:
        if error.code != "UNSUPPORTED_OBJECT" or not _is_enhanced(path):
            raise
    from pipelines.io.frames import read_frames

    return read_frames(path)


def _is_enhanced(path: Path) -> bool:
    return read_fields(path, ("SOPClassUID",)).texts("SOPClassUID") == (ENHANCED_CT_IMAGE_STORAGE,)


def header_of(path: Path, quick: QuickHeader) -> InstanceHeader | None:
    """The header of a slice from its raw values; None where these are in any way odd."""
    values = quick.values
    try:
        shared = _shared(tuple([values.get(tag, b"") for tag in SHARED_TAGS]))
        uid, number = quick.texts("SOPInstanceUID"), quick.texts("InstanceNumber")
        position = position_of(Fields(quick.texts, path.name))
    except (OddHeaderError, DicomError):
        return None
    if len(uid) != 1:
        return None
    instance_number = int(number[0]) if number else None
    plane = shared.plane
    return InstanceHeader(
        sop_instance_uid=uid[0],
        study_instance_uid=shared.study_instance_uid,
        series_instance_uid=shared.series_instance_uid,
        frame_of_reference_uid=shared.frame_of_reference_uid,
        instance_number=instance_number,
        image_type=shared.image_type,
        convolution_kernel=shared.convolution_kernel,
        slice_thickness_mm=shared.slice_thickness_mm,
        plane=SlicePlane(
            label=slice_name(path, uid[0], instance_number),
            image_position_lps_mm=position,
            row_cosines=plane.row_cosines,
            column_cosines=plane.column_cosines,
            pixel_spacing_mm=plane.pixel_spacing_mm,
            rows=plane.rows,
            columns=plane.columns,
        ),
        pixels=shared.pixels,
        transfer_syntax_uid=quick.syntax,
        was_lossy=shared.was_lossy,
        path=path,
        pixels_at=quick.pixels_at,
        is_deflated=False,
        pixels_bytes=quick.pixels_bytes,
        has_overlays=quick.has_overlays,
    )


@lru_cache(maxsize=SERIES_AT_ONCE)
def _shared(values: tuple[bytes, ...]) -> SliceClaim:
    """What the slices of a series have in common: it is checked once for all of them."""
    raw = {**dict(zip(SHARED_KEYWORDS, values, strict=True)), **OWN_VALUES}

    def texts(keyword: str) -> tuple[str, ...]:
        return texts_of(raw[keyword], TAGS[keyword][1])

    return SliceClaim(**claims_in(Fields(texts, "")), transfer_syntax_uid="")


def read_odd_header(path: Path) -> InstanceHeader:
    """As `read_header`, by pydicom."""
    from pipelines.io.fields import fields_of
    from pipelines.io.tolerant_header import read_attributes

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


def read_fields(path: Path, keywords: tuple[str, ...]) -> Fields:
    """Some attributes of a file, which are read with distrust.

    Raises DicomError UNREADABLE_DICOM, TRUNCATED_FILE or BAD_ATTRIBUTE.
    """
    quick = _look(path)
    if quick is not None:
        try:
            texts = {keyword: quick.texts(keyword) for keyword in keywords}
            return Fields(texts.__getitem__, path.name)
        except OddHeaderError:
            pass
    from pipelines.io.tolerant_header import read_texts

    return Fields(read_texts(path, keywords).__getitem__, path.name)


def _look(path: Path) -> QuickHeader | None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return read_quick_header(descriptor)
    finally:
        os.close(descriptor)
