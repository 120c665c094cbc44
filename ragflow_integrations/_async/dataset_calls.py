"""Datasets, and retrieval from them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any

from ..errors import InvalidRequestError
from ..models import AutoMetadata, ChunkFields, Page, Retrieval
from ..protocol import datasets, retrieval
from ..protocol.bulk import PAGE
from ..protocol.checks import NOT_GIVEN, NotGiven, to_delete
from .calls import AsyncCalls
from .chunks import AsyncChunk
from .datasets import AsyncDataSet
from .paging import every

__all__ = ["AsyncDatasetCalls"]


class AsyncDatasetCalls(AsyncCalls):
    """Datasets, and what is found in them."""

    async def create_dataset(
        self,
        name: str,
        avatar: str | None = None,
        description: str | None = None,
        embedding_model: str | None = None,
        permission: str | None = None,
        chunk_method: str | None = None,
        parser_config: Mapping[str, Any] | None = None,
        *,
        auto_metadata_config: Mapping[str, Any] | AutoMetadata | None = None,
        parse_type: int | None = None,
        pipeline_id: str | None = None,
        ext: Mapping[str, Any] | None = None,
    ) -> AsyncDataSet:
        """Create a dataset (``POST /datasets``); a name that is taken becomes ``name(1)``.

        What is ``None`` is left to the server: its own embedding model (also meant by the reference's
        ``BAAI/bge-large-zh-v1.5@BAAI``), permission ``me``, chunk method ``naive``. A pipeline takes the
        place of the chunk method: ``pipeline_id`` with ``parse_type``. From v0.25 on:
        ``auto_metadata_config``, what ``update_auto_metadata`` sets, and ``ext``, further columns. Raises
        ``InvalidRequestError`` for a value beyond its limits, before it is sent.
        """
        fields = {
            "name": name,
            "avatar": avatar,
            "description": description,
            "embedding_model": embedding_model,
            "permission": permission,
            "chunk_method": chunk_method,
            "parser_config": parser_config,
            "auto_metadata_config": auto_metadata_config,
            "parse_type": parse_type,
            "pipeline_id": pipeline_id,
            "ext": ext,
        }
        return AsyncDataSet._of(self._client, await self._client._run(datasets.create(fields)))

    async def get_dataset(self, dataset_id: str | None = None, *, name: str | None = None) -> AsyncDataSet:
        """One dataset by its id (``GET /datasets/{id}``), or by its exact ``name`` (``GET /datasets?name=``).

        ``NotFoundError`` if there is none, ``ConflictError`` if several datasets have the name.
        """
        if (dataset_id is None) == (name is None):
            raise InvalidRequestError("dataset_id, name: give one of them")
        flow = datasets.get(dataset_id or "") if name is None else datasets.named(name)
        return AsyncDataSet._of(self._client, await self._client._run(flow))

    async def list_datasets(
        self,
        page: int = 1,
        page_size: int = 30,
        orderby: str = "create_time",
        desc: bool = True,
        id: str | None = None,
        name: str | None = None,
        *,
        ids: Sequence[str] | None = None,
        include_parsing_status: bool | None = None,
        ext: Mapping[str, Any] | None = None,
    ) -> Page[AsyncDataSet]:
        """A page of datasets with ``total`` (``GET /datasets``); an unknown id or name is a ``NotFoundError``.

        ``page_size`` is 1 to 100; ``orderby`` is ``create_time`` or ``update_time``. From v0.27 on ``ids``
        (unknown ones are left out), from v0.25 on ``include_parsing_status``, which adds
        ``parsing_status`` with the number of documents in each state, and ``ext``: ``keywords``,
        ``parser_id``, ``owner_ids``. Raises ``UnsupportedError`` for a filter this server has not.
        """
        found = await self._client._run(
            datasets.listing(
                page=page,
                page_size=page_size,
                orderby=orderby,
                desc=desc,
                id=id,
                name=name,
                ids=ids,
                include_parsing_status=include_parsing_status,
                ext=ext,
            )
        )
        return AsyncDataSet._page_of(self._client, found)

    def iter_datasets(
        self,
        orderby: str = "create_time",
        desc: bool = True,
        *,
        include_parsing_status: bool | None = None,
        ext: Mapping[str, Any] | None = None,
    ) -> AsyncIterator[AsyncDataSet]:
        """All datasets one after the other, read a hundred at a time; otherwise as ``list_datasets``."""
        return every(
            lambda page: self.list_datasets(
                page, PAGE, orderby, desc, include_parsing_status=include_parsing_status, ext=ext
            )
        )

    async def delete_datasets(
        self, ids: Sequence[str] | NotGiven | None = NOT_GIVEN, *, delete_all: bool = False
    ) -> None:
        """Delete datasets with all they hold (``DELETE /datasets``).

        ``ids=[…]`` deletes those, ``ids=[]`` nothing; everything only by ``ids=None`` or ``delete_all=True``.
        More than a hundred go in several requests: ``PartialError`` says what was deleted before one failed.
        """
        await self._client._run(datasets.delete(to_delete("ids", ids, delete_all)))

    def chunk(self, found: ChunkFields) -> AsyncChunk:
        """A chunk of an answer's reference, to have its ``image()`` or to ``update`` it; nothing is sent."""
        if not isinstance(found, ChunkFields):
            raise InvalidRequestError(f"found={found!r}: give a chunk, e.g. message.reference[0]")
        return AsyncChunk._of(self._client, found.model_copy())

    async def retrieve(
        self,
        question: str | Sequence[str] = "",
        dataset_ids: Sequence[str] | None = None,
        document_ids: Sequence[str] | None = None,
        page: int = 1,
        page_size: int = 30,
        similarity_threshold: float | None = None,
        vector_similarity_weight: float | None = None,
        top_k: int | None = None,
        rerank_id: str | None = None,
        keyword: bool | None = None,
        cross_languages: Sequence[str] | None = None,
        metadata_condition: Mapping[str, Any] | None = None,
        use_kg: bool | None = None,
        toc_enhance: bool | None = None,
        highlight: bool | None = None,
        *,
        reference_metadata: bool | Mapping[str, Any] | None = None,
        limit: int | None = None,
    ) -> Retrieval[AsyncChunk]:
        """The chunks that fit a question best (``POST /retrieval``), best first.

        ``document_ids=None`` searches all documents, ``[]`` none: it returns nothing. ``page_size`` (1 to
        100) is the number of results; for more of them give ``limit``, the number of the best, instead of a
        page. ``top_k`` is the server's pool of candidates. What is ``None`` is left to the server (threshold
        0.2, vector weight 0.3, ``top_k`` 1024).

        ``metadata_condition`` is ``{"logic": "and", "conditions": [{"name", "comparison_operator",
        "value"}]}``, not together with ``document_ids``, since servers then ignore it.
        ``reference_metadata=True``, or ``{"include": True, "fields": […]}`` for some, gives each chunk its
        ``document_metadata`` (from v0.26). ``keyword``, ``cross_languages``, ``toc_enhance`` and ``use_kg``
        let the server ask its language model first.

        Raises ``InvalidRequestError`` for an empty question, no dataset or a number out of range,
        ``NotFoundError`` for an unknown dataset or document. A list given as ``question`` is taken as
        ``dataset_ids``, as the official SDK has it. A client with a scope searches its datasets if none are
        given.
        """
        text, ids, document_ids = _question_first(question, dataset_ids, document_ids)
        if (
            dataset_ids is None
            and self._client.scope is not None
            and self._client.scope.dataset_ids is not None
        ):
            ids = sorted(self._client.scope.dataset_ids)
            if not ids:
                return Retrieval([], 0, [])
        found = await self._client._run(
            retrieval.retrieve(
                text,
                dataset_ids=ids,
                document_ids=document_ids,
                page=page,
                page_size=page_size,
                limit=limit,
                similarity_threshold=similarity_threshold,
                vector_similarity_weight=vector_similarity_weight,
                top_k=top_k,
                rerank_id=rerank_id,
                keyword=keyword,
                cross_languages=cross_languages,
                metadata_condition=metadata_condition,
                use_kg=use_kg,
                toc_enhance=toc_enhance,
                highlight=highlight,
                reference_metadata=reference_metadata,
            )
        )
        return Retrieval(AsyncChunk._all_of(self._client, found), found.total, found.doc_aggs)


def _question_first(
    question: Any, dataset_ids: Any, document_ids: Any
) -> tuple[str, Sequence[str], Sequence[str] | None]:
    """The official SDK's order has the question last, or, with no documents, second."""
    match question, dataset_ids, document_ids:
        case str(), _, _:
            return question, dataset_ids or [], document_ids
        case _, str(), _:
            return dataset_ids, question, document_ids
        case _, _, str():
            return document_ids, question, dataset_ids
    raise InvalidRequestError(f"question={question!r}: give the question as text, and dataset_ids as a list")
