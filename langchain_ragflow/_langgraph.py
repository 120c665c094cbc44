"""What a store needs of LangGraph, which comes with the extra ``[agents]``."""

from __future__ import annotations

try:
    from langgraph.store.base import (
        BaseStore,
        GetOp,
        Item,
        ListNamespacesOp,
        MatchCondition,
        Op,
        PutOp,
        SearchItem,
        SearchOp,
        get_text_at_path,
        tokenize_path,
    )
except ImportError as missing:
    raise ImportError("a store needs langgraph: pip install 'ragflow-integrations[agents]'") from missing

__all__ = [
    "BaseStore",
    "GetOp",
    "Item",
    "ListNamespacesOp",
    "MatchCondition",
    "Op",
    "PutOp",
    "SearchItem",
    "SearchOp",
    "get_text_at_path",
    "tokenize_path",
]
