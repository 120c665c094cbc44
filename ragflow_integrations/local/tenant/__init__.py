"""What one tenant (the owner of an API key) keeps in an engine: every call of the API, without HTTP.

A group of calls a file. What a method has returned is committed: it is there after a crash. Rows are dicts with
RAGFlow v0.27's field names. What belongs to another tenant is not there: ``Missing``, or None. Errors are those
of ``problems``.
"""

from __future__ import annotations

from .agents import AgentCalls
from .answers import AnswerCalls
from .chats import ChatCalls
from .datasets import DatasetCalls
from .files import FileCalls
from .items import ItemCalls
from .keys import KeyCalls
from .part import Shared
from .searches import SearchCalls

__all__ = ["Shared", "Tenant"]


class Tenant(KeyCalls, DatasetCalls, FileCalls, ChatCalls, AnswerCalls, AgentCalls, SearchCalls, ItemCalls):
    """All calls, on behalf of one tenant; any number of threads may make them."""
