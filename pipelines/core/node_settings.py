"""How a PACS is called, and how kindly: the knobs that change no byte of what it sends."""

from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from pathlib import Path

from pipelines.core.addresses import refuse_bad_ae_title
from pipelines.core.calendar import refuse_bad_hours
from pipelines.core.errors import SettingsError
from pipelines.core.knobs import Enters, knob


class Transport(StrEnum):
    """How the objects of a study are asked for."""

    AUTO = "auto"
    GET = "c-get"
    MOVE = "c-move"


class Outside(StrEnum):
    """What is done outside the hours in which a PACS may be asked."""

    WAIT = "wait"
    END = "end"


_free = partial(knob, enters=Enters.NEVER)


@dataclass(frozen=True, kw_only=True)
class NodeSettings:
    """How a PACS is called, and what its owner allows; passwords come from the environment."""

    ae_title: str = _free(
        "MOSMED",
        "Our own AE title, as the PACS knows it.",
    )
    transport: Transport = _free(
        Transport.AUTO,
        "How objects are asked for by DIMSE; auto is C-GET, or C-MOVE where that is refused.",
    )
    receivers: tuple[str, ...] = _free(
        ("MOSMED@0.0.0.0:11112",),
        "Where C-MOVE sends to: AE title, address and port; one study at a time each.",
    )
    senders: tuple[str, ...] = _free(
        (),
        "AE titles a PACS sends from by C-MOVE; empty for its own one.",
    )
    tls_ca: Path | None = _free(
        None,
        "The certificates that the PACS's own is signed by; empty for the system's.",
    )
    tls_certificate: Path | None = _free(
        None,
        "Our own certificate, where the PACS wants one.",
    )
    tls_key: Path | None = _free(
        None,
        "The key to it; its password is MOSMED_PACS_KEY_PASSWORD.",
    )
    timeout_seconds: float = _free(60.0, "How long a PACS may be silent.", minimum=0.1)
    associations: int = _free(2, "How many associations at a time, over all workers.", minimum=1)
    megabytes_per_second: float = _free(
        0.0,
        "The most that is fetched, over all workers; 0 is no limit.",
        minimum=0,
    )
    studies_per_hour: float = _free(
        0.0,
        "The most that are begun, over all workers; 0 is no limit.",
        minimum=0,
    )
    hours: tuple[str, ...] = _free(
        (),
        'When the PACS may be asked, e.g. ["Mon-Fri 20:00-06:00", "Sat-Sun"]; empty: always.',
    )
    outside_hours: Outside = _free(
        Outside.WAIT,
        "Outside these hours: wait, or end and say when to come again.",
    )
    tries: int = _free(
        5,
        "How often what may pass is tried, with longer and longer pauses.",
        minimum=1,
    )
    patience_minutes: float = _free(
        30.0,
        "How long a PACS that does not answer is waited for before all stops.",
        minimum=0,
    )

    def __post_init__(self) -> None:
        refuse_bad_hours(self.hours)
        for title in (self.ae_title, *self.senders):
            refuse_bad_ae_title(title)
        for receiver in self.receivers:
            receiver_of(receiver)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receiver:
    """A storage service of our own that a PACS sends to."""

    ae_title: str
    host: str
    port: int


def receiver_of(text: str) -> Receiver:
    """A receiver written as AE@host:port; raises SettingsError."""
    title, _, place = text.rpartition("@")
    host, _, port = place.rpartition(":")
    if not title or not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(
            f"[export] receivers: {text!r} is not AE@host:port",
            hint='Write it like "MOSMED@0.0.0.0:11112"; the PACS must know title and port.',
        )
    refuse_bad_ae_title(title)
    return Receiver(ae_title=title, host=host, port=int(port))
