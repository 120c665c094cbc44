"""JSON from the wire: with orjson and without it the same values, and nothing but ``ValueError`` for what is none."""

from __future__ import annotations

import importlib
import json
import math
import sys
from collections.abc import Callable, Iterator
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.protocol import decoding

Decode = Callable[[bytes], Any]


@pytest.fixture(params=["orjson", "json"])
def decode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Decode]:
    """By orjson, or as it is where that is not installed."""
    if request.param == "json":
        monkeypatch.setitem(sys.modules, "orjson", None)
        importlib.reload(decoding)
    yield decoding.decode
    monkeypatch.undo()
    importlib.reload(decoding)


def test_which_is_used(decode: Decode, request: pytest.FixtureRequest) -> None:
    """orjson where it is installed."""
    assert (decoding._quick is orjson.loads) == (request.node.callspec.params["decode"] == "orjson")


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b'{"content": "a plain text"}' * 9, True),
        (b'{"content": "a \\u201cquoted\\u201d text' + b" that is long" * 20 + b'"}', True),
        ('{"content": "naïve"}'.encode(), False),
        (json.dumps("知识库" * 99).encode(), False),
        (b"[" + b"0," * 5000 + "知识]".encode(), True),
        (b"", False),
    ],
)
def test_what_is_plain(data: bytes, plain: bool) -> None:
    """Text in Latin letters with a few escapes, as far as the beginning shows it."""
    assert decoding.is_plain(data) == plain


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (b'{"a": [1, 2.5, "\xc3\xbc", true, null]}', {"a": [1, 2.5, "ü", True, None]}),
        (b"[-Infinity, 1e999]", [-math.inf, math.inf]),
        (b'"\\ud800"', "\ud800"),
        (b"\xef\xbb\xbf[1]", [1]),
        (b'{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_what_servers_may_write(decode: Decode, data: bytes, value: Any) -> None:
    """Infinite numbers, halves of pairs and a byte order mark are read too."""
    assert decode(data) == value


def test_not_a_number(decode: Decode) -> None:
    """A score of a broken vector does not make the whole answer unreadable."""
    assert math.isnan(decode(b'{"similarity": NaN}')["similarity"])
    assert math.isnan(decode('{"similarity": NaN, "content": "知识"}'.encode())["similarity"])


@pytest.mark.parametrize("data", [b"", b"{", b"<html>", b"\xff", b"[" * 200_000, b'{"a":' * 200_000, b"1 2"])
def test_what_is_no_json(decode: Decode, data: bytes) -> None:
    """It is a ``ValueError``, also where it is nested too deeply to be read."""
    with pytest.raises(ValueError):  # noqa: PT011 - each library has its own words
        decode(data)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(JSON)
def test_both_read_the_same(value: Any) -> None:
    """Any value comes back as Python's own reader gives it."""
    raw, escaped = json.dumps(value, ensure_ascii=False).encode(), json.dumps(value).encode()
    assert decoding.decode(raw) == decoding.decode(escaped) == json.loads(raw) == value
