"""One chat asked by the ``openai`` package and by ``chat_completions``: the answers are the same."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest

from ragflow_integrations import ChatCompletionChunk, RAGFlow
from tests.client.conftest import FILES, place_of

MESSAGES: Any = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What is the capital of Atlantis?"},
]
EXTRAS: list[dict[str, Any]] = [
    {},
    {"reference": True},
    {"reference": True, "reference_metadata": {"include": True, "fields": ["author"]}},
]

Both = tuple[RAGFlow, str, openai.OpenAI]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    """A client, a chat of a local engine on loopback, and OpenAI's client for that chat."""
    folder: Path = tmp_path_factory.mktemp("kb")
    with place_of("loopback", folder / "kb") as place, RAGFlow(place.api_key, place.base_url) as client:
        dataset = client.create_dataset("facts")
        (document,) = dataset.upload_documents(
            [{"display_name": "atlantis.txt", "blob": FILES["atlantis.txt"]}]
        )
        document.update({"meta_fields": {"author": "Plato", "year": 1}})
        dataset.parse_documents([document.id])
        chat_id = client.create_chat("guide", dataset_ids=[dataset.id]).id
        address = f"{place.base_url}/api/v1/openai/{chat_id}"
        with openai.OpenAI(api_key=place.api_key, base_url=address) as theirs:
            yield client, chat_id, theirs


def sent(answer: Any) -> Any:
    """What the server sent of it: not its time, and nothing that a package adds."""
    return _without_empty(answer.model_dump(exclude={"created"}))


def _without_empty(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {name: _without_empty(each) for name, each in value.items()}
        return {name: each for name, each in kept.items() if each not in (None, "", [], {})}
    return [_without_empty(each) for each in value] if isinstance(value, list) else value


@pytest.mark.parametrize("extra", EXTRAS, ids=["plain", "reference", "metadata"])
def test_whole(both: Both, extra: dict[str, Any]) -> None:
    """Text, usage, reason to finish and reference."""
    client, chat_id, theirs = both
    ours = client.chat_completions(chat_id, MESSAGES, **extra)
    answer = theirs.chat.completions.create(
        model="model", messages=MESSAGES, extra_body={"extra_body": extra}
    )
    assert "Poseidonia" in (ours.choices[0].message.content or "")
    assert comparable(sent(ours)) == comparable(sent(answer))


@pytest.mark.parametrize("extra", EXTRAS, ids=["plain", "reference", "metadata"])
def test_streamed(both: Both, extra: dict[str, Any]) -> None:
    """Piece by piece the same, up to the last one with all that belongs to the whole."""
    client, chat_id, theirs = both
    ours: list[ChatCompletionChunk] = list(client.chat_completions(chat_id, MESSAGES, stream=True, **extra))
    pieces = theirs.chat.completions.create(
        model="model", messages=MESSAGES, stream=True, extra_body={"extra_body": extra}
    )
    assert [comparable(sent(each)) for each in ours] == [comparable(sent(each)) for each in pieces]
    assert len(ours) > 3
    assert bool(ours[-1].choices[0].delta.reference) == bool(extra)


def comparable(answer: dict[str, Any]) -> dict[str, Any]:
    """Chunks by what our models call alike: ids, text, document, scores and metadata."""
    for choice in answer["choices"]:
        said = choice.get("message") or choice.get("delta") or {}
        if "reference" in said:
            said["reference"] = [
                {
                    name: each.get(name)
                    for name in ("id", "content", "document_id", "similarity", "document_metadata")
                }
                for each in said["reference"]
            ]
    return answer
