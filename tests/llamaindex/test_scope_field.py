"""``scope=``: a value, or a function of the run that a call belongs to; nothing else says what may be seen."""

from __future__ import annotations

import asyncio
import pickle
from typing import Any

import pytest
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.core.base.llms.types import ChatMessage
from llama_index.core.llms import MockLLM
from llama_index.core.memory import ChatMemoryBuffer
from llama_index.core.schema import QueryBundle
from llama_index.core.tools import FunctionTool
from llama_index.core.workflow import Context, StartEvent, StopEvent, Workflow, step

from llamaindex_ragflow import RAGFlowQueryEngine, RAGFlowRetriever, RunContext
from llamaindex_ragflow._run import called_with, this_run
from llamaindex_ragflow.testing.scripted import ScriptedLLM, agents, calls
from ragflow_integrations import ConfigurationError, InvalidRequestError, NotFoundError, RAGFlow, Scope
from tests.llamaindex.conftest import HARBOUR, Call, KnowledgeBase
from tests.llamaindex.test_scope import files


def scope(kb: KnowledgeBase, *names: str) -> Scope:
    """These documents of the handbook."""
    return Scope([kb.dataset_id], [kb.documents[name] for name in names])


async def own(run: RunContext) -> str:
    """Who it is: kept in the workflow's store by the developer."""
    return str(await run.context.store.get("user"))


def per_user(kb: KnowledgeBase, **options: Any) -> RAGFlowRetriever:
    """Every user sees the document of their name."""

    async def theirs(run: RunContext) -> Scope:
        return scope(kb, f"{await own(run)}.txt")

    return RAGFlowRetriever(client=kb.client, scope=theirs, similarity_threshold=0.0, **options)


async def test_a_value(kb: KnowledgeBase, call: Call) -> None:
    """It names the datasets too; what is given besides does not widen it."""
    common: dict[str, Any] = {"client": kb.client, "similarity_threshold": 0.0}
    boats = scope(kb, "boats.txt")
    for where in ({}, {"dataset_ids": [kb.dataset_id, kb.ships_id]}, {"dataset_names": ["handbook"]}):
        retriever = RAGFlowRetriever(scope=boats, **where, **common)
        assert files(await call(retriever, "retrieve", HARBOUR)) == {"boats.txt"}
    lamps = RAGFlowRetriever(scope=boats, document_ids=[kb.documents["lamps.txt"]], **common)
    assert await call(lamps, "retrieve", HARBOUR) == []
    assert await call(RAGFlowRetriever(scope=Scope([]), **common), "retrieve", HARBOUR) == []
    outside = RAGFlowRetriever([kb.ships_id], scope=boats, **common)
    assert await call(outside, "retrieve", HARBOUR) == []


async def test_a_scope_that_names_no_dataset(kb: KnowledgeBase, call: Call) -> None:
    """It leaves open where to search: an error when it is made, or, of a function, when it is called."""
    documents = Scope(document_ids=[kb.documents["boats.txt"]])
    with pytest.raises(ConfigurationError, match="scope= of datasets"):
        RAGFlowRetriever(client=kb.client, scope=documents)
    unsure = RAGFlowRetriever(client=kb.client, scope=lambda run: documents)
    with pytest.raises(InvalidRequestError, match="no dataset"):
        await call(unsure, "retrieve", HARBOUR)


class Search(Workflow):
    """Retrieves in a step that is a coroutine and in one that is not, and has no context in its signature."""

    def __init__(self, retriever: RAGFlowRetriever) -> None:
        super().__init__()
        self.retriever = retriever

    @step
    async def search(self, event: StartEvent) -> StopEvent:
        return StopEvent(files(await self.retriever.aretrieve(HARBOUR)))


async def test_the_context_of_a_workflow(kb: KnowledgeBase) -> None:
    """It is known by itself inside a step, each run has its own, also beside one another, and not outside."""
    search = Search(per_user(kb))

    async def searched(user: str) -> Any:
        context: Any = Context(search)
        await context.store.set("user", user)
        return await search.run(ctx=context)

    found = await asyncio.gather(*(searched(user) for user in ["boats", "lamps"] * 5))
    assert found == [{"boats.txt"}, {"lamps.txt"}] * 5
    assert this_run() == RunContext(None)
    with pytest.raises(AttributeError, match="store"):
        await search.retriever.aretrieve(HARBOUR)


class Sync(Workflow):
    """A step that is no coroutine runs in a thread."""

    @step
    def look(self, event: StartEvent) -> StopEvent:
        return StopEvent(this_run().context)


async def test_a_step_in_a_thread() -> None:
    """It knows its context, too."""
    assert isinstance(await Sync().run(), Context)


