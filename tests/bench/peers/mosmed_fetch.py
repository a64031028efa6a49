"""Studies fetched as `mosmed export` fetches them, and what one question costs.

fetch ADDRESS TRANSPORT RECEIVER WORKERS OUT UID...   find each study, and have all of it sent
costs ADDRESS WEB UID                                 milliseconds of an association, of queries
"""

import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from itertools import repeat
from pathlib import Path

from pipelines.core.export_settings import ExportSettings
from pipelines.io.http import Credentials, Server
from pipelines.peers import opening
from pipelines.peers.policy import Policy

TIMES = 40


def fetch_one(uid: str, settings: ExportSettings, out: Path) -> int:
    """One study, complete; how many objects it has."""
    archive = opening.open_archive(settings, source=out / "shared", scratch=out / uid)
    try:
        found = archive.find(accession_number=None, study_instance_uid=uid)
        return len(archive.receive(found))
    finally:
        archive.close()


def fetch(settings: ExportSettings, out: Path, uids: list[str]) -> int:
    """All studies, as many at a time as associations are allowed."""
    with ProcessPoolExecutor(settings.associations) as pool:
        return sum(pool.map(fetch_one, uids, repeat(settings), repeat(out)))


def milliseconds(call: Callable[[], object]) -> float:
    """The least time of one call, after one to warm up."""
    times = []
    for _ in range(TIMES + 1):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return 1000 * min(times[1:])


def costs(address: str, web: str, uid: str) -> dict[str, float]:
    """What one question costs by each protocol, and the bytes of headers and of kept slices."""
    found = {}
    for name, place in (("DIMSE", address), ("DICOMweb", web)):
        settings = ExportSettings(pacs=place)
        node = opening.open_node(place, settings, Policy(settings, Path()))
        found[f"{name} query"] = milliseconds(
            lambda node=node: node.find_studies(accession_number=None, study_instance_uid=uid)
        )
        if name == "DIMSE":
            found["association and echo"] = milliseconds(node.echo)
        node.close()
    server = Server(web, Credentials, timeout_seconds=30)
    found["metadata bytes"] = _size(server, f"/studies/{uid}/metadata", "application/dicom+json")
    found["study bytes"] = _size(
        server, f"/studies/{uid}", 'multipart/related; type="application/dicom"; transfer-syntax=*'
    )
    return found


def _size(server: Server, path: str, accept: str) -> int:
    with server.get(path, accept=accept) as answer:
        return sum(map(len, answer.chunks()))


def main(arguments: list[str]) -> None:
    match arguments:
        case ["fetch", address, transport, receiver, workers, out, *uids]:
            settings = ExportSettings(
                pacs=address, transport=transport, receivers=(receiver,), associations=int(workers)
            )
            sys.stdout.write(f"{fetch(settings, Path(out), uids)}\n")
        case ["costs", address, web, uid]:
            sys.stdout.write(json.dumps(costs(address, web, uid)))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main(sys.argv[1:])
