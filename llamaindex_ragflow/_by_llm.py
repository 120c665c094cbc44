"""Answers of a language model of LlamaIndex about what is in an index."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from llama_index.core.base.base_query_engine import BaseQueryEngine
from llama_index.core.chat_engine import (
    CondensePlusContextChatEngine,
    CondenseQuestionChatEngine,
    ContextChatEngine,
)
from llama_index.core.chat_engine.types import BaseChatEngine, ChatMode
from llama_index.core.llms.llm import LLM
from llama_index.core.query_engine import RetrieverQueryEngine

from ragflow_integrations import ConfigurationError

from .retriever import RAGFlowRetriever

__all__ = ["answering", "conversing"]

Retrievers = Callable[..., RAGFlowRetriever]


def answering(retriever: Retrievers, llm: LLM, settings: Mapping[str, Any]) -> BaseQueryEngine:
    """LlamaIndex's own query engine; ``settings`` are the retriever's and ``RetrieverQueryEngine.from_args``'s."""
    of_retriever, rest = _divided(settings)
    return RetrieverQueryEngine.from_args(retriever(**of_retriever), llm=llm, **rest)


def conversing(
    retriever: Retrievers, llm: LLM, mode: ChatMode, settings: Mapping[str, Any]
) -> BaseChatEngine:
    """LlamaIndex's own chat engine for a mode; ``settings`` are the retriever's and that engine's."""
    of_retriever, rest = _divided(settings)
    match ChatMode(mode):
        case ChatMode.BEST | ChatMode.CONDENSE_PLUS_CONTEXT:
            return CondensePlusContextChatEngine.from_defaults(retriever(**of_retriever), llm=llm, **rest)
        case ChatMode.CONTEXT:
            return ContextChatEngine.from_defaults(retriever(**of_retriever), llm=llm, **rest)
        case ChatMode.CONDENSE_QUESTION:
            engine = RetrieverQueryEngine.from_args(retriever(**of_retriever), llm=llm)
            return CondenseQuestionChatEngine.from_defaults(engine, llm=llm, **rest)
    raise ConfigurationError(
        f"chat_mode={mode!r}: with llm= give best, context, condense_question or condense_plus_context; an agent takes "
        "the index as a tool"
    )


def _divided(settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is for the retriever, and the rest."""
    names = inspect.signature(RAGFlowRetriever).parameters
    ours = {name: value for name, value in settings.items() if name in names}
    return ours, {name: value for name, value in settings.items() if name not in names}
