"""Found documents as a model is given them: numbered sources."""

from __future__ import annotations

from collections.abc import Sequence

from langchain_core.documents import Document

from ragflow_integrations.adapting import Passage, passages_as_text

__all__ = ["numbered"]


def numbered(documents: Sequence[Document]) -> str:
    """The documents as numbered sources, each with its name and between marks."""
    return passages_as_text([_passage(document) for document in documents])


def _passage(document: Document) -> Passage:
    facts = document.metadata
    name, page = facts.get("source", ""), facts.get("page")
    return Passage(document.page_content, name, facts.get("document_id"), page)
