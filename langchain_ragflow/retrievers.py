"""Search in RAGFlow's datasets as a LangChain retriever."""

from __future__ import annotations

from typing import Any

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from langchain_core.runnables import RunnableConfig

from ragflow_integrations.adapting import arun, run

from ._client import STRICT
from ._run import called_with
from ._search import Searching

__all__ = ["InARun", "RAGFlowRetriever"]


class InARun(BaseRetriever):
    """A retriever whose calls have their config for functions given as ``scope=``."""

    def invoke(self, input: str, config: RunnableConfig | None = None, **kwargs: Any) -> list[Document]:
        """The best documents for a question; ``kwargs`` are search fields, for this call only."""
        with called_with(config):
            return super().invoke(input, config, **kwargs)

    async def ainvoke(
        self, input: str, config: RunnableConfig | None = None, **kwargs: Any
    ) -> list[Document]:
        """The best documents for a question; ``kwargs`` are search fields, for this call only."""
        with called_with(config):
            return await super().ainvoke(input, config, **kwargs)


class RAGFlowRetriever(Searching, InARun):
    """Finds the chunks of RAGFlow datasets that fit a question best, best first.

        retriever = RAGFlowRetriever(dataset_names=["handbook"], k=3)
        documents = retriever.invoke("How long is the notice period?", similarity_threshold=0.3)

    A document's ``id`` is the chunk's; its metadata has ``source`` (the document's name), ``score``, its
    parts ``term_similarity`` and ``vector_similarity``, ``dataset_id``, ``document_id``, ``document_name``,
    ``chunk_id``, ``positions`` and whatever else the server sent; what it did not send is absent.

    Raises what the client raises (``NotFoundError`` for an unknown dataset, ``InvalidRequestError`` for an
    empty question or an option that this server does not have …), never an empty list instead; and pydantic's
    ``ValidationError`` for a misspelt or impossible field, here and in a call.
    """

    model_config = STRICT

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **search: Any
    ) -> list[Document]:
        return run(self._find(query, search), self._sync())

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **search: Any
    ) -> list[Document]:
        return await arun(self._find(query, search), self._async())

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return LangSmithRetrieverParams(ls_retriever_name="ragflow", ls_vector_store_provider="ragflow")
