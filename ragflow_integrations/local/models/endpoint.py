"""Models behind an OpenAI-compatible address: ``/chat/completions``, ``/embeddings``, ``/rerank``.

The only place from which the engine reaches out, and only to the addresses it was given.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pydantic import SecretStr

from ...config import Settings
from ...errors import RAGFlowError
from ...transport.http import HTTPTransport, Request
from ..problems import ModelFailed
from .base import CONTEXT, Message, ModelMistake, Reasoning, whole_characters
from .tools import NoTools, Tool, ToolCalls, Turn, is_about_tools
from .written import WrittenCalls

__all__ = ["Address", "EndpointEmbedding", "EndpointLLM", "EndpointReranker"]

_BATCH = 64  # texts in a request
_SETTINGS = ("temperature", "top_p", "presence_penalty", "frequency_penalty", "max_tokens")
_REASONING = ("reasoning_content", "reasoning")  # what servers call it


@dataclass(frozen=True)
class Address:
    """Where a model is served: ``base_url`` as OpenAI's clients want it, mostly ending in ``/v1``.

    ``timeout`` is in seconds; a language model can be given ``context`` tokens.
    """

    base_url: str
    model: str
    api_key: SecretStr | None = None
    timeout: float = 60.0
    context: int = CONTEXT

    def __post_init__(self) -> None:
        place = urlsplit(self.base_url)
        if place.scheme not in ("http", "https") or not place.hostname:
            raise ModelMistake(f"base_url={self.base_url!r}: give http(s)://host[:port]/v1")
        if place.username or place.password:
            raise ModelMistake("base_url: leave out user and password; the key goes into api_key")
        if not self.model:
            raise ModelMistake("model: give the model's name at that address")


@dataclass(frozen=True)
class _Endpoint:
    address: Address
    _transport: HTTPTransport = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        place = urlsplit(self.address.base_url)
        settings = Settings(f"{place.scheme}://{place.netloc}", self.address.api_key)
        object.__setattr__(self, "_transport", HTTPTransport(settings))

    @property
    def name(self) -> str:
        return self.address.model

    def close(self) -> None:
        """Close the connections; a later call opens new ones."""
        self._transport.close()

    def _post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that the model answers with."""
        return self._parsed(b"".join(self._stream(path, body)))

    def _stream(self, path: str, body: Mapping[str, Any]) -> Iterator[bytes]:
        request = Request("POST", urlsplit(self.address.base_url).path.rstrip("/") + path, body=dict(body))
        try:
            answer = self._transport.open(request, timeout=self.address.timeout)
            try:
                if answer.status != 200:
                    raise self._failure(f"answered HTTP {answer.status}: {_reason(b''.join(answer))}")
                yield from answer
            finally:
                answer.close()
        except RAGFlowError as error:
            raise self._failure(f"did not answer: {error}") from None

    def _parsed(self, body: bytes) -> Any:
        try:
            return json.loads(body)
        except ValueError:
            raise self._failure("answered with something that is no JSON") from None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """A block that reads what the model has sent: another form than OpenAI's is the model's failure."""
        try:
            yield
        except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
            raise self._failure("answered with something that is not in OpenAI's form") from None

    def _failure(self, what: str) -> ModelFailed:
        return ModelFailed(f"the model {self.name} at {self.address.base_url} {what}")


class EndpointLLM(_Endpoint):
    """A chat model behind an address, streamed."""

    @property
    def context(self) -> int:
        return self.address.context

    def chat(self, messages: Sequence[Message], **settings: Any) -> Iterator[str]:
        """The answer in the deltas in which it arrives."""
        with self._reading():
            for delta in self._choices([dict(each) for each in messages], settings):
                yield from _texts(delta)

    def chat_with_tools(
        self, turns: Sequence[Turn], tools: Sequence[Tool], *, may_call: bool, **settings: Any
    ) -> Iterator[str | ToolCalls]:
        """The answer in the deltas in which it arrives, which may end in calls."""
        messages = [each.message if isinstance(each, ToolCalls) else dict(each) for each in turns]
        more = {"tools": [each.function for each in tools]} if may_call else {}
        said, written = "", WrittenCalls()
        try:
            with self._reading():
                for delta in self._choices(messages, settings, **more):
                    said += delta.get("content") or ""
                    written.add(delta.get("tool_calls") or ())
                    yield from _texts(delta)
        except ModelFailed as error:
            if said or not is_about_tools(error):
                raise
            raise NoTools(str(error)) from error
        if written:
            yield written.calls(said)

    def _choices(
        self, messages: Sequence[Mapping[str, Any]], settings: Mapping[str, Any], **more: Any
    ) -> Iterator[Mapping[str, Any]]:
        """The deltas as they were sent."""
        told = {key: settings[key] for key in _SETTINGS if settings.get(key) is not None}
        body = {"model": self.name, "messages": messages, "stream": True, **told, **more}
        heard = False
        for line in _lines(self._stream("/chat/completions", body)):
            heard |= line.startswith((b"data:", b"{"))
            if line.startswith(b"data:") and (text := line[5:].strip()) != b"[DONE]":
                yield from self._deltas(self._parsed(text))
            elif line.startswith(b"{"):  # not streamed, or an error in the stream's place
                yield from self._deltas(self._parsed(line))
        if not heard:
            raise self._failure("answered with nothing that is in OpenAI's form")

    def _deltas(self, event: Any) -> Iterator[Mapping[str, Any]]:
        if not isinstance(event, dict) or event.get("error"):
            raise self._failure(f"failed: {event.get('error') if isinstance(event, dict) else event}")
        for choice in (event.get("choices") or ())[:1]:
            yield choice.get("delta") or choice.get("message") or {}


def _texts(delta: Mapping[str, Any]) -> Iterator[str]:
    if thought := next((delta[key] for key in _REASONING if delta.get(key)), ""):
        yield Reasoning(whole_characters(thought))
    if text := delta.get("content"):
        yield whole_characters(text)


class EndpointEmbedding(_Endpoint):
    """An embedding model behind an address."""

    def embed_documents(self, texts: Sequence[str]) -> list[list[float]]:
        """A vector for each text."""
        vectors: list[list[float]] = []
        for start in range(0, len(texts), _BATCH):
            batch = [
                text if text.strip() else "." for text in texts[start : start + _BATCH]
            ]  # none may be empty
            found = self._post("/embeddings", {"model": self.name, "input": batch})
            rows = found.get("data") if isinstance(found, dict) else None
            if not isinstance(rows, list) or len(rows) != len(batch):
                raise self._failure(f"answered without a vector for each of {len(batch)} texts")
            vectors += [row["embedding"] for row in sorted(rows, key=lambda row: row.get("index", 0))]
        return vectors


class EndpointReranker(_Endpoint):
    """A reranker behind an address, in the form of Jina, Cohere and vLLM."""

    def score(self, question: str, texts: Sequence[str]) -> list[float]:
        """A score for each text."""
        if not texts:
            return []
        found = self._post("/rerank", {"model": self.name, "query": question, "documents": list(texts)})
        results = found.get("results") if isinstance(found, dict) else found
        if not isinstance(results, list):
            raise self._failure("answered without results")
        scores = {row["index"]: float(row.get("relevance_score", row.get("score", 0))) for row in results}
        return [scores.get(number, 0.0) for number in range(len(texts))]


def _lines(pieces: Iterator[bytes]) -> Iterator[bytes]:
    rest = b""
    for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        yield from (line.strip() for line in lines)
    yield rest.strip()


def _reason(body: bytes) -> str:
    return body[:300].decode("utf-8", "replace")
