"""A scripted server with a library of documents, of which each is one chunk: as large as a test wants it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ragflow_integrations import Scope
from tests.llamaindex.scripted import RETRIEVAL, Script, found

DATASET = "/api/v1/datasets/library"


@dataclass
class Library:
    """Documents by their ids, with their metadata; the later, the more similar to every question.

    Of ids and of its documents' metadata the server looks at the first ``most`` only, without a word, as
    RAGFlow v0.25 does; it lists ``listed`` documents, and says that there are ``total``, if not all.
    """

    documents: Mapping[str, Mapping[str, Any]]
    most: int = 10_000
    listed: int | None = None
    total: int | None = None

    def on(self, script: Script) -> None:
        """Have the server answer for it."""
        script.answers |= {
            f"GET {DATASET}": lambda query: self._dataset(),
            "GET /api/v1/datasets": lambda query: [self._dataset()],
            f"GET {DATASET}/documents": self._page,
            RETRIEVAL: self._retrieved,
        }

    def _dataset(self) -> dict[str, Any]:
        return {"id": "library", "name": "library", "document_count": len(self.documents)}

    def _page(self, query: dict[str, Any]) -> dict[str, Any]:
        page, size = int(query["page"]), int(query["page_size"])
        ids = list(self.documents)[: self.listed][(page - 1) * size : page * size]
        rows = [
            {"id": id, "name": f"{id}.txt", "dataset_id": "library", "meta_fields": self.documents[id]}
            for id in ids
        ]
        return {"total": len(self.documents) if self.total is None else self.total, "docs": rows}

    def _retrieved(self, body: dict[str, Any]) -> dict[str, Any]:
        best = sorted(self._let_through(body), key=lambda id: int(id[1:]), reverse=True)
        first = (body["page"] - 1) * body["page_size"]
        told = body.get("reference_metadata", {}).get("include", False)
        return found(self._chunk(id, told) for id in best[first : first + body["page_size"]])

    def _let_through(self, body: dict[str, Any]) -> Sequence[str]:
        if "document_ids" in body:
            return [str(id) for id in body["document_ids"][: self.most]]
        if "metadata_condition" in body:
            condition = Scope(metadata=body["metadata_condition"])
            looked_at = list(self.documents.items())[: self.most]
            return [id for id, held in looked_at if condition.has_document(id, held)]
        return list(self.documents)

    def _chunk(self, id: str, with_metadata: bool) -> dict[str, Any]:
        more = {"document_metadata": self.documents[id]} if with_metadata else {}
        return {
            "id": f"chunk-{id}",
            "content": f"Text of {id}.",
            "document_id": id,
            "document_keyword": f"{id}.txt",
            "dataset_id": "library",
            "similarity": int(id[1:]) / 1e6,
            **more,
        }
