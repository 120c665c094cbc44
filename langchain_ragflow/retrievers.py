"""Search in RAGFlow's datasets as a LangChain retriever."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

from langchain_core.callbacks import AsyncCallbackManagerForRetrieverRun, CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever, LangSmithRetrieverParams
from pydantic import BaseModel, Field, PrivateAttr, model_validator

from ragflow_integrations import ChunkFields, InvalidRequestError

from ._client import STRICT, Connected, for_call
from ._convert import document

__all__ = ["RAGFlowRetriever", "SearchFields"]

_OURS = ("dataset_ids", "dataset_names", "k", "score_threshold")


class SearchFields(BaseModel):
    """How to search. Every field goes into the constructor or into one call: ``invoke(question, k=3)``.

    What is ``None`` is left to the server.
    """

    model_config = STRICT

    dataset_ids: list[str] | None = None
    """Where to search; or by ``dataset_names``. A call that names datasets replaces the constructor's."""

    dataset_names: list[str] | None = None
    """Names of datasets; each is looked up once (``GET /datasets``) and its id kept, in a copy anew.

    ``ConfigurationError`` for a name that several share.
    """

    document_ids: list[str] | None = None
    """Search these documents only; ``[]`` finds nothing."""

    k: int = Field(default=5, ge=1)
    """How many documents to return at most; more than 100 are fetched in several requests."""

    top_k: int | None = Field(default=None, ge=1)
    """The server's pool of candidates (its default: 1024). Not the number of results: that is ``k``."""

    similarity_threshold: float | None = Field(default=None, ge=0, le=1)
    """Chunks with a lower similarity are left out by the server (its default: 0.2)."""

    vector_similarity_weight: float | None = Field(default=None, ge=0, le=1)
    """Weight of the vector similarity (server's default: 0.3); that of the terms gets the rest."""

    score_threshold: float | None = None
    """Drop results whose ``score`` is lower, or that have none; applied here, to the ``k`` best."""

    highlight: bool | None = None
    """Return the text with matched terms marked as ``metadata["highlight"]``."""

    keyword: bool | None = None
    """Let the server's language model add keywords to the question."""

    rerank_id: str | None = None
    """A rerank model that is configured on the server."""

    cross_languages: list[str] | None = None
    """Translate the question into these languages and search in all of them."""

    use_kg: bool | None = None
    """Search the datasets' knowledge graphs too."""

    toc_enhance: bool | None = None
    """Use the documents' tables of contents to find neighbouring chunks."""

    metadata_condition: dict[str, Any] | None = None
    """RAGFlow's filter on document metadata: ``{"logic": "and", "conditions": [...]}``.

    Not together with ``document_ids``: the server does not apply both.
    """

    @model_validator(mode="after")
    def _check_combinations(self) -> Self:
        if self.dataset_ids is not None and self.dataset_names is not None:
            raise ValueError("give dataset_ids or dataset_names, not both")
        if self.metadata_condition is not None and self.document_ids is not None:
            raise ValueError("give metadata_condition or document_ids, not both: the server would ignore one")
        return self

    def _search(self, dataset_ids: list[str]) -> dict[str, Any]:
        """The arguments of ``retrieve``."""
        sent = {name: getattr(self, name) for name in SearchFields.model_fields if name not in _OURS}
        return {**sent, "dataset_ids": dataset_ids, "limit": self.k}

    def _documents(self, chunks: Iterable[ChunkFields]) -> list[Document]:
        least = self.score_threshold
        if least is not None:
            chunks = [chunk for chunk in chunks if chunk.similarity is not None and chunk.similarity >= least]
        return [document(chunk) for chunk in chunks]


class RAGFlowRetriever(SearchFields, Connected, BaseRetriever):
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

    _ids: dict[str, str] = PrivateAttr(default_factory=dict)

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, **search: Any
    ) -> list[Document]:
        fields = self._fields(search)
        client = self._sync()
        for name in self._unknown(fields):
            self._ids[name] = client.get_dataset(name=name).id
        ids = self._datasets(fields)
        return fields._documents(client.retrieve(query, **fields._search(ids)))

    async def _aget_relevant_documents(
        self, query: str, *, run_manager: AsyncCallbackManagerForRetrieverRun, **search: Any
    ) -> list[Document]:
        fields = self._fields(search)
        client = self._async()
        for name in self._unknown(fields):
            self._ids[name] = (await client.get_dataset(name=name)).id
        ids = self._datasets(fields)
        return fields._documents(await client.retrieve(query, **fields._search(ids)))

    def _fields(self, given: dict[str, Any]) -> SearchFields:
        if given.keys() & {"dataset_ids", "dataset_names"}:
            given = {"dataset_ids": None, "dataset_names": None, **given}
        return for_call(SearchFields, self, given)

    def _unknown(self, fields: SearchFields) -> list[str]:
        return [name for name in fields.dataset_names or () if name not in self._ids]

    def _datasets(self, fields: SearchFields) -> list[str]:
        ids = fields.dataset_ids or [self._ids[name] for name in fields.dataset_names or ()]
        if not ids:
            raise InvalidRequestError(
                "no dataset: give dataset_ids=[…] or dataset_names=[…], here or per call"
            )
        return ids

    def _get_ls_params(self, **kwargs: Any) -> LangSmithRetrieverParams:
        return LangSmithRetrieverParams(ls_retriever_name="ragflow", ls_vector_store_provider="ragflow")
