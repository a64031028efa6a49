"""A multipart body taken apart as it comes (RFC 2046 5.1.1): whole parts, or an error.

Servers end a cut answer like a whole one, where there is no length: only the closing boundary
proves that all of it has come.
"""

from collections.abc import Iterator

HEADER_LIMIT_BYTES = 1 << 14


class BrokenOffError(Exception):
    """The body ended before its closing boundary, or is not one of parts."""


class Multipart:
    """The bodies of the parts, one after the other, each in chunks, in bounded memory."""

    def __init__(self, chunks: Iterator[bytes], boundary: str) -> None:
        self._chunks = chunks
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        # The first delimiter may stand at the very beginning
        self._buffer = bytearray(b"\r\n")

    def parts(self) -> Iterator[Iterator[bytes]]:
        """Each part; what of it is not taken is skipped. Raises BrokenOffError."""
        for _ in self._until_delimiter():
            pass
        while self._is_another():
            self._skip_headers()
            part = self._until_delimiter()
            yield part
            for _ in part:
                pass

    def _until_delimiter(self) -> Iterator[bytes]:
        while True:
            at = self._buffer.find(self._delimiter)
            if at >= 0:
                yield self._take(at)
                del self._buffer[: len(self._delimiter)]
                return
            if len(self._buffer) > len(self._delimiter):
                yield self._take(len(self._buffer) - len(self._delimiter))
            self._more()

    def _is_another(self) -> bool:
        """Whether a part follows the delimiter: two hyphens say that it was the last one."""
        self._have(2)
        if self._buffer[:2] == b"--":
            return False
        while (at := self._buffer.find(b"\r\n")) < 0:
            self._refuse_long()
            self._more()
        del self._buffer[:at]
        return True

    def _skip_headers(self) -> None:
        """The line end of the delimiter is left in front, so that there may be no header at all."""
        while (at := self._buffer.find(b"\r\n\r\n")) < 0:
            self._refuse_long()
            self._more()
        del self._buffer[: at + 4]

    def _refuse_long(self) -> None:
        if len(self._buffer) > HEADER_LIMIT_BYTES:
            raise BrokenOffError("a part has no end to its header")

    def _take(self, count: int) -> bytes:
        taken = bytes(self._buffer[:count])
        del self._buffer[:count]
        return taken

    def _have(self, count: int) -> None:
        while len(self._buffer) < count:
            self._more()

    def _more(self) -> None:
        chunk = next(self._chunks, b"")
        if not chunk:
            raise BrokenOffError("it ended before its closing boundary")
        self._buffer += chunk
