"""What was recorded from RAGFlow v0.24.0, sent to the local engine: same status, code, message and shape."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.local.server.replay import Exchange, Player, files, left_out, recorded
from tests.local.server.replaying import check_same, playing

VERSION = "v0.24"
# Both may only grow: what is compared stays compared, up to what the recordings hold.
COMPARED_AT_LEAST = 849

LEFT_OUT = left_out(VERSION)
NAMES = [f"{file}: {each['name']}" for file in files(VERSION) for each in recorded(VERSION, file)]


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    """A running server that parses only while its gate is open."""
    with playing(VERSION) as player:
        yield player


@pytest.fixture(scope="module")
def exchanges(player: Player) -> dict[str, Exchange]:
    """All recordings, sent in the order in which they were made."""
    return {exchange.name: exchange for exchange in player.play()}


def test_what_is_compared() -> None:
    """Every exception names a recording, and no more than the known ones are left out."""
    assert set(NAMES) >= LEFT_OUT.keys()
    compared = len(NAMES) - len(LEFT_OUT)
    assert compared >= COMPARED_AT_LEAST, f"{compared} of {len(NAMES)}"


@pytest.mark.parametrize("name", [name for name in NAMES if name not in LEFT_OUT])
def test_answers_like_ragflow(name: str, player: Player, exchanges: dict[str, Exchange]) -> None:
    """Status, code, message and shape of the answer are those of the real server."""
    check_same(player, exchanges[name])


@pytest.mark.parametrize("name", LEFT_OUT)
def test_what_is_left_out_differs(name: str, player: Player, exchanges: dict[str, Exchange]) -> None:
    """An exception that is none any more is to be struck off; none is a server's failure."""
    assert exchanges[name].ours.status_code < 500 or exchanges[name].recorded["status"] >= 500
    with pytest.raises(AssertionError):
        check_same(player, exchanges[name])
