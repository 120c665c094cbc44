"""What LlamaIndex's instrumentation tells while a block runs."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from llama_index.core.instrumentation.event_handlers import BaseEventHandler
from llama_index.core.instrumentation.events import BaseEvent
from llama_index.core.instrumentation.span import SimpleSpan
from llama_index.core.instrumentation.span_handlers import BaseSpanHandler
from llama_index_instrumentation import get_dispatcher
from pydantic import Field

__all__ = ["Events", "Spans", "seeing"]


class Events(BaseEventHandler):
    """Keeps the events."""

    seen: list[BaseEvent] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """Its name in LlamaIndex's registry."""
        return "ConformanceEvents"

    def handle(self, event: BaseEvent, **kwargs: Any) -> None:
        """An event."""
        self.seen.append(event)

    @property
    def names(self) -> list[str]:
        """The events' classes."""
        return [type(event).__name__ for event in self.seen]


class Spans(BaseSpanHandler[SimpleSpan]):
    """Keeps what every tracer is handed: the object whose method is called, and the arguments."""

    seen: list[Any] = Field(default_factory=list)

    @classmethod
    def class_name(cls) -> str:
        """Its name in LlamaIndex's registry."""
        return "ConformanceSpans"

    def new_span(
        self, id_: str, bound_args: inspect.BoundArguments, instance: Any | None = None, *_: Any, **__: Any
    ) -> SimpleSpan:
        """A call begins."""
        self.seen.append((id_, dict(bound_args.arguments), vars(instance) if instance is not None else {}))
        return SimpleSpan(id_=id_)

    def prepare_to_exit_span(self, id_: str, *_: Any, **__: Any) -> SimpleSpan:
        """A call is over."""
        return SimpleSpan(id_=id_)

    def prepare_to_drop_span(self, id_: str, *_: Any, **__: Any) -> SimpleSpan:
        """A call failed."""
        return SimpleSpan(id_=id_)


@contextmanager
def seeing() -> Iterator[tuple[Events, Spans]]:
    """Handlers on the root dispatcher while the block runs."""
    root, events, spans = get_dispatcher(), Events(), Spans()
    root.add_event_handler(events)
    root.add_span_handler(spans)
    try:
        yield events, spans
    finally:
        root.event_handlers.remove(events)
        root.span_handlers.remove(spans)
