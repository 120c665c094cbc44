"""Token counts are cl100k_base's, from the table in the package."""

from __future__ import annotations

import hashlib
import lzma
import re
from concurrent.futures import ThreadPoolExecutor
from importlib import resources
from importlib.util import find_spec
from pathlib import Path

import pytest

from ragflow_integrations.local import tokens
from ragflow_integrations.local.tokens import count_tokens


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("", 0),
        ("hello world", 2),
        ("tiktoken is great!", 6),
        ("antidisestablishmentarianism", 6),
        ("2 + 2 = 4", 7),
        ("お誕生日おめでとう", 9),
    ],
)
def test_known_counts(text: str, count: int) -> None:
    """Counts that OpenAI publishes for cl100k_base, English, digits and Japanese."""
    assert count_tokens(text) == count


def test_special_tokens_are_text() -> None:
    """A document that mentions a special token neither fails nor counts as one token."""
    assert count_tokens("<|endoftext|>") == 7


def test_table_is_tiktokens() -> None:
    """The packed table and the split pattern are those that the installed tiktoken declares."""
    spec = find_spec("tiktoken_ext.openai_public")
    assert spec
    assert spec.origin
    source = Path(spec.origin).read_text(encoding="utf-8")
    declared = source[source.index("def cl100k_base") :]
    packed = (
        resources.files("ragflow_integrations.local").joinpath("data/cl100k_base.tiktoken.xz").read_bytes()
    )
    assert (
        f'expected_hash="{hashlib.sha256(lzma.decompress(packed)).hexdigest()}"'
        in declared.split("return")[0]
    )
    pattern = re.search(r'"pat_str": r"""(.*?)"""', declared)
    assert pattern
    assert tokens._encoding()._pat_str == pattern[1]


def test_any_thread_may_count() -> None:
    """Threads that count at the same time get the counts of one thread."""
    texts = [f"word {n} " * n for n in range(40)]
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(count_tokens, texts)) == [count_tokens(text) for text in texts]
