"""A PACS by DIMSE: queries by C-FIND, objects by C-GET, or by C-MOVE to a receiver of our own."""

from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from pynetdicom import build_context, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from pipelines.core.addresses import Address
from pipelines.core.errors import ItemError, PeerError
from pipelines.core.node_settings import NodeSettings, Transport, receiver_of
from pipelines.io.answers import (
    SERIES_KEYS,
    STUDY_KEYS,
    Answer,
    day_keys,
    identifier,
    study_keys,
)
from pipelines.peers.association import Arrivals, associated, echo, matches_of
from pipelines.peers.dimse_contexts import GET, MOST_CONTEXTS, MOVE, storage_contexts
from pipelines.peers.inbox import Inbox
from pipelines.peers.node import Passing, Request
from pipelines.peers.receiver import Intake, receiving

WARNING_STATUS = 0xB000
ASKS_BEFORE_NOTHING = 2
"""How often a query must give nothing before that is believed."""

DESTINATION_UNKNOWN = 0xA801
REFUSALS = {0xA900: "the request does not fit", 0x0122: "it does not support that"}
"""Statuses of C-GET and C-MOVE that will be the same another time (PS3.4 C.4.2.1.5, C.4.3.1.4)."""


@dataclass(slots=True)
class DimseNode:
    """A PACS; its association for queries stays open from one query to the next.

    `hold(name, places)` waits for one of the places that all workers share.
    """

    address: Address
    settings: NodeSettings
    hold: Callable[[str, int], int]
    _open: ExitStack = field(default_factory=ExitStack, init=False)
    _queries: tuple[Association, Arrivals] | None = field(default=None, init=False)
    _place: int | None = field(default=None, init=False)
    _has_no_get: bool = field(default=False, init=False)

    # --- queries

    def echo(self) -> None:
        """Return if the PACS answers on an association of its own; raises Passing."""
        self.close()
        with associated(self.address, self.settings) as association:
            echo(association)

    def find_studies(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[Answer, ...]:
        """The studies that match, by StudyInstanceUID if given, else by AccessionNumber."""
        return self.find("STUDY", study_keys(accession_number, study_instance_uid), STUDY_KEYS)

    def find_day(
        self, day: date, wanted: tuple[str, ...], *, times: str = ""
    ) -> tuple[Answer, ...]:
        """The studies of a day, or of a range of StudyTime in it; StudyInstanceUID stands first."""
        return self.find("STUDY", day_keys(day, times), wanted)

    def find_series(self, study_instance_uid: str) -> tuple[Answer, ...]:
        """The series of a study."""
        return self.find("SERIES", {"StudyInstanceUID": study_instance_uid}, SERIES_KEYS)

    def find_instances(
        self, study_instance_uid: str, series_instance_uid: str, *, wanted: tuple[str, ...]
    ) -> tuple[Answer, ...]:
        """The objects of a series, with what of these attributes the PACS knows of each."""
        keys = {
            "StudyInstanceUID": study_instance_uid,
            "SeriesInstanceUID": series_instance_uid,
        }
        return self.find("IMAGE", keys, wanted)

    def find(self, level: str, keys: dict[str, str], wanted: tuple[str, ...]) -> tuple[Answer, ...]:
        """The answers to a query; that there are none is believed only when said twice."""
        found: tuple[Answer, ...] = ()
        for _ in range(ASKS_BEFORE_NOTHING):
            association, arrivals = self._asking()
            try:
                found = matches_of(association, arrivals, identifier(level, keys, wanted))
            except Passing:
                self.close()
                raise
            if found:
                break
            self.close()
        return found

    def _asking(self) -> tuple[Association, Arrivals]:
        """The association for queries; one that has ended is opened anew."""
        if self._queries is None or not self._queries[0].is_established:
            self.close()
            arrivals = Arrivals()
            opened = self._open.enter_context(
                associated(self.address, self.settings, handlers=[arrivals.handler()])
            )
            self._queries = (opened, arrivals)
        return self._queries

    # --- objects

    def retrieve(self, requests: Sequence[Request], inbox: Inbox) -> None:
        """Have the objects sent into the inbox; raises Passing, PeerError, ItemError, OSError."""
        self.close()
        if self.settings.transport is not Transport.MOVE and not self._has_no_get:
            self._has_no_get = not self._get(requests, inbox)
            if not self._has_no_get:
                return
            if self.settings.transport is Transport.GET:
                raise PeerError(
                    f"{self.address} takes no C-GET",
                    hint="Set transport under [export] to auto or c-move.",
                )
        self._move(requests, inbox)

    def _get(self, requests: Sequence[Request], inbox: Inbox) -> bool:
        """Objects by C-GET; False where the PACS offers none."""
        uids = [uid for request in requests for uid in request.sop_class_uids]
        storage = storage_contexts(uids, room=MOST_CONTEXTS - 1)
        intake = Intake(inbox)
        with associated(
            self.address,
            self.settings,
            [build_context(GET)],
            storage=storage,
            handlers=[(evt.EVT_C_STORE, intake.take)],
        ) as association:
            if not _is_accepted(association, GET):
                return False
            for request in requests:
                statuses = association.send_c_get(_wanted(request), GET)
                _judge(_last(statuses, intake), "C-GET")
        return True

    def _move(self, requests: Sequence[Request], inbox: Inbox) -> None:
        """Objects by C-MOVE to one of our receivers, which no one else uses meanwhile."""
        if self._place is None:
            self._place = self.hold("receiver", len(self.settings.receivers))
        receiver = receiver_of(self.settings.receivers[self._place])
        intake = Intake(inbox)
        with (
            receiving(receiver, self.settings, self.address, intake),
            associated(self.address, self.settings, [build_context(MOVE)]) as association,
        ):
            if not _is_accepted(association, MOVE):
                raise PeerError(
                    f"{self.address} takes neither C-GET nor C-MOVE from {self.settings.ae_title}",
                    hint="Ask its owner to allow one of them, or use DICOMweb.",
                )
            for request in requests:
                statuses = association.send_c_move(_wanted(request), receiver.ae_title, MOVE)
                _judge(_last(statuses, intake), "C-MOVE")

    def offers(self) -> list[tuple[str, bool, str]]:
        """Whether it sends by C-GET and C-MOVE, and which of them will be used."""
        self.close()
        contexts = [build_context(model) for model in (GET, MOVE)]
        try:
            with associated(self.address, self.settings, contexts) as association:
                offered = {model: _is_accepted(association, model) for model in (GET, MOVE)}
        except (Passing, PeerError):
            offered = dict.fromkeys((GET, MOVE), False)
        by_get = offered[GET] and self.settings.transport is not Transport.MOVE
        by_move = offered[MOVE] and self.settings.transport is not Transport.GET and not by_get
        receivers = " ".join(self.settings.receivers)
        return [
            ("sends by C-GET", offered[GET], "will be used" if by_get else ""),
            ("sends by C-MOVE", offered[MOVE], f"will be used, to {receivers}" if by_move else ""),
        ]

    def close(self) -> None:
        """End the association for queries."""
        self._queries = None
        with suppress(OSError):
            self._open.close()


def _is_accepted(association: Association, model: str) -> bool:
    contexts: list[PresentationContext] = association.accepted_contexts
    return any(context.abstract_syntax == model for context in contexts)


def _wanted(request: Request) -> Any:
    keys = {
        "StudyInstanceUID": request.study_instance_uid,
        "SeriesInstanceUID": request.series_instance_uid,
    }
    if request.sop_instance_uids:
        keys["SOPInstanceUID"] = "\\".join(request.sop_instance_uids)
    return identifier("IMAGE" if request.sop_instance_uids else "SERIES", keys, ())


def _last(statuses: Any, intake: Intake) -> int | None:
    """The status an operation ended with; None where it did not end. It is read to its end.

    Raises OSError as soon as an object could not be written to the disk.
    """
    status = None
    for answer, _ in statuses:
        status = getattr(answer, "Status", None)
        if intake.error is not None:
            raise intake.error
    return status


def _judge(status: int | None, operation: str) -> None:
    """Raise what an operation's end means; what has come is judged by the inbox, not by this."""
    if status is None:
        raise Passing(f"the line broke in a {operation}", is_down=True)
    if status == DESTINATION_UNKNOWN:
        raise PeerError(
            "the PACS does not know our receiver",
            hint="Have its owner enter AE title, host and port of `receivers` under [export].",
        )
    if status in REFUSALS:
        raise ItemError("REFUSED_BY_ARCHIVE", f"{operation}: {REFUSALS[status]} ({status:04X})")
    if status not in {0, WARNING_STATUS}:
        raise Passing(f"it ended a {operation} with status {status:04X}")
