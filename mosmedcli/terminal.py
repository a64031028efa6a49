"""Names of files as a terminal can show them, whoever gave them."""


def printable(text: str) -> str:
    """The text with what is no letter, sign or space (escapes, new lines) written out."""
    if text.isprintable():
        return text
    return "".join(
        one if one.isprintable() else one.encode("unicode_escape").decode() for one in text
    )
