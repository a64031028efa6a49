"""Real archives for the tests, on loopback and free ports: Orthanc, DCMTK's and pynetdicom's.

And a line that fails: a proxy that cuts, delays or resets what goes through it.
"""

import http.client
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import pytest
from pydicom import dcmread

from tests.servers import START_SECONDS, free_ports

PLUGINS = Path("/usr/share/orthanc/plugins")
SERVICES = ("Find", "Get", "Move", "Echo", "Store")


@dataclass(frozen=True, kw_only=True)
class Pacs:
    """A server that runs: `receiver` is the one place it sends to by C-MOVE."""

    title: str
    port: int
    receiver: str
    http: int | None = None

    @property
    def address(self) -> str:
        return f"dicom://{self.title}@127.0.0.1:{self.port}"


def objects_in(folder: Path) -> Iterator[bytes]:
    """Every file below a folder, and every member of a zip there."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as archive:
                yield from (archive.read(m) for m in archive.infolist() if not m.is_dir())
        elif path.is_file():
            yield path.read_bytes()


@contextmanager
def orthanc(folder: Path, **options: object) -> Iterator[Pacs]:
    """An Orthanc that holds the DICOM below a folder; with DICOMweb where that is installed."""
    program = shutil.which("Orthanc", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip("no Orthanc here (Debian package: orthanc)")
    port, web, receiver = free_ports(3)
    plugin = PLUGINS / "libOrthancDicomWeb.so"
    with _home("orthanc") as home:
        settings = {
            "StorageDirectory": str(home / "store"), "IndexDirectory": str(home / "store"),
            "HttpPort": web, "DicomPort": port, "DicomAet": "ORTHANC", "DefaultEncoding": "Utf8",
            "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            **{f"DicomAlwaysAllow{what}": True for what in SERVICES},
            "DicomModalities": {"MOSMED": ["MOSMED", "127.0.0.1", receiver]},
            "OverwriteInstances": False, "StableAge": 1, "SyncStorageArea": False,
            "SaveJobs": False, "Plugins": [str(plugin)] if plugin.exists() else [],
            "DicomWeb": {"StudiesMetadata": "Full", "SeriesMetadata": "Full"}, **options,
        }  # fmt: skip
        (home / "orthanc.json").write_text(json.dumps(settings))
        with _running([program, home / "orthanc.json"], home, web):
            connection = http.client.HTTPConnection("127.0.0.1", web)
            for content in objects_in(folder):
                connection.request("POST", "/instances", body=content)
                connection.getresponse().read()
            connection.close()
            yield Pacs(
                title="ORTHANC", port=port, receiver=f"MOSMED@127.0.0.1:{receiver}", http=web
            )


@contextmanager
def dcmqrscp(folder: Path) -> Iterator[Pacs]:
    """DCMTK's archive: it answers no counts, and nothing of an image but its names."""
    for program in ("dcmqrscp", "dcmqridx"):
        if shutil.which(program) is None:
            pytest.skip("no dcmqrscp here (Debian package: dcmtk)")
    port, receiver = free_ports(2)
    with _home("dcmqrscp") as home:
        store = home / "store"
        store.mkdir()
        for k, content in enumerate(objects_in(folder)):
            (store / f"{k:05}").write_bytes(content)
        (home / "dcmqrscp.cfg").write_text(
            f"NetworkTCPPort = {port}\nMaxPDUSize = 16384\nMaxAssociations = 16\n"
            f"HostTable BEGIN\nus = (MOSMED, 127.0.0.1, {receiver})\nHostTable END\n"
            "VendorTable BEGIN\nVendorTable END\n"
            f"AETable BEGIN\nDCMQRSCP {store} RW (99999, 1024mb) ANY\nAETable END\n"
        )
        names = [str(path) for path in sorted(store.iterdir())]
        subprocess.run(["dcmqridx", str(store), *names], capture_output=True, check=False)
        with _running(["dcmqrscp", "-c", home / "dcmqrscp.cfg"], home, port):
            yield Pacs(title="DCMQRSCP", port=port, receiver=f"MOSMED@127.0.0.1:{receiver}")


