"""What each chunk method makes of a file."""

from __future__ import annotations

import pytest

from ragflow_integrations.local.parsing import METHODS, ParseError, chunk_document
from tests.local.parsing.files import cut, docx, eml, pdf, pptx, shape, texts, word_table, xlsx

BOOK = """Contents
Chapter I
Chapter II

Chapter I
The harbour is old.
Ships come and go.
Section 1
The tide.
Chapter II
Only a heading above.
"""


def test_one() -> None:
    """The whole file is one chunk; sheets are HTML tables."""
    assert texts("a.md", b"# T\n\ntext\n", "one") == ["# T\ntext"]
    [chunk] = texts("a.xlsx", xlsx({"A": [["x"], [1], [2]]}), "one")
    assert (
        chunk
        == "<table><caption>A</caption><tr><th>x</th></tr><tr><td>1</td></tr><tr><td>2</td></tr></table>"
    )


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b"Where?,In Africa\nWho?,Zebras\n"),
        ("a.csv", b'"Where?",\t"In Africa"\n'.replace(b",", b"") + b"Who?\tZebras\n"),
        ("a.txt", b"Q: Where?\tA: In Africa\nWho?\tZebras"),
        (
            "a.xlsx",
            xlsx({"A": [["Where?", "In Africa", "more"], ["alone"]], "B": [[None, "Who?", "Zebras"]]}),
        ),
        ("a.md", b"# Where?\nIn Africa\n# Who?\nZebras\n"),
        ("a.docx", docx("no question", "# Where?", "In Africa", "# Who?", "Zebras")),
        ("a.pdf", pdf(["1. Where?", "In Africa", "2. Who? Zebras"])),
    ],
)
def test_qa(name: str, data: bytes) -> None:
    """A question and its answer are a chunk, from two columns, from headings or from numbers."""
    first, second = texts(name, data, "qa")
    number = ("1. ", "2. ") if name == "a.pdf" else ("", "")
    assert first == f"Question: {number[0]}Where?\tAnswer: In Africa"
    assert second == f"Question: {number[1]}Who?\tAnswer: Zebras"


def test_qa_answers_of_several_lines() -> None:
    """A line that is no pair goes on with the answer; one before the first pair is left out."""
    data = b"no pair\nWhere?\tIn Africa\nand in zoos\nWho?\tZebras"
    assert texts("a.txt", data, "qa") == [
        "Question: Where?\tAnswer: In Africa\nand in zoos",
        "Question: Who?\tAnswer: Zebras",
    ]


def test_qa_headings_below_headings() -> None:
    """Headings that lead to an answer are its question; code is no heading."""
    data = b"# Animals\n## Zebras\nstripes\n```\n# code\n```\n## Lions\nmane\n# Plants\ngreen\n"
    assert texts("a.md", data, "qa") == [
        "Question: Animals\nZebras\tAnswer: stripes\n```\n# code\n```",
        "Question: Animals\nLions\tAnswer: mane",
        "Question: Plants\tAnswer: green",
    ]


def test_qa_in_chinese() -> None:
    """Datasets in another language than English have RAGFlow's Chinese labels."""
    [chunk] = chunk_document(
        "a.csv", "问题：谁？,斑马".encode(), chunk_method="qa", parser_config={}, language="Chinese"
    )
    assert chunk.content == "问题：谁？\t回答：斑马"


def test_table_values_are_written_as_their_column() -> None:
    """Most values of a column say what it holds; another one is kept as it is; columns named id are left out."""
    data = (
        b"id,name,age,score,member,since\n1,Ann,30,2,TRUE,2026-01-02\n"
        b"2,Bob,old,1.5,no,2026-01-03\n3,Eve,5,2.50,yes,never\n"
    )
    assert texts("a.csv", data, "table") == [
        "- name: Ann\n- age: 30\n- score: 2.0\n- member: yes\n- since: 2026-01-02 00:00:00",
        "- name: Bob\n- age: old\n- score: 1.5\n- member: no\n- since: 2026-01-03 00:00:00",
        "- name: Eve\n- age: 5\n- score: 2.5\n- member: yes\n- since: never",
    ]


