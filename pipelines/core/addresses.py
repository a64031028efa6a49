"""Addresses of what is outside: how one may be written in the settings, and how it is shown."""

import re
from urllib.parse import parse_qsl, urlsplit

from pipelines.core.errors import SettingsError

SECRET_WORDS = ("password", "passwd", "pwd", "token", "secret")
USER = re.compile(r"//[^/@]*@")
ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)


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


def shown(address: str) -> str:
    """An address for messages and records: without the user and what is asked for."""
    return USER.sub("//", address).partition("?")[0]


def _holds_secret(address: str) -> bool:
    parts = urlsplit(address)
    user = parts.netloc.rpartition("@")[0]
    return ":" in user or any(name.lower() in SECRET_WORDS for name, _ in parse_qsl(parts.query))
