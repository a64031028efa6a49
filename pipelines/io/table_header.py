"""Which row of a table holds its titles: the one in which the most of them are known.

Above it may stand the name of a report, the days it is about, and titles over groups of columns.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime

Cell = str | int | float | date | datetime | None
Line = tuple[int, Sequence[Cell]]
IsKnown = Callable[[str], bool]


def nothing_known(title: str) -> bool:
    """No title is known: the header is then the first row with at least two filled cells."""
    del title
    return False


@dataclass(frozen=True, slots=True)
class Header:
    """The titles of a table, "" for none; `at` is their place in the rows, `known` how many are."""

    at: int
    titles: tuple[str, ...]
    known: int


def find_header(top: Sequence[Line], is_known: IsKnown) -> Header | None:
    """The header among the first rows of a table; None where no cell of them is filled.

    A row with one filled cell is none, unless all are such. Of equals the first is taken.
    """
    filled = [sum(map(is_filled, cells)) for _, cells in top]
    if not any(filled):
        return None
    wanted = min(2, max(filled))
    headers = [_header(top, at, is_known) for at, cells in enumerate(filled) if cells >= wanted]
    return max(headers, key=lambda header: header.known)


def is_filled(cell: Cell) -> bool:
    """Whether a cell holds more than blanks."""
    return cell is not None and (not isinstance(cell, str) or bool(cell.strip()))


def _header(top: Sequence[Line], at: int, is_known: IsKnown) -> Header:
    """The titles of a row; one that is merged over several rows stands in the uppermost of them."""
    titles = dict(enumerate(map(_title, top[at][1])))
    for _, above in reversed(top[:at]):
        for column, title in enumerate(map(_title, above)):
            if is_known(title) and not titles.get(column):
                titles[column] = title
    row = tuple(titles.get(column, "") for column in range(max(titles, default=-1) + 1))
    return Header(at, row, sum(map(is_known, row)))


def _title(cell: Cell) -> str:
    return "" if cell is None else " ".join(str(cell).split())