def test_table_columns() -> None:
    """Names that repeat are numbered, missing ones too; a role of metadata keeps a column out of the text."""
    data = b"name\tname\t\tsecret\nAnn\tBob\tx\ty\nshort\n"
    roles = {"table_column_mode": "manual", "table_column_roles": {"secret": "metadata"}}
    assert texts("a.txt", data, "table", **roles) == ["- name: Ann\n- name_2: Bob\n- Column_3: x"]
    assert "secret: y" in texts("a.txt", data, "table")[0]


def test_table_with_merged_cells() -> None:
    """A head over several rows is joined, and a merged cell counts for each row."""
    data = xlsx(
        {
            "A": [
                ["Person", None, "City"],
                ["first", "last", None],
                ["Ann", "Lee", "Rome"],
                ["Bob", "Ray", None],
            ]
        },
        {"A": "A1:B1 C1:C2 C3:C4"},
    )
    assert texts("a.xlsx", data, "table") == [
        "- Person-first: Ann\n- Person-last: Lee\n- City: Rome",
        "- Person-first: Bob\n- Person-last: Ray\n- City: Rome",
    ]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.csv", b'"stripes, black","animal, v1.0"\n'),
        ("a.txt", b"stripes, black\tanimal, v1.0"),
        ("a.xlsx", xlsx({"A": [["stripes, black", "animal, v1.0"]]})),
    ],
)
def test_tag(name: str, data: bytes) -> None:
    """A text and its tags are a chunk; a dot in a tag becomes an underscore."""
    [chunk] = cut(name, data, "tag")
    assert (chunk.content.strip(), list(chunk.tags)) == ("stripes, black", ["animal", "v1_0"])


def test_tag_of_several_lines() -> None:
    """Lines up to the one with tags are one text."""
    [chunk] = cut("a.txt", b"one\ntwo\tx,y", "tag")
    assert (chunk.content, list(chunk.tags)) == ("\none\ntwo", ["x", "y"])


def test_email() -> None:
    """Text and HTML, then the attached files; those that cannot be read are told of."""
    said: list[str] = []
    data = eml("First. Second!", "<p>page</p>", {"a.csv": b"n\n7\n", "b.xyz": b"?", "c.txt": b""})
    found = chunk_document(
        "a.eml", data, chunk_method="email", parser_config={}, tell=lambda share, line: said.append(line)
    )
    first, second = (chunk.content for chunk in found)
    assert "Subject: Harbour" in first
    assert "page" in first
    assert second == "\nn：7 ——Data"
    assert [line.partition(":")[0] for line in said] == [
        "The attached file 'b.xyz' is left out",
        "The attached file 'c.txt' is left out",
    ]


def test_presentation() -> None:
    """Each slide or page with text is a chunk with its number as position."""
    found = cut("a.pptx", pptx(shape("one"), shape(), shape("three")), "presentation")
    assert [(each.content, each.positions, each.doc_type) for each in found] == [
        ("one", [[1, 0, 0, 0, 0]], "image"),
        ("three", [[3, 0, 0, 0, 0]], "image"),
    ]
    found = cut("a.pdf", pdf(["one", "more"], ["two"]), "presentation")
    assert [(each.content, each.positions) for each in found] == [
        ("one\nmore", [[1, 0, 595, 0, 841]]),
        ("two", [[2, 0, 595, 0, 841]]),
    ]


def test_book() -> None:
    """Each paragraph has the headings above it; the table of contents is left out."""
    assert texts("a.txt", BOOK.encode(), "book") == [
        "Chapter I\nThe harbour is old.",
        "Chapter I\nShips come and go.",
        "Chapter I\nSection 1\nThe tide.",
        "Chapter II\nOnly a heading above.",
    ]


def test_book_loses_nothing() -> None:
    """Text before the first heading stands together, and a heading without text is a chunk."""
    data = b"A preface.\nOf two lines.\nChapter I\nText.\nChapter II\nChapter III\nText.\n"
    assert texts("a.txt", data, "book") == [
        "A preface.\nOf two lines.",
        "Chapter I\nText.",
        "Chapter II",
        "Chapter III\nText.",
    ]


