"""WordNet's synonyms as RAGFlow gets them, and the table they come from."""

from __future__ import annotations

import hashlib
import lzma
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.local import synonyms as module
from ragflow_integrations.local.synonyms import lemma, synonyms
from tools import wordnet

PACKED = resources.files("ragflow_integrations.local").joinpath("data/synonyms.xz")
INDEX = "{lemma} {part} {count} 0 {count} 0 {offsets}  \n"
SENSE = '{offset} 00 {part} 01 {name} 0 000 | a gloss; "it\'s an example"  \n'


@pytest.mark.parametrize(
    ("token", "expected"),
    [
        ("statement", ("argument", "affirmation", "instruction")),
        ("global", ("ball-shaped",)),
        ("oper", ()),
        ("operations", ("operation", "process", "mathematical process")),
        ("arguments", ("argument", "controversy", "argumentation")),
        ("children", ("child",)),
        ("keyword", ()),
        ("据集", ()),
        ("utf8", ()),
        ("Statement", ()),
        ("", ()),
    ],
)
def test_synonyms(token: str, expected: tuple[str, ...]) -> None:
    """Names of all senses, of irregular and shortened forms too; none of stems that are no word, or not a to z."""
    assert set(expected) <= set(synonyms(token))
    assert bool(expected) == bool(synonyms(token))
    assert token not in synonyms(token)


def test_at_most_eight_the_most_frequent_first() -> None:
    """Of the nineteen names that the senses of "pass" have, the first eight."""
    assert synonyms("pass") == (
        *("base on balls", "bye", "crack", "passing", "pas", "travel by", "legislate", "elapse"),
    )


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("statements", "statement"),
        ("matrices", "matrix"),
        ("pass", "pas"),
        ("has", "ha"),
        ("is", "is"),
        ("class", "class"),
        ("zzzqqqs", "zzzqqqs"),
        ("数据", "数据"),
    ],
)
def test_lemma(word: str, expected: str) -> None:
    """The shortest noun it may be a form of, as RAGFlow's tokenizer has it; what is no noun stays."""
    assert lemma(word) == expected


@given(st.text(alphabet="abcdeginrstvz", max_size=12) | st.text())
def test_any_token(token: str) -> None:
    """Whatever the token, there are at most eight synonyms, none twice, none empty, none the token itself."""
    found = synonyms(token)
    assert len(set(found) - {token, ""}) == len(found) <= 8
    assert len(lemma(token)) <= max(len(token), 12)


def test_threads_share_the_table() -> None:
    """Threads that look up while the table is being unpacked get what one thread gets."""
    tokens = ["statement", "global", "pass", "argument"] * 20
    expected = [synonyms(token) for token in tokens]
    module._table.cache_clear()
    synonyms.cache_clear()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(synonyms, tokens)) == expected


def test_the_table_is_the_documented_one() -> None:
    """The unpacked table has the checksum that its README gives, and each line is sorted in its place."""
    text = lzma.decompress(PACKED.read_bytes()).decode("ascii")
    readme = resources.files("ragflow_integrations.local").joinpath("data/README.md").read_text("utf-8")
    assert hashlib.sha256(text.encode()).hexdigest() in readme
    words, irregular = text.split("\n\n")
    assert words.split("\n") == sorted(words.split("\n"))
    assert irregular.split("\n") == sorted(irregular.split("\n"))


def test_nothing_is_unpacked_before_the_first_question() -> None:
    """To import the module costs no table."""
    code = "from ragflow_integrations.local import synonyms as s; print(s._table.cache_info().currsize)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "0"


def dictionary(folder: Path, name: str = "Small_Dog") -> Path:
    """A folder in WordNet's format with three senses and two irregular forms."""
    senses = {
        "noun": [("00000010", "n", name), ("00000020", "n", "whelp")],
        "adj": [("00000030", "s", "tiny(p)")],
    }
    entries = {
        "noun": [
            ("puppy", "n", ["00000010", "00000020"]),
            ("whelp", "n", ["00000020"]),
            ("small_dog", "n", ["00000010"]),
        ],
        "adj": [("tiny", "a", ["00000030"]), ("wee", "a", ["00000030"])],
    }
    folder.mkdir()
    for part in ("noun", "verb", "adj", "adv"):
        data = [SENSE.format(offset=offset, part=p, name=sense) for offset, p, sense in senses.get(part, [])]
        index = [
            INDEX.format(lemma=word, part=p, count=len(offsets), offsets=" ".join(offsets))
            for word, p, offsets in entries.get(part, [])
        ]
        (folder / f"data.{part}").write_text("  1 A licence.  \n" + "".join(data))
        (folder / f"index.{part}").write_text("  1 A licence.  \n" + "".join(index))
        (folder / f"{part}.exc").write_text("pups puppy\nlittle_pups puppy\n" if part == "noun" else "")
    return folder


def test_the_table_from_wordnets_files(tmp_path: Path) -> None:
    """Words with their senses' names by part of speech, then irregular forms; markers and licences are left out."""
    assert wordnet.table(dictionary(tmp_path / "wordnet")).split("\n") == [
        "puppy\tsmall dog,whelp",
        "tiny\t\t\t=",
        "wee\t\t\ttiny",
        "whelp\t=",
        "",
        "pups\tnoun\tpuppy",
    ]


def test_a_name_that_would_break_the_table(tmp_path: Path) -> None:
    """It is refused, with the file and the name."""
    with pytest.raises(ValueError, match=r"data\.noun: the name 'a,b' holds a character"):
        wordnet.table(dictionary(tmp_path / "wordnet", name="a,b"))


@pytest.mark.skipif(not wordnet.FOLDER.is_dir(), reason="Debian's package wordnet-base is not installed")
def test_the_table_can_be_built_again() -> None:
    """WordNet 3.0 as Debian has it gives the table in the package."""
    assert wordnet.table(wordnet.FOLDER).encode() == lzma.decompress(PACKED.read_bytes())
