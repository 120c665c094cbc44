"""PowerPoint files: the text of each slide, its shapes from top to bottom."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element

from .archive import Archive, descendants, local_name
from .base import File, ParseError

__all__ = ["read_pptx"]

_SHAPES = frozenset({"sp", "graphicFrame", "grpSp"})
_BULLETS = frozenset({"buChar", "buAutoNum", "buBlip"})
_NO_TEXT = frozenset({"Fallback", "pPr", "rPr"})


def read_pptx(file: File) -> list[str]:
    """The text of each slide, in the order they are shown; "" for a slide without any."""
    archive = Archive(file)
    try:
        main = archive.main_part()
        parts = archive.related(main)
        shown = [_slide_id(each) for each in archive.xml(main).iter() if local_name(each) == "sldId"]
        names = [parts[each][1] for each in shown if each in parts]
        slides = []
        for number, name in enumerate(names, start=1):
            slides.append("\n".join(_shapes(archive.xml(name))))
            file.tell(number / len(names), "")
    except KeyError as error:
        raise ParseError(f"The file {file.name!r} is damaged: {error.args[0]}") from None
    return slides


def _slide_id(element: Element) -> str:
    return next((value for key, value in element.items() if key.endswith("}id")), "")


def _shapes(parent: Element) -> Iterator[str]:
    """The texts of the shapes in ``parent``, those further up and further left first."""
    for shape in sorted(_direct(parent), key=_place):
        kind = local_name(shape)
        lines: Sequence[str] = []
        if kind == "sp":
            lines = list(_paragraphs(shape))
        elif kind == "graphicFrame":
            lines = list(_table(shape))
        else:
            lines = list(_shapes(shape))
        if lines:
            yield "\n".join(lines)


def _direct(parent: Element) -> list[Element]:
    found = []
    for child in parent:
        name = local_name(child)
        if name in _SHAPES:
            found.append(child)
        elif name in ("cSld", "spTree", "AlternateContent", "Choice"):
            found += _direct(child)
    return found


def _place(shape: Element) -> tuple[int, int]:
    """Top (in steps of ten units, as in RAGFlow) and left; one that the layout places counts as the first."""
    for each in shape.iter():
        if local_name(each) == "off":
            return int(each.get("y", "0")) // 10, int(each.get("x", "0"))
    return 0, 0


def _paragraphs(shape: Element) -> Iterator[str]:
    for paragraph in shape.iter():
        if local_name(paragraph) != "p":
            continue
        text = _text(paragraph)
        if text.strip():
            yield _bullet(paragraph) + text


def _bullet(paragraph: Element) -> str:
    for properties in paragraph:
        if local_name(properties) == "pPr" and any(local_name(each) in _BULLETS for each in properties):
            return "  " * int(properties.get("lvl", "0")) + "."
    return ""


def _text(element: Element) -> str:
    signs = {"br": "\n", "tab": "\t"}
    return "".join(
        (each.text or "") if local_name(each) == "t" else signs.get(local_name(each), "")
        for each in descendants(element, _NO_TEXT)
    )


def _table(frame: Element) -> Iterator[str]:
    """Each row below the first as ``head: cell; head: cell``."""
    rows = [
        [_text(cell) for cell in row if local_name(cell) == "tc"]
        for row in frame.iter()
        if local_name(row) == "tr"
    ]
    for row in rows[1:]:
        yield "; ".join(f"{head}: {cell}" for head, cell in zip(rows[0], row, strict=False))
