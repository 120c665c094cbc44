"""From a file to its text."""

from __future__ import annotations

import codecs
import re
import time

import pytest

from ragflow_integrations.local.chunk import chunk_document
from ragflow_integrations.local.parse import SUFFIXES, ParseError, parse
from ragflow_integrations.local.parse_html import read_html
from ragflow_integrations.local.parse_markdown import read_markdown

TEXT = "Äpfel und 中文\n"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
        TEXT.encode("gb18030"),
    ],
)
def test_encodings(data: bytes) -> None:
    """Byte order marks are obeyed and dropped; without one it is UTF-8, else GB18030."""
    assert parse("a.txt", data) == ("txt", TEXT)


def test_western_fallback() -> None:
    """What is neither UTF-8 nor GB18030 is read as Windows-1252."""
    assert parse("a.txt", "café – déjà vu".encode("windows-1252")) == ("txt", "café – déjà vu")


def test_line_ends() -> None:
    """Windows' and old Macs' ends of lines become newlines; the suffix counts in any case."""
    assert parse("A.TXT", b"a\r\nb\rc") == ("txt", "a\nb\nc")


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.pdf", b"%PDF", "cannot read 'a.pdf': it reads files ending in c, cpp"),
        ("readme", b"x", "cannot read 'readme'"),
        ("a.txt", b"", "'a.txt' is empty"),
        ("a.txt", b" \n\t ", "'a.txt' holds no text"),
        ("a.txt", b"MZ\0\0", "'a.txt' is not text"),
    ],
)
def test_refusals(name: str, data: bytes, reason: str) -> None:
    """The reason names the file and what is wrong with it."""
    with pytest.raises(ParseError, match=reason):
        parse(name, data)


@pytest.mark.parametrize("suffix", sorted(SUFFIXES))
def test_each_suffix_gives_chunks(suffix: str) -> None:
    """Every type that is offered is chunked."""
    chunks = chunk_document(f"a.{suffix}", b"Zebras live in Africa.", chunk_method="naive", parser_config={})
    assert [chunk.strip() for chunk in chunks] == ["Zebras live in Africa."]


def test_html_blocks() -> None:
    """Blocks apart, headings marked, blanks folded, breaks kept, entities read; no script, style, comment or head."""
    page = """<html><head><title>T</title><style>p{}</style></head><body>loose <h2>Head</h2><!-- c -->
        <p class="x">A <b>B</b> <i>C</i><br>D &amp;
        E</p><script>if (a < b) bad()</script><div>out<p>in</p>tail</div><ul><li>x<li>y</ul></body></html>"""
    assert read_html(page) == (["loose", "## Head", "A B C\nD & E", "out", "in", "tail", "x", "y"], [])


def test_html_code_keeps_its_lines() -> None:
    """Blanks count in <pre>, also around a <code> in it."""
    assert read_html("<pre><code>if a:\n    b</code></pre>") == (["if a:\n    b"], [])


def test_html_tables() -> None:
    """Tables come apart from the text, without attributes, a row a line; a table in a table belongs to it."""
    page = """<p>before</p><table class=a><tr><th>1<th>2</tr><tr><td>3 &lt; 4</td>
        <td><table><tr><td>in</td></tr></table></td></tr></table><p>after</p>"""
    texts, tables = read_html(page)
    assert texts == ["before", "after"]
    assert len(tables) == 1
    assert tables[0].split("\n")[:3] == [
        "<table>",
        "<tr><th>1</th><th>2</tr>",
        "<tr><td>3 < 4</td><td><table>",
    ]


@pytest.mark.parametrize(
    "page", ["<p>" * 20_000 + "x", "<div>" * 20_000 + "x", "x<br>" * 20_000, "</p>" * 20_000 + "x"]
)
def test_html_broken_pages_take_linear_time(page: str) -> None:
    """Unclosed and stray tags in masses neither fail nor take more than a few seconds."""
    begun = time.perf_counter()
    texts, _ = read_html(page)
    assert "x" in texts[0]
    assert time.perf_counter() - begun < 5


def test_unclosed_tables_in_markdown_take_linear_time() -> None:
    """Masses of tables that never end are plain text, and found to be so at once."""
    begun = time.perf_counter()
    assert "<table>" in read_markdown("<table>" * 20_000, re.compile("\n"))[0]
    assert time.perf_counter() - begun < 5
