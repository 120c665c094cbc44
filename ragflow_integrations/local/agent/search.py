"""The component that looks things up, in datasets or in memories."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from ..memory.messages import Search
from ..metadata_filter import chosen, wanted
from ..problems import Refused
from ..search import Retrieval as Query
from . import checks
from .component import Component, Row
from .references import as_text, is_reference

__all__ = ["Retrieval"]

_KEPT = ("id", "content", "document_id", "dataset_id", "image_id", "positions", "row_id")
_SCORES = ("similarity", "vector_similarity", "term_similarity")


class Retrieval(Component):
    """Finds chunks of datasets, or messages of memories, for a question.

    Its outputs are ``formalized_content``, a text for a language model, and ``json``, the chunks.
    """

    name = "Retrieval"
    defaults: ClassVar[Row] = {
        "query": "sys.query",
        "similarity_threshold": 0.2,
        "keywords_similarity_weight": 0.5,
        "top_n": 8,
        "top_k": 1024,
        "dataset_ids": [],
        "kb_ids": [],
        "memory_ids": [],
        "kb_vars": [],
        "rerank_id": "",
        "empty_response": "",
        "use_kg": False,
        "cross_languages": [],
        "toc_enhance": False,
        "meta_data_filter": {},
    }

    @classmethod
    def check(cls, params: Row) -> None:
        checks.fraction(params["similarity_threshold"], "[Retrieval] Similarity threshold")
        checks.fraction(params["keywords_similarity_weight"], "[Retrieval] Keyword similarity weight")
        checks.positive(params["top_n"], "[Retrieval] Top N")

    def texts(self) -> Sequence[str]:
        query = str(self.params["query"] or "")
        return [f"{{{query}}}" if is_reference(query) and not query.strip().startswith("{") else query]

    def elements(self) -> Row:
        return {"query": {"name": "Query", "value": None}}

    def form(self) -> Row:
        return {"query": {"name": "Query", "type": "line"}}

    def invoke(self, inputs: Mapping[str, Any]) -> None:
        question = self.canvas.filled(self.texts()[0])
        self.set_input("query", question)
        found = self.found(question)
        self.set_output(
            "formalized_content", found or self.canvas.filled(self.params["empty_response"] or "")
        )

    def found(self, question: str) -> str:
        """What is found for a question, as a text for a language model; empty if there is nothing."""
        if not question.strip():
            return ""
        source = self.params.get("retrieval_from")
        if source == "memory" or (source != "dataset" and not self._datasets() and self.params["memory_ids"]):
            return self._in_memories(question)
        return self._in_datasets(question)

    def thoughts(self) -> str:
        return f"Looking for: {self.canvas.filled(self.texts()[0])}"

    def _in_datasets(self, question: str) -> str:
        if self.params["use_kg"]:
            raise Refused("the local engine does not have `use_kg` of Retrieval; a RAGFlow server has it")
        dataset_ids = self._datasets()
        if not dataset_ids:
            return ""
        query = Query(
            question=question,
            dataset_ids=dataset_ids,
            document_ids=self._documents(dataset_ids, question),
            page_size=self.params["top_n"],
            similarity_threshold=self.params["similarity_threshold"],
            vector_similarity_weight=1 - self.params["keywords_similarity_weight"],
            top_k=self.params["top_k"],
            rerank_id=self.params["rerank_id"] or "",
            cross_languages=self.params["cross_languages"] or (),
            toc_enhance=bool(self.params["toc_enhance"]),
        )
        retrieved = self.canvas.host.retrieve(query)
        cited = [_cited(chunk) for chunk in retrieved.chunks]
        numbers = self.canvas.add_chunks(retrieved, cited)
        self.set_output("json", cited)
        return "\n\n".join(
            f"ID: {number}\nTitle: {chunk['document_name']}\nContent:\n{chunk['content']}"
            for number, chunk in zip(numbers, cited, strict=True)
        )

    def _documents(self, dataset_ids: Sequence[str], question: str) -> Sequence[str] | None:
        """The documents that the metadata filter leaves, in whose values variables are filled in; None for all."""
        given = self.params["meta_data_filter"]
        if not given:
            return None
        manual = [
            {**each, "value": self.canvas.filled(str(each.get("value", "")))}
            for each in given.get("manual") or ()
        ]
        host = self.canvas.host
        llm = host.models.needed_llm("`meta_data_filter`") if wanted(given) else None
        return chosen({**given, "manual": manual}, host.metadata(dataset_ids), question, llm, None)

    def _in_memories(self, question: str) -> str:
        query = Search(
            question,
            self.params["memory_ids"],
            self.params["similarity_threshold"],
            self.params["keywords_similarity_weight"],
            self.params["top_n"],
        )
        self.canvas.searched = True
        found = self.canvas.host.search_messages(query)
        return "\n\n".join(f"{each['valid_at']}\n{each['content']}" for each in found)

    def _datasets(self) -> list[str]:
        """The ids of its datasets; a variable among them holds names or ids."""
        ids: list[str] = []
        for each in self.params["dataset_ids"] or self.params["kb_ids"]:
            if "@" not in each:
                ids.append(each)
                continue
            value = self.canvas.value_of(each)
            for name in value if isinstance(value, list) else [value]:
                ids.append(self.canvas.host.dataset_called(as_text(name)))
        return list(dict.fromkeys(each for each in ids if each))


def _cited(chunk: Row) -> Row:
    return {key: chunk.get(key) for key in (*_KEPT, *_SCORES)} | {
        "document_name": chunk["document_keyword"],
        "doc_type": chunk["doc_type_kwd"],
        "url": None,
        "document_metadata": chunk.get("document_metadata"),
    }
