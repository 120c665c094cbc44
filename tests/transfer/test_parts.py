"""The parts of a transfer: the map of ids, secrets, and what a target refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import InvalidRequestError, NotFoundError
from ragflow_integrations.transfer.ids import IdMap
from ragflow_integrations.transfer.refusals import accepted
from ragflow_integrations.transfer.secrets import without_secrets


def test_ids_survive(tmp_path: Path) -> None:
    """What was written is there in the next run; a line that a crash has torn is dropped and written over."""
    place = tmp_path / "deep" / "ids"
    with IdMap.at(place) as ids:
        ids.begin("dataset", "a", "letters")
        ids.done("dataset", "a", "b")
        ids.begin("chat", "c", "greek ö")
        ids.done("document", "d", "e")
        ids.forget("document", "d")
    with place.open("ab") as file:
        file.write('{"kind": "chat", "old": "c", "new": "ö'.encode()[:-1])
    for _ in range(2):
        with IdMap.at(place) as ids:
            assert ids.new("dataset", "a") == "b"
            assert ids.begun("dataset", "a") is None
            assert ids.begun("chat", "c") == "greek ö"
            assert ids.new("chat", "c") is None
            assert ids.new("document", "d") is None
            ids.done("memory", "m", "n")


def test_old_ids_anywhere_become_new_ones() -> None:
    """Only whole texts that are ids are replaced, at any depth."""
    ids = IdMap()
    ids.done("dataset", "old1", "new1")
    ids.done("memory", "old2", "new2")
    dsl = {"a": ["old1", {"b": "old2"}], "c": "about old1", "old1": 1}
    assert ids.translated(dsl) == {"a": ["new1", {"b": "new2"}], "c": "about old1", "old1": 1}


def test_secrets_are_left_out() -> None:
    """Keys, passwords, tokens and headers are emptied and named; numbers and other settings stay."""
    settings: dict[str, Any] = {
        "tavily_api_key": "tvly-1",
        "max_tokens": 512,
        "token": "abc",
        "chunk_token_num": 128,
        "parameters": [{"key": "knowledge", "optional": False}],
        "obj": {
            "password": "p",
            "headers": {"Authorization": "Bearer x"},
            "secret": "",
            "apiKey": "k",
            "url": "u",
        },
    }
    cleaned, places = without_secrets(settings, "dsl")
    assert cleaned == {
        "tavily_api_key": "",
        "max_tokens": 512,
        "token": "",
        "chunk_token_num": 128,
        "parameters": [{"key": "knowledge", "optional": False}],
        "obj": {"password": "", "headers": {}, "secret": "", "apiKey": "", "url": "u"},
    }
    assert places == [
        "dsl.tavily_api_key",
        "dsl.token",
        "dsl.obj.password",
        "dsl.obj.headers",
        "dsl.obj.apiKey",
    ]
    assert settings["token"] == "abc"


def test_as_much_as_the_target_takes() -> None:
    """The fewest fields are given up; settings that a refusal names go first; each loss is told."""

    def picky(fields: Any) -> Any:
        if "odd" in fields.get("parser_config", {}):
            raise InvalidRequestError(
                "Field: <parser_config.odd> - Message: <Extra inputs are not permitted>"
            )
        if fields.get("model") == "mine":
            raise NotFoundError("no such model")
        return fields

    notes: list[str] = []
    fields = {"model": "mine", "language": "fine", "parser_config": {"odd": 1, "empty": "", "good": 2}}
    made = accepted(picky, fields, may_drop=("language", "model"), note=notes.append)
    assert made == {"language": "fine", "parser_config": {"empty": "", "good": 2}}
    assert [note.partition(" ")[0] for note in notes] == ["model", "parser_config.odd"]
    with pytest.raises(NotFoundError, match="no such model"):
        accepted(picky, {"model": "mine"}, may_drop=(), note=notes.append)
