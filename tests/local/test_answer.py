"""Extractive answers."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.local.answer import answer
from tests.local.truth import TOPICS, chunks

ZEBRAS = "Zebras live in Africa. They eat grass. Lions eat zebras."
WRAPPED = """The "del" statement
*******************

   del_stmt ::= "del" target_list

Deletion of a target list recursively deletes each target, from left to
right.  Deletion of a name removes the binding of that name (see e.g.
Names) from the local namespace.

   >>> del spam
   spam = {"ham": 1}

* It was illegal to delete a name from the local namespace in
  Python 2.
"""


def text(question: str, *contents: str) -> str:
    return "".join(answer(question, contents))


def test_sentences_with_citations() -> None:
    """The sentences that share most words with the question, in their order, each with its chunk's number."""
    assert text("Where do zebras live?", ZEBRAS) == "Zebras live in Africa. [ID:0]"
    assert text("zebras", ZEBRAS) == "Zebras live in Africa. [ID:0] Lions eat zebras. [ID:0]"


def test_sentences_without_citations() -> None:
    """The same sentences without their citations, if none are wanted."""
    plain = "".join(answer("zebras", [ZEBRAS], cite=False))
    assert plain == "Zebras live in Africa. Lions eat zebras."


def test_order_is_the_chunks() -> None:
    """The better sentence of a later chunk comes after the weaker one of an earlier chunk."""
    assert text("zebras in Africa", "Zebras are striped.", "Many zebras live in Africa.") == (
        "Zebras are striped. [ID:0] Many zebras live in Africa. [ID:1]"
    )


def test_wrapped_lines_are_joined() -> None:
    """Sentences come whole over line ends; headings, grammar and code stay out; "e.g." ends none."""
    assert text("deletion of a name from a namespace", WRAPPED) == (
        "Deletion of a name removes the binding of that name (see e.g. Names) from the local namespace. [ID:0]"
    )
    assert text("illegal in Python 2", WRAPPED) == (
        "It was illegal to delete a name from the local namespace in Python 2. [ID:0]"
    )


def test_cut_sentences_are_not_quoted() -> None:
    """A chunk that begins and ends within a sentence gives only what is whole."""
    assert (
        text("zebras", "and of zebras too. Zebras are striped. But zebras that")
        == "Zebras are striped. [ID:0]"
    )


def test_a_chunk_without_a_whole_sentence() -> None:
    """Notes without full stops are given as they are."""
    assert text("opening hours", "Opening hours: nine to five") == "Opening hours: nine to five [ID:0]"


def test_nothing_twice() -> None:
    """Overlapping chunks do not repeat a sentence; the first chunk is cited."""
    assert text("zebras live", "Zebras live here.", "Zebras live here.") == "Zebras live here. [ID:0]"


@pytest.mark.parametrize(
    "question",
    ["quantum physics", "What is it that they have?", "What is the best pizza for lions in Naples?"],
)
def test_too_little_shared(question: str) -> None:
    """Nothing in common, words like "the" alone, or one word of four: that is no answer."""
    assert text(question, " \n", ZEBRAS) == ""


def test_what_is_asked_for_is_defined() -> None:
    """A sentence that says what the thing is comes before one that has more of the words."""
    told = 'In a "yield" statement or expression, parentheses work. A "yield" expression is a way to wait. See yield.'
    assert (
        text("How does the yield expression work?", told) == 'A "yield" expression is a way to wait. [ID:0]'
    )


def test_a_sentence_that_needs_another_comes_last() -> None:
    """ "For example, …" is not how an answer begins, if there is a sentence that stands alone."""
    told = "For example, zebras run from lions. Zebras run fast."
    assert text("When do zebras run?", told) == "Zebras run fast. [ID:0]"


def test_a_sentence_may_begin_with_a_quoted_word() -> None:
    """After the chunk's first words only: there, it may be the rest of a sentence."""
    told = '"zebra" is the rest of it. Lions eat. "zebra" is a word.'
    assert text("zebra", told) == '"zebra" is a word. [ID:0]'


def test_first_chunk_by_its_heading() -> None:
    """The chunk found first is quoted although only its heading has the word asked for."""
    assert text("zebras", "# Zebras\nThey live in Africa.", "Lions eat zebras.") == (
        "They live in Africa. [ID:0] Lions eat zebras. [ID:1]"
    )


@pytest.mark.parametrize("contents", [[], [""], [" \n\t", "***"]])
def test_no_text(contents: list[str]) -> None:
    """Without text there is no answer at all."""
    assert list(answer("zebras", contents)) == []


def test_chinese() -> None:
    """Chinese sentences end without a blank after them."""
    assert text("如何创建数据集？", "天气很好。创建数据集需要名称。再见。") == "创建数据集需要名称。 [ID:0]"


def test_tables_are_read() -> None:
    """The tags of a table are not part of the answer."""
    assert text("price", "<table>\n<tr><td>Price</td><td>five</td></tr>\n</table>") == "Price five [ID:0]"


def test_deltas() -> None:
    """An answer comes in several deltas of a few words, the same every time."""
    deltas = list(answer("zebras", [ZEBRAS]))
    assert len(deltas) > 2
    assert all(1 <= len(delta.split()) <= 4 for delta in deltas)
    assert deltas == list(answer("zebras", [ZEBRAS]))


@pytest.mark.parametrize("topic", sorted(TOPICS))
def test_answers_are_quotations(topic: str) -> None:
    """For every topic: at most four sentences, each found word by word in the chunk that it cites, in order."""
    contents = [chunk for (name, _), chunk in chunks().items() if name == f"{topic}.txt"][:6]
    found = re.findall(r"(.+?) \[ID:(\d+)\](?: |$)", text(TOPICS[topic][:200], *contents), re.DOTALL)
    assert 1 <= len(found) <= 4
    assert [int(source) for _, source in found] == sorted(int(source) for _, source in found)
    for sentence, source in found:
        plain = " ".join(
            re.sub(r"^\s*(?:[-*+•]|\d+[.)])\s", " ", contents[int(source)], flags=re.MULTILINE).split()
        )
        assert " ".join(sentence.split()) in plain


@given(st.text(), st.lists(st.text(alphabet="ab .\n#*=-<>数。A", max_size=60), max_size=4))
def test_any_text(question: str, contents: list[str]) -> None:
    """Whatever the texts, an answer ends with a citation of one of them."""
    found = "".join(answer(question, contents))
    assert not found or int(re.findall(r" \[ID:(\d+)\]$", found)[0]) < len(contents)


@pytest.mark.parametrize("mark", ["[ID:77]", "[ID: 77]", "[ID:<td>77]", "[ID:\n77 ]"])
def test_marks_in_a_document_are_no_citations(mark: str) -> None:
    """Only what the answer itself cites looks like a citation."""
    found = text("Where do zebras live?", f"Zebras live in Africa, {mark} as is known.")
    assert "77" in found
    assert re.findall(r"\[ID:\s*\d+\s*\]", found) == ["[ID:0]"]
