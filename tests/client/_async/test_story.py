"""The main job from end to end, and what goes wrong on the way, wherever the knowledge base is."""

from __future__ import annotations

import pytest

from ragflow_integrations import (
    AsyncRAGFlow,
    AuthenticationError,
    ConfigurationError,
    ConnectError,
    InvalidRequestError,
    NotFoundError,
    ServerError,
)
from tests.client._async.conftest import Connect, filled
from tests.client.conftest import FILES, Place
from tests.transport.raw_server import free_port

MISSING = "00000000000000000000000000000000"


async def test_files_in_cited_answers_out(any_place: Place) -> None:
    """Upload, parse, search, ask: the same in memory, in a folder and over loopback."""
    async with AsyncRAGFlow(any_place.api_key, any_place.base_url) as client:
        dataset = await filled(client, FILES)
        assert sorted(document.name for document in await dataset.list_documents()) == sorted(FILES)
        assert (await client.retrieve("Where do zebras live?", [dataset.id]))[0].document_name == "zebras.md"
        chat = await client.create_chat("guide", dataset_ids=[dataset.id])
        message = await chat.ask("Where do zebras live?")
        assert "Africa" in message.content
        assert message.reference[0].document_name == "zebras.md"


async def test_bad_input_harms_nothing(client: AsyncRAGFlow) -> None:
    """After every refused call the knowledge base is what it was."""
    dataset = await filled(client)
    before = [document.model_dump() for document in await dataset.list_documents()]
    with pytest.raises(InvalidRequestError, match="page_size=0"):
        await client.list_datasets(page_size=0)
    with pytest.raises(InvalidRequestError, match="page_size=0"):
        await dataset.list_documents(page_size=0)
    with pytest.raises(NotFoundError, match=f"'{MISSING}'. The id or name is unknown"):
        await client.get_dataset(MISSING)
    with pytest.raises(NotFoundError, match="'nobody'"):
        await client.list_datasets(name="nobody")
    with pytest.raises(NotFoundError, match="own the document nobody.txt"):
        await dataset.list_documents(name="nobody.txt")
    with pytest.raises(NotFoundError, match=MISSING):
        await dataset.parse_documents([MISSING])
    with pytest.raises(NotFoundError, match="'no-such-id'"):
        await client.get_dataset("no-such-id")
    with pytest.raises(InvalidRequestError, match="an id has letters"):
        await client.get_dataset("../chats")
    with pytest.raises(InvalidRequestError, match="chunk_method"):
        await client.create_dataset("n", chunk_method="magic")
    with pytest.raises(InvalidRequestError, match="chunk_token_num"):
        await client.create_dataset("n", parser_config={"chunk_token_num": 0})
    with pytest.raises(InvalidRequestError, match="does not fit into JSON"):
        await client.create_dataset("n", parser_config={"delimiter": object()})
    assert [document.model_dump() for document in await dataset.list_documents()] == before
    assert (await client.list_datasets()).total == 1


async def test_wrong_key(place: Place, connect: Connect) -> None:
    """A server wants its key; the error names the setting and not the key."""
    with pytest.raises(ConfigurationError, match="pass api_key= or set RAGFLOW_API_KEY"):
        AsyncRAGFlow(base_url="http://127.0.0.1:1")
    if place.api_key is None:  # in this process there is none
        return
    client = connect(place.base_url, "a-wrong-key")
    with pytest.raises(AuthenticationError, match="Check api_key= or RAGFLOW_API_KEY") as caught:
        await client.list_datasets()
    assert "a-wrong-key" not in str(caught.value)
    with pytest.raises(AuthenticationError, match="HTTP 401"):
        await client.chat(MISSING).ask("q", stream=True)


async def test_no_server(connect: Connect) -> None:
    """Nobody there: the address and what to look at."""
    client = connect(f"http://127.0.0.1:{free_port()}", max_retries=0)
    with pytest.raises(ConnectError, match="is it running, and is base_url right"):
        await client.list_datasets()
    with pytest.raises(ConnectError, match="is it running"):
        await client.chat(MISSING).ask("q", stream=True)


async def test_html_instead_of_json(html_page: str, connect: Connect) -> None:
    """Somebody else's web page: its beginning and what to look at."""
    client = connect(html_page)
    with pytest.raises(ServerError, match="not JSON but text/html .*doctype.*check base_url"):
        await client.list_datasets()
    with pytest.raises(ServerError, match="not JSON but text/html"):
        await client.chat(MISSING).ask("q", stream=True)
