"""For tests of your own, and the adapters' conformance kits: a knowledge base to test on, and a client that is watched.

    with knowledge_base(RAGFlow()) as kb, watched(kb.client) as watch:
        my_retriever(client=watch.client, dataset_ids=[kb.dataset_id]).invoke(kb.question)
        assert [one.operation for one in watch.exchanges] == ["RAGFlow.retrieve"]

It needs neither a framework nor pytest, and runs on any server that the client runs on.
"""

from __future__ import annotations

from .knowledge import KnowledgeBase, knowledge_base
from .watching import Exchange, Watch, watched

__all__ = ["Exchange", "KnowledgeBase", "Watch", "knowledge_base", "watched"]
