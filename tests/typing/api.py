"""The public API as users type it: read by mypy and pyright, never executed."""

from __future__ import annotations

from typing import assert_type

from ragflow_integrations import (
    APIError,
    AsyncDataSet,
    AsyncRAGFlow,
    AsyncStream,
    Chunk,
    DataSet,
    Message,
    Page,
    RAGFlow,
    RAGFlowError,
    Stream,
)


def sync_client() -> None:
    """What the sync client returns is known without annotations of the caller."""
    with RAGFlow(
        api_key="ragflow-key", base_url="http://localhost:9380", timeout=10, max_retries=0
    ) as client:
        assert_type(client, RAGFlow)
        dataset = client.create_dataset("notes")
        assert_type(dataset, DataSet)
        assert_type(client.list_datasets(page=1), Page[DataSet])
        for chunk in client.retrieve("question", dataset_ids=[dataset.id]):
            assert_type(chunk, Chunk)
            assert_type(chunk.content, str)
        chat = client.create_chat("guide", dataset_ids=[dataset.id])
        assert_type(chat.ask("question"), Message)
        with chat.create_session().ask("question", stream=True) as stream:
            assert_type(stream, Stream[Message])
            for message in stream:
                assert_type(message.content, str)
        client.delete_datasets(ids=None)


async def async_client() -> None:
    """The async client has the same types, awaited."""
    async with AsyncRAGFlow.local("./kb") as client:
        assert_type(client, AsyncRAGFlow)
        dataset = await client.get_dataset("id")
        assert_type(dataset, AsyncDataSet)
        chat = await client.create_chat("guide", dataset_ids=[dataset.id])
        assert_type(await chat.ask("question"), Message)
        async with await chat.ask("question", stream=True) as stream:
            assert_type(stream, AsyncStream[Message])
            async for message in stream:
                assert_type(message, Message)


def errors(client: RAGFlow) -> str:
    """Errors carry what a caller decides by."""
    try:
        client.get_dataset("unknown")
    except APIError as error:
        assert_type(error.message, str)
        return error.path
    except RAGFlowError as error:
        return str(error)
    return ""


def wrong(client: RAGFlow) -> None:
    """Typing mistakes are found: each ignore below is needed, which ``warn_unused_ignores`` checks."""
    client.create_dataset()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.retrieve("question", dataset_id="id")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    client.aclose()  # type: ignore[attr-defined]  # pyright: ignore[reportAttributeAccessIssue]
