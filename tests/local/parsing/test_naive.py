"""The naive chunker, against chunks that a RAGFlow v0.27.0 server made."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.local.parsing import ParseError, chunk_document
from ragflow_integrations.local.tokens import count_tokens
from tests.local.parsing.files import cut as cut_whole
from tests.local.parsing.files import docx, word_table, xlsx
from tests.local.truth import CONFIG, TOPICS, recorded


def chunks(name: str, text: str, **config: Any) -> list[str]:
    return cut(name, text.encode(), config)


def cut(name: str, data: bytes, config: dict[str, Any]) -> list[str]:
    found = chunk_document(name, data, chunk_method="naive", parser_config=config)
    return [chunk.content for chunk in found]


@pytest.mark.parametrize("document", recorded("truth_chunking"), ids=lambda document: document["document"])
def test_same_chunks_as_ragflow(document: dict[str, Any]) -> None:
    """Every chunk of the recorded documents has the recorded length and text."""
    data = TOPICS[document["document"].removesuffix(".txt")].encode()
    found = cut(document["document"], data, CONFIG)
    assert [(len(chunk), hashlib.sha1(chunk.strip().encode()).hexdigest()) for chunk in found] == [
        (chunk["length"], chunk["sha1_stripped"]) for chunk in document["chunks"]
    ]


def test_recorded_markdown() -> None:
    """The Markdown file of the v0.27.0 recordings becomes the one chunk that the server made of it."""
    text = (
        "# Titel\n\nDie Hauptstadt von Atlantis ist Poseidonia.\n\n## Zwei\n\nÄpfel und Öl. 中文分词测试。\n"
    )
    assert chunks("a.md", text) == [
        "# Titel\nDie Hauptstadt von Atlantis ist Poseidonia.\n## Zwei\nÄpfel und Öl. 中文分词测试。"
    ]


def test_a_chunk_is_closed_by_the_piece_that_overfills_it() -> None:
    """Five lines of three tokens, budget seven: the third line takes a chunk over it and still belongs to it."""
    assert [count_tokens("\n" + line) for line in ("one two", "a b")] == [3, 3]
    assert chunks("a.txt", "one two\n" * 5, chunk_token_num=7) == ["\none two" * 3, "\none two" * 2]


def test_a_long_piece_stands_alone() -> None:
    """A line over the budget is neither cut nor joined."""
    long = "word " * 30
    assert chunks("a.txt", f"one\n{long}\ntwo\nthree", chunk_token_num=10) == [
        "\none",
        f"\n{long}",
        "\ntwo\nthree",
    ]


@pytest.mark.parametrize(
    ("delimiter", "expected"),
    [
        ("\n", ["\na;b!c##d", "\ne f"]),
        ("\\n", ["\na;b!c##d", "\ne f"]),
        (";!", ["\na\nb", "\nc##d\ne f"]),
        ("\n`##`", ["\na;b!c", "\nd", "\ne f"]),
        ("", ["\na;b!c##d", "\ne f"]),
    ],
)
def test_delimiters(delimiter: str, expected: list[str]) -> None:
    """Characters, escapes and quoted strings; none is newline; no delimiter is left in a chunk."""
    assert chunks("a.txt", "a;b!c##d\ne f", delimiter=delimiter, chunk_token_num=1) == expected


def test_text_is_cut_twice() -> None:
    """As on the server, pieces that the first cut has joined with newlines are not cut apart again."""
    assert chunks("a.txt", "a##b##c", delimiter="`##`") == ["\na\nb\nc"]


@pytest.mark.parametrize(("percent", "share"), [(0, 0), (20, 20), (0.2, 20), (95, 90), (-5, 0)])
def test_overlap(percent: float, share: int) -> None:
    """The end of the chunk before stands in front, in per cent of its characters; 0.2 means 20, at most 90."""
    found = chunks("a.txt", "abcdefghij\n" * 4, chunk_token_num=2, overlapped_percent=percent)
    kept = found[0][int(len(found[0]) * (100 - share) / 100) :]
    assert len(found) == 4
    assert found[1] == kept + "\nabcdefghij"


def test_markdown_sections() -> None:
    """Code and tables stay whole, pipe tables become HTML, and a short heading never ends a chunk."""
    text = "prose\n\n```py\na = 1\n\nb = 2\n```\n\n| a | b |\n|---|:-:|\n| 1 | <2 |\n\n## T\n\n- item\n"
    assert chunks("a.md", text, chunk_token_num=1) == [
        "prose",
        "```py\na = 1\n\nb = 2\n```",
        "<table>\n<thead>\n<tr>\n<th>a</th>\n<th>b</th>\n</tr>\n</thead>\n<tbody>\n"
        "<tr>\n<td>1</td>\n<td>&lt;2</td>\n</tr>\n</tbody>\n</table>",
        "## T\n- item",
    ]


def test_markdown_heading_goes_with_its_prose() -> None:
    """Headings in a row and the prose after them are one section, which a small budget does not cut apart."""
    first = "prose " * 60
    assert chunks("a.md", f"{first}\n\n# H\n## I\n{first}\n\nend", chunk_token_num=20) == [
        first.strip(),
        f"# H\n## I\n{first.strip()}",
        "end",
    ]


def test_markdown_overlap() -> None:
    """Markdown chunks overlap too; they are joined while they fit."""
    assert chunks("a.md", "abcdefghij\n\nklmnopqrst\n", chunk_token_num=2, overlapped_percent=50) == [
        "abcdefghij",
        "fghij\nklmnopqrst",
    ]


def test_children() -> None:
    """With ``children_delimiter`` chunks are cut again; each part keeps its delimiter and knows its parent."""
    found = cut_whole("a.txt", b"One. Two!\n Three.", children_delimiter="`. `!", chunk_token_num=100)
    assert [chunk.content for chunk in found] == ["\nOne. ", "Two!", "\n Three."]
    assert {chunk.parent for chunk in found} == {"One. Two!\n Three."}
    assert {str(chunk.positions) for chunk in found} == {"[[1, 0, 0, 0, 0]]"}
    nested = {"use_parent_child": True, "children_delimiter": "!"}
    assert len(cut_whole("a.txt", b"One. Two!\n Three.", parent_child=nested)) == 2


def test_docx_text_and_tables() -> None:
    """A docx's paragraphs fill chunks, tables are chunks of their own where they stand and are never cut."""
    data = docx("one two three", word_table(["a", "b"], ["c", "d"]), "four", "five six", "seven")
    found = cut_whole("a.docx", data, chunk_token_num=4)
    assert [(chunk.doc_type, chunk.content) for chunk in found] == [
        ("text", "one two three\nfour"),
        ("table", "<table><tr><td>a</td><td>b</td></tr><tr><td>c</td><td>d</td></tr></table>"),
        ("text", "five six\nseven"),
    ]


