"""The fonts of the PDFs: PT Sans and PT Mono, free fonts that set Latin and Cyrillic alike."""

from functools import cache
from importlib.resources import files
from io import BytesIO

from reportlab.pdfbase.pdfmetrics import registerFont, registerFontFamily
from reportlab.pdfbase.ttfonts import TTFont

SANS, BOLD, ITALIC, MONO = "PTSans", "PTSans-Bold", "PTSans-Italic", "PTMono"
FONT_FILES = {SANS: "PTS55F.ttf", BOLD: "PTS75F.ttf", ITALIC: "PTS56F.ttf", MONO: "PTM55F.ttf"}
UNKNOWN_CHARACTER = "?"
"""Stands for what no font can draw: it is seen, and the Markdown beside the PDF has it right."""


@cache
def register_fonts() -> None:
    """Make the fonts known to the library, once."""
    for name in FONT_FILES:
        registerFont(_font(name))
    registerFontFamily(SANS, normal=SANS, bold=BOLD, italic=ITALIC, boldItalic=BOLD)
    registerFontFamily(MONO, normal=MONO, bold=MONO, italic=MONO, boldItalic=MONO)


def drawable(text: str, font: str) -> str:
    """The text with a question mark for each character that the font does not have."""
    known = _characters(font)
    return "".join(
        letter if letter == "\n" or ord(letter) in known else UNKNOWN_CHARACTER for letter in text
    )


@cache
def _font(name: str) -> TTFont:
    content = (files("pipelines.io") / "fonts" / FONT_FILES[name]).read_bytes()
    return TTFont(name, BytesIO(content))


@cache
def _characters(name: str) -> frozenset[int]:
    return frozenset(_font(name).face.charToGlyph)
