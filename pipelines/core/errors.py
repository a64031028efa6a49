"""What can go wrong, and the exit status each kind ends with.

MosmedError(message, hint)       1   what went wrong; hint = what the reader can do
├── SettingsError                2   a value the user wrote: names file, key, nearest valid key
├── WorkspaceError               1   locked, foreign, wrong version, disk full
├── PeerError                    1   a RIS or PACS said no, or cannot be read at all
├── ItemError(code, message)     3   one study cannot be processed; the others go on
│   ├── DicomError               3   not readable, not CT, an attribute missing
│   └── GeometryError            3   not one evenly stepped volume
└── PrivacyError(code, message)  4   identity where none may be: the study is quarantined

Messages never hold a patient's values: they may be shown, logged and pasted into an issue.
"""

import errno
from typing import ClassVar

from pipelines.core.faults import FAULTS

DISK_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
DISK_REFUSES = DISK_FULL | {
    errno.EACCES,
    errno.EIO,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
    errno.ESTALE,
}
"""What the machine says and no bug of ours: a traceback would tell nobody more."""


class MosmedError(Exception):
    """Any error a person can act on."""

    exit_status: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class SettingsError(MosmedError):
    """A setting that cannot be used."""

    exit_status = 2


class WorkspaceError(MosmedError):
    """The workspace folder cannot be worked in."""


class PeerError(MosmedError):
    """A RIS or a PACS cannot be read."""


class CodedError(MosmedError):
    """An error of one study, with a code out of `pipelines.core.faults`."""

    exit_status = 3

    def __init__(self, code: str, message: str, *, hint: str = "") -> None:
        super().__init__(message, hint=hint or FAULTS[code].hint)
        self.code = code


class ItemError(CodedError):
    """One study cannot be processed; the others go on."""


class DicomError(ItemError):
    """A DICOM object is not readable, not what it must be, or lacks an attribute."""


class GeometryError(ItemError):
    """The slices are not one evenly stepped volume."""


class PrivacyError(CodedError):
    """Identity was found where none may be."""

    exit_status = 4
