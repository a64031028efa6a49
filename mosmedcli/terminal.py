"""Texts as a terminal can show them, whoever gave them; results as a program can read them."""

from typing import Any

import click


def printable(text: str) -> str:
    """The text with what is no letter, sign or space (escapes, new lines) written out."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )


def print_json(value: Any, **more: Any) -> None:
    """Print a result for a program; `more` is told beside the fields of a record."""
    import json

    from pipelines.core.codec import to_jsonable

    told = to_jsonable(value)
    click.echo(json.dumps({**told, **more} if more else told, indent=2, ensure_ascii=False))
