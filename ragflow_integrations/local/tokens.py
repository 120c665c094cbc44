"""Token counts in cl100k_base, the encoding RAGFlow counts ``chunk_token_num`` and ``token_count`` in."""

from __future__ import annotations

import binascii
import lzma
from functools import cache
from importlib import resources

import tiktoken

__all__ = ["beginning", "count_tokens"]

_PATTERN = (
    r"'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}+"
    r"| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s++$|\s*[\r\n]|\s+(?!\S)|\s"
)


def count_tokens(text: str) -> int:
    """Number of cl100k_base tokens in ``text``; text that looks like a special token counts as text.

    The encoding ships with the package (see ``data/README.md``): nothing is downloaded.
    """
    return len(_encoding().encode_ordinary(text))


def beginning(text: str, tokens: int) -> str:
    """The first ``tokens`` of a text; a character that they end in the middle of is left out."""
    held = _encoding().decode_bytes(_encoding().encode_ordinary(text)[:tokens])
    return held.decode("utf-8", "ignore")


@cache
def _encoding() -> tiktoken.Encoding:
    table = resources.files(__package__).joinpath("data/cl100k_base.tiktoken.xz").read_bytes()
    tokens = lzma.decompress(table).split()[::2]  # beside each stands its rank, which is its place
    ranks = dict(zip(map(binascii.a2b_base64, tokens), range(len(tokens)), strict=True))
    return tiktoken.Encoding("cl100k_base", pat_str=_PATTERN, mergeable_ranks=ranks, special_tokens={})
