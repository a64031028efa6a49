"""Texts as a terminal can show them, whoever gave them; results as a program can read them."""

import shlex
from pathlib import Path
from typing import Any

import click


def pasted(path: Path) -> str:
    """A path as part of a command that is told, to be pasted as it stands."""
    return shlex.quote(printable(str(path)))


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
