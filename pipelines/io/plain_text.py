"""Texts from raw values, where there is no doubt how they are to be read."""

from pipelines.io.raw_elements import Uncertain

CODECS = {
    "": "latin-1",  # what pydicom takes for texts that are not ASCII though no set is named
    "ISO_IR 6": "latin-1",
    "ISO_IR 100": "latin-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 192": "utf-8",
}
"""The character sets (PS3.3 C.12.1.1.2) in which the bytes of ASCII are ASCII, and their codecs."""

ENCODED_VRS = frozenset({"LO", "LT", "PN", "SH", "ST", "UC", "UT"})
"""The types whose texts are in SpecificCharacterSet (PS3.5 6.1.2.2)."""

SINGLE_VRS = frozenset({"LT", "ST", "UR", "UT"})
"""The types in which a backslash is a backslash."""

PADDING = " \0\t\r\n"
ESCAPE = 0x1B


class TextReader:
    """Reads the texts of data sets that name one character set, or begin with an ASCII one."""

    def __init__(self, character_set: bytes) -> None:
        names = character_set.decode("latin-1").split("\\")
        first = names[0].strip(PADDING).replace("ISO 2022 IR", "ISO_IR")
        self._ascii_is_ascii = first in CODECS
        self._codec = CODECS.get(first) if len(names) == 1 else None

    def texts(self, value: bytes, vr: str) -> list[str]:
        """Each value without its padding, but for empty ones; raises Uncertain."""
        text = self._decoded(value, vr)
        if vr == "PN" and "=" in text:
            raise Uncertain
        parts = [text] if vr in SINGLE_VRS else text.split("\\")
        return [stripped for part in parts if (stripped := part.strip(PADDING))]

    def _decoded(self, value: bytes, vr: str) -> str:
        is_ascii = value.isascii()
        if not self._ascii_is_ascii or ESCAPE in value:
            raise Uncertain
        if not is_ascii and (self._codec is None or vr not in ENCODED_VRS):
            raise Uncertain
        try:
            return value.decode("ascii" if is_ascii else self._codec or "ascii")
        except UnicodeDecodeError as error:
            raise Uncertain from error
