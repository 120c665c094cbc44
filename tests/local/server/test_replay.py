"""What was recorded from RAGFlow v0.27.0, sent to the local engine: same status, code, message and shape."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest

from ragflow_integrations.local.chats import LLM_ID
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from tests.local.server.replay import (
    FILES,
    OWNER,
    RECORDINGS,
    Exchange,
    GatedEmbedder,
    Player,
    differences,
    frames,
    shape,
)

# May only grow: what is compared stays compared.
COMPARED_AT_LEAST = 424


def _names(listed: str) -> list[str]:
    return listed.split()


# Not compared, because the local engine has one owner and one key: whatever another key asks for is a 401.
OTHER_KEYS = _names("""
    ds.list.foreign_id ds.get.foreign ds.update.foreign ds.delete.foreign bob.ds bob.delete_all bob.list setup.bob.ds
    doc.upload.foreign_ds doc.list.foreign doc.download.foreign doc.download.short_foreign doc.update.foreign
    parse.foreign chunk.list.foreign chunk.add.foreign chunk.delete.foreign
    chat.get.foreign chat.list.bob chat.update.foreign sess.create.foreign sess.get.foreign sess.update.foreign
    sess.delete.foreign chat.delete.foreign chat.delete.bob.all_none oai.err.foreign
""")

# Not compared, because the local engine does not have the route yet: the answer must be RAGFlow's 404, or its
# answer to a wrong verb where the path itself is there.
NO_SUCH_ROUTE = _names("""
    auth.bad_key.agents system.config models.list models.default users.me tokens.list tenants
    ds.metadata.config ds.tags ds.graph ds.knowledge_graph ds.trace_graphrag ds.trace_raptor
    ds.index.trace ds.run_graphrag.nodocs doc.preview ds.search ds.search.multi dify dify.no_setting
    msg.feedback msg.feedback.bad msg.delete msg.delete.missing chat.mindmap
    chatbot.beta.info chatbot.beta.comp chatbot.beta.stream
""")

# Not compared, because the local engine does not have the feature yet: the answer must be code 102 and name it.
NO_SUCH_FEATURE = _names("""
    ds.create.pc_non_naive ds.create.method_manual ds.create.method_qa ds.create.method_table ds.create.method_paper
    ds.create.method_book ds.create.method_laws ds.create.method_presentation ds.create.method_picture
    ds.create.method_one ds.create.method_email ds.create.method_tag ds.create.method_resume
    ds.update.method ds.update.pagerank
    doc.upload.with_parent_path doc.upload.type_empty doc.upload.type_web_nourl chunk.add.tag_kwd chunk.add.bad_image
    ret.keyword ret.rerank ret.rerank_unknown ret.cross_lang ret.use_kg ret.toc ret.err.keyword_str
    comp.new.no_chat.nostream comp.new.no_chat.stream comp.nods.nostream comp.nods.stream
    chat.recommendation related
