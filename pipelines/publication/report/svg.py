"""Elements of SVG as escaped text, and what a figure needs to be read aloud.

Colours are left to the style sheet, by class, so that a figure follows light, dark and print.
"""

import textwrap
from collections.abc import Iterable

from markupsafe import Markup

CHARACTER, BOLD_CHARACTER = 7.6, 9.4
"""The width of a character of the figures' 13 px text: more than the mean of wide system fonts."""


def element(name: str, /, *content: str | Markup, **attributes: object) -> Markup:
    """One element; `_` in the name of an attribute stands for `-`, `class_` for `class`."""
    given = Markup("").join(
        Markup(' {}="{}"').format(key.rstrip("_").replace("_", "-"), _number(value))
        for key, value in attributes.items()
        if value is not None
    )
    if not content:
        return Markup("<{}{}/>").format(name, given)
    return Markup("<{0}{1}>{2}</{0}>").format(name, given, joined(content))


def joined(parts: Iterable[str | Markup]) -> Markup:
    """The parts one after the other, text escaped."""
    return Markup("").join(parts)


def figure(name: str, size: tuple[float, float], told: tuple[str, str], *content: Markup) -> Markup:
    """A figure of that size with its title and its description; `name` is unique in the page."""
    title, description = told
    width, height = size
    return element(
        "svg",
        element("title", title, id=f"{name}-title"),
        element("desc", description, id=f"{name}-desc"),
        *content,
        viewBox=f"0 0 {_number(width)} {_number(height)}",
        role="img",
        aria_labelledby=f"{name}-title {name}-desc",
    )


def text(x: float, y: float, content: str, class_: str = "") -> Markup:
    """A line of text whose baseline begins at (x, y)."""
    return element("text", content, x=x, y=y, class_=class_ or None)


def lines_of(content: str, width: float, *, is_bold: bool = False) -> list[str]:
    """Text broken into lines that fit into so many pixels."""
    character = BOLD_CHARACTER if is_bold else CHARACTER
    return textwrap.wrap(content, max(int(width / character), 8)) or [""]


def _number(value: object) -> object:
    return f"{value:.1f}".removesuffix(".0") if isinstance(value, float) else value
