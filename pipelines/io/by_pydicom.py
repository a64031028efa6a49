"""What becomes of one element, decided on a data set of that element alone, with pydicom."""

from collections.abc import Iterable
from io import BytesIO

from pydicom import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from pipelines.core.dictionary import vr_of
from pipelines.io.ct_objects import OVERLAYS, PLACES, Facts
from pipelines.io.deidentify import counted_texts, is_counter
from pipelines.io.dicom import faults_of
from pipelines.io.elements import texts_at
from pipelines.io.engine import UTF_8, Engine
from pipelines.io.piece import Piece
from pipelines.io.raw_elements import Uncertain
from pipelines.io.rewriting import Rewriting


def piece(engine: Engine, elements: tuple[bytes, bytes], *, is_implicit: bool, name: str) -> Piece:
    """The piece of one element, `elements` being the character set (maybe empty) and that one.

    Raises Uncertain where it depends on other elements, DicomError where it cannot be read.
    """
    with faults_of(name):
        source = _decoded(elements, is_implicit=is_implicit)
        rewriting = Rewriting(engine, name)
        dataset = rewriting.dataset(source)
        if is_implicit or b"UN" in elements[1]:
            _refuse_ambiguous(dataset)
        counters = counted_texts(filter(is_counter, dataset.iterall()))
        content = _encoded(dataset, is_implicit=is_implicit, is_ascii=rewriting.is_ascii)
    counts = rewriting.counts
    counts["character set"] -= bool(elements[0])
    return Piece(
        content=content,
        counted=tuple(counts.elements()),
        seen=rewriting.seen or None,
        counters=counters,
        is_ascii=rewriting.is_ascii,
    )


def _refuse_ambiguous(dataset: Dataset) -> None:
    """Refuse what has no VR in the file and one of several in PS3.6: other elements decide."""
    if any(" " in vr_of(int(element.tag)) for element in dataset.iterall()):
        raise Uncertain


def facts_of(dataset: Dataset, *, name: str, also: frozenset[int] = frozenset()) -> Facts:
    """What a data set says of itself, `also` being further tags; raises DicomError."""
    tags = also.union(PLACES.values())
    with faults_of(name):
        return Facts(
            texts={tag: texts_at(dataset, tag) for tag in tags if tag in dataset},
            overlays=frozenset(tag for tag in map(int, dataset.keys()) if tag >> 24 == OVERLAYS),
        )


def facts_in(
    elements: Iterable[bytes], *, is_implicit: bool, name: str, also: frozenset[int]
) -> Facts:
    """What some elements say of their file; raises DicomError."""
    with faults_of(name):
        dataset = _decoded(elements, is_implicit=is_implicit)
    return facts_of(dataset, name=name, also=also)


def _decoded(elements: Iterable[bytes], *, is_implicit: bool) -> Dataset:
    """The data set of some raw elements, in the order of their tags."""
    content = b"".join(elements)
    second = content[4:6]
    if is_implicit and second.isalpha() and second.isupper():  # would be read as explicit
        raise Uncertain
    return read_dataset(BytesIO(content), is_implicit, is_little_endian=True)


def _encoded(dataset: Dataset, *, is_implicit: bool, is_ascii: bool) -> bytes:
    """A data set in Little Endian, its text in UTF-8, as it is in a whole file of ours."""
    buffer = DicomBytesIO()
    buffer.is_implicit_VR, buffer.is_little_endian = is_implicit, True
    write_dataset(buffer, dataset, "iso8859" if is_ascii else UTF_8)
    return buffer.getvalue()
