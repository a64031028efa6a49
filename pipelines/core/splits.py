"""Which patients a model is trained, validated and tested on: drawn by hash, balanced by category.

A patient is in one split with all studies. Within each category the patients stand in the order of
a hash of the seed and their keyed pseudonym, and the splits are consecutive parts of that order.
So a split does not depend on file order or study numbers, and a patient who joins or leaves moves
at most one other at each border between two splits.
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from pipelines.core.errors import SettingsError
from pipelines.core.model import Category

SPLIT_NAME_LIMIT = 32


def split_by_patient(
    studies: Sequence[tuple[str, Category]], shares: Mapping[str, float], *, seed: str
) -> dict[str, str]:
    """The split of each patient, given (patient, category) of each study.

    A patient with studies of several categories counts as the most severe. Empty without shares.

    Raises SettingsError for shares that are none.
    """
    borders = _borders(shares)
    worst: dict[str, Category] = {}
    for patient, category in studies:
        worst[patient] = max(category, worst.get(patient, category))
    splits: dict[str, str] = {}
    for category in Category if borders else ():
        members = sorted(
            (patient for patient in worst if worst[patient] is category),
            key=lambda patient: (_place(seed, patient), patient),
        )
        splits |= _cut(members, borders)
    return splits


def patients_in_several(rows: Iterable[tuple[str, str]]) -> frozenset[str]:
    """The patients that stand in more than one split, given (patient, split) of each study."""
    met: dict[str, str] = {}
    return frozenset(patient for patient, split in rows if met.setdefault(patient, split) != split)


def _borders(shares: Mapping[str, float]) -> list[tuple[str, Fraction]]:
    """Each split with the share of patients before its end."""
    for name, share in shares.items():
        if not name.isidentifier() or len(name) > SPLIT_NAME_LIMIT or not 0 < share < 1e6:
            raise SettingsError(
                f"[registry] splits: {name[:SPLIT_NAME_LIMIT]!r} = {share!r} cannot be used",
                hint="Name each split with one word and give it a share, like { train = 0.7 }.",
            )
    parts = [Fraction(str(share)) for share in shares.values()]
    ends = [sum(parts[: n + 1], Fraction()) / sum(parts) for n in range(len(parts))]
    return list(zip(shares, ends, strict=True))


def _place(seed: str, patient: str) -> str:
    return hashlib.sha256(f"split\0{seed}\0{patient}".encode()).hexdigest()


def _cut(members: Sequence[str], borders: Sequence[tuple[str, Fraction]]) -> dict[str, str]:
    """The members in order, cut at each border rounded to the nearest patient, halves up."""
    splits: dict[str, str] = {}
    start = 0
    for name, border in borders:
        end = int(border * len(members) + Fraction(1, 2))
        splits |= dict.fromkeys(members[start:end], name)
        start = end
    return splits
