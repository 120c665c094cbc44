"""Where an answer cites its sources: ``[ID:n]`` stands for the answer's n-th source node, from 0."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from llama_index.core.schema import NodeWithScore

from ragflow_integrations import Citation

__all__ = ["Cited", "cite", "flag"]


class Cited(NamedTuple):
    """The citations of a text, in its order, and the markers that point to no source.

    ``citations`` are ``{"index", "start", "end", "node_id"}``, ``unresolved`` the same without ``node_id``:
    ``text[start:end]`` is the marker, ``index`` the number in it.
    """

    citations: list[dict[str, Any]]
    unresolved: list[dict[str, Any]]

    @property
    def node_ids(self) -> list[str]:
        """The cited nodes, each once, in the order of their first citation."""
        return list(dict.fromkeys(citation["node_id"] for citation in self.citations))


def cite(text: str, nodes: Sequence[NodeWithScore]) -> Cited:
    """The citations of a whole answer whose sources are ``nodes``.

    Of a stream, give the joined pieces: a marker may be cut anywhere. A bare ``[n]`` is text, as in ``x[0]``.
    """
    cited = Cited([], [])
    for marker in Citation.found_in(text, ()):
        found = {"index": marker.index, "start": marker.start, "end": marker.end}
        if marker.index < len(nodes):
            cited.citations.append({**found, "node_id": nodes[marker.index].node_id})
        else:
            cited.unresolved.append(found)
    return cited


def flag(nodes: Sequence[NodeWithScore], cited: Cited) -> None:
    """Say in each node's metadata by which number it can be cited, and whether it was."""
    indexes = {citation["index"] for citation in cited.citations}
    for index, node in enumerate(nodes):
        node.metadata.update(citation_index=index, cited=index in indexes)
