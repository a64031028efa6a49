"""Pieces of GitHub Markdown: text that is shown as it is, and tables."""

import re
from collections.abc import Iterable, Sequence

MARKDOWN = re.compile(r"([\\`*\[\]<>|~#&$]|(?<![^\W_])_|_(?![^\W_]))")
LIST_START = re.compile(r"^(\d*)([-+.)])(?=[\s-]|$)")


def one_line(text: str) -> str:
    """The text without line breaks, repeated blanks and characters that are not shown."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())


def escaped(text: str) -> str:
    """Text that Markdown shows as it is; an underscore within a word needs no escape."""
    return LIST_START.sub(r"\1\\\2", MARKDOWN.sub(r"\\\1", one_line(text)))


def grid(head: Sequence[str], rows: Iterable[Sequence[str]], *, alignments: Sequence[str]) -> str:
    """A table; `alignments` are ``---`` or ``---:``, one a column."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, alignments, *rows))
