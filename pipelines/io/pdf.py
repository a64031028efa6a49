"""Markdown as PDF: A4, with an embedded font for Latin and Cyrillic, page numbers and bookmarks.

The bytes follow from the text alone: no date, no random name.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO

from reportlab.lib.pagesizes import A4
from reportlab.lib.units import mm
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import BaseDocTemplate, Flowable, Frame, PageTemplate

from pipelines.io.pdf_blocks import FAINT, blocks_of, heading_of
from pipelines.io.pdf_fonts import SANS, drawable, register_fonts

MARGIN, FOOT_AT, FOOT_SIZE = 20 * mm, 11 * mm, 8
WIDTH, HEIGHT = A4[0] - 2 * MARGIN, A4[1] - 2 * MARGIN


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """A text to be set: Markdown, and what stands on each page and in the file's properties.

    `page` words the number of a page, given it and the number of pages.
    """

    markdown: str
    title: str
    author: str
    language: str
    footer: str
    page: Callable[[int, int], str]


def pdf_bytes(document: Document) -> bytes:
    """The document as PDF; it is set twice, since only then the number of pages is known."""
    register_fonts()
    _, pages = _set(document, pages=0)
    content, _ = _set(document, pages=pages)
    return content


def _set(document: Document, *, pages: int) -> tuple[bytes, int]:
    memory = BytesIO()
    template = _Template(memory, document, pages)
    template.build(blocks_of(document.markdown, WIDTH))
    return memory.getvalue(), template.page


class _Template(BaseDocTemplate):
    """One frame a page, a footer, and a bookmark for each heading."""

    def __init__(self, target: BytesIO, document: Document, pages: int) -> None:
        super().__init__(
            target,
            pagesize=A4,
            invariant=1,
            title=document.title,
            author=document.author,
            creator="mosmed",
            lang=document.language,
            displayDocTitle=1,
            initialFontName=SANS,
        )
        self._document, self._pages, self._headings = document, pages, 0
        frame = Frame(MARGIN, MARGIN, WIDTH, HEIGHT, 0, 0, 0, 0)
        self.addPageTemplates([PageTemplate(frames=[frame], onPage=self._draw_footer)])

    def _draw_footer(self, canvas: Canvas, _: BaseDocTemplate) -> None:
        canvas.setFont(SANS, FOOT_SIZE)
        canvas.setFillColor(FAINT)
        canvas.drawString(MARGIN, FOOT_AT, drawable(self._document.footer, SANS))
        text = self._document.page(canvas.getPageNumber(), self._pages)
        canvas.drawRightString(A4[0] - MARGIN, FOOT_AT, text)

    def afterFlowable(self, flowable: Flowable) -> None:  # noqa: N802  the library calls it so
        """Make a bookmark of a heading."""
        heading = heading_of(flowable)
        if heading is not None:
            level, text = heading
            self._headings += 1
            key = f"heading-{self._headings}"
            self.canv.bookmarkPage(key)
            self.canv.addOutlineEntry(text, key, level, closed=level > 1)