def test_book_without_headings() -> None:
    """Without headings a book is cut like any text."""
    assert texts("a.txt", b"one\ntwo\n", "book") == ["\none\ntwo"]


def test_book_of_a_pdf() -> None:
    """Lines of a PDF that stand close together are one paragraph."""
    found = cut("a.pdf", pdf(["Chapter I", "The harbour", "is old.", "", "Next paragraph."], step=14), "book")
    assert [chunk.content for chunk in found] == [
        "Chapter I\nThe harbour\nis old.",
        "Chapter I\nNext paragraph.",
    ]
    assert all(position[0] == 1 for chunk in found for position in chunk.positions)


def test_laws() -> None:
    """Each article has what leads to it; smaller units are part of it."""
    data = "第一章 总则\n第一条 甲。\n（一）乙。\n第二条 丙。\n第二章 附则\n第三条 丁。".encode()
    assert texts("a.txt", data, "laws") == [
        "第一章 总则\n第一条 甲。\n（一）乙。",
        "第一章 总则\n第二条 丙。",
        "第二章 附则\n第三条 丁。",
    ]


def test_laws_of_a_docx() -> None:
    """In a docx the styles make the headings, and tables belong to what they stand below."""
    data = docx("# Part", "## One", "text", word_table(["a"]), "## Two", "more")
    first, second = texts("a.docx", data, "laws")
    assert first.startswith("Part\nOne\ntext\n<table>")
    assert second == "Part\nTwo\nmore"


def test_manual_of_a_docx() -> None:
    """The text below each heading with those above it; tables apart."""
    data = docx("# Part", "## One", "text", "more", word_table(["a"]), "## Two", "last")
    found = cut("a.docx", data, "manual")
    assert [(each.doc_type, each.content) for each in found[1:]] == [
        ("text", "Part\nOne\ntext\nmore"),
        ("text", "Part\nTwo\nlast"),
    ]
    assert found[0].doc_type == "table"


def test_manual_of_a_pdf() -> None:
    """A PDF is cut at its numbered headings; sections of a few tokens go with the next one."""
    long = [f"A line of text about harbours and ships, number {number}." for number in range(8)]
    found = texts("a.pdf", pdf(["1. Harbours", *long, "2. Ships", *long]), "manual")
    assert [text.split("\n")[0] for text in found] == ["1. Harbours", "2. Ships"]
    assert texts("a.pdf", pdf(["1. One", "x", "2. Two", "y"]), "manual") == ["1. One\nx\n2. Two\ny"]


def test_paper() -> None:
    """The abstract is a chunk that "summary" finds; then the sections follow."""
    lines = [
        "Ships at Sea",
        "Ann Lee",
        "Abstract",
        "We look at ships.",
        "1. Introduction",
        "Ships.",
        "2. End",
        "Sea.",
    ]
    found = cut("a.pdf", pdf(lines), "paper")
    assert [chunk.content for chunk in found] == [
        "Abstract\nWe look at ships.",
        "Ships at Sea\nAnn Lee",
        "1. Introduction\nShips.",
        "2. End\nSea.",
    ]
    assert "summary" in found[0].important_keywords


@pytest.mark.parametrize("method", sorted(METHODS))
def test_each_method_names_the_files_it_takes(method: str) -> None:
    """A file that a method does not take fails with the list of those it takes."""
    wrong = "a.eml" if method == "naive" else "a.json"
    with pytest.raises(
        ParseError, match=f"{method!r} takes .*{sorted(METHODS[method].suffixes)[0]}.*, not '{wrong}'"
    ):
        cut(wrong, b"{}", method)


@pytest.mark.parametrize(
    ("method", "reason"),
    [("qa", "no pairs of questions and answers"), ("tag", "no tags"), ("table", "no rows below a row")],
)
def test_files_of_another_form(method: str, reason: str) -> None:
    """A file without pairs, tags or rows says what is needed."""
    with pytest.raises(ParseError, match=reason):
        cut("a.txt", b"only one column", method)
