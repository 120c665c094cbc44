"""The traps of LlamaIndex: our own classes with one of them fallen into, which the kit's test for it finds."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.base.llms.types import LLMMetadata
from llama_index.core.indices.base import BaseIndex
from llama_index.core.llms.function_calling import FunctionCallingLLM
from llama_index.core.schema import NodeWithScore, QueryBundle
from llama_index.core.vector_stores import MetadataFilters
from llama_index.core.vector_stores.types import BasePydanticVectorStore

from llamaindex_ragflow import (
    RAGFlowIndex,
    RAGFlowLLM,
    RAGFlowMemoryBlock,
    RAGFlowQueryEngine,
    RAGFlowRetriever,
    RAGFlowVectorStore,
)
from llamaindex_ragflow.testing import (
    IndexTests,
    LLMTests,
    MemoryBlockTests,
    QueryEngineTests,
    RetrieverTests,
    VectorStoreTests,
)
from llamaindex_ragflow.testing.scripted import agents
from ragflow_integrations import RAGFlow
from ragflow_integrations.testing import KnowledgeBase, knowledge_base
from ragflow_integrations.testing.suites import Suite
from tests.llamaindex.naive import OPERATORS
from tests.llamaindex.trying import fails


@pytest.fixture(scope="module")
def knowledge() -> Iterator[KnowledgeBase]:
    with RAGFlow.local() as client, knowledge_base(client) as made:
        yield made


class DocumentsIds(RAGFlowRetriever):
    """1: a node has its document's id, and LlamaIndex drops all but one of those with the same."""

    def _found(self, question: str) -> Any:
        nodes: list[NodeWithScore] = yield from super()._found(question)
        for one in nodes:
            one.node.id_ = one.node.ref_doc_id or one.node_id
        return nodes


class InheritedRetrieval(RAGFlowRetriever):
    """2: LlamaIndex's coroutine calls the plain method in the loop."""

    _aretrieve = BaseRetriever._aretrieve


class InheritedQuery(RAGFlowVectorStore):
    """2, of a vector store."""

    aquery = BasePydanticVectorStore.aquery


class InheritedDelete(RAGFlowIndex):
    """3: LlamaIndex's coroutine looks for a document in a store in this process, and deletes nothing."""

    adelete_ref_doc = BaseIndex.adelete_ref_doc


class InheritedUpdate(RAGFlowIndex):
    """3: it deletes nothing, and then inserts a second one."""

    adelete_ref_doc = BaseIndex.adelete_ref_doc
    aupdate_ref_doc = BaseIndex.aupdate_ref_doc

    async def ainsert(self, document: Any, **insert_kwargs: Any) -> None:
        await self.ainsert_nodes([document])


class InheritedRefresh(RAGFlowIndex):
    """3: what is known of documents is in this process only."""

    refresh_ref_docs = BaseIndex.refresh_ref_docs
    arefresh_ref_docs = BaseIndex.arefresh_ref_docs


class OperatorForOperator(RAGFlowRetriever):
    """4: each of LlamaIndex's operators becomes the server's of that name, and groups in groups are left out."""

    def with_options(self, filters: MetadataFilters, **changes: Any) -> Any:
        conditions = [
            {
                "name": each.key,
                "comparison_operator": OPERATORS.get(each.operator.value, each.operator.value),
                "value": each.value,
            }
            for each in filters.filters
            if not isinstance(each, MetadataFilters)
        ]
        logic = getattr(filters.condition, "value", "and")
        condition = {"logic": "or" if logic == "or" else "and", "conditions": conditions}
        changes.pop("filter_snapshot_age")
        return super().with_options(metadata_condition=condition, **changes)


class SourcesAtOnce(RAGFlowQueryEngine):
    """5: the sources of a stream are taken before it is read; they come with its last piece."""

    def _query(self, query_bundle: QueryBundle) -> Any:
        return _copied(super()._query(query_bundle))

    async def _aquery(self, query_bundle: QueryBundle) -> Any:
        return _copied(await super()._aquery(query_bundle))


