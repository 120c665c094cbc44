"""What the server sends, as pydantic models with its own field names, equal for all versions."""

from .base import Model, Page
from .chat import ChatFields, Message, SessionFields
from .chunk import Chunk, DocumentAggregate, Reference, Retrieval
from .dataset import DataSetFields
from .document import DocumentFields, ParseProgress

__all__ = [
    "ChatFields",
    "Chunk",
    "DataSetFields",
    "DocumentAggregate",
    "DocumentFields",
    "Message",
    "Model",
    "Page",
    "ParseProgress",
    "Reference",
    "Retrieval",
    "SessionFields",
]
