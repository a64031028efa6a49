"""Asking a web server: urllib3's home. Answers are streamed, nothing is followed or repeated."""

import ssl
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from urllib.parse import urlsplit, urlunsplit

from urllib3 import PoolManager, Timeout
from urllib3.exceptions import HTTPError, SSLError
from urllib3.response import BaseHTTPResponse

from pipelines.core.errors import SettingsError

CHUNK_BYTES = 1 << 18
LOOPBACK = ("127.0.0.1", "::1", "localhost")
CONNECT_SECONDS = 10.0
UNAUTHORIZED = 401


class LineError(Exception):
    """The server could not be reached, or broke off; `is_down` says that it did not answer."""

    def __init__(self, reason: str, *, is_down: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.is_down = is_down


@dataclass(frozen=True, slots=True)
class Credentials:
    """How a server knows us: a bearer token, or else a password for the user of the address."""

    token: str | None = None
    password: str | None = None


class Answer:
    """An answer whose body is still to come."""

    def __init__(self, response: BaseHTTPResponse) -> None:
        self._response = response
        self.status = response.status
        self.has_warning = "Warning" in response.headers

    @property
    def content_type(self) -> Message:
        """The media type with its parameters."""
        message = Message()
        message["Content-Type"] = self._response.headers.get("Content-Type", "")
        return message

    def chunks(self) -> Iterator[bytes]:
        """The body, a part at a time; raises LineError where the line breaks."""
        with _line_errors():
            yield from self._response.stream(CHUNK_BYTES)


class Server:
    """A web server at an address; `credentials` gives those of now, as they may run out.

    Raises SettingsError where credentials would go over a line that anybody can read.
    """

    def __init__(
        self,
        address: str,
        credentials: Callable[[], Credentials],
        *,
        timeout_seconds: float,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        parts = urlsplit(address)
        self.base = urlunsplit(
            (parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", "")
        )
        self._credentials, self._user = credentials, parts.username
        self._is_open = parts.scheme == "http" and parts.hostname not in LOOPBACK
        self._headers = self._authorization()
        self._timeout = Timeout(connect=min(CONNECT_SECONDS, timeout_seconds), read=timeout_seconds)
        self._pool = PoolManager(retries=False, timeout=self._timeout, ssl_context=tls)

    @contextmanager
    def get(self, path: str, *, accept: str) -> Iterator[Answer]:
        """The answer to GET, for a path and query as they are to be sent; raises LineError.

        Where it is 401 and there are new credentials by now, it is asked once more with them.
        """
        response = self._answer(path, accept)
        if response.status == UNAUTHORIZED and self._headers != (now := self._authorization()):
            response.close()
            self._headers = now
            response = self._answer(path, accept)
        try:
            yield Answer(response)
        finally:
            response.close()

    def _answer(self, path: str, accept: str) -> BaseHTTPResponse:
        headers = {**self._headers, "Accept": accept, "Accept-Encoding": "identity"}
        with _line_errors(is_asking=True):
            return self._pool.request(
                "GET", self.base + path, headers=headers, preload_content=False, redirect=False
            )

    def _authorization(self) -> dict[str, str]:
        headers = _authorization(self._credentials(), self._user)
        if headers and self._is_open:
            raise SettingsError(
                f"{self.base}: a password or token would go there unprotected",
                hint="Use https://, or take it out of the environment.",
            )
        return headers

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _authorization(credentials: Credentials, user: str | None) -> dict[str, str]:
    if credentials.token:
        return {"Authorization": f"Bearer {credentials.token}"}
    if user and credentials.password is not None:
        both = b64encode(f"{user}:{credentials.password}".encode()).decode()
        return {"Authorization": f"Basic {both}"}
    return {}


@contextmanager
def _line_errors(*, is_asking: bool = False) -> Iterator[None]:
    try:
        yield
    except SSLError as error:
        raise LineError("no safe line: its certificate is not trusted", is_down=True) from error
    except HTTPError as error:
        said = "it does not answer" if is_asking else "the line broke"
        raise LineError(f"{said} ({type(error).__name__})", is_down=is_asking) from error
