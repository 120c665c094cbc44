"""``presentation``: each slide or page is a chunk."""

from __future__ import annotations

from ..base import Chunk, File
from ..formats import read_sections
from ..pptx import read_pptx
from ..settings import Settings

__all__ = ["presentation"]


def presentation(file: File, settings: Settings) -> list[Chunk]:
    """A chunk for each slide or page with text, with its number as position."""
    if file.suffix == "pdf":
        from ..pdf import read_pages  # with it comes a library that only PDFs need

        return [
            Chunk("\n".join(line.text for line in lines), [[number, 0, int(width), 0, int(height)]])
            for number, width, height, lines in read_pages(file, settings)
        ]
    if file.suffix == "ppt":
        return [Chunk("\n".join(section.text for section in read_sections(file, settings)), doc_type="image")]
    return [
        Chunk(slide, [[number, 0, 0, 0, 0]], "image")
        for number, slide in enumerate(read_pptx(file), start=1)
        if slide.strip()
    ]
