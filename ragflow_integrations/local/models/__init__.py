"""The models an engine works with: embedders, language models, rerankers, and the names they go by.

Out of the box nothing is downloaded and no other machine is asked: the built-in embedder and reranker work on
words, and answers quote what was found. ``RAGFlow.local(llm=…, embedding=…, reranker=…, models=…)``, the
environment or a ``models.toml`` in the data folder put others in their place.
"""

from __future__ import annotations

from .base import LLM, Message, Reasoning, Reranker, context_of
from .calling import Calling
from .embedders import question_vector
from .names import KINDS, Kind, UnknownModel, model_of
from .registry import Choice, Models
from .tools import NoTools, Tool, ToolCall, ToolCalls, Turn, result_of

__all__ = [
    "KINDS",
    "LLM",
    "Calling",
    "Choice",
    "Kind",
    "Message",
    "Models",
    "NoTools",
    "Reasoning",
    "Reranker",
    "Tool",
    "ToolCall",
    "ToolCalls",
    "Turn",
    "UnknownModel",
    "context_of",
    "model_of",
    "question_vector",
    "result_of",
]
