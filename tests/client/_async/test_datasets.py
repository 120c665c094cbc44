"""Datasets: make, find, change, delete."""

from __future__ import annotations

import pytest

from ragflow_integrations import AsyncRAGFlow, ConflictError, InvalidRequestError, NotFoundError

MISSING = "00000000000000000000000000000000"


async def test_create(client: AsyncRAGFlow) -> None:
    """The dataset as the server made it, with its defaults; what was given is kept."""
    dataset = await client.create_dataset(
        "n", description="d", permission="me", chunk_method="naive", parser_config={"chunk_token_num": 64}
    )
    assert (dataset.name, dataset.description, dataset.permission) == ("n", "d", "me")
    assert dataset.parser_config is not None
    assert (dataset.parser_config["chunk_token_num"], dataset.parser_config["delimiter"]) == (64, "\n")
    assert (dataset.document_count, dataset.similarity_threshold) == (0, 0.2)
    again = await client.get_dataset(dataset.id)
    assert (again.id, again.name, again.parser_config) == (dataset.id, "n", dataset.parser_config)


async def test_a_taken_name(client: AsyncRAGFlow) -> None:
    """It gets a number, as on the server."""
    names = [(await client.create_dataset("n")).name for _ in range(3)]
    assert names == ["n", "n(1)", "n(2)"]


async def test_list(client: AsyncRAGFlow) -> None:
    """Pages with the total of all, newest first, by name or id alone."""
    made = [await client.create_dataset(name) for name in "abc"]
    page = await client.list_datasets(page=1, page_size=2)
    assert ([dataset.name for dataset in page], page.total) == (["c", "b"], 3)
    assert [dataset.name for dataset in await client.list_datasets(page=2, page_size=2)] == ["a"]
    assert [dataset.name for dataset in await client.list_datasets(desc=False)] == ["a", "b", "c"]
    assert [dataset.id for dataset in await client.list_datasets(name="b")] == [made[1].id]
    assert [dataset.id for dataset in await client.list_datasets(id=made[2].id)] == [made[2].id]


async def test_update(client: AsyncRAGFlow) -> None:
    """Only what is sent changes; the object itself is renewed."""
    dataset = await client.create_dataset("n", description="d", parser_config={"chunk_token_num": 64})
    changed = await dataset.update({"name": "m", "parser_config": {"delimiter": ";"}})
    assert changed is dataset
    assert (dataset.name, dataset.description) == ("m", "d")
    again = await client.get_dataset(dataset.id)
    assert again.name == "m"
    assert again.parser_config is not None
    assert (again.parser_config["chunk_token_num"], again.parser_config["delimiter"]) == (64, ";")


async def test_refused_updates(client: AsyncRAGFlow) -> None:
    """A taken name, an unknown field and nothing at all are errors; nothing changes."""
    dataset, _ = await client.create_dataset("n"), await client.create_dataset("taken")
    with pytest.raises(ConflictError, match="'taken' already exists"):
        await dataset.update({"name": "taken"})
    with pytest.raises(InvalidRequestError, match="<colour>"):
        await dataset.update({"colour": "red"})
    with pytest.raises(InvalidRequestError, match="at least one field"):
        await dataset.update({})
    assert (await client.get_dataset(dataset.id)).name == dataset.name == "n"


async def test_delete(client: AsyncRAGFlow) -> None:
    """Those that are named, all if that is said, none by an empty list, an error without a word."""
    made = [await client.create_dataset(name) for name in "abcd"]
    await client.delete_datasets([made[0].id])
    await client.delete_datasets(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await client.delete_datasets()
    assert [dataset.name for dataset in await client.list_datasets()] == ["d", "c", "b"]
    await client.delete_datasets(ids=None)
    assert await client.list_datasets() == []
    await client.create_dataset("e")
    await client.delete_datasets(delete_all=True)
    assert (await client.list_datasets()).total == 0


async def test_delete_of_an_unknown_one(client: AsyncRAGFlow) -> None:
    """It is all or nothing: the known one stays."""
    dataset = await client.create_dataset("n")
    with pytest.raises(NotFoundError, match=MISSING):
        await client.delete_datasets([dataset.id, MISSING])
    assert [each.id for each in await client.list_datasets()] == [dataset.id]
