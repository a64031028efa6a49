"""How objects are asked for: differently each time, as not every way works with every PACS."""

from collections.abc import Mapping, Sequence
from itertools import groupby

from pipelines.peers.archives import ArchivedInstance
from pipelines.peers.listing import series_uid
from pipelines.peers.node import Request

UIDS_AT_ONCE = 64
"""So many objects are asked for by name in one request: some archives take no longer lists."""


def requests_for(
    missing: Sequence[ArchivedInstance], sizes: Mapping[str, int], way: int
) -> list[Request]:
    """The requests for objects that are missing; `sizes` tells how many each series has.

    First whole series where all of one is missing, else objects by lists of names; then each
    object by its name; then the whole series, of which what is not waited for is not taken.
    A series whose objects have no names is always asked for as a whole.
    """
    requests: list[Request] = []
    for uid, members in groupby(sorted(missing, key=series_uid), key=series_uid):
        wanted = list(members)
        is_unnamed = any(one.member_number for one in wanted)
        is_whole = is_unnamed or way > 2 or (way == 1 and len(wanted) == sizes[uid])
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
