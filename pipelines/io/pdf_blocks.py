"""From Markdown to the blocks of a page: headings, paragraphs, lists, quotations, code, tables."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any
from xml.sax.saxutils import escape, quoteattr

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode
from reportlab.lib.colors import HexColor
from reportlab.lib.enums import TA_RIGHT
from reportlab.lib.styles import ParagraphStyle
from reportlab.pdfbase.pdfmetrics import stringWidth
from reportlab.platypus import (
    Flowable,
    KeepTogether,
    Paragraph,
    Preformatted,
    Spacer,
    Table,
    TableStyle,
)

from pipelines.io.pdf_fonts import BOLD, MONO, SANS, drawable

INK, FAINT, ACCENT = HexColor("#1d2733"), HexColor("#7c8793"), HexColor("#0b5c8f")
SHADE, RULE = HexColor("#eef2f6"), HexColor("#c9d2db")
BODY_SIZE, CELL_SIZE, CODE_SIZE = 9.5, 8.5, 8.5
CELL_PADDING, CELL_ROOM, BLOCK_GAP = 4, 9, 6
ROWS_KEPT_TOGETHER = 16
"""A table of so few rows is not torn apart."""

TABLE = TableStyle(
    [
        ("BACKGROUND", (0, 0), (-1, 0), SHADE),
        ("LINEBELOW", (0, 0), (-1, -1), 0.5, RULE),
        ("VALIGN", (0, 0), (-1, -1), "TOP"),
        ("LEFTPADDING", (0, 0), (-1, -1), CELL_PADDING),
        ("RIGHTPADDING", (0, 0), (-1, -1), CELL_PADDING),
        ("TOPPADDING", (0, 0), (-1, -1), 2.5),
        ("BOTTOMPADDING", (0, 0), (-1, -1), 3.5),
    ]
)
LINK_COLOUR = "#0b5c8f"


def _style(name: str, **changes: Any) -> ParagraphStyle:
    plain: dict[str, Any] = {
        "fontName": SANS,
        "fontSize": BODY_SIZE,
        "leading": 13.5,
        "textColor": INK,
        "spaceAfter": 5,
        "bulletFontName": SANS,
        "bulletFontSize": BODY_SIZE,
    }
    return ParagraphStyle(name, **(plain | changes))


_HEADING = {"fontName": BOLD, "textColor": ACCENT, "keepWithNext": 1}
HEADINGS = (
    _style("h1", **_HEADING, fontSize=18, leading=22, spaceAfter=9),
    _style("h2", **_HEADING, fontSize=13, leading=17, spaceBefore=11),
    _style("h3", **_HEADING, fontSize=10.5, leading=14, spaceBefore=8, spaceAfter=4),
)
TEXT, ITEM = _style("text"), _style("item", leftIndent=14, bulletIndent=3, spaceAfter=3)
CELL = _style("cell", fontSize=CELL_SIZE, leading=11.5, spaceAfter=0)
HEAD = _style("head", fontName=BOLD, fontSize=CELL_SIZE, leading=11.5, spaceAfter=0)
CODE = _style("code", fontName=MONO, fontSize=CODE_SIZE, leading=11)


def heading_of(block: Flowable) -> tuple[int, str] | None:
    """The level of a heading, 0 for the title, and its text; None for any other block."""
    if isinstance(block, Paragraph) and block.style in HEADINGS:
        return HEADINGS.index(block.style), block.getPlainText()
    return None


def blocks_of(markdown: str, width: float) -> list[Flowable]:
    """The blocks of a CommonMark text with tables, for a column of this width in points."""
    tree = SyntaxTreeNode(MarkdownIt("commonmark").enable("table").parse(markdown))
    return [block for node in tree.children for block in _blocks(node, width)]


def _blocks(node: SyntaxTreeNode, width: float) -> Iterator[Flowable]:
    maker = _MAKERS.get(node.type)
    if maker is None:
        yield Paragraph(escape(drawable(node.content, SANS)), TEXT)
    else:
        yield from maker(node, width)


def _heading(node: SyntaxTreeNode, _: float) -> Iterator[Flowable]:
    level = min(int(node.tag[1]), len(HEADINGS)) - 1
    yield Paragraph(_inline(node.children), HEADINGS[level])


def _paragraph(node: SyntaxTreeNode, _: float) -> Iterator[Flowable]:
    yield Paragraph(_inline(node.children), TEXT)


def _list(node: SyntaxTreeNode, _: float) -> Iterator[Flowable]:
    is_ordered = node.type == "ordered_list"
    for number, item in enumerate(node.children, start=1):
        text = "<br/>".join(_inline(part.children) for part in item.children)
        yield Paragraph(text, ITEM, bulletText=f"{number}." if is_ordered else "•")
    yield Spacer(0, BLOCK_GAP / 2)


def _quotation(node: SyntaxTreeNode, width: float) -> Iterator[Flowable]:
    inner = [block for child in node.children for block in _blocks(child, width)]
    style = TableStyle(
        [
            ("LINEBEFORE", (0, 0), (0, -1), 2, ACCENT),
            ("BACKGROUND", (0, 0), (-1, -1), SHADE),
            ("LEFTPADDING", (0, 0), (-1, -1), 9),
            ("BOTTOMPADDING", (0, 0), (-1, -1), 2),
        ]
    )
    yield Table([[inner]], colWidths=[width], style=style)
    yield Spacer(0, BLOCK_GAP)


def _code(node: SyntaxTreeNode, width: float) -> Iterator[Flowable]:
    text = Preformatted(drawable(node.content.rstrip("\n"), MONO), CODE)
    style = TableStyle(
        [("BACKGROUND", (0, 0), (-1, -1), SHADE), ("LEFTPADDING", (0, 0), (-1, -1), 9)]
    )
    yield Table([[text]], colWidths=[width], style=style)
    yield Spacer(0, BLOCK_GAP)


def _table(node: SyntaxTreeNode, width: float) -> Iterator[Flowable]:
    rows = [row.children for part in node.children for row in part.children]
    paragraphs = [
        [_cell(cell, HEAD if n == 0 else CELL) for cell in row] for n, row in enumerate(rows)
    ]
    columns = list(zip(*rows, strict=True))
    widths = column_widths(
        [max(map(_natural_width, column)) for column in columns],
        [max(map(_word_width, column)) for column in columns],
        width,
    )
    table = Table(paragraphs, widths, style=TABLE, repeatRows=1, spaceBefore=2, spaceAfter=6)
    yield KeepTogether([table]) if len(rows) <= ROWS_KEPT_TOGETHER else table


def _cell(node: SyntaxTreeNode, style: ParagraphStyle) -> Paragraph:
    is_number = "right" in str(node.attrs.get("style", ""))
    aligned = ParagraphStyle(f"{style.name}-right", style, alignment=TA_RIGHT)
    return Paragraph(_inline(node.children), aligned if is_number else style)


def column_widths(natural: Sequence[float], least: Sequence[float], width: float) -> list[float]:
    """Widths in points that fill `width`: wide columns give way before a word has to be broken.

    `natural` are the widths of the longest lines, `least` those of the longest words.
    """
    if sum(natural) <= width:
        return [*natural[:-1], width - sum(natural[:-1])]
    floor = [min(word, width / len(least)) for word in least]
    wishes = [max(whole - word, 0.0) ** 0.5 for whole, word in zip(natural, floor, strict=True)]
    spare = (width - sum(floor)) / (sum(wishes) or 1.0)
    return [word + wish * spare for word, wish in zip(floor, wishes, strict=True)]


def _natural_width(cell: SyntaxTreeNode) -> float:
    return sum(stringWidth(text, font, CELL_SIZE) for text, font in _texts(cell)) + CELL_ROOM


def _word_width(cell: SyntaxTreeNode) -> float:
    words = ((word, font) for text, font in _texts(cell) for word in text.split())
    widths = (stringWidth(word, font, CELL_SIZE) for word, font in words)
    return max(widths, default=0.0) + CELL_ROOM


def _texts(node: SyntaxTreeNode) -> Iterator[tuple[str, str]]:
    """The texts of a cell with the widest font they may be set in."""
    if node.children:
        for child in node.children:
            yield from _texts(child)
    else:
        yield node.content, MONO if node.type == "code_inline" else BOLD


def _inline(nodes: Sequence[SyntaxTreeNode]) -> str:
    """Inline Markdown as the library's own markup; all text is escaped."""
    return "".join(map(_span, nodes))


def _span(node: SyntaxTreeNode) -> str:
    inner = _inline(node.children)
    match node.type:
        case "strong":
            return f"<b>{inner}</b>"
        case "em":
            return f"<i>{inner}</i>"
        case "link":
            address = quoteattr(str(node.attrs.get("href", "")))
            return f'<a href={address} color="{LINK_COLOUR}">{inner}</a>'
        case "code_inline":
            text = escape(drawable(node.content, MONO))
            return f'<font face="{MONO}" size="{CELL_SIZE - 0.5}">{text}</font>'
        case "softbreak" | "hardbreak":
            return " " if node.type == "softbreak" else "<br/>"
        case "inline":
            return inner
        case _:
            return escape(drawable(node.content, SANS))


_MAKERS: dict[str, Callable[[SyntaxTreeNode, float], Iterator[Flowable]]] = {
    "heading": _heading,
    "paragraph": _paragraph,
    "bullet_list": _list,
    "ordered_list": _list,
    "blockquote": _quotation,
    "fence": _code,
    "code_block": _code,
    "table": _table,
}