def _copied(response: Any) -> Any:
    response.source_nodes = list(response.source_nodes)
    return response


class WithoutEvents(RAGFlowQueryEngine):
    """6: ``query`` is its own, as ``CustomQueryEngine`` has it; LlamaIndex's tells of a query."""

    def query(self, str_or_query_bundle: Any) -> Any:
        return self._query(QueryBundle(str_or_query_bundle))

    async def aquery(self, str_or_query_bundle: Any) -> Any:
        return await self._aquery(QueryBundle(str_or_query_bundle))


class SaysItCallsTools(RAGFlowLLM, FunctionCallingLLM):
    """7: the route takes OpenAI's form, so why not its tools? Servers pass over them."""

    @property
    def metadata(self) -> LLMMetadata:
        return super().metadata.model_copy(update={"is_function_calling_model": True})

    def _prepare_chat_with_tools(
        self, tools: Any, user_msg: Any = None, chat_history: Any = None, *_: Any, **__: Any
    ) -> dict[str, Any]:
        return {"messages": [*(chat_history or []), *([user_msg] if user_msg else [])]}

    def get_tool_calls_from_response(self, response: Any, *_: Any, **__: Any) -> list[Any]:
        return []


class KeyAsField(RAGFlowLLM):
    """8: LlamaIndex writes fields down."""

    api_key: str = ""

    def __init__(self, *, api_key: str = "", **settings: Any) -> None:
        super().__init__(api_key=api_key, **settings)
        self.api_key = api_key


class KeyAsAttribute(RAGFlowRetriever):
    """8: LlamaIndex hands the object to tracers."""

    def __init__(self, *args: Any, api_key: str = "", **settings: Any) -> None:
        super().__init__(*args, api_key=api_key or None, **settings)
        self._api_key = api_key


class OnlyWhatHasNoRoom(RAGFlowMemoryBlock):
    """9: LlamaIndex hands a block what its own memory has no room for, and no more."""

    async def aflush(self, memory: Any = None) -> None:
        """There is nothing to be done: what there was to keep was put."""


def tried(suite: type[Suite], constructor: Any) -> Suite:
    """The suite of this class."""
    return type(suite.__name__, (suite,), {"constructor": constructor})()


TRAPS: Sequence[tuple[type[Suite], str, type]] = [
    (RetrieverTests, "test_each_chunk_is_a_node", DocumentsIds),
    (RetrieverTests, "test_coroutines_take_no_threads", InheritedRetrieval),
    (RetrieverTests, "test_the_loop_goes_on", InheritedRetrieval),
    (VectorStoreTests, "test_coroutines_take_no_threads", InheritedQuery),
    (IndexTests, "test_a_life_in_coroutines", InheritedDelete),
    (IndexTests, "test_a_life_in_coroutines", InheritedUpdate),
    (IndexTests, "test_refreshing_sends_what_changed", InheritedRefresh),
    (RetrieverTests, "test_filters_are_llamaindexs", OperatorForOperator),
    (QueryEngineTests, "test_a_stream_has_text_and_sources", SourcesAtOnce),
    (QueryEngineTests, "test_it_is_told", WithoutEvents),
    (LLMTests, "test_an_agent_that_calls_tools_refuses_it", SaysItCallsTools),
    (LLMTests, "test_dumps_do_not_tell_the_key", KeyAsField),
    (RetrieverTests, "test_tracers_are_not_told_the_key", KeyAsAttribute),
    (MemoryBlockTests, "test_a_short_conversation_is_kept", OnlyWhatHasNoRoom),
]


@agents
@pytest.mark.parametrize(
    ("suite", "name", "trapped"), [pytest.param(*one, id=f"{one[2].__name__} {one[1]}") for one in TRAPS]
)
def test_who_falls_into_a_trap_is_found(
    knowledge: KnowledgeBase,
    caplog: pytest.LogCaptureFixture,
    suite: type[Suite],
    name: str,
    trapped: type,
) -> None:
    """By the test that is there for it: all else of the class is as it should be."""
    fails(tried(suite, trapped), name, knowledge, caplog)
