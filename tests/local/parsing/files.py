"""Real files of each format, made by the libraries that make them, or packed by hand from their XML."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from email.message import EmailMessage
from io import BytesIO
from typing import Any
from xml.sax.saxutils import escape

from openpyxl import Workbook
from reportlab.pdfgen.canvas import Canvas

from ragflow_integrations.local.parsing import Chunk, chunk_document

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
A = (
    'xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"'
    ' xmlns:p="http://schemas.openxmlformats.org/presentationml/2006/main"'
    ' xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
)
TYPES = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"


def cut(name: str, data: bytes, method: str = "naive", **config: Any) -> list[Chunk]:
    """The chunks of a file."""
    return chunk_document(name, data, chunk_method=method, parser_config=config)


def texts(name: str, data: bytes, method: str = "naive", **config: Any) -> list[str]:
    """The texts of a file's chunks."""
    return [chunk.content for chunk in cut(name, data, method, **config)]


def pdf(*pages: Sequence[str | tuple[str, int]], password: str | None = None, step: int = 20) -> bytes:
    """A PDF with these lines on its pages, ``step`` points apart; a line may come with the size of its letters."""
    file = BytesIO()
    canvas = Canvas(file, encrypt=password)
    for lines in pages:
        for place, line in enumerate(lines):
            text, size = line if isinstance(line, tuple) else (line, 11)
            canvas.setFont("Helvetica", size)
            canvas.drawString(72, 760 - step * place, text)
        canvas.showPage()
    canvas.save()
    return file.getvalue()


def packed(parts: Mapping[str, str | bytes]) -> bytes:
    """A zip file of these parts."""
    file = BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return file.getvalue()


def relations(**targets: str) -> str:
    """A part that says where other parts are: ``id_kind="target"``."""
    each = "".join(
        f'<Relationship Id="{name.partition("_")[0]}" Type="{TYPES}/{name.partition("_")[2]}" Target="{target}"/>'
        for name, target in targets.items()
    )
    return (
        f'<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">{each}'
        f'<Relationship Id="web" Type="{TYPES}/hyperlink" Target="http://x.example" TargetMode="External"/>'
        "</Relationships>"
    )


def docx(*blocks: str, before: str = "") -> bytes:
    """A Word file: ``# Title`` is a heading of level 1, other text a paragraph, what begins with ``<`` is kept."""
    body = "".join(block if block.startswith("<") else paragraph(block) for block in blocks)
    styles = "".join(
        f'<w:style w:styleId="berschrift{level}"><w:name w:val="heading {level}"/></w:style>'
        for level in (1, 2, 3)
    )
    return packed(
        {
            "_rels/.rels": relations(r1_officeDocument="word/document.xml"),
            "word/_rels/document.xml.rels": relations(r1_styles="styles.xml"),
            "word/styles.xml": f"<w:styles {W}>{styles}</w:styles>",
            "word/document.xml": f"{before}<w:document {W}><w:body>{body}</w:body></w:document>",
        }
    )


def paragraph(text: str) -> str:
    """A paragraph of a Word file."""
    bare = text.lstrip("#")
    level = len(text) - len(bare)
    style = f'<w:pPr><w:pStyle w:val="berschrift{level}"/></w:pPr>' if level else ""
    return f'<w:p>{style}<w:r><w:t xml:space="preserve">{escape(bare.strip())}</w:t></w:r></w:p>'


def word_table(*rows: Sequence[str]) -> str:
    """A table of a Word file; a cell ``"2*text"`` goes over two columns, ``"^"`` goes on with the cell above."""
    shown = ("".join(map(_word_cell, row)) for row in rows)
    return f"<w:tbl>{''.join(f'<w:tr>{cells}</w:tr>' for cells in shown)}</w:tbl>"


def _word_cell(text: str) -> str:
    span, star, rest = text.partition("*")
    properties = f'<w:gridSpan w:val="{span}"/>' if star else "<w:vMerge/>" if text == "^" else ""
    return f"<w:tc><w:tcPr>{properties}</w:tcPr>{paragraph(rest if star else text)}</w:tc>"


def pptx(*slides: str) -> bytes:
    """A PowerPoint file whose slides have these shapes; the parts are not in the order of the slides."""
    numbers = range(1, len(slides) + 1)
    listed = "".join(f'<p:sldId id="{255 + number}" r:id="s{number}"/>' for number in numbers)
    targets = {f"s{number}_slide": f"slides/slide{len(slides) - number}.xml" for number in numbers}
    parts = {
        f"ppt/slides/slide{len(slides) - number}.xml": (
            f"<p:sld {A}><p:cSld><p:spTree>{shapes}</p:spTree></p:cSld></p:sld>"
        )
        for number, shapes in zip(numbers, slides, strict=True)
    }
    return packed(
        {
            "_rels/.rels": relations(r1_officeDocument="ppt/presentation.xml"),
            "ppt/presentation.xml": f"<p:presentation {A}><p:sldIdLst>{listed}</p:sldIdLst></p:presentation>",
            "ppt/_rels/presentation.xml.rels": relations(**targets),
            **parts,
        }
    )


def shape(*lines: str, top: int = 0, left: int = 0) -> str:
    """A shape of a slide with lines of text; one that begins with ``* `` has a bullet."""
    place = f'<p:spPr><a:xfrm><a:off x="{left}" y="{top}"/></a:xfrm></p:spPr>'
    bullet = '<a:pPr lvl="1"><a:buChar char="-"/></a:pPr>'
    shown = "".join(
        f"<a:p>{bullet if line.startswith('* ') else ''}"
        f"<a:r><a:t>{escape(line.removeprefix('* '))}</a:t></a:r></a:p>"
        for line in lines
    )
    return f"<p:sp>{place}<p:txBody>{shown}</p:txBody></p:sp>"


def xlsx(sheets: Mapping[str, Sequence[Sequence[Any]]], merged: Mapping[str, str] | None = None) -> bytes:
    """An Excel file with these rows, made by openpyxl."""
    book = Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(list(row))
        for cells in (merged or {}).get(name, "").split():
            sheet.merge_cells(cells)
    file = BytesIO()
    book.save(file)
    return file.getvalue()


def epub(*pages: str, spine: Sequence[int] | None = None) -> bytes:
    """An e-book of these HTML pages; read in the order of ``spine``."""
    order = range(len(pages)) if spine is None else spine
    items = "".join(
        f'<item id="p{each}" href="text/page%20{each}.xhtml" media-type="application/xhtml+xml"/>'
        for each in range(len(pages))
    )
    refs = "".join(f'<itemref idref="p{each}"/>' for each in order)
    return packed(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfile full-path="OPS/book.opf"/></container>',
            "OPS/book.opf": f"<package><manifest>{items}</manifest><spine>{refs}</spine></package>",
            **{f"OPS/text/page {each}.xhtml": page for each, page in enumerate(pages)},
        }
    )


def eml(
    text: str, html: str = "", attached: Mapping[str, bytes] | None = None, subject: str = "Harbour"
) -> bytes:
    """An e-mail."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@x.example", "b@x.example", subject
    message.set_content(text)
    if html:
        message.add_alternative(html, subtype="html")
    for name, data in (attached or {}).items():
        message.add_attachment(data, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()
