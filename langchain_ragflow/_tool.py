"""What all tools share: results with an artifact, errors that the model is told, one flow for sync and async."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

from langchain_core.tools import BaseTool, ToolException
from pydantic import BaseModel, ConfigDict

from ragflow_integrations import ConfigurationError, RAGFlowError
from ragflow_integrations.adapting import Flow, arun, run

from ._client import STRICT, Connected

__all__ = ["Arguments", "RAGFlowTool"]


class Arguments(BaseModel):
    """What a model may write. Whatever else it writes is an error that it is told."""

    model_config = ConfigDict(extra="forbid")


class RAGFlowTool(Connected, BaseTool):
    """A tool on a RAGFlow server: text for the model, and what the text was made of as ``artifact``.

    What RAGFlow refuses, and arguments that a tool does not take, the model is told by a ``ToolMessage`` with
    ``status="error"``; ``handle_tool_error=False`` raises ``ToolException`` instead. What only the developer can
    mend is raised: ``ConfigurationError``, and what a function given as ``scope`` or ``user`` raises.
    """

    model_config = STRICT

    response_format: Literal["content", "content_and_artifact"] = "content_and_artifact"
    handle_tool_error: Any = True
    handle_validation_error: Any = True

    @abstractmethod
    def _answer(self, *args: Any, **arguments: Any) -> Flow[tuple[str, Any]]:
        """The text for the model, and the artifact."""

    def _run(self, **arguments: Any) -> tuple[str, Any]:
        with _told():
            return run(self._answer(**arguments), self._sync())

    async def _arun(self, **arguments: Any) -> tuple[str, Any]:
        with _told():
            return await arun(self._answer(**arguments), self._async())


@contextmanager
def _told() -> Iterator[None]:
    """What the server says is the model's to hear, settings are not its business."""
    try:
        yield
    except ConfigurationError:
        raise
    except RAGFlowError as error:
        raise ToolException(str(error)) from error
