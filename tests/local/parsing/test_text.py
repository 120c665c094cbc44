"""Text files and pages: encodings, the blocks of HTML, and what is refused."""

from __future__ import annotations

import codecs
import re
import time

import pytest

from ragflow_integrations.local.parsing import SUFFIXES, ParseError
from ragflow_integrations.local.parsing.formats import HTML, LIGHT
from ragflow_integrations.local.parsing.html import read_html
from ragflow_integrations.local.parsing.markdown import read_markdown
from ragflow_integrations.local.parsing.text import decode
from tests.local.parsing.files import cut, packed, pdf, texts

TEXT = "Äpfel und 中文\n"
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR"


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        codecs.BOM_UTF8 + TEXT.encode(),
        codecs.BOM_UTF16_LE + TEXT.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + TEXT.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + TEXT.encode("utf-32-le"),
    ],
)
def test_encodings(data: bytes) -> None:
    """Byte order marks are obeyed and dropped; without one it is UTF-8."""
    assert decode(data) == TEXT


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("数据集的名称 and some English", "gb18030"),
        ("café – déjà vu", "windows-1252"),
        ("Größe, Äpfel, Straße", "windows-1252"),
    ],
)
def test_other_encodings(text: str, encoding: str) -> None:
    """Chinese bytes come in pairs and are GB18030, single accents are Windows-1252."""
    assert decode(text.encode(encoding)) == text


def test_one_bad_byte() -> None:
    """A damaged byte in a UTF-8 text stays one: the rest is read as UTF-8, not as something else."""
    good = "Äpfel, Öl und Größe. " * 10
    assert decode(good.encode() + b"\xff" + good.encode()) == f"{good}\ufffd{good}"


def test_declared_encoding() -> None:
    """A page or mail that names its encoding is read so if it is not UTF-8."""
    page = '<meta charset="koi8-r"><p>привет</p>'.encode("koi8-r")
    assert texts("a.html", page) == ["\nпривет"]
    assert decode("déjà".encode("windows-1252"), "no-such-thing") == "déjà"


def test_line_ends() -> None:
    """Windows' and old Macs' ends of lines become newlines; the suffix counts in any case."""
    assert decode(b"a\r\nb\rc") == "a\nb\nc"
    assert texts("A.TXT", b"a\r\nb") == ["\na\nb"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("a.xyz", b"x", r"cannot read 'a.xyz': it reads c, cpp.* files"),
        ("readme", b"x", "cannot read 'readme'"),
        ("a.pages", b"x", "cannot read 'a.pages'"),
        ("a.png", PNG, "pictures and films takes OCR.*RAGFlow server has it: 'a.png'"),
        ("a.mp3", b"ID3", "sound takes a speech model"),
        ("a.txt", b"", "'a.txt' is empty"),
        ("a.docx", b"", "'a.docx' is empty"),
        ("a.txt", b" \n\t ", "'a.txt' holds no text"),
        ("a.txt", b"MZ\0\0", "'a.txt' is not text"),
        ("a.pdf", PNG, "'a.pdf' is no PDF: its content is a PNG image"),
        ("a.pdf", b"%PDF-1.7 and nothing", "'a.pdf' is damaged or no PDF"),
        ("a.pdf", pdf(["secret"], password="x"), "'a.pdf' is protected by a password"),
        ("a.docx", PNG, "'a.docx' is no docx file: its content is a PNG image"),
        (
            "a.docx",
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
            "no docx file: its content is an old or encrypted Office",
        ),
        ("a.docx", b"PK\x03\x04 broken", "'a.docx' is damaged: it cannot be unpacked"),
        ("a.docx", packed({"a": "b"}), "'a.docx' is no docx file: it is an archive of something else"),
        ("a.xlsx", packed({"_rels/.rels": "<broken"}), "'a.xlsx' is damaged: _rels/.rels is not XML"),
        ("a.epub", packed({"a.png": PNG}), "'a.epub' holds no pages of text"),
    ],
)
def test_refusals(name: str, data: bytes, reason: str) -> None:
    """The reason names the file and what is wrong with it."""
    with pytest.raises(ParseError, match=reason):
        cut(name, data)


@pytest.mark.parametrize("suffix", sorted(LIGHT | HTML))
def test_each_text_suffix_gives_chunks(suffix: str) -> None:
    """Every type of text that is offered is chunked."""
    assert suffix in SUFFIXES
    assert [chunk.strip() for chunk in texts(f"a.{suffix}", b"Zebras live in Africa.")] == [
        "Zebras live in Africa."
    ]


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
    begun = time.thread_time()
    texts, _ = read_html(page)
    assert "x" in texts[0]
    assert time.thread_time() - begun < 5


def test_unclosed_tables_in_markdown_take_linear_time() -> None:
    """Masses of tables that never end are plain text, and found to be so at once."""
    begun = time.thread_time()
    assert "<table>" in read_markdown("<table>" * 20_000, re.compile("\n"))[0]
    assert time.thread_time() - begun < 5
