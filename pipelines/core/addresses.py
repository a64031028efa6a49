"""Addresses of what is outside: how one may be written in the settings, and how it is shown."""

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlsplit

from pipelines.core.errors import SettingsError

SECRET_WORDS = ("password", "passwd", "pwd", "token", "secret")
USER = re.compile(r"//[^/@]*@")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
DICOM_ADDRESS = re.compile(
    r"(?P<scheme>dicoms?)://(?P<title>[^@/]+)@(?P<host>\[[^\]]+\]|[^:/@]+):(?P<port>\d{1,5})/?"
)
LONGEST_AE_TITLE = 16
"""PS3.5 6.2, value representation AE."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a PACS listens, and what it is called."""

    ae_title: str
    host: str
    port: int
    is_tls: bool

    def __str__(self) -> str:
        return f"{self.ae_title} at {self.host}:{self.port}"


def is_address(value: object) -> bool:
    """Whether a value names a place by its address, like dicom://PACS@10.0.0.5:104."""
    return isinstance(value, str) and ADDRESS.match(value) is not None


def refuse_bad_address(address: object, *, setting: str, variable: str) -> None:
    """Raise SettingsError for an address that cannot be read, or has a password in it.

    It is not repeated. `setting` is where it stands; `variable` is the one of the environment that
    the password belongs into.
    """
    if not isinstance(address, str):
        return
    try:
        holds_secret = _holds_secret(address)
    except ValueError as error:  # such as a bracket that is not closed
        raise SettingsError(
            f"{setting}: the address cannot be read", hint="Look at its host and its brackets."
        ) from error
    if holds_secret:
        raise SettingsError(
            f"{setting}: the address holds a password or a token",
            hint=f"Take it out, and put it into the environment variable {variable}.",
        )


def refuse_no_pacs(address: object) -> None:
    """Raise SettingsError for an address at which no PACS can be, neither by DIMSE nor DICOMweb."""
    if not isinstance(address, str):
        return
    parts = urlsplit(address)
    if parts.scheme not in {"http", "https"}:
        address_of(address)
    elif not parts.hostname:
        raise _no_pacs(address)


def address_of(text: str) -> Address:
    """A PACS written as dicom://AE@host:port, or dicoms:// by TLS; raises SettingsError."""
    match = DICOM_ADDRESS.fullmatch(text)
    if match is None or not 0 < int(match["port"]) < 65536:
        raise _no_pacs(text)
    refuse_bad_ae_title(match["title"])
    return Address(
        ae_title=match["title"],
        host=match["host"].strip("[]"),
        port=int(match["port"]),
        is_tls=match["scheme"] == "dicoms",
    )


def _no_pacs(text: str) -> SettingsError:
    return SettingsError(
        f"{text!r} is not the address of a PACS",
        hint="Write it like dicom://PACS@10.0.0.5:104, dicoms:// for TLS, or https://pacs/dicom-web.",
    )


def refuse_bad_ae_title(title: str) -> None:
    """Raise SettingsError where a text is no AE title (PS3.5 6.2)."""
    is_plain = title.isascii() and title.isprintable() and "\\" not in title
    if not title.strip() or not is_plain or len(title) > LONGEST_AE_TITLE:
        raise SettingsError(
            f"[export] {title!r} is not an AE title",
            hint=f"It has 1 to {LONGEST_AE_TITLE} plain characters.",
        )


def shown(address: str) -> str:
    """An address for messages and records: without the user and what is asked for."""
    return USER.sub("//", address).partition("?")[0]


def _holds_secret(address: str) -> bool:
    parts = urlsplit(address)
    user = parts.netloc.rpartition("@")[0]
    return ":" in user or any(name.lower() in SECRET_WORDS for name, _ in parse_qsl(parts.query))
