"""The OpenAI-compatible routes of both dialects, asked by OpenAI's own client over HTTP, and their limits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from ragflow_integrations import RAGFlow
from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from ragflow_integrations.local.tokens import count_tokens
from tests.live.scenario import AGENT
from tests.local.server.api import Api, Json
from tests.local.server.replay import frames

QUESTION: Any = [{"role": "user", "content": "What is the capital of Atlantis?"}]
BOB: Json = {"conditions": [{"name": "author", "comparison_operator": "is", "value": "Bob"}]}


# Where chats are asked, by the dialect that has it there.
ROUTES = [("0.27", "openai"), ("0.27", "chats_openai"), ("0.24", "chats_openai")]


class Served:
    """A chat over two documents, made at a server of v0.27, and the settings of OpenAI's clients for it."""

    def __init__(self, base_url: str, api_key: str) -> None:
        headers = {"Authorization": f"Bearer {api_key}"}
        with httpx.Client(base_url=f"{base_url}/api/v1", headers=headers, timeout=30) as client:
            dataset = client.post("/datasets", json={"name": "d"}).json()["data"]["id"]
            for author, city in (("Ann", "Poseidonia"), ("Bob", "Basileia")):
                documents = f"/datasets/{dataset}/documents"
                files = {"file": (f"{author}.txt", b"x")}
                document = client.post(documents, files=files).json()["data"][0]["id"]
                content = f"The capital of Atlantis is {city}."
                client.post(f"{documents}/{document}/chunks", json={"content": content})
                client.patch(f"{documents}/{document}", json={"meta_fields": {"author": author, "n": 1}})
            chat = client.post("/chats", json={"name": "c", "dataset_ids": [dataset]}).json()["data"]
        self.chat_id, self.llm_id = chat["id"], chat["llm_id"]
        self.api_version = "0.27"
        self.settings: Json = {"api_key": api_key, "max_retries": 0}

    def at(self, base_url: str, api_version: str, route: str) -> Served:
        """To be asked at this route of another server on the same engine."""
        self.api_version = api_version
        self.settings["base_url"] = f"{base_url}/api/v1/{route}/{self.chat_id}"
        return self


@pytest.fixture(scope="module", params=ROUTES, ids=" ".join)
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    """One server a route for all tests here: nothing they do is stored."""
    api_version, route = request.param
    with (
        Engine(":memory:") as engine,
        running_server(engine) as maker,
        running_server(engine, api_version=api_version) as server,
    ):
        yield Served(maker.base_url, maker.api_key).at(server.base_url, api_version, route)


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    """OpenAI's client, as its users make it."""
    with openai.OpenAI(**served.settings) as client:
        yield client


def ragflow(**settings: Any) -> Json:
    """RAGFlow's settings, which are a key ``extra_body`` of the body that the client sends."""
    return {"extra_body": settings}


def test_completion(served: Served, client: openai.OpenAI) -> None:
    """An answer with usage under the chat's model; without ``reference`` neither references nor citations."""
    answer = client.chat.completions.create(model="model", messages=QUESTION, stream=False)
    [choice] = answer.choices
    # v0.24 repeats the name that was sent, v0.27 tells the one that it stands for
    model = served.llm_id if served.api_version == "0.27" else "model"
    assert (answer.id, answer.model) == (f"chatcmpl-{served.chat_id}", model)
    assert (choice.finish_reason, choice.message.role) == ("stop", "assistant")
    assert "The capital of Atlantis is Poseidonia." in (choice.message.content or "")
    assert "[ID:" not in (choice.message.content or "")
    assert not hasattr(choice.message, "reference")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == count_tokens(QUESTION[0]["content"])
    assert answer.usage.completion_tokens == count_tokens(choice.message.content or "")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens


def test_completion_with_reference(client: openai.OpenAI) -> None:
    """With ``reference`` the text cites, and the message carries the list that it cites."""
    answer = client.chat.completions.create(
        model="model", messages=QUESTION, stream=False, extra_body=ragflow(reference=True)
    )
    message: Any = answer.choices[0].message
    assert "[ID:0]" in message.content
    assert {chunk["document_name"] for chunk in message.reference} == {"Ann.txt", "Bob.txt"}
    assert message.reference[0].get("document_metadata") is None


