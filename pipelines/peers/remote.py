"""A PACS as an archive: found by queries, received complete or not at all.

What is expected is settled before anything is sent: the SOPInstanceUIDs that the PACS lists, whose
number must be the one it counts. Then just what is missing is asked for, again and again, until
all of it is here or the tries are spent. A study that has changed meanwhile is begun again.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, TypeVar

from pipelines.core.errors import ItemError
from pipelines.core.model import Decision
from pipelines.core.slices import SliceClaim
from pipelines.io.answers import CHOICE_KEYS
from pipelines.io.disk import sha256_of
from pipelines.peers.archives import ArchivedInstance
from pipelines.peers.asking import requests_for
from pipelines.peers.claims import claim_answered, claim_in
from pipelines.peers.inbox import Inbox
from pipelines.peers.listing import UNREACHABLE, Listing, count_study, list_study, series_uid
from pipelines.peers.node import Node, Passing
from pipelines.peers.policy import Policy
from pipelines.peers.retired import retired_in

WILD = set("*?\\")
"""What a query would take as a pattern, or as a list (PS3.4 C.2.2.2)."""

T = TypeVar("T")


@dataclass(slots=True)
class RemoteArchive:
    """One study at a time of a PACS; `scratch` is where its objects arrive.

    `wanted` are the attributes that are asked of each object of a CT series.
    """

    is_far: ClassVar[bool] = True

    node: Node
    policy: Policy
    scratch: Path
    wanted: tuple[str, ...] = CHOICE_KEYS
    _inbox: Inbox | None = field(default=None, init=False)
    _listing: Listing | None = field(default=None, init=False)
    _way: int = field(default=1, init=False)

    def find(
        self, *, accession_number: str | None, study_instance_uid: str | None
    ) -> tuple[ArchivedInstance, ...]:
        """All objects of the study, by StudyInstanceUID if given, else by AccessionNumber.

        Raises ItemError AMBIGUOUS_STUDY, or INCOMPLETE_TRANSFER where the lists of the PACS do not
        have as many objects as it counts; PeerError.
        """
        if not study_instance_uid and WILD & set(accession_number or "*"):
            return ()
        keys = (accession_number, study_instance_uid)
        return self.policy.tried(lambda: self._listed(keys), self.node.echo)

    def _listed(self, keys: tuple[str | None, str | None]) -> tuple[ArchivedInstance, ...]:
        self._listing = listing = list_study(self.node, keys, self.wanted)
        if listing is None:
            return ()
        uid = listing.study.header.study_instance_uid or ""
        if self._inbox is None or self._inbox.study_instance_uid != uid:
            self._inbox = Inbox(self.scratch, uid, self.policy.spend)
        if listing.lack():
            # Some archives count what was rejected, but do not list it
            retired = retired_in(listing.objects, self).reasons
            hidden = retired.keys() - {_name(one) for one in listing.objects}
            if lack := listing.lack(len(hidden)):
                raise Passing(lack)
        return listing.objects

    def receive(self, instances: Sequence[ArchivedInstance]) -> tuple[ArchivedInstance, ...]:
        """The same objects, here.

        Raises ItemError NOT_ONLINE, INCOMPLETE_TRANSFER, CONFLICTING_DUPLICATE; PeerError.
        """
        if not instances:
            return ()
        inbox, listing = self._known()
        self._refuse_away(instances)
        inbox.wait_for(_name(one) for one in instances if not one.member_number)
        unlisted = {series_uid(one) for one in instances if one.member_number}
        inbox.wait_for_series({uid: listing.sizes[uid] for uid in unlisted})
        self._way = 1
        self.policy.tried(lambda: self._have_sent(instances), self.node.echo)
        if inbox.differing:
            message = "an object came twice under one SOPInstanceUID, and not the same"
            raise ItemError("CONFLICTING_DUPLICATE", message)
        unnamed = {uid: inbox.names_in(uid) for uid in unlisted}
        return tuple(self._arrived(one, unnamed) for one in instances)

    def _refuse_away(self, wanted: Sequence[ArchivedInstance]) -> None:
        """Raise ItemError NOT_ONLINE for what the archive says it cannot send now."""
        inbox, listing = self._known()
        lacking = [one for one in wanted if not inbox.has(_name(one), series_uid(one))]
        away = [listing.away.get(_name(one)) for one in lacking]
        if gone := UNREACHABLE & set(away):
            number = sum(said in UNREACHABLE for said in away)
            said = " and ".join(sorted(gone)).lower()
            raise ItemError("NOT_ONLINE", f"{number} of {len(wanted)} objects are {said}")

    def _known(self) -> tuple[Inbox, Listing]:
        assert self._inbox is not None, "nothing was found"
        assert self._listing is not None, "nothing was found"
        return self._inbox, self._listing

    def _have_sent(self, wanted: Sequence[ArchivedInstance]) -> None:
        """Ask for what is missing; raise Passing if something still is."""
        inbox, listing = self._known()
        lacking = [one for one in wanted if not inbox.has(_name(one), series_uid(one))]
        if not lacking:
            return
        is_slow = any(_name(one) in listing.away for one in lacking)
        code = "NOT_ONLINE" if is_slow else "INCOMPLETE_TRANSFER"
        try:
            self.node.retrieve(requests_for(lacking, listing.sizes, self._way), inbox)
        except Passing as passing:
            # A line that broke says nothing against the way in which was asked
            self._way += not passing.is_down
            passing.code = code
            raise
        self._way += 1
        lacking = [one for one in wanted if not inbox.has(_name(one), series_uid(one))]
        if lacking:
            odd = "; ".join(f"{n} {reason}" for reason, n in sorted(inbox.oddities.items()))
            came = f"{len(wanted) - len(lacking)} of {len(wanted)} objects came"
            raise Passing(f"{came}; {odd}" if odd else came, code=code)

    def _arrived(
        self, one: ArchivedInstance, unnamed: Mapping[str, Sequence[str]]
    ) -> ArchivedInstance:
        inbox, _ = self._known()
        place = one.member_number
        received = inbox.received[unnamed[series_uid(one)][place - 1] if place else _name(one)]
        path = bytes(received.path.relative_to(self.scratch))
        return ArchivedInstance(
            path=path, member_number=0, size_bytes=received.size_bytes, header=received.header
        )

    def steady(self, bring: Callable[[], T]) -> T:
        """What `bring` gives, once the study is the same after it as it was before.

        Raises ItemError STUDY_CHANGED where it changes as long as there are tries.
        """
        return self.policy.tried(lambda: self._brought(bring), self.node.echo)

    def _brought(self, bring: Callable[[], T]) -> T:
        brought = bring()
        _, before = self._known()
        now = self.policy.tried(lambda: count_study(self.node, before), self.node.echo)
        if now != before.numbers:
            known = sum(before.numbers.values())
            reason = f"{known} objects when it was begun, {sum(now.values())} at the end"
            raise Passing(reason, code="STUDY_CHANGED")
        return brought

    def claim(self, instance: ArchivedInstance) -> SliceClaim | None:
        """What a slice claims: its file if it has been received, else the answer of the PACS."""
        path = self.here(instance)
        if path is not None:
            return claim_in(path)
        answer = self._known()[1].answers.get(_name(instance))
        return None if answer is None else claim_answered(answer)

    def digest(self, instance: ArchivedInstance) -> str:
        """The SHA-256 of the bytes of an object that was received."""
        return sha256_of(self._place(instance))

    def content(self, instance: ArchivedInstance) -> bytes:
        """The bytes of an object that was received."""
        return self._place(instance).read_bytes()

    def here(self, instance: ArchivedInstance) -> Path | None:
        """The file of an object that was received; None if it was not."""
        return self._place(instance) if instance.path else None

    def fetch(self, instance: ArchivedInstance, to: Path) -> None:
        """Move an object that was received to where it belongs."""
        if to.exists():
            raise FileExistsError(to)
        self._place(instance).rename(to)

    def notes(self) -> tuple[Decision, ...]:
        """By what it is known that nothing is missing, and what came that should not have."""
        inbox, listing = self._known()
        unnamed = sum(listing.sizes[uid] for uid in listing.unlisted)
        named = len(listing.objects) - unnamed
        outcome = "each is listed by the PACS, and their number is the one it counts"
        if listing.study.objects is None:
            outcome = "each is listed by the PACS, which does not count them"
        notes = [_note("proof", named, outcome)] if named else []
        if unnamed:
            outcome = "counted by the PACS, which does not list them: proven by their number alone"
            notes.append(_note("proof", unnamed, outcome))
        size_mb = sum(one.size_bytes for one in inbox.received.values()) / 1e6
        outcome = f"{size_mb:.3g} MB sent by the PACS, of {len(listing.objects)} that it has"
        notes.append(_note("received", len(inbox.received), outcome))
        notes += [
            _note("transfer", number, f"{reason}: not taken")
            for reason, number in sorted(inbox.oddities.items())
        ]
        return tuple(notes)

    def close(self) -> None:
        """End the association, and remove what was received but not wanted."""
        self.node.close()
        self.policy.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _place(self, instance: ArchivedInstance) -> Path:
        return self.scratch / instance.path.decode()


def _note(rule: str, objects: int, outcome: str) -> Decision:
    return Decision(rule=rule, value=f"{objects} objects", outcome=outcome)


def _name(one: ArchivedInstance) -> str:
    return one.header.sop_instance_uid or ""
