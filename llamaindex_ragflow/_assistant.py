"""The server's answers about one dataset: by a chat assistant of its own."""

from __future__ import annotations

from typing import Any

from ragflow_integrations import (
    Chat,
    ConflictError,
    DataSet,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
)
from ragflow_integrations.adapting import Flow, ask

from ._chat import ChatAnswers, ChatId
from ._client import Connection
from ._dataset import OneDataset
from .chat_engine import RAGFlowChatEngine
from .query_engine import RAGFlowQueryEngine

__all__ = ["Assistant", "AssistantChatEngine", "AssistantQueryEngine"]

_FOUND_LATER = "the assistant of the index"  # instead of a name, which is not known before the dataset is


class Assistant(ChatId):
    """The chat assistant of a dataset, found by its name, or made when it is first asked."""

    def __init__(self, dataset: OneDataset, connection: Connection) -> None:
        super().__init__(None, None, connection)
        self._dataset = dataset

    def found(self) -> Flow[str]:
        """Raises ``InvalidRequestError`` if somebody uses its name for a chat about something else."""
        if self._id is not None:
            return self._id
        held = yield from self._dataset.found()
        chat = yield from self._found_or_made(held)
        if chat.dataset_ids != [held.id]:
            raise InvalidRequestError(
                f"chat {chat.name!r} is about other datasets: rename it, or give chat_id="
            )
        if not self._connection.scope_varies:
            self._id = chat.id
        return chat.id

    def deleted(self) -> Flow[None]:
        """It is gone, if it was there; somebody else's of its name stays."""
        held = yield from self._dataset.found()
        try:
            chat = yield from ask(lambda client: client.get_chat(name=_name(held)))
            if chat.dataset_ids == [held.id]:
                yield from ask(lambda client: client.delete_chats([chat.id]))
        except NotFoundError:
            return

    def _found_or_made(self, held: DataSet) -> Flow[Chat]:
        name = _name(held)
        try:
            return (yield from ask(lambda client: client.get_chat(name=name)))
        except NotFoundError:
            if (yield from ask(lambda client: client.scope)) is not None:
                raise UnsupportedError(
                    f"there is no chat {name!r} yet, and none can be made within a scope: ask once without one, or "
                    "give chat_id="
                ) from None
        try:
            return (yield from ask(lambda client: client.create_chat(name, dataset_ids=[held.id])))
        except ConflictError:  # somebody else was faster
            return (yield from ask(lambda client: client.get_chat(name=name)))


def _name(held: DataSet) -> str:
    """For people, and the same for everybody who asks."""
    return f"{held.name[:200]} (LlamaIndex {held.id[:8]})"


class AssistantQueryEngine(RAGFlowQueryEngine):
    """A ``RAGFlowQueryEngine`` whose assistant is the dataset's own."""

    def __init__(self, dataset: OneDataset, **settings: Any) -> None:
        super().__init__(chat_name=_FOUND_LATER, **settings)
        assert isinstance(self._answers, ChatAnswers)
        assert self._connection is not None
        self._answers._chat = Assistant(dataset, self._connection)


class AssistantChatEngine(RAGFlowChatEngine):
    """A ``RAGFlowChatEngine`` whose assistant is the dataset's own."""

    def __init__(self, dataset: OneDataset, **settings: Any) -> None:
        super().__init__(chat_name=_FOUND_LATER, **settings)
        self._chat = Assistant(dataset, self._connection)