@pytest.mark.parametrize(
    ("fields", "shown"), [(None, {"author": "Bob", "n": 1}), (["n"], {"n": 1}), ([], None)]
)
def test_completion_within_a_condition(client: openai.OpenAI, fields: Any, shown: Json | None) -> None:
    """A ``metadata_condition`` is enforced before anything is answered; references show metadata when asked."""
    extra = ragflow(
        reference=True, metadata_condition=BOB, reference_metadata={"include": True, "fields": fields}
    )
    answer = client.chat.completions.create(model="model", messages=QUESTION, stream=False, extra_body=extra)
    message: Any = answer.choices[0].message
    assert message.content == "The capital of Atlantis is Basileia. [ID:0]"
    assert [(chunk["document_name"], chunk.get("document_metadata")) for chunk in message.reference] == [
        ("Bob.txt", shown)
    ]


@pytest.mark.parametrize(
    "wanted", [{"conditions": [{**BOB["conditions"][0], "value": "Eve"}]}, {"logic": "and"}]
)
def test_nothing_within_a_condition(client: openai.OpenAI, wanted: Json) -> None:
    """If no document fits, the chat's empty response is the answer, with an empty reference."""
    extra = ragflow(reference=True, metadata_condition=wanted)
    answer = client.chat.completions.create(model="model", messages=QUESTION, stream=False, extra_body=extra)
    message: Any = answer.choices[0].message
    assert message.content.startswith("Sorry! No relevant content")
    assert message.reference == []


def test_stream(client: openai.OpenAI) -> None:
    """Deltas make the text; only the last chunk has finish reason and usage; without ``reference`` no reference."""
    *chunks, last = client.chat.completions.create(model="model", messages=QUESTION, stream=True)
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert "The capital of Atlantis is Poseidonia." in text
    assert len(chunks) > 1
    assert {(chunk.choices[0].finish_reason, chunk.usage) for chunk in chunks} == {(None, None)}
    assert (last.choices[0].finish_reason, last.choices[0].delta.content) == ("stop", None)
    assert last.usage is not None
    assert last.usage.completion_tokens == count_tokens(text)
    assert not hasattr(last.choices[0].delta, "reference")


async def test_stream_with_reference(served: Served) -> None:
    """The async client gets, in the last chunk, the reference and the whole text that was streamed."""
    async with openai.AsyncOpenAI(**served.settings) as client:
        stream = await client.chat.completions.create(
            model=served.llm_id,
            messages=QUESTION,
            stream=True,
            extra_body=ragflow(reference=True, metadata_condition=BOB),
        )
        *chunks, last = [chunk async for chunk in stream]
    delta: Any = last.choices[0].delta
    assert delta.final_content == "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert delta.final_content == "The capital of Atlantis is Basileia. [ID:0]"
    assert [chunk["document_name"] for chunk in delta.reference] == ["Bob.txt"]


def test_conversations_and_settings(served: Served, client: openai.OpenAI) -> None:
    """System messages, history and a model's settings are taken, by v0.27 also content parts."""
    parts = [{"type": "text", "text": text} for text in ("What is the capital", "of Atlantis?")]
    messages: Any = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "What is the moon made of?"},
        {"role": "assistant", "content": "Cheese."},
        {"role": "user", "content": parts} if served.api_version == "0.27" else QUESTION[0],
    ]
    answer = client.chat.completions.create(
        model="model", messages=messages, stream=False, temperature=0.1, max_tokens=5
    )
    assert "The capital of Atlantis is Poseidonia." in (answer.choices[0].message.content or "")


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("api_version", "route"), [("0.27", "agents"), ("0.27", "agents_openai"), ("0.24", "agents_openai")]
)
def test_an_agent(api_version: str, route: str, stream: bool) -> None:
    """Agents answer OpenAI's client whole and as a stream, on v0.27 at the route of all agents, too."""
    with (
        Engine(":memory:") as engine,
        running_server(engine, api_version=api_version) as server,
        RAGFlow(server.api_key, server.base_url) as ragflow,
    ):
        agent = ragflow.create_agent("echo", AGENT)
        one, in_body = (f"/{agent.id}", {}) if route == "agents_openai" else ("", {"agent_id": agent.id})
        settings = {"base_url": f"{server.base_url}/api/v1/{route}{one}", "api_key": server.api_key}
        with openai.OpenAI(**settings) as client:
            answer: Any = client.chat.completions.create(
                model="model",
                messages=QUESTION,
                stream=stream,
                extra_body={"openai-compatible": True, **in_body},
            )
            pieces = list(answer) if stream else [answer]
    said = [getattr(piece.choices[0], "delta" if stream else "message").content for piece in pieces]
    assert "".join(filter(None, said)) == "You said: What is the capital of Atlantis?"
    assert {piece.model for piece in pieces} == {agent.id}


