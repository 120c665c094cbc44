"""Ten thousand trials: users with random scopes behind one key, random calls, one cache; no foreign chunk in any."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache

from langchain_ragflow import ChatRAGFlow
from ragflow_integrations import (
    AsyncRAGFlow,
    NotFoundError,
    PermissionDeniedError,
    RAGFlow,
    Scope,
    UnsupportedError,
)
from ragflow_integrations.protocol.wire import Request, Response
from ragflow_integrations.transport.base import AsyncByteStream, AsyncTransport, ByteStream, SyncTransport

TRIALS = 10_000
QUESTIONS = ["the harbour opens", "when does the harbour open", "harbour"]
TEAMS = ["red", "blue", "green"]
DATASETS, EACH = 3, 2


@dataclass(frozen=True)
class Fact:
    """A document as the test knows it: what may be seen is worked out from these alone."""

    id: str
    dataset_id: str
    team: str | None
    year: int
    units: tuple[str, ...]


Answers = dict[str, Response]


@dataclass
class Remembering:
    """The engine asked once for each request: nobody writes here, and what is on trial is the client."""

    engine: SyncTransport
    answers: Answers

    def send(self, request: Request, *, timeout: float | None) -> Response:
        if (answer := self.answers.get(repr(request))) is None:
            answer = self.answers[repr(request)] = self.engine.send(request, timeout=timeout)
        return answer

    def open(self, request: Request, *, timeout: float | None) -> ByteStream:
        return self.engine.open(request, timeout=timeout)

    def close(self) -> None:
        self.engine.close()


@dataclass
class AsyncRemembering:
    """The same for coroutines."""

    engine: AsyncTransport
    answers: Answers

    async def send(self, request: Request, *, timeout: float | None) -> Response:
        if (answer := self.answers.get(repr(request))) is None:
            answer = self.answers[repr(request)] = await self.engine.send(request, timeout=timeout)
        return answer

    async def open(self, request: Request, *, timeout: float | None) -> AsyncByteStream:
        return await self.engine.open(request, timeout=timeout)

    async def aclose(self) -> None:
        await self.engine.aclose()


@dataclass
class World:
    """One engine behind one key, what is in it, and a cache that all users share."""

    client: RAGFlow
    facts: list[Fact]
    chats: dict[str, list[str]]  # chat: its datasets
    cache: InMemoryCache = field(default_factory=InMemoryCache)
    seen: Counter[str] = field(default_factory=Counter)

    @property
    def dataset_ids(self) -> list[str]:
        return sorted({fact.dataset_id for fact in self.facts})


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    """Datasets whose documents all have the same words."""
    with RAGFlow.local() as client:
        facts: list[Fact] = []
        draw = random.Random(0)
        for number in range(DATASETS):
            dataset = client.create_dataset(f"dataset {number}")
            for each in range(EACH):
                blob = f"The harbour of place {number} {each} opens at {each + 5}.".encode()
                (document,) = dataset.upload_documents([{"display_name": f"{each}.txt", "blob": blob}])
                team, year = draw.choice([*TEAMS, None]), draw.randint(2020, 2024)
                units = tuple(draw.sample(["hr", "it", "law"], draw.randint(0, 2)))
                meta = {
                    "year": year,
                    **({"team": team} if team else {}),
                    **({"units": list(units)} if units else {}),
                }
                document.update({"meta_fields": meta})
                facts.append(Fact(document.id, dataset.id, team, year, units))
            dataset.parse_documents([fact.id for fact in facts[-EACH:]], interval=0.01)
        ids = sorted({fact.dataset_id for fact in facts})
        wanted = [[ids[0]], ids[:2], ids]
        chats = {client.create_chat(str(n), dataset_ids=some).id: some for n, some in enumerate(wanted)}
        answers: Answers = {}
        client._transport = Remembering(client._transport, answers)
        other = client.as_async()
        other._transport = AsyncRemembering(other._transport, answers)
        yield World(client, facts, chats)


Fits = Callable[[Fact], bool]


def conditions(draw: random.Random) -> tuple[dict[str, Any], Fits]:
    """A condition, and what it means."""
    team, teams, year = draw.choice(TEAMS), draw.sample(TEAMS, 2), draw.randint(2020, 2024)
    unit = draw.choice(["hr", "it", "law"])
    every: list[tuple[tuple[str, str, Any], Fits]] = [
        (("team", "is", team.upper()), lambda fact: fact.team == team),
        (("team", "not is", team), lambda fact: fact.team not in (team, None)),
        (("team", "in", teams), lambda fact: fact.team in teams),
        (("units", "is", unit), lambda fact: unit in fact.units),
        (("units", "contains", unit[0]), lambda fact: any(unit[0] in one for one in fact.units)),
        (("year", ">", year), lambda fact: fact.year > year),
        (("year", "=", str(year)), lambda fact: fact.year == year),
    ]
    chosen = draw.sample(every, draw.choice([1, 1, 2]))
    logic, combined = draw.choice([("and", all), ("or", any)])
    said = [dict(zip(("name", "comparison_operator", "value"), parts, strict=True)) for parts, _ in chosen]
    return {"logic": logic, "conditions": said}, lambda fact: combined(fits(fact) for _, fits in chosen)


def some(draw: random.Random, everything: Iterable[str]) -> list[str]:
    """Any of these, in their own order, so that the engine is seldom asked anew; now and then none."""
    listed = list(everything)
    return [listed[place] for place in sorted(draw.sample(range(len(listed)), draw.randint(0, len(listed))))]


@dataclass(frozen=True)
class User:
    """A scope, and the documents that may be seen in it."""

    scope: Scope
    may_see: frozenset[str]

    @classmethod
    def any(cls, draw: random.Random, world: World) -> User:
        arguments: dict[str, Any] = {}
        fits: Fits = lambda fact: True  # noqa: E731
        allowed = set(world.facts)
        if draw.random() < 0.6:
            arguments["dataset_ids"] = ids = some(draw, world.dataset_ids)
            allowed = {fact for fact in allowed if fact.dataset_id in ids}
        if draw.random() < 0.4:
            arguments["document_ids"] = wanted = some(draw, [fact.id for fact in world.facts])
            allowed = {fact for fact in allowed if fact.id in wanted}
        if draw.random() < 0.5 or not arguments:
            arguments["metadata"], fits = conditions(draw)
        return cls(Scope(**arguments), frozenset(fact.id for fact in allowed if fits(fact)))


@dataclass(frozen=True)
class Trial:
    """One call of one user: what is called how, what it may show at most, and what it must show if that is known."""

    kind: str
    user: User
    arguments: dict[str, Any]
    most: frozenset[str]
    exact: bool

    @classmethod
    def any(cls, draw: random.Random, world: World, user: User) -> Trial:
        kind = draw.choices(
            ["retrieve", "list", "chunks", "ask", "stream", "openai", "cached"], [60, 8, 8, 6, 6, 6, 6]
        )[0]
        if kind == "retrieve":
            return cls._retrieval(draw, world, user)
        if kind == "list":
            dataset_id = draw.choice(world.dataset_ids)
            inside = frozenset(fact.id for fact in world.facts if fact.dataset_id == dataset_id)
            return cls(kind, user, {"dataset_id": dataset_id}, user.may_see & inside, True)
        if kind == "chunks":
            fact = draw.choice(world.facts)
            return cls(kind, user, {"fact": fact}, user.may_see & {fact.id}, True)
        chat_id = draw.choice(list(world.chats))
        inside = frozenset(fact.id for fact in world.facts if fact.dataset_id in world.chats[chat_id])
        asked = {"chat_id": chat_id, "question": draw.choice(QUESTIONS)}
        return cls(kind, user, asked, user.may_see & inside, False)

    @classmethod
    def _retrieval(cls, draw: random.Random, world: World, user: User) -> Trial:
        arguments: dict[str, Any] = {
            "question": QUESTIONS[0],
            "similarity_threshold": 0.0,
            "page_size": 100,
        }
        asked = some(draw, world.dataset_ids) or world.dataset_ids
        arguments["dataset_ids"] = asked
        most = {fact for fact in world.facts if fact.id in user.may_see and fact.dataset_id in asked}
        filtering = draw.random()
        if filtering < 0.3:
            arguments["document_ids"] = ids = some(
                draw, [fact.id for fact in world.facts if fact.dataset_id in asked]
            )
            most = {fact for fact in most if fact.id in ids}
        elif filtering < 0.6:
            arguments["metadata_condition"], fits = _as_sent(*conditions(draw))
            most = {fact for fact in most if fits(fact)}
        if draw.random() < 0.2:
            arguments["reference_metadata"] = True
        return cls("retrieve", user, arguments, frozenset(fact.id for fact in most), True)


def _as_sent(condition: dict[str, Any], fits: Fits) -> tuple[dict[str, Any], Fits]:
    """Values as texts: that a number fits nothing is not what is tried here."""
    texts = [
        {**each, "value": each["value"] if isinstance(each["value"], list) else str(each["value"])}
        for each in condition["conditions"]
    ]
    return {**condition, "conditions": texts}, fits


def shown(world: World, client: RAGFlow, trial: Trial) -> list[str]:
    """The documents that a call shows something of."""
    given = trial.arguments
    match trial.kind:
        case "retrieve":
            return [chunk.document_id for chunk in client.retrieve(**given)]
        case "list":
            return [document.id for document in client.get_dataset(given["dataset_id"]).list_documents()]
        case "chunks":
            dataset = client.get_dataset(given["fact"].dataset_id)
            found = [
                chunk for each in dataset.list_documents(id=given["fact"].id) for chunk in each.list_chunks()
            ]
            return [chunk.document_id for chunk in found]
        case "ask":
            return [
                chunk.document_id for chunk in client.chat(given["chat_id"]).ask(given["question"]).reference
            ]
        case "stream":
            stream = client.chat(given["chat_id"]).ask(given["question"], stream=True)
            return [chunk.document_id for message in stream for chunk in message.reference]
        case "openai":
            messages = [{"role": "user", "content": given["question"]}]
            whole = client.chat_completions(given["chat_id"], messages, reference=True)
            return [chunk.document_id for chunk in whole.choices[0].message.reference]
    model = ChatRAGFlow(client=client, chat_id=given["chat_id"], cache=world.cache)
    answer = model.invoke(given["question"])
    return [chunk["document_id"] for chunk in answer.response_metadata["reference"]]


async def shown_async(world: World, client: AsyncRAGFlow, trial: Trial) -> list[str]:
    """The same with coroutines."""
    given = trial.arguments
    match trial.kind:
        case "retrieve":
            return [chunk.document_id for chunk in await client.retrieve(**given)]
        case "list":
            dataset = await client.get_dataset(given["dataset_id"])
            return [document.id for document in await dataset.list_documents()]
        case "chunks":
            dataset = await client.get_dataset(given["fact"].dataset_id)
            (document,) = await dataset.list_documents(id=given["fact"].id)
            return [chunk.document_id for chunk in await document.list_chunks()]
        case "ask":
            message = await client.chat(given["chat_id"]).ask(given["question"])
            return [chunk.document_id for chunk in message.reference]
        case "stream":
            stream = await client.chat(given["chat_id"]).ask(given["question"], stream=True)
            return [chunk.document_id async for message in stream for chunk in message.reference]
        case "openai":
            messages = [{"role": "user", "content": given["question"]}]
            whole = await client.chat_completions(given["chat_id"], messages, reference=True)
            return [chunk.document_id for chunk in whole.choices[0].message.reference]
    model = ChatRAGFlow(async_client=client, chat_id=given["chat_id"], cache=world.cache)
    answer = await model.ainvoke(given["question"])
    return [chunk["document_id"] for chunk in answer.response_metadata["reference"]]


def judge(world: World, trial: Trial, documents: list[str]) -> None:
    """Nothing foreign; and all that may be, where a call shows all there is."""
    assert set(documents) <= trial.most, (trial, documents)
    if trial.exact:
        assert set(documents) == trial.most, (trial, documents)
    world.seen[f"{trial.kind} {'shown' if documents else 'empty'}"] += 1


REFUSALS = (UnsupportedError, NotFoundError, PermissionDeniedError)


def may_be_refused(world: World, trial: Trial) -> bool:
    """What cannot be kept within the scope, or is outside of it; a retrieval never is."""
    scope = trial.user.scope
    if trial.kind == "retrieve":
        return False
    if trial.kind == "list":
        return not scope.has_dataset(trial.arguments["dataset_id"])
    if trial.kind == "chunks":
        return not trial.most
    outside = any(not scope.has_dataset(one) for one in world.chats[trial.arguments["chat_id"]])
    unsayable = scope.document_ids is not None if trial.kind == "openai" else bool(scope.metadata)
    more_than_one = len(scope.metadata) > 1
    nothing = scope.document_ids is not None and not trial.most
    return outside or unsayable or more_than_one or nothing


def trials(world: World, seed: int, number: int) -> Iterator[Trial]:
    """Two users at a time, taking turns."""
    draw = random.Random(seed)
    for _ in range(number // 20):
        users = [User.any(draw, world), User.any(draw, world)]
        for turn in range(20):
            yield Trial.any(draw, world, users[turn % 2])


def test_calls(world: World) -> None:
    """Half of the trials, with the client for calls."""
    for trial in trials(world, 1, TRIALS // 2):
        client = world.client.scoped(trial.user.scope)
        try:
            documents = shown(world, client, trial)
        except REFUSALS:
            assert may_be_refused(world, trial), trial
            world.seen[f"{trial.kind} refused"] += 1
        else:
            judge(world, trial, documents)


async def test_coroutines(world: World) -> None:
    """The other half, with coroutines, several users at once on one client."""
    client = world.client.as_async()

    async def one(trial: Trial) -> None:
        try:
            documents = await shown_async(world, client.scoped(trial.user.scope), trial)
        except REFUSALS:
            assert may_be_refused(world, trial), trial
            world.seen[f"{trial.kind} refused"] += 1
        else:
            judge(world, trial, documents)

    pending = list(trials(world, 2, TRIALS // 2))
    for start in range(0, len(pending), 10):
        await asyncio.gather(*(one(trial) for trial in pending[start : start + 10]))


def test_they_were_that_many(world: World) -> None:
    """Ten thousand, and each kind showed something, showed nothing and was refused, as it may."""
    assert sum(world.seen.values()) == TRIALS
    for kind in ("retrieve", "list", "chunks", "ask", "stream", "openai", "cached"):
        assert world.seen[f"{kind} shown"] > 50, world.seen
    for kind in ("list", "chunks", "ask", "stream", "openai", "cached"):
        assert world.seen[f"{kind} refused"] > 50, world.seen
    assert world.seen["retrieve empty"] > 50
    assert world.seen["retrieve refused"] == 0