def test_html4excel() -> None:
    """Sheets become HTML tables of twelve rows, each with the head and the sheet's name."""
    rows = [["n"], *([number] for number in range(14))]
    first, second = (chunk.content for chunk in cut_whole("a.xlsx", xlsx({"S<1>": rows}), html4excel=True))
    assert first.startswith("\n<table><caption>S&lt;1&gt;</caption><tr><th>n</th></tr><tr><td>0</td></tr>")
    assert first.count("<td>") == 12
    assert second.endswith("<tr><th>n</th></tr><tr><td>12</td></tr><tr><td>13</td></tr></table>")


def test_html_page() -> None:
    """A page's blocks are chunked like text, its tables last."""
    page = "<body><h1>Head</h1><table><tr><td>1</td></tr></table><p>Text &amp; more</p></body>"
    assert chunks("a.html", page) == ["\n# Head\nText & more\n<table>\n<tr><td>1</td></tr>\n</table>"]


def test_html_long_block_is_cut() -> None:
    """A paragraph over the budget is cut between words, a Chinese one between characters, and nothing is lost."""
    english, chinese = "word " * 50, "数" * 50
    found = chunks("a.html", f"<p>{english}</p><p>{chinese}</p>", chunk_token_num=20)
    assert len(found) > 4
    assert "".join("".join(found).split()) == "".join((english + chinese).split())


@pytest.mark.parametrize(
    ("name", "text", "method", "config", "reason"),
    [
        ("a.txt", "x", "paper", {}, "'paper' takes pdf files, not 'a.txt'"),
        ("a.txt", "x", "picture", {}, "'picture' takes OCR and a vision model.*; a RAGFlow server has it"),
        ("a.txt", "x", "magic", {}, "no chunk method 'magic': use one of naive, one, qa"),
        ("a.txt", "x", "naive", {"pages": [1, 2]}, r"parser_config.pages is \[1, 2\]"),
        ("a.txt", "x", "naive", {"chunk_token_num": "many"}, "parser_config.chunk_token_num is 'many'"),
        ("a.txt", "", "naive", {}, "empty"),
        ("a.html", "<body><script>x</script></body>", "naive", {}, "no text"),
        ("a.txt", ";;;", "naive", {"delimiter": ";"}, "no text"),
    ],
)
def test_refusals(name: str, text: str, method: str, config: dict[str, Any], reason: str) -> None:
    """What cannot be chunked says why."""
    with pytest.raises(ParseError, match=reason):
        chunk_document(name, text.encode(), chunk_method=method, parser_config=config)


@given(
    st.text(alphabet="ab .\n#|`-<p>数", min_size=1),
    st.sampled_from(["a.txt", "a.md", "a.html"]),
    st.integers(1, 9),
)
def test_any_text(text: str, name: str, size: int) -> None:
    """Whatever the text, there are chunks with something in them or a reason why not."""
    try:
        found = chunks(name, text, chunk_token_num=size)
    except ParseError:
        return
    assert found
    assert all(chunk.strip() for chunk in found)
