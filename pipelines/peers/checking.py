"""What a PACS answers: asked before the first study, so that nobody finds out in the night."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from pipelines.core.errors import PeerError
from pipelines.core.export_settings import ExportSettings
from pipelines.peers.node import Node, Passing
from pipelines.peers.opening import CLOCK, named_pacs, open_node
from pipelines.peers.policy import Policy

NO_STUDY = "2.25.1"
"""A StudyInstanceUID that no study has: what is asked is whether there is an answer at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was tried, whether it works, and what was seen."""

    what: str
    works: bool
    seen: str


def check_archive(settings: ExportSettings, shared: Path) -> list[Finding]:
    """What the archive answers; raises SettingsError, PeerError where it cannot be asked."""
    pacs = named_pacs(settings)
    if isinstance(pacs, Path):
        there = pacs.is_dir()
        seen = f"{pacs} is {'there' if there else 'not there'}"
        return [Finding(what="folder", works=there, seen=seen)]
    policy = Policy(settings, shared, CLOCK)
    node = open_node(pacs, settings, policy)
    try:
        return [
            _tried("answers", node.echo),
            _tried("takes queries", lambda: _ask(node)),
            *(Finding(what=what, works=works, seen=seen) for what, works, seen in node.offers()),
        ]
    finally:
        node.close()
        policy.close()


def _ask(node: Node) -> None:
    node.find_studies(accession_number=None, study_instance_uid=NO_STUDY)


def _tried(what: str, call: Callable[[], object]) -> Finding:
    begin = time.perf_counter()
    try:
        call()
    except Passing as passing:
        return Finding(what=what, works=False, seen=passing.reason)
    except PeerError as error:
        return Finding(what=what, works=False, seen=f"{error.message}. {error.hint}")
    return Finding(what=what, works=True, seen=f"{1000 * (time.perf_counter() - begin):.0f} ms")
