"""What is read from files of each format."""

from __future__ import annotations

import json
from datetime import datetime

import pytest

from ragflow_integrations.local.parsing import ParseError
from ragflow_integrations.local.parsing.base import File, Section
from ragflow_integrations.local.parsing.docx import read_docx
from ragflow_integrations.local.parsing.formats import opened, read_sections, read_sheets
from ragflow_integrations.local.parsing.pptx import read_pptx
from ragflow_integrations.local.parsing.settings import settings_of
from tests.local.parsing.files import (
    cut,
    docx,
    eml,
    epub,
    packed,
    paragraph,
    pdf,
    pptx,
    shape,
    texts,
    word_table,
    xlsx,
)


def sections(name: str, data: bytes) -> list[str]:
    found = read_sections(opened(name, data), settings_of({}, language="English"))
    return [section.text for section in found]


def test_pdf_lines_with_places() -> None:
    """A PDF's lines come with page and box, in points from the upper left corner; large letters make a heading."""
    file = opened("a.pdf", pdf([("Heading", 20), "first line"], ["second page"]))
    heading, first, second = read_sections(file, settings_of({}, language="English"))
    assert [(each.text, each.level) for each in (heading, first, second)] == [
        ("Heading", 1),
        ("first line", 0),
        ("second page", 0),
    ]
    [(page, left, right, top, bottom)] = first.boxes
    assert (page, round(left)) == (1, 72)
    assert 90 < right < 130
    assert (round(bottom), 90 < top < bottom) == (
        102,
        True,
    )  # the base line stands 842 - 740 points below the edge
    assert second.boxes[0][0] == 2


def test_pdf_positions_of_chunks() -> None:
    """Chunks have RAGFlow's positions: page, x0, x1, top, bottom, one box for the lines of a page."""
    chunks = cut("a.pdf", pdf(["one", "two"], ["three"]), chunk_token_num=512)
    assert [chunk.content for chunk in chunks] == ["\none\ntwo\nthree"]
    (first, second) = chunks[0].positions
    assert (first[0], second[0]) == (1, 2)
    assert all(x0 < x1 and top < bottom for _, x0, x1, top, bottom in (first, second))
    assert first[4] - first[3] > 20  # both lines
    assert all(isinstance(value, int) for value in first)


@pytest.mark.parametrize(("pages", "expected"), [([[2, 4]], "\nb\nc"), ([[1, 2], [4, 9]], "\na\nd")])
def test_pdf_pages(pages: list[list[int]], expected: str) -> None:
    """``pages`` chooses pages; as in RAGFlow the page that ends a range is not in it."""
    assert texts("a.pdf", pdf(["a"], ["b"], ["c"], ["d"]), pages=pages) == [expected]


def test_pdf_without_text_says_ocr() -> None:
    """A PDF of pictures fails and names OCR; a page without text among others is told of."""
    with pytest.raises(ParseError, match=r"'a.pdf' holds no text, only pictures.* OCR.*RAGFlow"):
        cut("a.pdf", pdf([]))
    said: list[str] = []
    file = File("a.pdf", "pdf", pdf(["x"], [], []), lambda share, line: said.append(line))
    read_sections(file, settings_of({"layout_recognize": "MinerU"}, language="English"))
    assert [line for line in said if line] == [
        "layout_recognize 'MinerU' is not here: the PDF's own text is read.",
        "No text on page 2, 3: pictures are not read, that takes OCR.",
    ]


def test_docx() -> None:
    """Paragraphs, headings by their style in any language, tables with the headings above them."""
    file = opened(
        "plan.docx",
        docx(
            "# Part",
            "## Chapter",
            "text & more",
            word_table(["2*wide", "b"], ["1", "2", "3"], ["^", "x", "y"]),
            "## Next",
            word_table(["a"]),
        ),
    )
    found = read_docx(file, "plan")
    assert [(each.text, each.level) for each in found if not each.is_table] == [
        ("Part", 1),
        ("Chapter", 2),
        ("text & more", 0),
        ("Next", 2),
    ]
    first, second = [each.text for each in found if each.is_table]
    assert first == (
        "<table><caption>Table Location: plan &gt; Part &gt; Chapter</caption>"
        "<tr><td colspan='2'>wide</td><td>b</td></tr><tr><td>1</td><td>2</td><td>3</td></tr>"
        "<tr><td>1</td><td>x</td><td>y</td></tr></table>"
    )
    assert "plan &gt; Part &gt; Next" in second


