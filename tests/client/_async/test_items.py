"""Items beside a dataset's documents, which the local engine keeps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncRAGFlow,
    InvalidRequestError,
    NotFoundError,
    Scope,
    ServerError,
    UnsupportedError,
)
from ragflow_integrations.models import DataSetFields
from tests.client._async.conftest import Connect
from tests.transport.raw_server import http, serving


def put(namespace: str, key: str, value: Any) -> dict[str, Any]:
    """An operation; a namespace is written with slashes."""
    return {"op": "put", "namespace": namespace.split("/"), "key": key, "value": value}


def get(namespace: str, key: str) -> dict[str, Any]:
    return {"op": "get", "namespace": namespace.split("/"), "key": key}


def below(*prefix: str, limit: int = 100, offset: int = 0) -> dict[str, Any]:
    return {"op": "list", "prefix": list(prefix), "limit": limit, "offset": offset}


def named(items: list[dict[str, Any]]) -> list[str]:
    return ["/".join([*item["namespace"], item["key"]]) for item in items]


async def test_what_is_kept_comes_back(client: AsyncRAGFlow) -> None:
    """Exactly, with the time it was made and changed; deleted, or never there, it is ``None``."""
    dataset = await client.create_dataset("items")
    value = {"text": "ü\u0000\n", "n": [1, 2.5, None, True], "deep": {"": {}}}
    assert await dataset.item_operations([put("a/b", "k", value), get("a/b", "k")]) == [None, None]
    (first,) = await dataset.item_operations([get("a/b", "k")])
    assert {name: first[name] for name in ("namespace", "key", "value")} == {
        "namespace": ["a", "b"],
        "key": "k",
        "value": value,
    }
    await dataset.item_operations([put("a/b", "k", {"new": 1})])
    (second,) = await dataset.item_operations([get("a/b", "k")])
    assert second["value"] == {"new": 1}
    assert second["create_time"] == first["create_time"] <= first["update_time"] <= second["update_time"]
    await dataset.item_operations([put("a/b", "k", None), put("a/b", "never there", None)])
    assert await dataset.item_operations([get("a/b", "k"), get("a", "k")]) == [None, None]


async def test_lists(client: AsyncRAGFlow) -> None:
    """By whole labels, grouped by namespace in the order in which they were made, page by page."""
    dataset = await client.create_dataset("items")
    names = ["a/b", "a", 'a",', "ab", "a", "a/b/c", "a%", "A"]
    await dataset.item_operations([put(name, str(n), {"n": n}) for n, name in enumerate(names)])
    found, inside, other, page = await dataset.item_operations(
        [below(), below("a"), below('a",'), below("a", limit=2, offset=1)]
    )
    assert named(found) == ["a/b/0", "a/1", "a/4", 'a",/2', "ab/3", "a/b/c/5", "a%/6", "A/7"]
    assert named(inside) == ["a/b/0", "a/1", "a/4", "a/b/c/5"]
    assert named(other) == ['a",/2']
    assert named(page) == ["a/1", "a/4"]
    every, some = await dataset.item_operations(
        [{"op": "namespaces", "prefix": []}, {"op": "namespaces", "prefix": ["a", "b"]}]
    )
    assert every == [["a", "b"], ["a"], ['a",'], ["ab"], ["a", "b", "c"], ["a%"], ["A"]]
    assert some == [["a", "b"], ["a", "b", "c"]]


async def test_a_namespace_is_there_while_it_holds_something(client: AsyncRAGFlow) -> None:
    """And keeps its place until it is empty."""
    dataset = await client.create_dataset("items")
    await dataset.item_operations([put("a", "1", {}), put("b", "1", {}), put("a", "2", {})])
    await dataset.item_operations([put("a", "1", None), put("a", "3", {})])
    (kept,) = await dataset.item_operations([below()])
    assert named(kept) == ["a/2", "a/3", "b/1"]
    await dataset.item_operations([put("a", "2", None), put("a", "3", None)])
    assert await dataset.item_operations([{"op": "namespaces", "prefix": []}]) == [[["b"]]]


async def test_datasets_are_kept_apart(client: AsyncRAGFlow) -> None:
    """Each has items of its own, which go with it; a scope lets through those of its whole datasets."""
    one, two = await client.create_dataset("one"), await client.create_dataset("two")
    await one.item_operations([put("a", "k", {"of": "one"})])
    assert await two.item_operations([get("a", "k")]) == [None]
    inside = await client.scoped(Scope([one.id])).get_dataset(one.id)
    (found,) = await inside.item_operations([get("a", "k")])
    assert found["value"] == {"of": "one"}
    outside = AsyncDataSet._of(client.scoped(Scope([two.id])), DataSetFields(id=one.id))
    with pytest.raises(NotFoundError):
        await outside.item_operations([get("a", "k")])
    partly = AsyncDataSet._of(client.scoped(Scope([one.id], ["document"])), DataSetFields(id=one.id))
    with pytest.raises(UnsupportedError, match="scope"):
        await partly.item_operations([put("a", "k", None)])
    await client.delete_datasets([one.id])
    with pytest.raises(NotFoundError):
        await one.item_operations([get("a", "k")])


@pytest.mark.parametrize(
    "wrong",
    [
        {"op": "drop", "namespace": ["a"], "key": "k"},
        {"op": "get", "namespace": [], "key": "k"},
        {"op": "get", "namespace": [""], "key": "k"},
        {"op": "put", "namespace": ["a"], "key": "k", "value": "text"},
        {"op": "list", "prefix": ["a"], "limit": -1, "offset": 0},
        {"op": "get", "namespace": ["a"], "key": 7},
    ],
)
async def test_all_or_nothing(client: AsyncRAGFlow, wrong: dict[str, Any]) -> None:
    """One operation that is none, and nothing is written."""
    dataset = await client.create_dataset("items")
    with pytest.raises(InvalidRequestError):
        await dataset.item_operations([put("a", "k", {"n": 1}), wrong])
    assert await dataset.item_operations([below()]) == [[]]


async def test_they_outlive_the_engine(tmp_path: Path) -> None:
    """What was written is in the folder when the call returns."""
    async with AsyncRAGFlow.local(tmp_path) as client:
        dataset = await client.create_dataset("items")
        await dataset.item_operations([put("a", "k", {"n": 1})])
    async with AsyncRAGFlow.local(tmp_path) as client:
        again = await client.get_dataset(dataset.id)
        (found,) = await again.item_operations([get("a", "k")])
    assert found["value"] == {"n": 1}


async def test_a_server_has_none(connect: Connect) -> None:
    """It says that only the local engine has them; an answer of another shape is its error."""
    gone = http({"code": 404, "message": "Not Found: /api/v1/datasets/d/items"}, "404 Not Found")
    with serving(gone, http({"code": 0, "data": []})) as (_, url):
        dataset = AsyncDataSet._of(connect(url), DataSetFields(id="d"))
        with pytest.raises(UnsupportedError, match="local engine only"):
            await dataset.item_operations([get("a", "k")])
        with pytest.raises(ServerError, match="each operation"):
            await dataset.item_operations([get("a", "k")])
