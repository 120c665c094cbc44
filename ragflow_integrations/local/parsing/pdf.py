"""PDF: its lines of text with their places on the pages. Pictures of text are not read: that takes OCR."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from statistics import median

import pypdfium2
import pypdfium2.raw as pdfium

from .base import Box, File, ParseError, Section
from .kinds import kind_of
from .settings import Settings

__all__ = ["Page", "outline_of", "read_pages", "read_pdf"]

_TITLE = 1.15  # how much larger than the usual letter a title's are, at least
_OFTEN = 50  # pages between two lines about the progress
_SHORT = 120  # characters; a longer line is no title
_SOFT_HYPHENS = ("\x02", "\ufffe", "\xad")
_PLAIN = ("deepdoc", "plain text", "plaintext")

Page = tuple[int, float, float, list[Section]]
"""Its number (from 1), width, height and lines."""


def read_pdf(file: File, settings: Settings) -> list[Section]:
    """The lines of the pages that are wanted, each with its box; larger letters make a line a heading (level 1)."""
    return [line for _, _, _, lines in read_pages(file, settings) for line in lines]


def read_pages(file: File, settings: Settings) -> list[Page]:
    """The pages that are wanted and have text. ``ParseError`` if none has, or the file cannot be opened."""
    with closing(_opened(file)) as pdf:
        wanted = [number for number in range(1, len(pdf) + 1) if settings.wants_page(number)]
        if not wanted:
            raise ParseError(f"parser_config.pages names none of the {len(pdf)} pages of {file.name!r}.")
        if settings.layout.lower() not in _PLAIN:
            file.tell(0.0, f"layout_recognize {settings.layout!r} is not here: the PDF's own text is read.")
        found = list(_pages(pdf, wanted, file))
    pages = [page for page in found if page[3]]
    if not pages:
        raise ParseError(
            f"The file {file.name!r} holds no text, only pictures. To read them takes OCR, "
            "which the local engine does not have; a RAGFlow server has it."
        )
    if len(pages) < len(found):
        empty = ", ".join(str(number) for number, _, _, lines in found if not lines)
        file.tell(1.0, f"No text on page {empty}: pictures are not read, that takes OCR.")
    usual = median(line.level for _, _, _, lines in pages for line in lines)
    return [(number, width, height, _with_titles(lines, usual)) for number, width, height, lines in pages]


def outline_of(file: File) -> list[tuple[str, int]]:
    """The titles of the PDF's own table of contents, each with its depth from 0."""
    with closing(_opened(file)) as pdf:
        return [(item.get_title() or "", item.level) for item in pdf.get_toc()]


def _opened(file: File) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(file.data)
    except pypdfium2.PdfiumError as error:
        if error.err_code == pdfium.FPDF_ERR_PASSWORD:
            raise ParseError(
                f"The file {file.name!r} is protected by a password. Save it without one."
            ) from None
        kind = kind_of(file.data)
        wrong = f"no PDF: its content is {kind}" if kind not in (None, "PDF") else "damaged or no PDF"
        raise ParseError(f"The file {file.name!r} is {wrong}.") from None


def _pages(pdf: pypdfium2.PdfDocument, wanted: Sequence[int], file: File) -> Iterator[Page]:
    for done, number in enumerate(wanted, start=1):
        try:
            page = pdf[number - 1]
        except pypdfium2.PdfiumError:
            raise ParseError(f"The file {file.name!r} is damaged: page {number} cannot be read.") from None
        with closing(page):
            yield (number, *page.get_size(), list(_lines(page, number)))
        file.tell(done / len(wanted), f"Page {done} of {len(wanted)} read." if done % _OFTEN == 0 else "")


def _lines(page: pypdfium2.PdfPage, number: int) -> Iterator[Section]:
    """The page's lines; the size of the letters, in tenths of a point, stands in ``level`` for the moment."""
    left, _, _, upper = page.get_cropbox()
    with closing(page.get_textpage()) as text:
        position = 0  # in UTF-16 units, as pdfium counts
        for line in text.get_text_range().split("\n"):
            length = len(line.encode("utf-16-le", "surrogatepass")) // 2
            shown = _cleaned(line)
            if shown:
                start = max(pdfium.FPDFText_GetCharIndexFromTextIndex(text, position), 0)
                size = pdfium.FPDFText_GetFontSize(text, start)
                rectangles = [text.get_rect(each) for each in range(text.count_rects(start, length))]
                yield Section(shown, level=round(size * 10), boxes=_box(number, rectangles, left, upper))
            position += length + 1


def _box(
    number: int, rectangles: Sequence[tuple[float, float, float, float]], left: float, upper: float
) -> tuple[Box, ...]:
    """One box around rectangles that are given as pdfium has them: left, bottom, right, top, from below."""
    if not rectangles:
        return ()
    lefts, bottoms, rights, tops = zip(*rectangles, strict=True)
    return ((number, min(lefts) - left, max(rights) - left, upper - max(tops), upper - min(bottoms)),)


def _cleaned(line: str) -> str:
    for hyphen in _SOFT_HYPHENS:
        line = line.replace(hyphen, "")
    return line.replace("\0", "").strip()


def _with_titles(lines: Sequence[Section], usual: float) -> list[Section]:
    """``lines`` with level 1 for those in larger letters than the usual ones, 0 for the others."""
    return [
        replace(line, level=int(line.level > _TITLE * usual and len(line.text) < _SHORT)) for line in lines
    ]
