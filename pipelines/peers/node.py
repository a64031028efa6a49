"""What a PACS can be asked for, by whatever protocol, and how it can fail.

Passing    it may go well next time: the line broke, the PACS was busy, it sent too little
PeerError  no study can be had: wrong address, unknown AE title, no permission
ItemError  this study cannot be had: the PACS refuses it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Protocol

from pipelines.io.answers import Answer
from pipelines.peers.inbox import Inbox


class Passing(Exception):  # noqa: N818  it is no error until it has been tried often enough
    """What may go well the next time; `is_down` says that nothing answers at all.

    `code` is the fault of the study where it never goes well.
    """

    def __init__(
        self, reason: str, *, is_down: bool = False, code: str = "INCOMPLETE_TRANSFER"
    ) -> None:
        super().__init__(reason)
        self.reason = reason
        self.code = code
        self.is_down = is_down


class Cut(Passing):
    """Only a part of what matches is answered: `answers` are those."""

    def __init__(self, reason: str, answers: tuple[Answer, ...]) -> None:
        super().__init__(reason)
        self.answers = answers


class Refused(Passing):
    """A query was refused: another time it may pass, or never; less may be asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Objects of one series to be sent; all of it where no SOPInstanceUID is named."""

    study_instance_uid: str
    series_instance_uid: str
    sop_instance_uids: tuple[str, ...] = ()
    sop_class_uids: tuple[str, ...] = ()


class Node(Protocol):
    """A PACS; each call raises Passing, PeerError or ItemError."""

    def echo(self) -> None:
        """Return if the PACS lives."""
        ...

    def find_studies(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[Answer, ...]:
        """The studies that match, by StudyInstanceUID if given, else by AccessionNumber."""
        ...

    def find_day(
        self, day: date, wanted: tuple[str, ...], *, times: str = ""
    ) -> tuple[Answer, ...]:
        """The studies of a day, or of a range of StudyTime in it; StudyInstanceUID stands first.

        Raises Cut where the PACS keeps some of them to itself.
        """
        ...

    def find_series(self, study_instance_uid: str) -> tuple[Answer, ...]:
        """The series of a study."""
        ...

    def find_instances(
        self, study_instance_uid: str, series_instance_uid: str, *, wanted: tuple[str, ...]
    ) -> tuple[Answer, ...]:
        """The objects of a series, with what of these attributes the PACS knows of each."""
        ...

    def retrieve(self, requests: Sequence[Request], inbox: Inbox) -> None:
        """Have the objects sent into the inbox, which takes only what is waited for."""
        ...

    def offers(self) -> list[tuple[str, bool, str]]:
        """The ways it sends objects: what each is called, whether it is offered, and more on it."""
        ...

    def close(self) -> None:
        """Let go of what is open."""
        ...
