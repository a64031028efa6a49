"""Where studies are fetched from: a folder that a PACS was exported to, or the PACS itself.

An archive is asked for a study by exact keys and gives its objects byte for byte. It is never
written to. `find` says what there is; `receive` brings what is wanted and reads the headers;
`fetch` lays one received object where it belongs.
"""

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, ClassVar, Protocol, Self, TypeVar

from pipelines.core.errors import DicomError, ItemError
from pipelines.core.model import Decision
from pipelines.core.series import ObjectHeader
from pipelines.core.slices import SliceClaim
from pipelines.io.index import Located, lookup
from pipelines.io.probe import ZIP_FAULTS
from pipelines.peers.claims import claim_in

INDEX_NAME = "archive.sqlite3"
"""The index of the archive folder, in the folder that `export` is given as its source."""

BLOCK_BYTES = 1 << 20
T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchivedInstance:
    """One object in an archive: where it lies is the archive's own affair.

    Of an object that has not been received, the header is an AnsweredHeader.
    """

    path: bytes
    member_number: int
    size_bytes: int
    header: ObjectHeader
    mtime_ns: int | None = None
    """When its file in an archive folder was last changed."""

    @property
    def has_uids(self) -> bool:
        """Whether it names itself, its series and its study."""
        header = self.header
        return None not in {
            header.sop_instance_uid,
            header.series_instance_uid,
            header.study_instance_uid,
        }


