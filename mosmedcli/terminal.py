"""Texts as a terminal can show them, whoever gave them; results as a program can read them."""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

GAP = 2
"""So many blanks stand between two columns of a table."""


def pasted(path: Path) -> str:
    """A path as part of a command that is told, to be pasted as it stands."""
    return shlex.quote(printable(str(path)))


def column_widths(lines: Sequence[Sequence[str]], available: int) -> Sequence[int]:
    """How wide columns are to be, if they must be wrapped: no word is broken where there is room.

    What is left beside the longest words goes where a column would be the highest. Empty where all
    fits, and where not even the words do.
    """
    columns = list(zip(*lines, strict=True))
    wished = [max(map(len, column)) for column in columns]
    widths = [
        max(len(word) for cell in column for word in (*cell.split(), "")) for column in columns
    ]
    room = available - sum(widths) - GAP * (len(columns) - 1)
    if room < 0 or room >= sum(wished) - sum(widths):
        return ()
    for _ in range(room):
        highest = max(range(len(columns)), key=lambda at: wished[at] / max(widths[at], 1))
        widths[highest] += 1
    return widths


def printable(text: str) -> str:
    """The text with what is no letter, sign or space (escapes, new lines) written out."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def print_json(value: Any, **more: Any) -> None:
    """Print a result for a program; `more` is told beside the fields of a record.

    Letters stand as they are, where standard output has all of them.
    """
    import codecs
    import json
    import sys

    from pipelines.core.codec import to_jsonable

    told = to_jsonable(value)
    is_whole = codecs.lookup(sys.stdout.encoding).name == "utf-8"
    whole = {**told, **more} if more else told
    click.echo(json.dumps(whole, indent=2, ensure_ascii=not is_whole))
