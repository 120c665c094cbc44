"""What the server sends, as pydantic models with its own field names, equal for all versions."""

from .agent import AgentFields, AgentMessage, AgentSessionFields, AgentStep
from .base import Model, Page
from .chat import ChatFields, Message, SessionFields
from .chat_settings import ChatLLM, ChatPrompt
from .chunk import ChunkFields, ChunkPage, DocumentAggregate, PageBox, Reference, Retrieval
from .citation import Citation
from .completion import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChoiceDelta,
    CompletionMessage,
    CompletionUsage,
    DeltaChoice,
)
from .dataset import DataSetFields, ParserConfig
from .document import DocumentFields, Media, ParseProgress
from .file import FileFields, FilePage
from .graph import IndexTask, KnowledgeGraph
from .memory import MemoryFields, MemoryMessage
from .metadata import AutoMetadata, AutoMetadataField, MetadataField, MetadataUpdate
from .progress import UploadProgress
from .search import SearchFields
from .system import Health, ServerInfo

__all__ = [
    "AgentFields",
    "AgentMessage",
    "AgentSessionFields",
    "AgentStep",
    "AutoMetadata",
    "AutoMetadataField",
    "ChatCompletion",
    "ChatCompletionChunk",
    "ChatFields",
    "ChatLLM",
    "ChatPrompt",
    "Choice",
    "ChoiceDelta",
    "ChunkFields",
    "ChunkPage",
    "Citation",
    "CompletionMessage",
    "CompletionUsage",
    "DataSetFields",
    "DeltaChoice",
    "DocumentAggregate",
    "DocumentFields",
    "FileFields",
    "FilePage",
    "Health",
    "IndexTask",
    "KnowledgeGraph",
    "Media",
    "MemoryFields",
    "MemoryMessage",
    "Message",
    "MetadataField",
    "MetadataUpdate",
    "Model",
    "Page",
    "PageBox",
    "ParseProgress",
    "ParserConfig",
    "Reference",
    "Retrieval",
    "SearchFields",
    "ServerInfo",
    "SessionFields",
    "UploadProgress",
]
