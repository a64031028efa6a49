"""Letters that are typed for one another."""

LOOKALIKES = str.maketrans("авекмнорстухё", "abekmhopctyxe")
"""Cyrillic letters that are typed for Latin ones and the other way round; ё counts as е."""


def fold(text: str) -> str:
    """Text in lower case in which Cyrillic and Latin letters of one shape are the same."""
    return text.casefold().translate(LOOKALIKES)
