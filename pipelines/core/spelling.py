"""How words are meant: letters that are typed for one another, names that are misspelt."""

from collections.abc import Iterable

LOOKALIKES = str.maketrans("авекмнорстухё", "abekmhopctyxe")
"""Cyrillic letters that are typed for Latin ones and the other way round; ё counts as е."""


def fold(text: str) -> str:
    """Text in lower case in which Cyrillic and Latin letters of one shape are the same."""
    return text.casefold().translate(LOOKALIKES)


def nearest(name: str, names: Iterable[str], *, likeness: float = 0.5) -> str | None:
    """The name that is most like another; None where none is so like it, from 0 (any) to 1."""
    import difflib  # a misspelt name is rare, and it loads slowly

    return next(iter(difflib.get_close_matches(name, list(names), n=1, cutoff=likeness)), None)


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """The beginning of a hint about a name that is none of these: the one that may be meant."""
    near = nearest(name, names)
    return f"Did you mean `{near}`? " if near else ""
