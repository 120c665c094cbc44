"""What all tools share: arguments that are checked, and errors that the model is told."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from llama_index.core.tools import FunctionTool, ToolMetadata, ToolOutput
from llama_index.core.tools.types import DefaultToolFnSchema
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ragflow_integrations import ConfigurationError, InvalidRequestError, RAGFlowError

__all__ = ["TOLD", "RAGFlowTool", "TextOrFile", "Told", "metadata"]


class _Arguments(BaseModel):
    """What a model may write. Whatever else it writes is an error that it is told."""

    model_config = ConfigDict(extra="forbid")


class _Search(_Arguments):
    question: str = Field(description="What to look for, in a few words or as a question.")


class _Ask(_Arguments):
    question: str = Field(description="A complete question; earlier questions are not remembered.")


class _Nothing(_Arguments):
    pass


class _List(_Arguments):
    dataset: str | None = Field(
        default=None, description="A dataset's name; may be left out if there is one."
    )
    page: int = Field(default=1, ge=1, description="Which part of a long list to read, from 1.")


class _Read(_Arguments):
    document_id: str = Field(description="The document's id, as a search or a list tells it.")
    page: int = Field(default=1, ge=1, description="Which part of a long document to read, from 1.")


class _Recall(_Arguments):
    question: str = Field(description="What to recall, in a few words or as a question.")


class _Remember(_Arguments):
    text: str = Field(description="What to remember of this user, as a complete sentence.")


class _Text(_Arguments):
    name: str = Field(description="A name for the document, with its ending: notes.md")
    content: str = Field(description="The document's text.")


class TextOrFile(_Arguments):
    """Arguments of an upload where there is a shared folder."""

    name: str | None = Field(default=None, description="A name for the document, with its ending: notes.md")
    content: str | None = Field(default=None, description="The document's text; or give path.")
    path: str | None = Field(default=None, description="A file of the shared folder; or give content.")


class Told(NamedTuple):
    """What a model is told of a tool."""

    description: str
    arguments: type[BaseModel]


TOLD = {
    "search": Told(
        "Searches the knowledge base and returns the passages that fit best, numbered, each with its source.",
        _Search,
    ),
    "ask": Told(
        "Asks an assistant that knows the knowledge base, and returns its answer with its sources.", _Ask
    ),
    "list_datasets": Told(
        "Lists the datasets of the knowledge base, with what they are about and how large they are.", _Nothing
    ),
    "list_documents": Told("Lists the documents of a dataset, page by page, with their ids.", _List),
    "read_document": Told(
        "Reads a document that was found or listed, in its own order, page by page.", _Read
    ),
    "recall": Told("Recalls what is remembered of this user from earlier conversations.", _Recall),
    "remember": Told("Remembers something of this user for later conversations.", _Remember),
    "upload": Told("Stores a document in the knowledge base, where it can be found from then on.", _Text),
}


def metadata(name: str, told: Told, given: ToolMetadata | None) -> ToolMetadata:
    """A tool's metadata; of what the developer gives, what is missing is filled in."""
    if given is None:
        return ToolMetadata(told.description, name, told.arguments)
    own = given.fn_schema not in (None, DefaultToolFnSchema)
    return ToolMetadata(
        given.description or told.description,
        given.name or name,
        given.fn_schema if own else told.arguments,
        given.return_direct,
    )


class RAGFlowTool(FunctionTool):
    """A tool on a RAGFlow server, native in both ways of calling.

    What RAGFlow refuses, and arguments that the tool does not take, become a ``ToolOutput`` with ``is_error``. What
    only the developer can mend is raised: ``ConfigurationError``, and what a function given as ``scope`` or ``user``
    raises; an agent tells its model that, too.
    """

    def call(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call it beside no event loop."""
        try:
            return super().call(**self._checked(args, kwargs))
        except RAGFlowError as error:
            return self._refused(error, args, kwargs)

    async def acall(self, *args: Any, **kwargs: Any) -> ToolOutput:
        """Call it in a coroutine."""
        try:
            return await super().acall(**self._checked(args, kwargs))
        except RAGFlowError as error:
            return self._refused(error, args, kwargs)

    def _checked(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        schema = self.metadata.fn_schema
        assert schema is not None, "each has one"
        try:
            given = schema.model_validate({**dict(zip(schema.model_fields, args, strict=False)), **kwargs})
        except ValidationError as error:
            raise InvalidRequestError(_told(error)) from None
        return {name: getattr(given, name) for name in schema.model_fields}

    def _refused(self, error: RAGFlowError, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> ToolOutput:
        if isinstance(error, ConfigurationError):
            raise error
        return ToolOutput(
            tool_name=self.metadata.get_name(),
            content=str(error),
            raw_input={"args": args, "kwargs": dict(kwargs)},
            raw_output=str(error),
            is_error=True,
        )


def _told(error: ValidationError) -> str:
    """What is wrong with the arguments; the values stay out of it."""
    return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
