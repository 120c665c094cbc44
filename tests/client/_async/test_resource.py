"""What every object of a client has in common: equality, copies, pickles, and taking over fresh fields."""

from __future__ import annotations

import copy
import pickle

import pytest

from ragflow_integrations import AsyncDataSet, AsyncRAGFlow, InvalidRequestError
from ragflow_integrations.models import DataSetFields
from tests.client._async.conftest import Connect

SECRET = "ragflow-very-secret"
SENT = {"id": "d", "name": "facts", "parser_config": {"chunk_token_num": 128}, "nickname": "Ann"}


@pytest.fixture
def client(connect: Connect) -> AsyncRAGFlow:
    """A client of nobody: nothing is sent here."""
    return connect("http://127.0.0.1:9", SECRET)


def dataset_of(client: AsyncRAGFlow, **more: object) -> AsyncDataSet:
    return AsyncDataSet._of(client, DataSetFields.model_validate({**SENT, **more}))


def test_equality(client: AsyncRAGFlow, connect: Connect) -> None:
    """Equal are objects of the same client with the same fields, those this library does not know among them."""
    dataset = dataset_of(client)
    assert dataset == dataset_of(client)
    assert dataset != dataset_of(client, name="other")
    assert dataset != dataset_of(client, nickname="Bob")
    assert dataset != dataset_of(connect("http://127.0.0.1:9", SECRET))


def test_copies(client: AsyncRAGFlow) -> None:
    """They are equal, of the same client, and go their own way."""
    dataset = dataset_of(client)
    for same in (copy.copy(dataset), copy.deepcopy(dataset), dataset.model_copy()):
        assert same == dataset
        assert same._client is client
        same.name = "changed"
        same.nickname = "Bob"  # type: ignore[attr-defined]
        assert (dataset.name, dataset.model_dump()["nickname"]) == ("facts", "Ann")


def test_pickle(client: AsyncRAGFlow, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has no key, and what comes out of it takes the key from the environment; one client stays one."""
    sent = pickle.dumps([dataset_of(client), dataset_of(client, id="e")])
    assert SECRET.encode() not in sent
    monkeypatch.setenv("RAGFLOW_API_KEY", "another")
    one, two = pickle.loads(sent)  # noqa: S301 - our own
    assert one.model_dump() == dataset_of(client).model_dump()
    assert one._client is two._client


def test_nothing_of_the_client_shows(client: AsyncRAGFlow) -> None:
    """Neither in the text of an object nor in its dump, which makes an equal set of fields."""
    dataset = dataset_of(client)
    assert SECRET not in repr(dataset) + str(dataset) + repr(vars(dataset)) + dataset.model_dump_json()
    assert "_client" not in dataset.model_dump()
    assert DataSetFields.model_validate(dataset.model_dump()) == DataSetFields.model_validate(SENT)


def test_fresh_fields(client: AsyncRAGFlow) -> None:
    """What an answer has replaces the old, what it leaves out stays, and a field never takes a method's place."""
    dataset = dataset_of(client, description="old", tags=["a"])
    same = dataset._take(DataSetFields.model_validate({"name": "new", "tags": ["b"], "model_fields_set": 1}))
    assert same is dataset
    assert (dataset.name, dataset.description, dataset.id) == ("new", "old", "d")
    assert dataset.model_dump()["tags"] == ["b"]
    assert callable(dataset.tags)
    assert dataset == dataset_of(client, name="new", description="old", tags=["b"], model_fields_set=1)


async def test_made_by_hand() -> None:
    """An object that no client made says so when it should reach a server."""
    with pytest.raises(InvalidRequestError, match="this (Async)?DataSet was not made by a client"):
        await AsyncDataSet(id="d").list_documents()
