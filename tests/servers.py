"""Real servers for the tests, on loopback and free ports; they end with the tests that use them."""

import os
import random
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

PASSWORD = "p@ss:w/rd"
START_SECONDS = 180
"""So long a server may take to start on a machine that has much else to do."""
PORTS = range(15_000, 30_000)
"""Below those that a system gives to whoever connects: nobody takes one meanwhile by chance."""


def free_ports(count: int) -> list[int]:
    """Different ports that nobody listens on, and that no other test is likely to be given."""
    found = []
    for port in random.SystemRandom().sample(PORTS, 100):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            found.append(port)
    return found[:count]


@contextmanager
def postgresql() -> Iterator[str]:
    """The address of a PostgreSQL of its own, whose user `mosmed` has the password PASSWORD."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    found = shutil.which("initdb")
    folder = Path(found).parent if found else programs[-1] if programs else None
    if folder is None:
        pytest.skip("no PostgreSQL here (Debian package: postgresql)")
    # PostgreSQL refuses root
    become = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
    home, (port,) = Path(tempfile.mkdtemp(prefix="mosmed-pg-")), free_ports(1)
    try:
        (home / "password").write_text(PASSWORD)
        if become:
            shutil.chown(home, "postgres")
        _call(*become, folder / "initdb", "-N", "-D", home / "data", "-U", "mosmed",
              "-E", "UTF8", "--auth=scram-sha-256", "--pwfile", home / "password")  # fmt: skip
        options = f"-F -h 127.0.0.1 -p {port} -k {home}"
        start = [*become, folder / "pg_ctl", "-D", home / "data"]
        _call(*start, "-w", "-t", START_SECONDS, "-l", home / "log", "-o", options, "start")
        try:
            yield f"postgresql://mosmed@127.0.0.1:{port}/postgres"
        finally:
            _call(*start, "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home, ignore_errors=True)


def _call(*command: object) -> None:
    done = subprocess.run(
        list(map(str, command)), cwd="/", capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr or done.stdout
