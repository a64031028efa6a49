"""A DICOMDIR for a folder of files, made by hand so that every byte of it is ours (PS3.3 F)."""

from __future__ import annotations

import io
from pathlib import Path

from pydicom import dcmread
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import UID

from pipelines.phantom.instances import file_meta
from pipelines.phantom.noise import made_uid
from pipelines.phantom.spec import Syntax

_MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
_IN_USE = 0xFFFF
_RECORD_KEYS = {
    "PATIENT": ("PatientName", "PatientID"),
    "STUDY": ("StudyDate", "StudyTime", "StudyDescription", "StudyInstanceUID", "StudyID",
              "AccessionNumber"),
    "SERIES": ("Modality", "SeriesInstanceUID", "SeriesNumber"),
    "IMAGE": ("InstanceNumber",),
}  # fmt: skip
_LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")


def write_dicomdir(folder: Path, files: list[Path]) -> Path:
    """Write `folder`/DICOMDIR over the files of one study, given in the order of its series."""
    records, parents = _records(folder, files)
    dataset = Dataset()
    dataset.file_meta = file_meta(
        _MEDIA_STORAGE_DIRECTORY, made_uid("dicomdir", *map(str, parents)), Syntax.EXPLICIT_LITTLE
    )
    dataset.FileSetID = "PHANTOM"
    dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = 0
    dataset.FileSetConsistencyFlag = 0
    dataset.DirectoryRecordSequence = Sequence(records)
    _link(dataset, parents)
    path = folder / "DICOMDIR"
    dataset.save_as(path, enforce_file_format=True)
    return path


def _records(folder: Path, files: list[Path]) -> tuple[list[Dataset], list[int | None]]:
    """The records in depth-first order, and for each the index of the record above it."""
    records: list[Dataset] = []
    parents: list[int | None] = []
    above: dict[str, tuple[str, int]] = {}
    for path in files:
        header = dcmread(path, stop_before_pixels=True)
        parent: int | None = None
        for level in _LEVELS:
            identity = _identity(header, level)
            if above.get(level, ("", 0))[0] != identity:
                records.append(_record(header, level, path.relative_to(folder)))
                parents.append(parent)
                above[level] = (identity, len(records) - 1)
            parent = above[level][1]
    return records, parents


def _identity(header: Dataset, level: str) -> str:
    keys = {"PATIENT": "PatientID", "STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID"}
    return str(header[keys.get(level, "SOPInstanceUID")].value)


def _record(header: Dataset, level: str, name: Path) -> Dataset:
    record = Dataset()
    record.OffsetOfTheNextDirectoryRecord = 0
    record.RecordInUseFlag = _IN_USE
    record.OffsetOfReferencedLowerLevelDirectoryEntity = 0
    record.DirectoryRecordType = level
    if level == "IMAGE":
        record.ReferencedFileID = list(name.parts)
        record.ReferencedSOPClassUIDInFile = UID(header.SOPClassUID)
        record.ReferencedSOPInstanceUIDInFile = UID(header.SOPInstanceUID)
        record.ReferencedTransferSyntaxUIDInFile = UID(header.file_meta.TransferSyntaxUID)
    record.SpecificCharacterSet = header.SpecificCharacterSet
    for keyword in _RECORD_KEYS[level]:
        setattr(record, keyword, header[keyword].value)
    return record


def _link(dataset: Dataset, parents: list[int | None]) -> None:
    """Set the offsets: they have a fixed length, so a first writing tells where records lie."""
    buffer = io.BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(0)
    written = dcmread(buffer)
    offsets = [item.seq_item_tell for item in written.DirectoryRecordSequence]
    records = dataset.DirectoryRecordSequence
    for index, parent in enumerate(parents):
        children = [child for child, its in enumerate(parents) if its == index]
        siblings = [later for later, its in enumerate(parents) if its == parent and later > index]
        if children:
            records[index].OffsetOfReferencedLowerLevelDirectoryEntity = offsets[children[0]]
        if siblings:
            records[index].OffsetOfTheNextDirectoryRecord = offsets[siblings[0]]
    roots = [index for index, parent in enumerate(parents) if parent is None]
    dataset.OffsetOfTheFirstDirectoryRecordOfTheRootDirectoryEntity = offsets[roots[0]]
    dataset.OffsetOfTheLastDirectoryRecordOfTheRootDirectoryEntity = offsets[roots[-1]]
