"""The places of a draw, and who fills them: the first by rank, in each category of a quota."""

import hmac
from collections import Counter
from collections.abc import Callable, Iterable
from operator import attrgetter

from pipelines.core.identity import Candidate
from pipelines.core.model import Category
from pipelines.core.select_settings import SelectSettings

ALL = "all"
"""The name of the one group of places there is without a quota."""
RANK_BITS = 63


def rank_of(number: str, seed: str) -> int:
    """The first 63 bits of HMAC-SHA256: a number of the study alone, that stays if others come."""
    key = seed.encode("utf-8", "surrogatepass")
    digest = hmac.digest(key, number.encode("utf-8", "surrogatepass"), "sha256")
    return int.from_bytes(digest[:8], "big") >> (64 - RANK_BITS)


def places_of(settings: SelectSettings) -> dict[str, int]:
    """How many places there are, by category of the quota or under "all"."""
    return dict(settings.quota) or {ALL: settings.studies}


def wanted_of(settings: SelectSettings) -> int:
    """How many studies are asked for, in all categories of a quota together."""
    return sum(places_of(settings).values())


def places_with_reserves(settings: SelectSettings) -> dict[str, int]:
    """How many are drawn for them."""
    # each category has all the reserves: in proportion, a rare one would have next to none
    return {group: n + settings.reserves if n else 0 for group, n in places_of(settings).items()}


def group_of(category: Category | None, settings: SelectSettings) -> str:
    """Whose places a study of a category may take."""
    return (category or "") if settings.quota else ALL


def admitted(
    candidates: Iterable[Candidate], settings: SelectSettings, is_out: Callable[[Candidate], bool]
) -> tuple[Candidate, ...]:
    """Who fills the places: the first in rank order that are not out, in each category of a quota.

    `is_out` is asked only while there is a place to fill, so that it may be what exports a study.
    """
    free = Counter(places_of(settings))
    taken = []
    for candidate in sorted(candidates, key=attrgetter("rank", "public_id")):
        group = group_of(candidate.category, settings)
        if free[group] > 0 and not is_out(candidate):
            free[group] -= 1
            taken.append(candidate)
    return tuple(taken)


def shortfall(taken: Iterable[Candidate], settings: SelectSettings) -> dict[str, int]:
    """How many places stay empty, by category of the quota or under "all"; full ones left out."""
    filled = Counter(group_of(candidate.category, settings) for candidate in taken)
    return {
        group: places - filled[group]
        for group, places in places_of(settings).items()
        if places > filled[group]
    }
