"""What holds for every class whose answers can be read as they arrive."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from ragflow_integrations.testing import KnowledgeBase, Watch
from ragflow_integrations.testing.suites import StreamSuite, off

from ._suite import SourcesTests

__all__ = ["StreamTests"]


class StreamTests(StreamSuite, SourcesTests):
    """Pieces, sources filled at the end, streams that are left, cancelled or fail; and all of ``SourcesTests``."""

    def streaming(self, knowledge: KnowledgeBase) -> dict[str, Any]:
        """Parameters with which it streams."""
        return {}

    def open(self, made: Any, question: str) -> Any:
        """A response to be read in the plain way."""
        raise NotImplementedError

    async def aopen(self, made: Any, question: str) -> Any:
        """A response to be read in a coroutine."""
        raise NotImplementedError

    def pieces(self, response: Any) -> Iterator[str]:
        """The text as it arrives."""
        pieces: Iterator[str] = response.response_gen
        return pieces

    def apieces(self, response: Any) -> AsyncIterator[str]:
        """The text as it arrives."""
        pieces: AsyncIterator[str] = response.async_response_gen()
        return pieces

    def _streaming(self, knowledge: KnowledgeBase, watch: Watch, **more: Any) -> Any:
        return self.made(watch.client, knowledge, **self.streaming(knowledge), **more)

    def streamed(self, knowledge: KnowledgeBase, watch: Watch) -> Any:
        return self.pieces(self.open(self._streaming(knowledge, watch), knowledge.question))

    async def astreamed(self, knowledge: KnowledgeBase, watch: Watch) -> AsyncIterator[Any]:
        return self.apieces(await self.aopen(self._streaming(knowledge, watch), knowledge.question))

    @pytest.mark.asyncio
    async def test_a_stream_has_text_and_sources(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """Its pieces are the whole answer; the list of sources that is there from the start is filled at the end."""
        whole = await self.acall(self.made(watch.client, knowledge), knowledge.question)
        for read in (self._read, self._aread):
            response, held, text = await read(self._streaming(knowledge, watch), knowledge.question)
            assert held is response.source_nodes
            assert held
            if self.deterministic:
                assert text == self.text(whole)
                assert [one.node_id for one in held] == [one.node_id for one in self.sources(whole)]

    async def _read(self, made: Any, question: str) -> tuple[Any, Any, str]:
        response = await off(lambda: self.open(made, question))
        return response, response.source_nodes, await off(lambda: "".join(self.pieces(response)))

    async def _aread(self, made: Any, question: str) -> tuple[Any, Any, str]:
        response = await self.aopen(made, question)
        held = response.source_nodes
        return response, held, "".join([piece async for piece in self.apieces(response)])

    @pytest.mark.asyncio
    async def test_a_stream_that_fails(self, knowledge: KnowledgeBase, watch: Watch) -> None:
        """The reader is told, in both ways by the same error; a text that ends is an answer."""
        made = self._streaming(knowledge, watch, **self.failing)
        with pytest.raises(Exception) as sync:  # noqa: PT011 - whatever the client raises
            await off(lambda: list(self.pieces(self.open(made, knowledge.question))))
        with pytest.raises(sync.type):
            [piece async for piece in self.apieces(await self.aopen(made, knowledge.question))]