def test_docx_text_signs() -> None:
    """Tabs and breaks count, deleted text and the older copy of a picture's text do not; inserted text does."""
    body = (
        "<w:p><w:r><w:t>a</w:t><w:tab/><w:t>b</w:t><w:br/><w:t>c</w:t></w:r>"
        "<w:del><w:r><w:delText>gone</w:delText></w:r></w:del><w:ins><w:r><w:t>new</w:t></w:r></w:ins></w:p>"
    )
    control = f"<w:sdt><w:sdtContent>{paragraph('in a control')}</w:sdtContent></w:sdt>"
    assert read_docx(opened("a.docx", docx(body, control))) == [
        Section("a\tb\ncnew"),
        Section("in a control"),
    ]


def test_pptx() -> None:
    """Slides in the order they are shown, shapes from above, bullets with a dot, tables as head: cell."""
    cell = "<a:tc><a:txBody><a:p><a:r><a:t>{}</a:t></a:r></a:p></a:txBody></a:tc>"
    rows = "".join(
        f"<a:tr>{cell.format(left)}{cell.format(right)}</a:tr>"
        for left, right in (("name", "age"), ("Ann", "30"))
    )
    table = f"<p:graphicFrame><a:tbl>{rows}</a:tbl></p:graphicFrame>"
    group = f"<p:grpSp>{shape('in a group')}</p:grpSp>"
    data = pptx(
        shape("below", top=900) + shape("Title", "* point", top=10) + group, table, shape("last"), shape()
    )
    assert read_pptx(opened("a.pptx", data)) == [
        "in a group\nTitle\n  .point\nbelow",
        "name: Ann; age: 30",
        "last",
        "",
    ]


def test_xlsx_values() -> None:
    """Numbers, dates, truth and text as they are; empty cells stay in their place."""
    day = datetime(2026, 11, 21, 8, 30)  # noqa: DTZ001 - Excel has no zones
    data = xlsx({"Data": [["a", None, 1, 2.5], [day, True, "x", None]], "Empty": [], "More": [["z"]]})
    found = read_sheets(opened("a.xlsx", data))
    assert [(sheet.name, [list(row) for row in sheet.rows]) for sheet in found] == [
        ("Data", [["a", None, 1, 2.5], [day, True, "x"]]),
        ("More", [["z"]]),
    ]


def test_xlsx_far_away_cells_take_no_memory() -> None:
    """A cell in Excel's last row and column is read as fast as any other."""
    book = (
        '<workbook xmlns:r="http://x/relationships"><sheets><sheet name="S" r:id="r1"/></sheets></workbook>'
    )
    sheet = (
        '<worksheet><sheetData><row r="1048576"><c r="XFD1048576"><v>7</v></c></row></sheetData></worksheet>'
    )
    data = packed(
        {
            "_rels/.rels": '<R><R Id="r1" Type="x/officeDocument" Target="xl/workbook.xml"/></R>',
            "xl/workbook.xml": book,
            "xl/_rels/workbook.xml.rels": '<R><R Id="r1" Type="x/worksheet" Target="sheet.xml"/></R>',
            "xl/sheet.xml": sheet,
        }
    )
    [found] = read_sheets(opened("a.xlsx", data))
    assert len(found.rows) < 20_000
    assert found.rows[-1][-1] == 7


def test_sheets_as_lines() -> None:
    """naive writes a row as ``head：cell`` with the sheet's name, as RAGFlow does, but for Excel's default names."""
    rows = [["Name", "Age"], ["Ann", 30], ["Bob", None]]
    assert sections("a.xlsx", xlsx({"Crew": rows, "Sheet1": rows})) == [
        "Name：Ann; Age：30 ——Crew",
        "Name：Bob ——Crew",
        "Name：Ann; Age：30",
        "Name：Bob",
    ]
    assert sections("a.csv", b'Name,Age\nAnn,"3,0"\n\nBob,\n') == [
        "Name：Ann; Age：3,0 ——Data",
        "Name：Bob ——Data",
    ]


