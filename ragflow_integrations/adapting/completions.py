"""Answers of both routes as ``Message``: the native one's are that already, those in OpenAI's form are read here."""

from __future__ import annotations

from typing import Any, Protocol

from .. import ChatCompletion, ChatCompletionChunk, Message

__all__ = ["Completions", "Messages", "Reader"]


class Reader(Protocol):
    """Reads one answer."""

    def whole(self, answer: Any) -> Message:
        """An answer that came at once."""

    def piece(self, piece: Any) -> Message:
        """A piece of a stream, of which the last is ``final``."""


class Messages:
    """The native route's."""

    def whole(self, answer: Message) -> Message:
        """Itself."""
        return answer

    def piece(self, piece: Message) -> Message:
        """Itself."""
        return piece


class Completions:
    """Those in OpenAI's form, with references and usage."""

    def __init__(self) -> None:
        self._text = ""

    def whole(self, answer: ChatCompletion) -> Message:
        """The only choice that RAGFlow sends."""
        message = answer.choices[0].message
        return Message(
            content=message.content or "",
            reasoning=message.reasoning_content or "",
            reference=message.reference,
            usage=_counted(answer),
            final=True,
        )

    def piece(self, piece: ChatCompletionChunk) -> Message:
        """What is new; the last piece has the whole text again, which may be longer."""
        choice = piece.choices[0]
        delta = choice.delta
        new = delta.content or ""
        self._text += new
        if (whole := delta.final_content or "").startswith(self._text):
            new += whole[len(self._text) :]
        return Message(
            content=new,
            reasoning=delta.reasoning_content or "",
            reference=delta.reference,
            usage=_counted(piece),
            full_content=delta.final_content or "",
            final=choice.finish_reason is not None,
        )


def _counted(answer: ChatCompletion | ChatCompletionChunk) -> dict[str, Any] | None:
    return answer.usage.model_dump() if answer.usage else None