@agents
async def test_an_agent(kb: KnowledgeBase) -> None:
    """A tool that an agent calls knows the agent's context, whatever the model wrote."""
    retriever = per_user(kb)

    async def search(question: str, user: str) -> str:
        """Search."""
        return str(files(await retriever.aretrieve(question)))

    for user in ("boats", "lamps"):
        model = ScriptedLLM(
            turns=[
                calls(("search", {"question": HARBOUR, "user": "leave"})),
                lambda messages: ChatMessage(role="assistant", content=messages[-1].content),
            ]
        )
        agent = FunctionAgent(tools=[FunctionTool.from_defaults(async_fn=search)], llm=model)
        context: Any = Context(agent)
        await context.store.set("user", user)
        memory = ChatMemoryBuffer.from_defaults()
        assert str(await agent.run("Where?", ctx=context, memory=memory)) == f"{{'{user}.txt'}}"


async def test_a_context_that_was_handed_over(kb: KnowledgeBase) -> None:
    """It goes before that of the step, and ends with its block."""

    class Inner(Workflow):
        @step
        async def look(self, event: StartEvent) -> StopEvent:
            with called_with("handed over"):
                inside = this_run().context
            return StopEvent((inside, this_run().context))

    inside, after = await Inner().run()
    assert inside == "handed over"
    assert isinstance(after, Context)


async def test_who_says_no_user_sees_nothing(kb: KnowledgeBase, call: Call) -> None:
    """A function that gives no scope ends the call; a coroutine function is of no use to a plain call."""
    where: dict[str, Any] = {"dataset_ids": [kb.dataset_id], "client": kb.client}
    unsure: Any = RAGFlowRetriever(scope=lambda run: None, **where)
    with pytest.raises(ConfigurationError, match="scope=None"):
        await call(unsure, "retrieve", HARBOUR)
    with pytest.raises(ConfigurationError, match="serves coroutines only"):
        await asyncio.to_thread(per_user(kb).retrieve, HARBOUR)
    with pytest.raises(ConfigurationError, match="give a Scope"):
        RAGFlowRetriever(scope="boats", **where)  # type: ignore[arg-type]


def test_a_name_is_looked_up_for_each_user() -> None:
    """Two users have datasets and chats by other names; what was found for one is not the other's."""
    with RAGFlow.local() as client:
        datasets = {user: client.create_dataset(f"notes of {user}") for user in ("ann", "bob")}
        for user, dataset in datasets.items():
            dataset.upload(f"The harbour of {user}.".encode(), name=f"{user}.txt")
        client.create_chat("helper", dataset_ids=[datasets["ann"].id])

        def theirs(run: RunContext) -> Scope:
            return Scope([datasets[run.context].id])

        retriever = RAGFlowRetriever(dataset_names=["notes of ann"], client=client, scope=theirs)
        engine = RAGFlowQueryEngine(chat_name="helper", client=client, scope=theirs)
        for ask in (retriever.retrieve, engine.query, lambda text: engine.retrieve(QueryBundle(text))):
            with called_with("ann"):
                found: Any = ask("harbour")
                assert files(getattr(found, "source_nodes", found)) == {"ann.txt"}
            with called_with("bob"), pytest.raises(NotFoundError):
                ask("harbour")


async def test_query_engines(kb: KnowledgeBase, call: Call) -> None:
    """An assistant's answers and another model's keep within the scope, which may name the datasets, too."""
    boats = scope(kb, "boats.txt")
    chat = RAGFlowQueryEngine(chat_id=kb.chat_id, client=kb.client, scope=boats)
    model = RAGFlowQueryEngine(llm=MockLLM(), client=kb.client, scope=boats)
    for engine in (chat, model):
        assert files((await call(engine, "query", HARBOUR)).source_nodes) == {"boats.txt"}
        assert files(await call(engine, "retrieve", QueryBundle(HARBOUR))) == {"boats.txt"}
    with pytest.raises(ConfigurationError, match="own connection"):
        RAGFlowQueryEngine(retriever=per_user(kb), llm=MockLLM(), scope=boats)


def test_it_narrows_the_client_and_a_pickle_keeps_it(
    kb: KnowledgeBase, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A client's own scope stays."""
    monkeypatch.setenv("RAGFLOW_API_KEY", "key")
    client = kb.client.scoped(scope(kb, "boats.txt", "lamps.txt"))
    both = RAGFlowRetriever(
        client=client, scope=scope(kb, "boats.txt", "leave.txt"), similarity_threshold=0.0
    )
    assert files(both.retrieve(HARBOUR)) == {"boats.txt"}
    with RAGFlow("key", "http://127.0.0.1:9") as unreachable:
        retriever = RAGFlowRetriever(client=unreachable, scope=scope(kb, "boats.txt"))
        again = pickle.loads(pickle.dumps(retriever._connection))  # noqa: S301 - our own
        assert again.scope == scope(kb, "boats.txt")
