"""A retriever whose query and filters a language model writes."""

from __future__ import annotations

import logging
from typing import Any

from llama_index.core.base.base_auto_retriever import BaseAutoRetriever
from llama_index.core.callbacks.base import CallbackManager
from llama_index.core.indices.vector_store.retrievers.auto_retriever.output_parser import (
    VectorStoreQueryOutputParser,
)
from llama_index.core.indices.vector_store.retrievers.auto_retriever.prompts import (
    DEFAULT_VECTOR_STORE_QUERY_PROMPT_TMPL,
)
from llama_index.core.llms.llm import LLM
from llama_index.core.output_parsers.base import OutputParserException
from llama_index.core.prompts import BasePromptTemplate, PromptTemplate
from llama_index.core.prompts.mixin import PromptDictType
from llama_index.core.schema import QueryBundle
from llama_index.core.settings import Settings
from llama_index.core.vector_stores import MetadataFilters, VectorStoreInfo
from llama_index.core.vector_stores.types import VectorStoreQuerySpec
from pydantic import BaseModel

from ragflow_integrations import ConfigurationError, InvalidRequestError

from ._client import Connected
from .filters import narrowed
from .retriever import RAGFlowRetriever

__all__ = ["RAGFlowAutoRetriever"]

_logger = logging.getLogger(__name__)


class RAGFlowAutoRetriever(Connected, BaseAutoRetriever):
    """Retrieves by what ``llm`` (default ``Settings.llm``) makes of a question: a query, filters, a number of results.

    ``vector_store_info`` tells the model what the documents are about and which metadata they have, as for
    LlamaIndex's ``VectorIndexAutoRetriever``. It is asked for the fields that are named there only. Everything else
    is as ``retriever``, or the ``RAGFlowRetriever`` that is made of ``options``, has it: the model's filters are added
    to its own (``filters=``), exact like these, and can only narrow; it gets at most ``similarity_top_k`` results.

    An answer of the model that cannot be read is logged, and the question is asked as it is. Raises
    ``ConfigurationError`` for arguments that make no sense; retrieving raises ``InvalidRequestError`` if the model
    filters by a field that ``vector_store_info`` does not have, and what ``RAGFlowRetriever`` and the model raise.
    """

    def __init__(
        self,
        vector_store_info: VectorStoreInfo,
        *,
        llm: LLM | None = None,
        retriever: RAGFlowRetriever | None = None,
        prompt: BasePromptTemplate | None = None,
        callback_manager: CallbackManager | None = None,
        **options: Any,
    ) -> None:
        if retriever is not None and options:
            raise ConfigurationError(
                f"retriever= and {', '.join(f'{name}=' for name in options)}: give one of them"
            )
        super().__init__(callback_manager=callback_manager or Settings.callback_manager)
        self._retriever = retriever or RAGFlowRetriever(callback_manager=callback_manager, **options)
        self._connection = None if retriever is not None else self._retriever._connection
        self._info = vector_store_info
        self._llm = llm or Settings.llm
        self._prompt = prompt or PromptTemplate(DEFAULT_VECTOR_STORE_QUERY_PROMPT_TMPL)

    def _get_prompts(self) -> PromptDictType:
        return {"prompt": self._prompt}

    def _update_prompts(self, prompts: PromptDictType) -> None:
        self._prompt = prompts.get("prompt", self._prompt)

    def generate_retrieval_spec(self, query_bundle: QueryBundle, **kwargs: Any) -> BaseModel:
        """What the model makes of a question, a ``VectorStoreQuerySpec``."""
        said = self._llm.predict(self._prompt, **self._shown(query_bundle))
        return _read(said, query_bundle)

    async def agenerate_retrieval_spec(self, query_bundle: QueryBundle, **kwargs: Any) -> BaseModel:
        """As ``generate_retrieval_spec``."""
        said = await self._llm.apredict(self._prompt, **self._shown(query_bundle))
        return _read(said, query_bundle)

    def _shown(self, query_bundle: QueryBundle) -> dict[str, Any]:
        return {
            "schema_str": VectorStoreQuerySpec.model_json_schema(),
            "info_str": self._info.model_dump_json(indent=4),
            "query_str": query_bundle.query_str,
        }

    def _build_retriever_from_spec(self, retrieval_spec: BaseModel) -> tuple[RAGFlowRetriever, QueryBundle]:
        assert isinstance(retrieval_spec, VectorStoreQuerySpec), "generate_retrieval_spec makes one"
        self._check_fields(retrieval_spec)
        changes: dict[str, Any] = {}
        if retrieval_spec.filters:
            changes["filters"] = narrowed(
                self._retriever.filters, MetadataFilters(filters=[*retrieval_spec.filters])
            )
        if retrieval_spec.top_k is not None:
            most = self._retriever.similarity_top_k
            changes["similarity_top_k"] = min(max(retrieval_spec.top_k, 1), most)
        retriever = self._retriever.with_options(**changes) if changes else self._retriever
        return retriever, QueryBundle(retrieval_spec.query)

    def _check_fields(self, spec: VectorStoreQuerySpec) -> None:
        known = [field.name for field in self._info.metadata_info]
        for each in spec.filters:
            if each.key not in known:
                told = ", ".join(known) or "no field"
                raise InvalidRequestError(
                    f"filters: the model filters by {each.key!r}, and vector_store_info has {told}"
                )


def _read(said: str, query_bundle: QueryBundle) -> VectorStoreQuerySpec:
    """An empty query is the question: RAGFlow does not search for nothing."""
    question = query_bundle.query_str
    try:
        spec: VectorStoreQuerySpec = VectorStoreQueryOutputParser().parse(said).parsed_output
    except (OutputParserException, ValueError):
        _logger.warning(
            "the model's query cannot be read: the question is asked as it is, without its filters"
        )
        return VectorStoreQuerySpec(query=question, filters=[])
    return spec if spec.query.strip() else spec.model_copy(update={"query": question})