@pytest.mark.parametrize(("name", "sign"), [("a.csv", ";"), ("a.csv", "\t"), ("a.tsv", "\t"), ("a.csv", "|")])
def test_csv_signs(name: str, sign: str) -> None:
    """Columns end at the sign that the first line has."""
    data = f"Name{sign}Age\nAnn{sign}30\n".encode()
    assert sections(name, data) == ["Name：Ann; Age：30 ——Data"]


def test_epub_in_reading_order() -> None:
    """The pages that the spine names in its order; without a spine all of them by name."""
    pages = [f"<html><body><h1>Page {each}</h1><p>text</p></body></html>" for each in range(3)]
    assert sections("a.epub", epub(*pages, spine=[2, 0])) == ["# Page 2\ntext", "# Page 0\ntext"]
    assert len(sections("a.epub", epub(*pages, spine=[]))) == 3


def test_mail() -> None:
    """Header lines, text and HTML; attached files are not part of the text."""
    data = eml("plain text", "<p>html <b>text</b></p>", {"a.txt": b"attached"}, subject="Größe")
    found = sections("a.eml", data)
    assert "Subject: Größe" in found
    assert "From: a@x.example" in found
    assert found.index("plain text") < found.index("html text")
    assert not any("attached" in each for each in found)


def test_json_pieces() -> None:
    """JSON is cut into objects that keep their path and lose nothing; lists become objects."""
    value = {"a": {"b": list(range(40)), "c": "x" * 300}, "d": None, "e": {}}
    pieces = [json.loads(piece) for piece in sections("a.json", json.dumps(value).encode())]
    assert len(pieces) > 1
    found: dict[str, object] = {}
    for piece in pieces:
        found |= piece.get("a", {}).get("b", {})
    assert found == {str(each): each for each in range(40)}
    assert any(piece.get("a", {}).get("c") == "x" * 300 for piece in pieces)


def test_json_lines() -> None:
    """JSON lines are read line by line; those that are none are told of by number."""
    said: list[str] = []
    data = b'{"a": 1}\n{"b": 2}\n\n{"c": 3}\n{"d": 4}\n{"e": 5}\nbroken\n'
    file = File("a.jsonl", "jsonl", data, lambda share, line: said.append(line))
    found = read_sections(file, settings_of({}, language="English"))
    assert [json.loads(each.text) for each in found][:2] == [{"a": 1}, {"b": 2}]
    assert said == ["Lines that are not JSON are left out: 6"]


@pytest.mark.parametrize(
    ("data", "reason"),
    [(b"{broken", "not JSON: Expecting"), (b"[" * 100_000, "nested too deeply"), (b"{}", "no text")],
)
def test_json_refusals(data: bytes, reason: str) -> None:
    """What is no JSON says where, instead of giving nothing."""
    with pytest.raises(ParseError, match=reason):
        cut("a.json", data)


def test_rtf_with_the_extra() -> None:
    """The formats of the extra [parse] are read by lines."""
    assert texts("a.rtf", rb"{\rtf1\ansi Zebras {\b live} in Africa.\par Second.}") == [
        "\nZebras live in Africa.\nSecond."
    ]


def test_odt_with_the_extra() -> None:
    """An OpenDocument text is read by its paragraphs."""
    space = "urn:oasis:names:tc:opendocument:xmlns"
    content = (
        f'<office:document-content xmlns:office="{space}:office:1.0" xmlns:text="{space}:text:1.0">'
        "<office:body><office:text><text:p>Zebras live.</text:p><text:p>In Africa.</text:p></office:text>"
        "</office:body></office:document-content>"
    )
    data = packed({"mimetype": "application/vnd.oasis.opendocument.text", "content.xml": content})
    assert texts("a.odt", data) == ["\nZebras live.\nIn Africa."]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the extra [parse] a file of its formats fails and names it."""
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ParseError, match=r"pip install 'ragflow-integrations\[parse\]'"):
        cut("a.rtf", rb"{\rtf1}")
