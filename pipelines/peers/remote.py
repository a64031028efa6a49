"""A PACS as an archive: found by queries, received complete or not at all.

What is expected is settled before anything is sent: the SOPInstanceUIDs that the PACS lists, whose
number must be the one it counts. Then just what is missing is asked for, again and again, until
all of it is here or the tries are spent.
"""

import hashlib
import shutil
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from pathlib import Path

from pipelines.core.errors import ItemError
from pipelines.core.model import Decision
from pipelines.core.series import AnsweredHeader
from pipelines.io.answers import Answer
from pipelines.io.attributes import canonical_accession
from pipelines.peers.archives import ArchivedInstance
from pipelines.peers.inbox import Inbox
from pipelines.peers.node import Node, Passing, Request
from pipelines.peers.policy import Policy

WILD = set("*?\\")
"""What a query would take as a pattern, or as a list (PS3.4 C.2.2.2)."""

UIDS_AT_ONCE = 64
"""So many objects are asked for by name in one request: some archives take no longer lists."""


@dataclass(slots=True)
class RemoteArchive:
    """One study at a time of a PACS; `scratch` is where its objects arrive."""

    node: Node
    policy: Policy
    scratch: Path
    _inbox: Inbox | None = field(default=None, init=False)
    _counted: int | None = field(default=None, init=False)
    _listed: int = field(default=0, init=False)
    _way: int = field(default=1, init=False)
    _sizes: Counter[str] = field(default_factory=Counter, init=False)

    def find(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[ArchivedInstance, ...]:
        """All objects of the study, by StudyInstanceUID if given, else by AccessionNumber.

        Raises ItemError AMBIGUOUS_STUDY, or INCOMPLETE_STUDY where the lists of the PACS do not
        have as many objects as it counts; PeerError.
        """
        if not study_instance_uid and WILD & set(accession_number or "*"):
            return ()
        return self.policy.tried(
            lambda: self._find(accession_number, study_instance_uid), self.node.echo
        )

    def _find(
        self, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[ArchivedInstance, ...]:
        study = self._study(accession_number, study_instance_uid)
        if study is None:
            return ()
        uid = study.header.study_instance_uid or ""
        found: list[ArchivedInstance] = []
        for series in _each_once(self.node.find_series(uid), "series_instance_uid"):
            found += self._instances(uid, study, series)
        self._sizes = Counter(_series_uid(one) for one in found)
        self._listed, self._counted = len(found), study.objects
        if study.objects is not None and len(found) < study.objects:
            raise Passing(f"it lists {len(found)} of {study.objects} objects")
        self._inbox = Inbox(self.scratch, uid, self.policy.spend)
        return tuple(found)

    def _study(self, accession_number: str | None, study_instance_uid: str | None) -> Answer | None:
        """The one study of these keys: what only resembles them was not asked for."""
        answers = self.node.find_studies(
            accession_number=accession_number, study_instance_uid=study_instance_uid
        )
        exact = [
            answer
            for answer in _each_once(answers, "study_instance_uid")
            if _is_meant(answer.header, accession_number, study_instance_uid)
        ]
        if len(exact) > 1:
            message = f"the accession number stands on {len(exact)} studies"
            raise ItemError("AMBIGUOUS_STUDY", message)
        return exact[0] if exact else None

    def _instances(self, study_uid: str, study: Answer, series: Answer) -> list[ArchivedInstance]:
        header = series.header
        uid = header.series_instance_uid or ""
        in_detail = (header.modality or "CT") == "CT"
        answers = self.node.find_instances(study_uid, uid, in_detail=in_detail)
        found = _each_once(answers, "sop_instance_uid")
        if series.objects is not None and len(found) < series.objects:
            raise Passing(f"it lists {len(found)} of {series.objects} objects of a series")
        return [_listed(study.header, header, answer.header) for answer in found]

    def receive(self, instances: Sequence[ArchivedInstance]) -> tuple[ArchivedInstance, ...]:
        """The same objects, here; raises ItemError INCOMPLETE_TRANSFER, CONFLICTING_DUPLICATE."""
        if not instances:
            return ()
        assert self._inbox is not None
        inbox = self._inbox
        wanted = {one.header.sop_instance_uid or "": one for one in instances}
        inbox.wait_for(wanted)
        self._way = 1
        self.policy.tried(lambda: self._have_sent(wanted, inbox), self.node.echo)
        if inbox.differing & wanted.keys():
            message = "an object came twice under one SOPInstanceUID, and not the same"
            raise ItemError("CONFLICTING_DUPLICATE", message)
        return tuple(self._arrived(one, inbox) for one in instances)

    def _have_sent(self, wanted: dict[str, ArchivedInstance], inbox: Inbox) -> None:
        """Ask for what is missing; raise Passing if something still is."""
        missing = inbox.missing(wanted)
        if not missing:
            return
        lacking = [wanted[uid] for uid in missing]
        try:
            self.node.retrieve(_requests(lacking, self._sizes, self._way), inbox)
        except Passing as passing:
            # A line that broke says nothing against the way in which was asked
            self._way += not passing.is_down
            raise
        self._way += 1
        missing = inbox.missing(wanted)
        if missing:
            odd = "; ".join(f"{n} {reason}" for reason, n in sorted(inbox.oddities.items()))
            came = f"{len(wanted) - len(missing)} of {len(wanted)} objects came"
            raise Passing(f"{came}; {odd}" if odd else came)

    def _arrived(self, one: ArchivedInstance, inbox: Inbox) -> ArchivedInstance:
        received = inbox.received[one.header.sop_instance_uid or ""]
        path = bytes(received.path.relative_to(self.scratch))
        return replace(one, path=path, size_bytes=received.size_bytes, header=received.header)

    def digest(self, instance: ArchivedInstance) -> str:
        """The SHA-256 of the bytes of an object that was received."""
        with self._place(instance).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()

    def here(self, instance: ArchivedInstance) -> Path | None:
        """The file of an object that was received."""
        return self._place(instance)

    def fetch(self, instance: ArchivedInstance, to: Path) -> None:
        """Move an object that was received to where it belongs."""
        if to.exists():
            raise FileExistsError(to)
        self._place(instance).rename(to)

    def notes(self) -> tuple[Decision, ...]:
        """By what it is known that nothing is missing, and what came that should not have."""
        outcome = "each is listed by the PACS, and their number is the one it counts"
        if self._counted is None:
            outcome = "each is listed by the PACS, which does not count them"
        notes = [Decision(rule="proof", value=f"{self._listed} objects", outcome=outcome)]
        odd = self._inbox.oddities if self._inbox else {}
        notes += [
            Decision(rule="transfer", value=f"{number} objects", outcome=f"{reason}: not taken")
            for reason, number in sorted(odd.items())
        ]
        return tuple(notes)

    def close(self) -> None:
        """End the association, and remove what was received but not wanted."""
        self.node.close()
        self.policy.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _place(self, instance: ArchivedInstance) -> Path:
        return self.scratch / instance.path.decode()


def _is_meant(header: AnsweredHeader, accession: str | None, study_uid: str | None) -> bool:
    if study_uid:
        return header.study_instance_uid == study_uid
    return bool(header.study_instance_uid) and canonical_accession(
        header.accession_number or ""
    ) == canonical_accession(accession or "")


def _each_once(answers: Iterable[Answer], key: str) -> list[Answer]:
    """One answer for each study, series or object: some archives answer once an object."""
    first: dict[str, Answer] = {}
    for answer in answers:
        if uid := getattr(answer.header, key):
            first.setdefault(uid, answer)
    return list(first.values())


def _listed(
    study: AnsweredHeader, series: AnsweredHeader, instance: AnsweredHeader
) -> ArchivedInstance:
    header = replace(
        instance,
        study_instance_uid=study.study_instance_uid,
        accession_number=study.accession_number,
        patient_id=study.patient_id,
        series_instance_uid=series.series_instance_uid,
        series_number=series.series_number,
        series_description=series.series_description,
        modality=series.modality,
    )
    return ArchivedInstance(path=b"", member_number=0, size_bytes=0, header=header)


def _requests(
    missing: Sequence[ArchivedInstance], sizes: Mapping[str, int], way: int
) -> list[Request]:
    """How the missing objects are asked for: differently each time, as not every way works.

    First whole series where all of one is missing, else objects by lists of names; then each
    object by its name; then the whole series, of which what is not waited for is not taken.
    """
    requests = []
    for uid, members in groupby(sorted(missing, key=_series_uid), key=_series_uid):
        wanted = list(members)
        is_whole = way > 2 or (way == 1 and len(wanted) == sizes[uid])
        names = [one.header.sop_instance_uid or "" for one in wanted]
        at_once = UIDS_AT_ONCE if way == 1 else 1
        lists = [names[k : k + at_once] for k in range(0, len(names), at_once)]
        requests += [
            Request(
                study_instance_uid=wanted[0].header.study_instance_uid or "",
                series_instance_uid=uid,
                sop_instance_uids=tuple(some),
                sop_class_uids=tuple(sorted({one.header.sop_class_uid or "" for one in wanted})),
            )
            for some in ([[]] if is_whole else lists)
        ]
    return requests


def _series_uid(one: ArchivedInstance) -> str:
    return one.header.series_instance_uid or ""
