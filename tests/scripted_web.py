"""A DICOMweb server that does as it is told: right, or wrong in one of the ways servers are."""

import json
import re
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pydicom

BOUNDARY = "a-boundary"
REQUESTS_PER_TOKEN = 4
LEVELS = {
    "studies": "StudyInstanceUID",
    "series": "SeriesInstanceUID",
    "instances": "SOPInstanceUID",
}


@dataclass
class WebScript:
    """What the server holds and how it fails: one of `faults` at each retrieval.

    `lies` are attributes that it answers of every object, whatever they are; `says` is its answer
    to whatever it is asked.
    """

    objects: list[pydicom.Dataset]
    faults: list[str] = field(default_factory=list)
    most_matches: int = 1000
    is_warning: bool = False
    has_metadata: bool = True
    authorization: str | None = None
    asked: list[str] = field(default_factory=list)
    lies: dict[str, dict] = field(default_factory=dict)
    has_pages: bool = True
    has_instances: bool = True
    tokens: list[str] = field(default_factory=list)
    says: bytes = b""

    def lets_in(self, shown: str | None) -> bool:
        """Whether the server answers who shows this."""
        wanted = f"Bearer {self.token_of_now()}" if self.tokens else self.authorization
        return not wanted or shown == wanted

    def token_of_now(self) -> str:
        """The token that is good for this request; one is used up by so many requests."""
        return self.tokens[min(len(self.asked) // REQUESTS_PER_TOKEN, len(self.tokens) - 1)]

    def matches(self, path: str, query: dict[str, str]) -> list[dict]:
        """The answers to a query at the level the path ends with."""
        level = LEVELS[path.rpartition("/")[2]]
        found = {}
        for one in self.below(path):
            if all(_is_like(one.get(k), v) for k, v in query.items() if k[0].isupper()):
                found.setdefault(one[level].value, []).append(one)
        first = int(query.get("offset", 0)) * self.has_pages
        last = first + min(int(query.get("limit", 1000)), self.most_matches)
        return [_answer(members, level) for members in list(found.values())[first:last]]

    def below(self, path: str) -> list[pydicom.Dataset]:
        """The objects below a study, series or object."""
        parts = path.strip("/").split("/")
        pairs = zip(parts[::2], parts[1::2], strict=False)
        keys = [(LEVELS[level], uid) for level, uid in pairs if level in LEVELS]
        return [one for one in self.objects if all(one[k].value == uid for k, uid in keys)]


def _is_like(value: object, wanted: str) -> bool:
    if re.fullmatch(r"\d{6}-(\d{6})?", wanted):
        first, _, last = wanted.partition("-")
        return first <= str(value or "") <= (last or "24")
    pattern = re.escape(wanted).replace(r"\?", ".").replace(r"\*", ".*")
    return re.fullmatch(pattern, str(value or ""), re.IGNORECASE) is not None


def _answer(members: list[pydicom.Dataset], level: str) -> dict:
    answer = header_of(members[0])
    if level != "SOPInstanceUID":
        name = {"StudyInstanceUID": "00201208", "SeriesInstanceUID": "00201209"}[level]
        answer[name] = {"vr": "IS", "Value": [len(members)]}
    modalities = sorted({one.Modality for one in members})
    answer["00080061"] = {"vr": "CS", "Value": modalities}
    return answer


def header_of(one: pydicom.Dataset) -> dict:
    """An object in the DICOM JSON model, without its pixels."""
    return {tag: item for tag, item in one.to_json_dict().items() if tag != "7FE00010"}


def part10(one: pydicom.Dataset) -> bytes:
    buffer = BytesIO()
    pydicom.dcmwrite(buffer, one)
    return buffer.getvalue()


class _Handler(BaseHTTPRequestHandler):
    script: WebScript

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        script, address = self.script, urlsplit(self.path)
        script.asked.append(self.path)
        path = address.path.removeprefix("/dicom-web")
        if not script.lets_in(self.headers["Authorization"]):
            self._send(401, b"", "text/plain")
        elif script.says:
            self._send(200, script.says, "text/html")
        elif path.endswith("/metadata") and not script.has_metadata:
            self._send(404, b"", "text/plain")
        elif path.endswith("/instances") and not script.has_instances:
            self._send(501, b"", "text/plain")
        elif path.endswith("/metadata"):
            below = script.below(path.removesuffix("/metadata"))
            self._json([header_of(one) | script.lies for one in below])
        elif path.rpartition("/")[2] in LEVELS:
            self._json(script.matches(path, dict(parse_qsl(address.query))))
        else:
            self._objects(path)

    def _objects(self, path: str) -> None:
        fault = self.script.faults.pop(0) if self.script.faults else ""
        if fault.isdigit() and fault != "206":
            self._send(int(fault), b"", "text/plain")
            return
        contents = [part10(one) for one in self.script.below(path)]
        if fault in {"drop", "206"}:
            contents = contents[:-1]
        mark = f"\r\n--{BOUNDARY}\r\nContent-Type: application/dicom\r\n\r\n".encode()
        body = b"".join(mark + content for content in contents)
        body += b"" if fault == "no-end" else f"\r\n--{BOUNDARY}--".encode()
        if fault == "cut":
            body = body[: len(body) // 2]
        kind = (
            "application/dicom"
            if fault == "single"
            else (f'multipart/related; type="application/dicom"; boundary={BOUNDARY}')
        )
        self._send(206 if fault == "206" else 200, body, kind)

    def _json(self, found: list[dict]) -> None:
        body = json.dumps(found).encode()
        self._send(200, body, "application/dicom+json")

    def _send(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        if self.script.is_warning:
            self.send_header("Warning", '299 x "there are more results"')
        if status in range(300, 400):
            self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.end_headers()
        self.wfile.write(body)


@contextmanager
def scripted_web(
    script: WebScript, certificate: str | None = None, client_ca: Path | None = None
) -> Iterator[str]:
    """The server; gives its address. It closes each connection, as Orthanc does.

    With `client_ca` it talks to those alone who show a certificate that is signed by it.
    """
    handler = type("Handler", (_Handler,), {"script": script})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        if client_ca:
            context.load_verify_locations(client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    scheme = "https" if certificate else "http"
    try:
        yield f"{scheme}://127.0.0.1:{server.server_port}/dicom-web"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
