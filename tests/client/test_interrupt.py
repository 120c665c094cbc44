"""Ctrl+C, or a cancelled task, while documents are parsed: what is not done is stopped on the server."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from ragflow_integrations import AsyncRAGFlow, ParseProgress, RAGFlow
from tests.client.conftest import Place, place_of

FILES = [
    {"display_name": f"{number}.txt", "blob": b"Zebras live in Africa.\n" * 4_000} for number in range(8)
]


def interrupt(state: ParseProgress) -> None:
    """What a signal handler does in the middle of it."""
    raise KeyboardInterrupt


@pytest.mark.parametrize("kind", ["folder", "loopback"])
def test_ctrl_c(kind: str, tmp_path: Path) -> None:
    """It is raised again; nothing is being parsed any more, and all of it can be parsed again."""
    with place_of(kind, tmp_path / "kb") as place, RAGFlow(place.api_key, place.base_url) as client:
        dataset = client.create_dataset("n")
        ids = [document.id for document in dataset.upload_documents(FILES)]
        with pytest.raises(KeyboardInterrupt):
            dataset.parse_documents(ids, progress=interrupt)
        after = [document.run for document in dataset.list_documents()]
        assert "CANCEL" in after
        assert set(after) <= {"CANCEL", "DONE"}
        assert {run for _, run, _, _ in dataset.parse_documents(ids[:2])} == {"DONE"}


async def test_a_cancelled_task(place: Place) -> None:
    """The same; the client goes on working."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        dataset = await client.create_dataset("n")
        ids = [document.id for document in await dataset.upload_documents(FILES)]
        looked = asyncio.Event()
        task = asyncio.create_task(dataset.parse_documents(ids, progress=lambda _: looked.set()))
        await looked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        after = [document.run for document in await dataset.list_documents()]
        assert "CANCEL" in after
        assert set(after) <= {"CANCEL", "DONE"}
