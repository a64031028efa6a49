"""What a PACS lists of one study before anything is sent: its series, their objects, their numbers.

A PACS that lists no objects is believed the numbers of its series: then objects stand in for those
that nobody has named yet, and the whole series has to come to know them.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from pipelines.core.errors import ItemError
from pipelines.core.series import AnsweredHeader
from pipelines.io.answers import IMAGE_KEYS, Answer, availability_of
from pipelines.io.attributes import canonical_accession
from pipelines.peers.archives import ArchivedInstance
from pipelines.peers.node import Cut, Node, Refused

ONLINE = "ONLINE"
UNREACHABLE = frozenset({"OFFLINE", "UNAVAILABLE"})
"""What nobody can have until somebody brings it back (PS3.3 C.4.23.1.1)."""

ASKS_BEFORE_REFUSED = 2
"""How often a query for objects must be refused before less is asked for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """The objects of a study, and what was answered of each by its SOPInstanceUID.

    `counts` is what the PACS counts in each series, None where it does not; `unlisted` are the
    series whose objects it does not name. `away` says of what lies elsewhere how it can be had.
    """

    study: Answer
    counts: Mapping[str, int | None]
    objects: tuple[ArchivedInstance, ...]
    answers: Mapping[str, Answer] = field(repr=False)
    unlisted: frozenset[str] = frozenset()
    away: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def sizes(self) -> Counter[str]:
        """How many objects of each series are listed."""
        return Counter(series_uid(one) for one in self.objects)

    @property
    def numbers(self) -> dict[str, int]:
        """How many objects each series has: counted, or listed where the PACS does not count."""
        sizes = self.sizes
        return {uid: sizes[uid] if n is None else n for uid, n in self.counts.items()}

    def lack(self, hidden: int = 0) -> str:
        """What the lists have less than is counted; empty where they have all but the `hidden`."""
        sizes = self.sizes
        short = {
            f"it lists {sizes[uid]} of {count} objects of a series": count - sizes[uid]
            for uid, count in self.counts.items()
            if count is not None and sizes[uid] < count
        }
        counted = self.study.objects or 0
        if len(self.objects) + hidden < counted:
            short[f"it lists {len(self.objects)} of {counted} objects"] = counted
        return next(iter(short), "") if sum(short.values()) > hidden else ""


def list_study(
    node: Node, keys: tuple[str | None, str | None], wanted: tuple[str, ...]
) -> Listing | None:
    """The study of these keys (accession number, StudyInstanceUID); None where there is none.

    `wanted` is what is asked of each object of a CT series. Raises ItemError AMBIGUOUS_STUDY,
    REFUSED_BY_ARCHIVE; Passing, PeerError.
    """
    study = _study(node, *keys)
    if study is None:
        return None
    uid = study.header.study_instance_uid or ""
    objects: list[ArchivedInstance] = []
    answers: dict[str, Answer] = {}
    unlisted = set()
    counts = {}
    every_series = _each_once(node.find_series(uid), "series_instance_uid")
    for series in every_series:
        series_instance_uid = series.header.series_instance_uid or ""
        counts[series_instance_uid] = series.objects
        found = _objects(node, uid, series, wanted)
        if found is None:
            unlisted.add(series_instance_uid)
            objects += _unnamed(study, series)
            continue
        objects += [_listed(study.header, series.header, answer.header) for answer in found]
        answers |= {answer.header.sop_instance_uid or "": answer for answer in found}
    return Listing(
        study=study,
        counts=counts,
        objects=tuple(objects),
        answers=answers,
        unlisted=frozenset(unlisted),
        away=_away(objects, answers, every_series, study),
    )


def _away(
    objects: Iterable[ArchivedInstance],
    answers: Mapping[str, Answer],
    every_series: Iterable[Answer],
    study: Answer,
) -> dict[str, str]:
    """The availability of what is not online: the object's own, or its series', or the study's."""
    of_series = {one.header.series_instance_uid: availability_of(one) for one in every_series}
    away = {}
    for one in objects:
        name = one.header.sop_instance_uid or ""
        own = availability_of(answers[name]) if name in answers else ""
        said = own or of_series[one.header.series_instance_uid] or availability_of(study)
        if said not in {"", ONLINE}:
            away[name] = said
    return away


def count_study(node: Node, listing: Listing) -> dict[str, int]:
    """The numbers of a study's series as they are now: listed where the PACS does not count."""
    uid = listing.study.header.study_instance_uid or ""
    numbers: dict[str, int] = {}
    for series in _each_once(node.find_series(uid), "series_instance_uid"):
        name = series.header.series_instance_uid or ""
        if series.objects is None:
            found = node.find_instances(uid, name, wanted=IMAGE_KEYS)
            numbers[name] = len(_each_once(found, "sop_instance_uid"))
        else:
            numbers[name] = series.objects
    return numbers


def _study(node: Node, accession: str | None, study_uid: str | None) -> Answer | None:
    """The one study of these keys: what only resembles them was not asked for."""
    answers = node.find_studies(accession_number=accession, study_instance_uid=study_uid)
    exact = [
        answer
        for answer in _each_once(answers, "study_instance_uid")
        if _is_meant(answer.header, accession, study_uid)
    ]
    if len(exact) > 1:
        message = f"the accession number stands on {len(exact)} studies"
        raise ItemError("AMBIGUOUS_STUDY", message)
    return exact[0] if exact else None


def _is_meant(header: AnsweredHeader, accession: str | None, study_uid: str | None) -> bool:
    if study_uid:
        return header.study_instance_uid == study_uid
    return bool(header.study_instance_uid) and canonical_accession(
        header.accession_number or ""
    ) == canonical_accession(accession or "")


def _objects(
    node: Node, study_uid: str, series: Answer, wanted: tuple[str, ...]
) -> list[Answer] | None:
    """The objects of a series; None where the PACS does not list them, but counts them.

    A PACS that refuses to answer so much of each is asked for their names alone.
    """
    uid = series.header.series_instance_uid or ""
    if (series.header.modality or "CT") != "CT":
        wanted = IMAGE_KEYS
    refused = ""
    for keys in (wanted,) * ASKS_BEFORE_REFUSED + (IMAGE_KEYS,) * (wanted != IMAGE_KEYS):
        try:
            found = _each_once(node.find_instances(study_uid, uid, wanted=keys), "sop_instance_uid")
        except (Refused, ItemError) as error:
            refused = str(error)
            continue
        except Cut as cut:
            refused = str(cut)
            break
        return found if found or not series.objects else None
    if series.objects is None:
        message = f"it neither lists nor counts the objects of a series: {refused}"
        raise ItemError("REFUSED_BY_ARCHIVE", message)
    return None


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


def _unnamed(study: Answer, series: Answer) -> list[ArchivedInstance]:
    """Objects that the PACS counts and does not name, each with its place in the series from 1."""
    names = (
        (k, AnsweredHeader(sop_instance_uid=f"{series.header.series_instance_uid} {k}"))
        for k in range(1, (series.objects or 0) + 1)
    )
    return [
        replace(_listed(study.header, series.header, header), member_number=k)
        for k, header in names
    ]


def _each_once(answers: Iterable[Answer], key: str) -> list[Answer]:
    """One answer for each study, series or object: some archives answer once an object."""
    first: dict[str, Answer] = {}
    for answer in answers:
        if uid := getattr(answer.header, key):
            first.setdefault(uid, answer)
    return list(first.values())


def series_uid(one: ArchivedInstance) -> str:
    """The series of an object."""
    return one.header.series_instance_uid or ""
