"""Our own storage service, for as long as one study is sent to it by C-MOVE."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import cast

from pynetdicom import AE, build_context, evt
from pynetdicom.dimse_primitives import C_STORE

from pipelines.core.addresses import Address
from pipelines.core.errors import PeerError
from pipelines.core.node_settings import NodeSettings, Receiver
from pipelines.peers.association import send_at_once
from pipelines.peers.dimse_contexts import VERIFICATION, all_storage_contexts
from pipelines.peers.inbox import Inbox
from pipelines.peers.tls import tls_context

TAKEN, NOT_WANTED, OUT_OF_RESOURCES = 0x0000, 0xA900, 0xA700
"""Statuses of C-STORE (PS3.4 B.2.3)."""


@dataclass(slots=True)
class Intake:
    """Hands what is stored to the inbox; `error` is why it could not be written to the disk."""

    inbox: Inbox
    error: OSError | None = None

    def take(self, event: evt.Event) -> int:
        """The status of a C-STORE: success only once the object is safe in a file."""
        if self.error is not None:
            return OUT_OF_RESOURCES
        request, context = cast("C_STORE", event.request), event.context
        try:
            is_taken = self.inbox.take(
                event.encoded_dataset(include_meta=False),
                sop_class_uid=str(request.AffectedSOPClassUID),
                sop_instance_uid=str(request.AffectedSOPInstanceUID),
                syntax=str(context.transfer_syntax),
            )
        except OSError as error:
            self.error = error
            return OUT_OF_RESOURCES
        return TAKEN if is_taken else NOT_WANTED


@contextmanager
def receiving(
    receiver: Receiver, settings: NodeSettings, pacs: Address, intake: Intake
) -> Iterator[None]:
    """A storage service that only this PACS may send to, and only what is waited for.

    Raises PeerError where its port cannot be had.
    """
    entity = AE(ae_title=receiver.ae_title)
    entity.supported_contexts = [build_context(VERIFICATION), *all_storage_contexts()]
    entity.require_called_aet = True
    entity.require_calling_aet = list(settings.senders or (pacs.ae_title,))
    entity.network_timeout = entity.dimse_timeout = settings.timeout_seconds
    entity.maximum_pdu_size = 0
    try:
        server = entity.start_server(
            (receiver.host, receiver.port),
            block=False,
            ssl_context=tls_context(settings, is_server=True) if pacs.is_tls else None,
            evt_handlers=[(evt.EVT_C_STORE, intake.take), (evt.EVT_CONN_OPEN, send_at_once)],
        )
    except OSError as error:
        raise PeerError(
            f"port {receiver.port} for C-MOVE cannot be opened: {error.strerror}",
            hint="Name another one in `receivers` under [export], and tell the PACS.",
        ) from error
    try:
        yield
    finally:
        if server is not None:
            server.shutdown()