def test_what_is_answered_unasked(served: Served, client: openai.OpenAI) -> None:
    """Without ``stream`` v0.27 answers whole, as OpenAI does; v0.24 streams, which the client takes for text."""
    answer: Any = client.chat.completions.create(model="model", messages=QUESTION)
    if served.api_version == "0.27":
        assert "Poseidonia" in answer.choices[0].message.content
    else:
        assert {each["object"] for each in frames(answer)[:-1]} == {"chat.completion.chunk"}


def test_a_wrong_key(served: Served) -> None:
    """A wrong key is the 401 that OpenAI's client knows; v0.24 says it with status 200, as an empty answer."""
    with openai.OpenAI(**{**served.settings, "api_key": "ragflow-wrong"}) as client:
        if served.api_version == "0.27":
            with pytest.raises(openai.AuthenticationError):
                client.chat.completions.create(model="model", messages=QUESTION)
        else:
            answer: Any = client.chat.completions.create(model="model", messages=QUESTION)
            assert (answer.choices, answer.code) == (None, 109)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        ({}, 101, "required argument are missing: model,messages; "),
        ({"model": "model", "messages": "x"}, 102, "messages must be an array."),
        ({"model": "model", "messages": [1]}, 102, "Each message must be an object."),
        ({"model": "model", "messages": [{"content": "x"}]}, 100, None),
        ({"model": "model", "messages": [{"role": "user", "content": 5}]}, 102, None),
        (
            {"model": "model", "messages": [{"role": "assistant", "content": "x"}]},
            102,
            "The last content of this conversation is not from user.",
        ),
        ({"model": "", "messages": QUESTION}, 102, "Cannot use specified model ."),
        ({"extra_body": {"reference_metadata": "x"}}, 102, "reference_metadata must be an object."),
        (
            {"extra_body": {"reference_metadata": {"fields": "x"}}},
            102,
            "reference_metadata.fields must be an array.",
        ),
        ({"extra_body": {"metadata_condition": "x"}}, 102, "metadata_condition must be an object."),
        ({"extra_body": {"metadata_condition": {"conditions": [{}]}}}, 100, None),
    ],
)
async def test_what_is_refused(api: Api, body: Json, code: int, message: str | None, stream: bool) -> None:
    """What is wrong with a request is RAGFlow's JSON answer, also where a stream was asked for."""
    chat = await api.chat()
    asked = {"model": "model", "messages": QUESTION} if "extra_body" in body else {}
    answer = await api("POST", f"/openai/{chat['id']}/chat/completions", {**asked, **body, "stream": stream})
    assert answer["code"] == code
    assert message is None or answer["message"] == message


async def test_a_chat_without_datasets(api: Api) -> None:
    """Only a language model could answer there, which is said."""
    chat = (await api("POST", "/chats", {"name": "c"}))["data"]
    body = {"model": "model", "messages": QUESTION}
    answer = await api("POST", f"/openai/{chat['id']}/chat/completions", body)
    assert (answer["code"], "a language model" in answer["message"]) == (102, True)


async def test_a_failure_in_the_stream(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """What fails once the stream has begun is said as text, by its kind, and the stream ends as any other."""
    chat = await api.chat()
    engine = api.engine

    def fail(texts: object) -> None:
        raise RuntimeError("no embedding today")

    monkeypatch.setattr(engine.models.embedder(), "embed", fail)
    body = {"model": "model", "messages": QUESTION, "stream": True}
    response = await api.http.post(f"/openai/{chat['id']}/chat/completions", json=body)
    error, end, done = frames(response.text)
    assert error["choices"][0]["delta"]["content"] == "**ERROR**: RuntimeError"
    assert (end["choices"][0]["finish_reason"], done) == ("stop", "[DONE]")


async def test_nothing_is_stored(api: Api) -> None:
    """A chat asked this way has no session afterwards."""
    chat = await api.chat()
    body = {"model": "model", "messages": QUESTION}
    assert "choices" in await api("POST", f"/chats_openai/{chat['id']}/chat/completions", body)
    assert (await api("GET", f"/chats/{chat['id']}/sessions"))["data"] == []