class Archive(Protocol):
    """What `export` needs of a PACS; `is_far` if its objects are sent over a network."""

    is_far: ClassVar[bool]

    def find(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[ArchivedInstance, ...]:
        """All objects of the study, by StudyInstanceUID if given, else by AccessionNumber."""
        ...

    def receive(self, instances: Sequence[ArchivedInstance]) -> tuple[ArchivedInstance, ...]:
        """The same objects in the same order, all of them here, with their whole headers.

        Raises ItemError INCOMPLETE_STUDY where not all of them come, also when asked again.
        """
        ...

    def claim(self, instance: ArchivedInstance) -> SliceClaim | None:
        """What the header of a slice claims, as far as it is known before it is received.

        None where it is not known, or where anything but the pixels speaks against the slice.
        """
        ...

    def digest(self, instance: ArchivedInstance) -> str:
        """The SHA-256 of the bytes of an object that was received."""
        ...

    def here(self, instance: ArchivedInstance) -> Path | None:
        """The file of an object that was received; None where it has none of its own."""
        ...

    def content(self, instance: ArchivedInstance) -> bytes:
        """The bytes of an object that was received."""
        ...

    def fetch(self, instance: ArchivedInstance, to: Path) -> None:
        """Lay an object that was received byte for byte in a new file."""
        ...

    def steady(self, bring: Callable[[], T]) -> T:
        """What `bring` gives, which is repeated where the study was changed meanwhile.

        Raises ItemError STUDY_CHANGED where it does not come to rest.
        """
        ...

    def notes(self) -> tuple[Decision, ...]:
        """How the study came, where there is something to be said about it."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...


@dataclass(slots=True)
class FolderArchive:
    """A folder of DICOM, nested and zipped, through the index that `io.index.refresh` made."""

    is_far: ClassVar[bool] = False

    root: Path
    database: Path
    _zip: tuple[bytes, zipfile.ZipFile] | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def find(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[ArchivedInstance, ...]:
        """All objects of the study, by StudyInstanceUID if given, else by AccessionNumber.

        Objects without all their UIDs are among them, by what they have.
        """
        found = lookup(
            self.database,
            accession_number=accession_number,
            study_instance_uid=study_instance_uid,
        )
        return tuple(_instance(located) for located in found)

    def receive(self, instances: Sequence[ArchivedInstance]) -> tuple[ArchivedInstance, ...]:
        """The same objects: their headers were read when the folder was looked through."""
        return tuple(instances)

    def steady(self, bring: Callable[[], T]) -> T:
        """What `bring` gives: a folder was looked through before, and is not asked again."""
        return bring()

    def notes(self) -> tuple[Decision, ...]:
        """Nothing: a folder is just read."""
        return ()

    def claim(self, instance: ArchivedInstance) -> SliceClaim | None:
        """What the header of a slice claims; None in a zip, whose headers are not looked into."""
        path = self.here(instance)
        return None if path is None else claim_in(path)

    def digest(self, instance: ArchivedInstance) -> str:
        """The SHA-256 of an object's bytes; raises as `fetch` does."""
        sha256 = hashlib.sha256()
        with self._opened(instance) as stream:
            while block := stream.read(BLOCK_BYTES):
                sha256.update(block)
        return sha256.hexdigest()

    def content(self, instance: ArchivedInstance) -> bytes:
        """An object's bytes; raises as `fetch` does."""
        with self._opened(instance) as stream:
            return stream.read()

    def here(self, instance: ArchivedInstance) -> Path | None:
        """The file of an object; None for one in a zip."""
        return None if instance.member_number else self._path(instance)

    def fetch(self, instance: ArchivedInstance, to: Path) -> None:
        """Copy an object byte for byte to a new file, of which nothing is left if that fails.

        Raises ItemError INCOMPLETE_STUDY where the object is no longer what the index says,
        DicomError UNREADABLE_DICOM where a zip cannot be unpacked, FileExistsError.
        """
        try:
            with self._opened(instance) as source, to.open("xb") as target:
                shutil.copyfileobj(source, target, BLOCK_BYTES)
        except FileExistsError:
            raise
        except BaseException:
            to.unlink(missing_ok=True)
            raise
        if to.stat().st_size != instance.size_bytes:
            to.unlink()
            raise _changed()

    def close(self) -> None:
        """Close the zip that was read last."""
        if self._zip is not None:
            self._zip[1].close()
            self._zip = None

    def _path(self, instance: ArchivedInstance) -> Path:
        path = self.root / os.fsdecode(instance.path)
        # A link may have come in since the index was made
        if not path.is_file() or not path.resolve().is_relative_to(self.root.resolve()):
            raise _changed()
        return path

    @contextmanager
    def _opened(self, instance: ArchivedInstance) -> Iterator[BinaryIO]:
        """What it holds; raises ItemError where the file was changed, also while it is read.

        Slices of two patients may be of one size, and files of two deliveries of one name.
        """
        path = self._path(instance)
        if path.stat().st_mtime_ns != instance.mtime_ns:
            raise _changed()
        if instance.member_number:
            yield BytesIO(self._unpacked(path, instance))
        else:
            with path.open("rb") as stream:
                yield stream
        if self._path(instance).stat().st_mtime_ns != instance.mtime_ns:
            raise _changed()

    def _unpacked(self, path: Path, instance: ArchivedInstance) -> bytes:
        try:
            if self._zip is None or self._zip[0] != instance.path:
                self.close()
                self._zip = (instance.path, zipfile.ZipFile(path))
            members = self._zip[1].infolist()[instance.member_number - 1 :]
            if not members or members[0].file_size != instance.size_bytes:
                raise _changed()
            return self._zip[1].read(members[0])
        except ZIP_FAULTS as error:
            raise DicomError(
                "UNREADABLE_DICOM", f"a zip cannot be unpacked ({type(error).__name__})"
            ) from error


def _changed() -> ItemError:
    return ItemError(
        "INCOMPLETE_STUDY",
        "an object in the archive folder was changed or taken away after it was looked through",
    )


def _instance(located: Located) -> ArchivedInstance:
    return ArchivedInstance(
        path=located.path,
        member_number=located.entry.member_number,
        size_bytes=located.entry.size_bytes,
        header=located.entry.header,
        mtime_ns=located.mtime_ns,
    )
