"""The studies of one day of a PACS: all of them, though it may not answer all of them at once.

A PACS that answers so many matches and no more is asked for parts of the day. Some say that they
have cut an answer, some do not: then it ends at a round number.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import partial

from pipelines.core.errors import ItemError
from pipelines.io.answers import Answer, texts_of
from pipelines.peers.node import Cut, Node
from pipelines.peers.policy import Policy

COLUMNS = (
    "StudyInstanceUID",
    "AccessionNumber",
    "IssuerOfPatientID",
    "PatientID",
    "PatientName",
    "PatientBirthDate",
    "PatientSex",
    "PatientAge",
    "StudyDate",
    "ModalitiesInStudy",
    "StudyDescription",
    "InstitutionName",
    "ReferringPhysicianName",
    "NumberOfStudyRelatedInstances",
)
"""What a study may be asked for (PS3.4 C.6.2.1.2), StudyInstanceUID first."""

DAY_SECONDS = 86_400
SHORTEST_SECONDS = 60
"""Of shorter parts of a day no archive is asked: what it then keeps to itself is not to be had."""

ROUND = 100
"""Archives cut their answers at a multiple of this."""

Row = list[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A part of a day in seconds, and its studies by StudyInstanceUID, as far as they are told."""

    begin: int
    end: int
    rows: Mapping[str, Row]
    is_cut: bool

    @property
    def is_doubtful(self) -> bool:
        """Whether there may be more studies than are told."""
        return self.is_cut or (len(self.rows) > 0 and len(self.rows) % ROUND == 0)


def read_day(node: Node, policy: Policy, day: date) -> Mapping[str, Row]:
    """The values of COLUMNS of every study of a day, by its StudyInstanceUID.

    Raises ItemError INCOMPLETE_TRANSFER where the PACS does not tell all of them, be it of the
    shortest part of the day or because it tells too little of StudyTime; PeerError.
    """
    ask = partial(_ask, node, policy, day)
    return _all_of(ask(0, DAY_SECONDS), ask)


def _all_of(part: Part, ask: Callable[..., Part]) -> Mapping[str, Row]:
    if not part.is_doubtful:
        return part.rows
    if part.end - part.begin <= SHORTEST_SECONDS:
        return ask(part.begin, part.end, is_last=True).rows if part.is_cut else part.rows
    middle = (part.begin + part.end) // 2
    halves = ask(part.begin, middle), ask(middle, part.end)
    if halves[0].rows and halves[0].rows.keys() == halves[1].rows.keys():
        if part.is_cut:
            message = "it does not tell all of a day, and takes no range of StudyTime"
            raise ItemError("INCOMPLETE_TRANSFER", message)
        return part.rows
    found = {uid: row for half in halves for uid, row in _all_of(half, ask).items()}
    has_untimed = bool(part.rows.keys() - found.keys())
    if has_untimed and (part.is_cut or found.keys() - part.rows.keys()):
        message = "it does not tell all of a day, and has studies without StudyTime"
        raise ItemError("INCOMPLETE_TRANSFER", message)
    return {**found, **part.rows}


def _ask(
    node: Node, policy: Policy, day: date, begin: int, end: int, *, is_last: bool = False
) -> Part:
    """The studies of a part of a day; if it `is_last`, a cut answer is no answer."""
    times = "" if (begin, end) == (0, DAY_SECONDS) else f"{_time(begin)}-{_time(end)}"

    def asked() -> tuple[tuple[Answer, ...], bool]:
        try:
            return node.find_day(day, COLUMNS, times=times), False
        except Cut as cut:
            if is_last:
                raise
            return cut.answers, True

    answers, is_cut = policy.tried(asked, node.echo)
    rows = {row[0]: row for row in (texts_of(answer, COLUMNS) for answer in answers)}
    return Part(begin=begin, end=end, rows=rows, is_cut=is_cut)


def _time(seconds: int) -> str:
    """A time of the day (TM, PS3.5 6.2); both ends of a range match, so that parts share theirs.

    The end of the day is left open, as the beginning of its last second is not.
    """
    if seconds == DAY_SECONDS:
        return ""
    return f"{seconds // 3600:02}{seconds // 60 % 60:02}{seconds % 60:02}"
