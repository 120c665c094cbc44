"""Where an answer cites its sources: ``[ID:n]`` in RAGFlow's text, written as its reader wants it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, NamedTuple, get_args

from llama_index.core.schema import NodeWithScore

from ragflow_integrations import Citation, ConfigurationError, Message

from .events import CitationResolved, dispatcher

__all__ = ["CitationStyle", "Cited", "Markers", "Span", "check_style", "cite", "flag", "footnotes", "tell"]

CitationStyle = Literal["ragflow", "numeric", "markdown", "none"]
"""What stands in the text for the first source: ``[ID:0]``, ``[1]``, the footnote ``[^1]``, or nothing."""

# the end of a text that may go on as a marker
_BEGUN = re.compile(r"(?:\[(?:I(?:D(?::\s*(?:\d{1,9}\s*)?)?)?)?|#(?:#(?:\d{1,9}\$?)?)?)\Z")
_SPECIAL = re.compile(r"([\\`*_{}\[\]()<>#!|])")


class Span(NamedTuple):
    """A marker with this number in it, at ``text[start:end]``."""

    number: int
    start: int
    end: int


class Markers:
    """Rewrites the markers of an answer that arrives in pieces, and notes where they are in what it hands out.

    What may become a marker is held back, so that none is handed out in parts; ``spans`` are those in the joined
    pieces. Without markers (``"none"``) a span is the place where one was, and the spaces before it go as well.
    """

    def __init__(self, style: CitationStyle) -> None:
        self.spans: list[Span] = []
        self._style = style
        self._held = ""
        self._length = 0

    def feed(self, text: str) -> str:
        """What can be handed out now."""
        buffer, done, read = self._held + text, list[str](), 0
        for marker in Citation.found_in(buffer, ()):
            done.append(self._out(self._before(buffer[read : marker.start])))
            start, read = self._length, marker.end
            done.append(self._out(self._as_written(marker.index, buffer[marker.start : marker.end])))
            self.spans.append(Span(marker.index, start, self._length))
        rest = buffer[read:]
        begun = _BEGUN.search(rest)
        kept = self._before(rest[: begun.start() if begun else len(rest)])
        self._held = rest[len(kept) :]
        return "".join(done) + self._out(kept)

    def end(self) -> str:
        """What was held back and has become no marker."""
        held, self._held = self._held, ""
        return self._out(held)

    def whole(self, text: str) -> str:
        """A text that is there at once."""
        return self.feed(text) + self.end()

    def _before(self, text: str) -> str:
        return text.rstrip(" ") if self._style == "none" else text

    def _as_written(self, number: int, marker: str) -> str:
        styles = {"numeric": f"[{number + 1}]", "markdown": f"[^{number + 1}]", "none": ""}
        return styles.get(self._style, marker)

    def _out(self, text: str) -> str:
        self._length += len(text)
        return text


class Cited(NamedTuple):
    """The citations of a text, in its order, and the markers that point to no source.

    ``citations`` are ``{"index", "start", "end", "node_id"}``, ``index`` being the source's place, from 0.
    ``unresolved`` are the same without ``node_id``, ``index`` being the number in RAGFlow's marker.
    """

    citations: list[dict[str, Any]]
    unresolved: list[dict[str, Any]]

    @property
    def node_ids(self) -> list[str]:
        """The cited nodes, each once, in the order of their first citation."""
        return list(dict.fromkeys(citation["node_id"] for citation in self.citations))

    @property
    def places(self) -> list[int]:
        """The places of the cited nodes, each once, in their order."""
        return sorted({citation["index"] for citation in self.citations})


def cite(text: str, spans: Iterable[Span], message: Message, nodes: Sequence[NodeWithScore]) -> Cited:
    """The citations of a whole answer, whose ``text`` is as RAGFlow has it, and ``spans`` as it was handed out.

    ``nodes`` are the message's reference. A bare ``[n]`` of RAGFlow's is text, as in ``x[0]``.
    """
    cited = Cited([], [])
    places = {id(chunk): place for place, chunk in enumerate(message.reference)}
    markers = message.model_copy(update={"content": text, "full_content": text}).citations()
    for marker, span in zip(markers, spans, strict=True):
        at = {"start": span.start, "end": span.end}
        if marker.chunk is None:
            cited.unresolved.append({"index": span.number, **at})
        else:
            place = places[id(marker.chunk)]
            cited.citations.append({"index": place, **at, "node_id": nodes[place].node_id})
    return cited


def flag(nodes: Sequence[NodeWithScore], cited: Cited) -> None:
    """Say in each node's metadata at which place it is among the sources, and whether it is cited."""
    places = set(cited.places)
    for place, node in enumerate(nodes):
        node.metadata.update(citation_index=place, cited=place in places)


def tell(nodes: Sequence[NodeWithScore], cited: Cited) -> None:
    """Let LlamaIndex's instrumentation know, marker by marker."""
    for one in sorted(cited.citations + cited.unresolved, key=lambda one: (one["start"], one["end"])):
        known = {"document_id": nodes[one["index"]].node.ref_doc_id} if "node_id" in one else {}
        dispatcher.event(CitationResolved(**one, **known))


def footnotes(nodes: Sequence[NodeWithScore], cited: Cited) -> str:
    """What ends a text in Markdown whose markers are footnotes: the cited documents, with page and address."""
    notes = [f"[^{place + 1}]: {_source(nodes[place].metadata)}" for place in cited.places]
    return "\n\n" + "\n".join(notes) if notes else ""


def _source(metadata: dict[str, Any]) -> str:
    name = _SPECIAL.sub(r"\\\1", " ".join(str(metadata.get("document_name") or "source").split()))
    page = f", page {metadata['page_label']}" if "page_label" in metadata else ""
    url = str(metadata.get("url") or "")
    if url.startswith(("http://", "https://")) and not set(url) & set("<> \t\r\n"):
        return f"[{name}](<{url}>){page}"
    return f"{name}{page}"


def check_style(style: object) -> CitationStyle:
    """Itself; ``ConfigurationError`` if there is no such style."""
    styles: tuple[CitationStyle, ...] = get_args(CitationStyle)
    for known in styles:
        if style == known:
            return known
    raise ConfigurationError(f"citation_style={style!r}: give one of {', '.join(styles)}")
