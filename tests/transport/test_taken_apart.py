"""Addresses that are taken apart here, as the HTTP library takes them apart."""

from __future__ import annotations

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ragflow_integrations.transport.server import _PLAIN, _taken_apart

HOSTS = st.from_regex(
    r"[A-Za-z0-9]([\w.-]{0,20}[A-Za-z0-9])?", fullmatch=True, alphabet=st.characters(codec="ascii")
)
PATHS = st.text("abcXYZ019_-/.%~:@ ü", max_size=20).map(lambda path: f"/{path}" if path else "")


def same(address: str) -> None:
    """Each part is what httpx has, which servers are used to."""
    ours, theirs = _taken_apart(address), httpx.URL(address)
    assert ours == (theirs.raw_scheme, theirs.raw_host, theirs.port, theirs.raw_path)
    assert ours.netloc == theirs.netloc.decode()


@given(
    st.sampled_from(["http", "https"]), HOSTS, st.sampled_from(["", ":80", ":443", ":9380", ":080"]), PATHS
)
def test_as_httpx(scheme: str, host: str, port: str, path: str) -> None:
    """Hosts by name, default ports, paths with and without what has to be escaped."""
    same(f"{scheme}://{host}{port}{path}")


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("http://127.0.0.1:9380/api/v1/datasets/0f_-1", True),
        ("https://Ragflow.Example:443", True),
        ("http://[::1]:9380/api", False),
        ("https://bücher.example", False),
        ("http://h/../x", False),
        ("http://h/a%2Fb c", False),
    ],
)
def test_what_is_plain(address: str, plain: bool) -> None:
    """Only what nothing has to be done to is read without httpx."""
    assert bool(_PLAIN.fullmatch(address)) == plain
    same(address)


@pytest.mark.parametrize("address", ["http://a..ü", "http://h/\x00"])
def test_what_is_no_address(address: str) -> None:
    """It is refused with the reason."""
    with pytest.raises(ValueError, match="Invalid"):
        _taken_apart(address)
