"""Found documents as a model is given them: numbered sources."""

from __future__ import annotations

import json
from collections.abc import Sequence

from langchain_core.documents import Document

from ragflow_integrations.adapting import DATA, Fence

__all__ = ["numbered"]


def numbered(documents: Sequence[Document]) -> str:
    """The documents as numbered sources, each with its name and between marks."""
    fence = Fence(document.page_content for document in documents)
    parts = [f"[{n}] {_source(one)}\n{fence.around(one.page_content)}" for n, one in enumerate(documents, 1)]
    return "\n\n".join([f"{len(documents)} passages, the best first. {DATA}", *parts])


def _source(document: Document) -> str:
    """Where it is from; a name is as little to be trusted as a text and is one quoted line."""
    facts = document.metadata
    name = json.dumps(facts.get("source", ""), ensure_ascii=False)
    page = f", page {facts['page']}" if "page" in facts else ""
    return f"source {name}{page}, document_id {facts.get('document_id')}"
