"""A PACS that does as it is told: it holds objects, and has the faults that a test gives it."""

import copy
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pydicom import Dataset
from pydicom.datadict import keyword_for_tag
from pynetdicom import AE, StoragePresentationContexts, evt
from pynetdicom.sop_class import (
    StudyRootQueryRetrieveInformationModelFind,
    StudyRootQueryRetrieveInformationModelGet,
    Verification,
)

from tests.pacs import Pacs

STALLED_AT_MOST_SECONDS = 60
UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}


@dataclass
class Script:
    """What this PACS holds, and what goes wrong: each `faults` entry is used up by one request."""

    objects: list[Dataset]
    known: frozenset[str] = frozenset()
    counts: bool = True
    faults: list[str] = field(default_factory=list)
    charset: str = "ISO_IR 192"
    hidden: frozenset[str] = frozenset()
    sent: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    pause_seconds: float = 0.0
    is_asked_again: threading.Event = field(default_factory=threading.Event)

    def matching(self, identifier: Dataset) -> list[Dataset]:
        keys = ["StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID", "AccessionNumber"]
        found = self.objects
        for keyword in keys:
            wanted = identifier.get(keyword)
            if wanted:
                values = [wanted] if isinstance(wanted, str) else list(wanted)
                found = [one for one in found if str(one.get(keyword)) in map(str, values)]
        return found

    def on_find(self, event: evt.Event) -> Iterator[tuple[Any, Dataset | None]]:
        identifier = event.identifier
        level = identifier.QueryRetrieveLevel
        self.asked.append(level)
        if "refuse-find" in self.faults:
            self.faults.remove("refuse-find")
            yield 0xC000, None
            return
        groups: dict[str, list[Dataset]] = {}
        for one in self.matching(identifier):
            groups.setdefault(str(one.get(UNIQUE[level])), []).append(one)
        for members in groups.values():
            yield 0xFF00, self._answer(identifier, members, level)

    def _answer(self, identifier: Dataset, members: list[Dataset], level: str) -> Dataset:
        answer = Dataset()
        answer.SpecificCharacterSet = self.charset
        answer.QueryRetrieveLevel = level
        for element in identifier:
            keyword = keyword_for_tag(element.tag)
            if keyword in {"SpecificCharacterSet", "QueryRetrieveLevel", *self.hidden}:
                continue
            if keyword.startswith("NumberOf") and keyword.endswith("Instances"):
                if self.counts:
                    setattr(answer, keyword, len(members))
            elif element.tag in members[0]:
                answer[element.tag] = members[0][element.tag]
        return answer

    def _spoilt(self, found: list[Dataset], fault: str) -> list[Dataset]:
        if fault == "drop":
            return found[:-1]
        if fault == "foreign":
            mine = {str(one.StudyInstanceUID) for one in found}
            others = [one for one in self.objects if str(one.StudyInstanceUID) not in mine]
            return others[:1] + found[:-1]
        if fault == "twice":
            return [*found, found[0]]
        if fault == "twice-differing":
            other = copy.deepcopy(found[0])
            other.ImageComments = "another"
            return [*found, other]
        return found

    def on_get(self, event: evt.Event) -> Iterator[Any]:
        found = self.matching(event.identifier)
        self.asked.append(f"GET {event.identifier.QueryRetrieveLevel}")
        fault = self.faults.pop(0) if self.faults else ""
        if fault.startswith("status-"):
            yield 1
            yield int(fault.removeprefix("status-"), 16), None
            return
        if fault == "stall":
            self.is_asked_again.clear()
            self.is_asked_again.wait(STALLED_AT_MOST_SECONDS)
        found = self._spoilt(found, fault)
        yield len(found)
        for k, one in enumerate(found):
            if fault == "die" and k == len(found) // 2:
                event.assoc.abort()
                return
            time.sleep(self.pause_seconds)
            self.sent.append(str(one.SOPInstanceUID))
            yield 0xFF00, one


@contextmanager
def scripted(
    script: Script,
    *,
    title: str = "SCRIPT",
    refuses: bool = False,
    tls: ssl.SSLContext | None = None,
) -> Iterator[Pacs]:
    """The PACS of a script, on a free port."""
    entity = AE(ae_title=title)
    entity.add_supported_context(Verification)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelFind)
    entity.add_supported_context(StudyRootQueryRetrieveInformationModelGet)
    for context in StoragePresentationContexts:
        entity.add_supported_context(context.abstract_syntax, scu_role=True, scp_role=True)
    if refuses:
        entity.require_calling_aet = ["NOBODY"]
    lock = threading.Lock()

    def locked(handler: Any) -> Any:
        def call(event: evt.Event) -> Iterator[Any]:
            script.is_asked_again.set()
            with lock:
                yield from handler(event)

        return call

    server = entity.start_server(
        ("127.0.0.1", 0),
        block=False,
        ssl_context=tls,
        evt_handlers=[
            (evt.EVT_C_FIND, locked(script.on_find)),
            (evt.EVT_C_GET, locked(script.on_get)),
            (evt.EVT_C_ECHO, lambda _: 0),
        ],
    )
    try:
        port = server.socket.getsockname()[1]
        yield Pacs(title=title, port=port, receiver="MOSMED@127.0.0.1:1")
    finally:
        server.shutdown()