""")

# Not compared, because the difference is meant.
MEANT = {
    # what answers in /system/status is one file: no MySQL, Redis, MinIO and task executors to tell about
    "system.status": "its parts are others",
    # README of the recordings: that `highlight` is absent comes from their document engine, not to be pinned
    "ret.highlight": "we have it",
    # README of the recordings: which raw fields there are is their document engine's affair; test_chunks.py has ours
    "chunk.get": "the fields are another index's",
    # RAGFlow's first frame of an empty response has an empty `prompt`; test_api.py looks at ours
    "comp.empty_response.stream": "one key of one frame",
    # whether a chunk about something else passes a chat's threshold of 0.1 is the embedding model's affair;
    # test_api.py looks at empty responses
    "comp.new.no_match": "our embedding is another one",
    "comp.empty_response.nostream": "our embedding is another one",
}
NOT_COMPARED = {*OTHER_KEYS, *NO_SUCH_ROUTE, *NO_SUCH_FEATURE, *MEANT}


def _recorded(file: str) -> list[str]:
    return [
        json.loads(line)["name"] for line in (RECORDINGS / f"{file}.jsonl").read_text("utf-8").splitlines()
    ]


NAMES = list(dict.fromkeys(name for file in FILES for name in _recorded(file)))


@pytest.fixture(scope="module")
def player() -> Iterator[Player]:
    """A running server that parses only while its gate is open."""
    embedder = GatedEmbedder()
    with Engine(":memory:", embedder=embedder) as engine, running_server(engine) as server:
        headers = {"Authorization": f"Bearer {server.api_key}"}
        with httpx.Client(base_url=server.base_url, headers=headers, timeout=30) as client:
            models = {
                "fake-embed@fake@OpenAI-API-Compatible": engine.embedding_model,
                "fake-chat@fake@OpenAI-API-Compatible": LLM_ID,
            }
            yield Player(client, embedder.gate, {OWNER: engine.tenant_id}, models)


@pytest.fixture(scope="module")
def exchanges(player: Player) -> dict[str, Exchange]:
    """All recordings, sent in the order in which they were made."""
    return {exchange.name: exchange for exchange in player.play()}


def test_what_is_compared() -> None:
    """Every exception names a recording, and no more than the known ones are left out."""
    assert set(NAMES) >= NOT_COMPARED
    assert len(NAMES) - len(NOT_COMPARED) >= COMPARED_AT_LEAST


@pytest.mark.parametrize("name", [name for name in NAMES if name not in NOT_COMPARED])
def test_answers_like_ragflow(name: str, player: Player, exchanges: dict[str, Exchange]) -> None:
    """Status, code, message and shape of the answer are those of the real server."""
    recorded, ours = exchanges[name].recorded, exchanges[name].ours
    theirs = recorded["response_body"]
    assert ours.status_code == recorded["status"]
    assert ours.headers["content-type"] == recorded["response_headers"]["content-type"].partition(", ")[0]
    if exchanges[name].is_stream:
        assert _shapes(ours.text) == _shapes(theirs)
    elif isinstance(theirs, str):
        assert ours.text == theirs
    else:
        assert ours.text.endswith("}\n")
        _assert_same_envelope(player.ours(theirs), ours.json())


@pytest.mark.parametrize("name", OTHER_KEYS)
def test_refuses_other_keys(name: str, exchanges: dict[str, Exchange]) -> None:
    """There is one key: every other one is told 401."""
    assert exchanges[name].ours.status_code == 401


@pytest.mark.parametrize("name", NO_SUCH_ROUTE)
def test_says_that_a_route_is_not_there(name: str, exchanges: dict[str, Exchange]) -> None:
    """A route that is not there yet answers as any unknown path or verb, never with success."""
    answer = exchanges[name].ours.json()
    assert answer["message"].startswith("Not Found: /") or "405: Method Not Allowed" in answer["message"]


@pytest.mark.parametrize("name", NO_SUCH_FEATURE)
def test_says_that_a_feature_is_not_there(name: str, exchanges: dict[str, Exchange]) -> None:
    """A feature that is not there yet is refused by name, never ignored."""
    answer = exchanges[name].ours.json()
    assert answer["code"] == 102
    assert "RAGFlow server" in answer["message"]


def _assert_same_envelope(theirs: dict[str, object], ours: dict[str, object]) -> None:
    assert ours.keys() == theirs.keys()
    assert ours.get("code") == theirs.get("code")
    if ours.get("code") != 100:  # behind 100 RAGFlow has the text of a Python exception
        assert ours.get("message") == theirs.get("message")
    assert differences(shape(theirs), shape(ours)) == []


def _shapes(stream: str) -> list[object]:
    """The shapes of a stream's frames in order, deltas taken together: how many there are is the model's affair."""
    shapes = [shape(each) for each in frames(stream)]
    return [each for each, following in zip(shapes, [*shapes[1:], None], strict=True) if each != following]
