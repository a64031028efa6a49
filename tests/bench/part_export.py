"""export: studies pulled from Orthanc, by transport and number of associations."""

import http.client
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pydicom
import pytest

from pipelines.phantom.noise import made_uid
from tests.bench.harness import Contestant, Measured, markdown, once
from tests.bench.venv import ROOT
from tests.pacs import Pacs, orthanc

TITLE = "export"
STUDIES, SLICES = 4, 200
EVERY = 10
SYSTEM_PATH = "/usr/local/bin:/usr/bin:/bin"
FETCH = Path(__file__).parent / "peers" / "mosmed_fetch.py"

PROSE = """{studies} studies of {slices} slices ({mb:.0f} MB) on an Orthanc with SQLite index, all \
on this machine, TCP_NODELAY on both sides; whole processes, the round with the least wall time. \
mosmed lists every object first, reads back every one that came, and counts; DCMTK's tools and the \
archive download do not. C-MOVE has one receiver, so one association."""


def measure(scratch: Path, say: Callable[[str], None], rounds: int) -> str:
    """Run this part in `scratch`; its section of BENCHMARKS.md."""
    os.environ["TCP_NODELAY"] = "1"
    os.environ["PYTHONPATH"] = str(ROOT)
    uids, size_bytes = _studies(scratch / "pacs")
    try:
        with orthanc(scratch / "pacs") as server:
            costs = _costs(server, uids[0])
            lines = [
                _line(one, scratch, size_bytes, rounds, say) for one in _contestants(server, uids)
            ]
    except pytest.skip.Exception as skipped:
        return f"\nnot measured: {skipped}\n"
    prose = PROSE.format(studies=STUDIES, slices=SLICES, mb=size_bytes / 1e6)
    heads = ["", "associations", "instances/s", "MB/s", "wall s", "CPU ms per instance", "note"]
    return f"\n{prose}\n\n{markdown(heads, lines)}\n\n{_told(costs)}\n"


def _studies(folder: Path) -> tuple[list[str], int]:
    """Studies of one series each; their UIDs, and all their bytes."""
    made = ["-m", "tests.bench.inputs", "slices", str(STUDIES * SLICES), str(folder)]
    subprocess.run([sys.executable, *made], check=True)
    uids = [made_uid("bench study", k) for k in range(STUDIES)]
    for k, path in enumerate(sorted(folder.iterdir())):
        dataset = pydicom.dcmread(path)
        dataset.StudyInstanceUID = uids[k % STUDIES]
        dataset.SeriesInstanceUID = made_uid("bench series", k % STUDIES)
        dataset.AccessionNumber = f"BENCH{k % STUDIES}"
        dataset.save_as(path, enforce_file_format=True)
    return uids, sum(path.stat().st_size for path in folder.iterdir())


def _contestants(server: Pacs, uids: Sequence[str]) -> list[Contestant]:
    web = f"http://127.0.0.1:{server.http}/dicom-web"
    fetched = [("c-get", server.address, (1, 2, 4)), ("c-move", server.address, (1,))]
    found = [
        _mosmed(name, address, server.receiver, workers, uids)
        for name, address, counts in [*fetched, ("dicomweb", web, (1, 2, 4))]
        for workers in counts
    ]
    archives = [_archive_address(server, uid) for uid in uids]
    keys = "-k QueryRetrieveLevel=STUDY -k StudyInstanceUID=$0"
    pacs = f"+B -aet MOSMED -aec {server.title} -S {keys} 127.0.0.1 {server.port}"
    port = server.receiver.rpartition(":")[2]
    for workers in (1, 2, 4):
        found.append(_shell("getscu", f"{_program('getscu')} -od . {pacs}", workers, uids))
        found.append(_shell("Orthanc's archive", "curl -sf -o study.zip $0", workers, archives))
    found.append(_shell("movescu", f"{_program('movescu')} --port {port} {pacs}", 1, uids))
    return sorted(found, key=lambda one: one.name)


def _program(name: str) -> str:
    """DCMTK's program, which the system brings: pynetdicom's of the same name is another one."""
    return shutil.which(name, path=SYSTEM_PATH) or name


def _archive_address(server: Pacs, uid: str) -> str:
    connection = http.client.HTTPConnection("127.0.0.1", server.http)
    connection.request("POST", "/tools/lookup", body=uid)
    study = json.loads(connection.getresponse().read())[0]["ID"]
    connection.close()
    return f"http://127.0.0.1:{server.http}/studies/{study}/archive"


def _mosmed(
    name: str, address: str, receiver: str, workers: int, uids: Sequence[str]
) -> Contestant:
    transport = "auto" if name == "dicomweb" else name
    head = [sys.executable, str(FETCH), "fetch", address, transport, receiver, str(workers)]
    return Contestant(
        name=f"mosmed {name}",
        note=str(workers),
        command=lambda _source, out: [*head, str(out), *uids],
    )


def _shell(name: str, command: str, workers: int, studies: Sequence[str]) -> Contestant:
    each = f"cd $(mktemp -d -p .) && {command}"
    run = f"cd $0 && printf '%s\\n' $@ | xargs -n 1 -P {workers} sh -c '{each}'"
    return Contestant(
        name=name,
        note=str(workers),
        setup=lambda out: out.mkdir(parents=True),
        command=lambda _source, out: ["sh", "-c", run, str(out), *studies],
    )


def _line(
    one: Contestant, scratch: Path, size_bytes: int, rounds: int, say: Callable[[str], None]
) -> list[str]:
    measured: list[Measured] = []
    for number in range(rounds):
        measured.append(once(one, scratch, scratch / "out"))
        say(f"{one.name} x {one.note}, round {number}: {measured[-1].wall_seconds:.1f} s")
    best = min(measured, key=lambda found: found.wall_seconds)
    if best.fault:
        return [one.name, one.note, *["–"] * 4, best.fault]
    objects = STUDIES * SLICES
    return [
        one.name, one.note, f"{objects / best.wall_seconds:.0f}",
        f"{size_bytes / 1e6 / best.wall_seconds:.0f}", f"{best.wall_seconds:.1f}",
        f"{1000 * best.cpu_seconds / objects:.1f}", best.fault,
    ]  # fmt: skip


def _costs(server: Pacs, uid: str) -> dict[str, float]:
    web = f"http://127.0.0.1:{server.http}/dicom-web"
    command = [sys.executable, FETCH, "costs", server.address, web, uid]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return json.loads(done.stdout)


def _told(costs: dict[str, float]) -> str:
    whole, headers = costs["study bytes"], costs["metadata bytes"]
    share = (headers + whole / EVERY) / whole
    return (
        f"One association with its echo: {costs['association and echo']:.1f} ms; one study-level "
        f"query: {costs['DIMSE query']:.1f} ms by C-FIND on an open association, "
        f"{costs['DICOMweb query']:.1f} ms by QIDO-RS (least of 40). Of a study of "
        f"{whole / 1e6:.1f} MB, thinning early needs the headers ({headers / 1e6:.2f} MB as "
        f"metadata) and every tenth slice: {share:.0%} of the bytes."
    )