@contextmanager
def qrscp(folder: Path) -> Iterator[Pacs]:
    """pynetdicom's archive: asked for a study, it answers once for each of its objects."""
    from pynetdicom import AE, StoragePresentationContexts

    (port,) = free_ports(1)
    with _home("qrscp") as home:
        command = [sys.executable, "-m", "pynetdicom", "qrscp", "--port", port, "-ba", "127.0.0.1",
                   "--database-location", home / "index", "--instance-location", home]  # fmt: skip
        with _running(command, home, port):
            entity = AE("STORE")
            entity.requested_contexts = StoragePresentationContexts[:120]
            association = entity.associate("127.0.0.1", port, ae_title="QRSCP")
            for content in objects_in(folder):
                association.send_c_store(dcmread(BytesIO(content)))
            association.release()
            yield Pacs(title="QRSCP", port=port, receiver="MOSMED@127.0.0.1:1")


@contextmanager
def _home(name: str) -> Iterator[Path]:
    home = Path(tempfile.mkdtemp(prefix=f"mosmed-{name}-"))
    try:
        yield home
    finally:
        shutil.rmtree(home, ignore_errors=True)


@contextmanager
def _running(command: list[object], home: Path, port: int) -> Iterator[None]:
    """A server, until it listens; killed at the end with all that it started."""
    environment = {**os.environ, "TCP_NODELAY": "1"}
    if shutil.which("setpriv"):  # so that it does not outlive tests that are killed
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    with (home / "log").open("w") as log:
        process = subprocess.Popen(
            list(map(str, command)), cwd=home, env=environment, stdout=log, stderr=log,
            start_new_session=True,
        )  # fmt: skip
    try:
        _wait_for(port, process)
        yield
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen) -> None:
    until = time.monotonic() + START_SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, "the server ended at once"
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    pytest.fail(f"no server on port {port} after {START_SECONDS} s")


# --- a line that fails


@dataclass
class Proxy:
    """A line to a port: each connection may be cut after so many bytes of the answer.

    `budgets` are those bytes for one connection after the other; once spent, all is well.
    `answered_bytes` is what has come from the port. With `tls` it is an encrypted line, of which
    the port knows nothing.
    """

    to: int
    budgets: list[int] = field(default_factory=list)
    is_reset: bool = False
    port: int = 0
    answered_bytes: int = 0
    tls: ssl.SSLContext | None = None
    _listener: socket.socket | None = None

    def __enter__(self) -> "Proxy":
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        assert self._listener is not None
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        assert self._listener is not None
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if self.tls is not None:
                try:
                    near = self.tls.wrap_socket(near, server_side=True)
                except OSError:
                    continue
            try:
                far = socket.create_connection(("127.0.0.1", self.to))
            except OSError:  # the server has ended before the line to it
                near.close()
                continue
            for one in (near, far):
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            budget = self.budgets.pop(0) if self.budgets else None
            for pair, limit in (((near, far), None), ((far, near), budget)):
                ways = (*pair, limit, pair[0] is far)
                threading.Thread(target=self._pump, args=ways, daemon=True).start()

    def _pump(
        self, source: socket.socket, target: socket.socket, limit: int | None, is_answer: bool
    ) -> None:
        passed = 0
        try:
            while data := source.recv(1 << 16):
                part = data if limit is None else data[: max(limit - passed, 0)]
                target.sendall(part)
                passed += len(part)
                self.answered_bytes += len(part) * is_answer
                if len(part) < len(data):
                    break
        except OSError:
            pass
        for one in (source, target):
            with suppress(OSError):
                if self.is_reset:
                    linger = b"\1\0\0\0\0\0\0\0"
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                one.shutdown(socket.SHUT_RDWR)
            one.close()
