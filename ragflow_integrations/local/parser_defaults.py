"""The ``parser_config`` that a dataset or document gets where its maker says nothing, by version of the API.

The values are what the two versions answer, the prompts word by word: clients compare them. ``raptor`` and
``graphrag`` are settings for runs that somebody has to start; parsing does not look at them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .fields import merged

__all__ = ["ParserDefaults", "v024", "v027"]

Row = dict[str, Any]
ParserDefaults = Callable[[str], Row]
"""From a chunk method to its ``parser_config``."""

_EVERY: Row = {"image_context_size": 0, "table_context_size": 0}
_OFF: Row = {"graphrag": {"use_graphrag": False}, "raptor": {"use_raptor": False}}
_WITH_SWITCHES = ("qa", "manual", "paper", "book", "laws", "presentation")

_NAIVE: Row = {
    "auto_keywords": 0,
    "auto_questions": 0,
    "chunk_token_num": 512,
    "delimiter": "\n",
    "html4excel": False,
    "layout_recognize": "DeepDOC",
    "topn_tags": 3,
}
_RAPTOR: Row = {"max_cluster": 64, "random_seed": 0, "use_raptor": True}
_GRAPHRAG: Row = {
    "entity_types": ["organization", "person", "geo", "event", "category"],
    "method": "light",
    "use_graphrag": True,
}
_KNOWLEDGE_GRAPH: Row = {
    "chunk_token_num": 8192,
    "entity_types": ["organization", "person", "location", "event", "time"],
    **_OFF,
}

_NAIVE_024: Row = {
    **_NAIVE,
    "graphrag": _GRAPHRAG,
    "raptor": {
        **_RAPTOR,
        "max_token": 256,
        "prompt": "Please summarize the following paragraphs. Be careful with the numbers, do not make things up. "
        "Paragraphs as following:\n      {cluster_content}\nThe above is the content you need to summarize.",
        "threshold": 0.1,
    },
}

_NAIVE_027: Row = {
    **_NAIVE,
    "children_delimiter": "",
    "graphrag": {
        **_GRAPHRAG,
        "batch_chunk_token_size": 4096,
        "build_subgraph_min_timeout_seconds": 600,
        "build_subgraph_timeout_per_chunk_seconds": 300,
        "community_timeout_seconds": 1800,
        "lock_acquire_timeout_seconds": 600,
        "merge_timeout_seconds": 180,
        "resolution_timeout_seconds": 1800,
        "retry_attempts": 2,
        "retry_backoff_max_seconds": 60.0,
        "retry_backoff_seconds": 2.0,
    },
    "parent_child": {"children_delimiter": "\n", "use_parent_child": False},
    "raptor": {
        **_RAPTOR,
        "clustering_ratio": 0.5,
        "clustering_threshold": 0.3,
        "max_token": 512,
        "prompt": "Summarize the paragraphs below without inventing facts or changing numbers.\n"
        "Output exactly two parts in the same language as the source:\n1. First line: a concise title only.\n"
        "2. Following lines: a concise summary of the content.\n"
        "Do not output labels, Markdown headings, bullet points, or any other commentary.\n\n"
        "Paragraphs:\n{cluster_content}",
    },
}


def v024(chunk_method: str) -> Row:
    """Those of RAGFlow v0.24."""
    return _defaults(
        {"naive": _NAIVE_024, "knowledge_graph": {**_KNOWLEDGE_GRAPH, "delimiter": "\\n"}}, chunk_method
    )


def v027(chunk_method: str) -> Row:
    """Those of RAGFlow v0.27."""
    return _defaults(
        {"naive": _NAIVE_027, "knowledge_graph": {**_KNOWLEDGE_GRAPH, "delimiter": "\n"}}, chunk_method
    )


def _defaults(special: Mapping[str, Row], chunk_method: str) -> Row:
    switches = _OFF if chunk_method in _WITH_SWITCHES else {}
    return merged(_EVERY, special.get(chunk_method, switches))
