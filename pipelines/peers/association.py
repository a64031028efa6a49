"""An association with a PACS: opened, asked by C-ECHO and C-FIND, ended whatever happens.

Nothing of pynetdicom's log goes anywhere: it may hold what patients are called.
"""

import logging
import socket
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pynetdicom import AE, _config, build_context, evt
from pynetdicom.association import Association
from pynetdicom.presentation import PresentationContext

from pipelines.core.addresses import Address
from pipelines.core.errors import PeerError
from pipelines.core.node_settings import NodeSettings
from pipelines.io.answers import Answer, answer_of
from pipelines.peers.dimse_contexts import FIND, VERIFICATION, roles
from pipelines.peers.node import Cut, Passing, Refused
from pipelines.peers.tls import tls_context

QUERY_CONTEXTS = (build_context(VERIFICATION), build_context(FIND))
PENDING = frozenset({0xFF00, 0xFF01})
CUT_SHORT = frozenset({0xFE00, 0xA700})
"""What archives end a query with that matches more than they answer (PS3.4 C.4.1.1.4)."""
PAUSE_SECONDS = 0.0005
REACTOR_PAUSE_SECONDS = 0.0003
"""pynetdicom's reactor looks for bytes and answers so often; at its own 1 ms a C-GET waits for it
a sixth of the time. While the PACS is silent it takes a tenth of a core instead of a sixteenth."""

_config.LOG_RESPONSE_IDENTIFIERS = False
_config.LOG_REQUEST_IDENTIFIERS = False
_config.LOG_HANDLER_LEVEL = "none"
LOG = logging.getLogger("pynetdicom")
LOG.propagate = False
LOG.setLevel(logging.CRITICAL + 1)


@contextmanager
def associated(
    address: Address,
    settings: NodeSettings,
    contexts: Sequence[PresentationContext] = QUERY_CONTEXTS,
    *,
    storage: Sequence[PresentationContext] = (),
    handlers: Sequence[tuple[Any, ...]] = (),
) -> Iterator[Association]:
    """An association in which `storage` may be sent to us; released, or aborted on an error.

    Raises Passing where none comes about for now, PeerError where none ever will.
    """
    entity = AE(ae_title=settings.ae_title)
    entity.acse_timeout = entity.dimse_timeout = settings.timeout_seconds
    entity.network_timeout = entity.connection_timeout = settings.timeout_seconds
    association = entity.associate(
        address.host,
        address.port,
        contexts=[*contexts, *storage],
        ae_title=address.ae_title,
        max_pdu=0,
        ext_neg=list(roles(storage)),
        tls_args=(tls_context(settings), address.host) if address.is_tls else None,
        evt_handlers=[(evt.EVT_CONN_OPEN, send_at_once), *handlers],
    )
    if not association.is_established:
        raise _refusal(association, address, settings)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    if association.is_established:
        association.release()


def send_at_once(event: evt.Event) -> None:
    """Switch Nagle's algorithm off: with it, each answer waits 40 ms for the one before.

    And let the reactor pause for less than it does by itself.
    """
    event.assoc.dul._run_loop_delay = REACTOR_PAUSE_SECONDS
    transport = event.assoc.dul.socket
    if transport is not None and transport.socket is not None:
        transport.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


def _refusal(
    association: Association, address: Address, settings: NodeSettings
) -> Passing | PeerError:
    """Why there is no association (PS3.8 9.3.4)."""
    if not association.is_rejected:
        by = " by TLS" if address.is_tls else ""
        return Passing(f"{address} cannot be reached{by}", is_down=True)
    answer = association.acceptor.primitive
    reason = getattr(answer, "reason_str", "no reason")
    if getattr(answer, "result", None) == 2:
        return Passing(f"{address} is busy: {reason}", is_down=True)
    return PeerError(
        f"{address} refuses {settings.ae_title}: {reason}",
        hint="Have the PACS know our AE title (ae_title under [export]) and this machine, and "
        "look at its own AE title in the address.",
    )


# --- queries


def echo(association: Association) -> None:
    """Raise Passing if the PACS does not answer a C-ECHO."""
    status = association.send_c_echo()
    if getattr(status, "Status", None) != 0:
        raise Passing("it does not answer an echo", is_down=True)


@dataclass(slots=True)
class Arrivals:
    """Counts the matches that arrive, beside pynetdicom, which may lose one between threads."""

    matches: int = 0

    def handler(self) -> tuple[Any, ...]:
        """What an association is opened with, so that they are counted."""
        return (evt.EVT_DIMSE_RECV, self._count)

    def _count(self, event: evt.Event) -> None:
        message = event.message
        if type(message).__name__ == "C_FIND_RSP":
            self.matches += getattr(message.command_set, "Status", None) in PENDING


def matches_of(association: Association, arrivals: Arrivals, identifier: Any) -> tuple[Answer, ...]:
    """All matches of a query; raises Passing where not all have come, Cut if they never will."""
    # It resumes its own reading between two queries: one sent too soon loses its first answer
    until = time.monotonic() + 1.0
    while association._is_paused and time.monotonic() < until:
        time.sleep(PAUSE_SECONDS)
    before = arrivals.matches
    try:
        # To its end: what is left unread would be taken for the answer to the next query
        answers = list(association.send_c_find(identifier, FIND))
    except (RuntimeError, ValueError) as error:
        raise Passing(f"it does not take a query ({type(error).__name__})") from None
    found = [match for _, match in answers if match is not None]
    status = getattr(answers[-1][0], "Status", None)
    if status in CUT_SHORT:
        said = f"it answers with a part of the matches only ({status:04X}): its limit is too low"
        raise Cut(said, tuple(map(answer_of, found)))
    _judge_query(status)
    if arrivals.matches - before != len(found):
        raise Passing("an answer was lost")
    return tuple(map(answer_of, found))


def _judge_query(status: int | None) -> None:
    if status is None:
        raise Passing("it stopped answering a query", is_down=True)
    if status != 0:
        raise Refused(f"it refuses a query with status {status:04X}")
