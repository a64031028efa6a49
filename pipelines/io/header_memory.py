"""Which elements follow one another in header after header, the same to the byte.

The slices of a series differ in a dozen elements out of a hundred. Where a whole element ends is
decided by its own bytes, so bytes that were elements in one header are the same elements wherever
one may begin in another: such runs are recognised by one comparison and not taken apart again.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby

LONGEST_REMEMBERED_BYTES = 1 << 18
MOST_VARYING = 4096
"""What is kept in memory however many files there are, and however they are made."""

ODD_GROUP = 0x00010000


@dataclass(frozen=True, slots=True)
class Run:
    """Elements that stand together: their bytes, whole elements by tag, and the outer tags."""

    content: bytes
    elements: dict[int, bytes]
    private: dict[int, bytes]
    first: int
    last: int


class HeaderMemory:
    """The runs of the headers of one encoding that were learnt; `runs` stand in their order."""

    def __init__(self) -> None:
        self.runs: tuple[Run, ...] = ()
        self._last: Mapping[int, bytes] = {}
        self._varying: set[int] = set()

    def learn(self, elements: Mapping[int, bytes]) -> None:
        """Take in a whole header, its elements in order; what has differed once is in no run."""
        if self._last:
            self._varying.update(self._last.keys() ^ elements.keys())
            self._varying.update(
                tag for tag, element in elements.items() if self._last.get(tag) != element
            )
        too_much = sum(map(len, elements.values())) > LONGEST_REMEMBERED_BYTES
        if too_much or len(self._varying) > MOST_VARYING:
            self.runs, self._last, self._varying = (), {}, set()
        else:
            self.runs, self._last = tuple(self._runs(elements)), elements

    def _runs(self, elements: Mapping[int, bytes]) -> Iterator[Run]:
        for varies, tags in groupby(elements, self._varying.__contains__):
            if not varies:
                yield _run({tag: elements[tag] for tag in tags})


def _run(together: dict[int, bytes]) -> Run:
    return Run(
        content=b"".join(together.values()),
        elements={tag: element for tag, element in together.items() if not tag & ODD_GROUP},
        private={tag: element for tag, element in together.items() if tag & ODD_GROUP},
        first=min(together),
        last=max(together),
    )
