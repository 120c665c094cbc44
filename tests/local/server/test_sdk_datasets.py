"""The official SDK's datasets and documents, against both dialects over loopback."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="ragflow-sdk 0.22.1 needs Python < 3.13")

TEXT = b"The capital of Atlantis is Poseidonia."


@pytest.fixture(params=["0.24", "0.27"])
def sdk(request: pytest.FixtureRequest) -> Iterator[Any]:
    """The official client of a server of each version."""
    from ragflow_sdk import RAGFlow

    with Engine(":memory:") as engine, running_server(engine, api_version=request.param) as server:
        yield RAGFlow(server.api_key, server.base_url)


def test_datasets(sdk: Any) -> None:
    """Made with settings, found by name, listed, changed, deleted; an error has the server's words."""
    from ragflow_sdk import DataSet

    config = DataSet.ParserConfig(sdk, {"chunk_token_num": 64})
    made = sdk.create_dataset(name="kb", description="d", chunk_method="naive", parser_config=config)
    assert (made.name, made.parser_config.chunk_token_num) == ("kb", 64)
    made.update({"name": "kb2", "chunk_method": "manual"})
    assert sdk.get_dataset(name="kb2").chunk_method == "manual"
    assert [each.id for each in sdk.list_datasets(id=made.id)] == [made.id]
    with pytest.raises(Exception, match="lacks permission for dataset 'nope'"):
        sdk.list_datasets(name="nope")
    with pytest.raises(Exception, match="Input should be 'me' or 'team'"):
        sdk.create_dataset(name="x", permission="all")
    sdk.delete_datasets(ids=[made.id])
    assert sdk.list_datasets() == []


def test_documents(sdk: Any) -> None:
    """Uploaded, listed, changed, downloaded, parsed, deleted."""
    dataset = sdk.create_dataset(name="kb")
    files = [{"display_name": name, "blob": TEXT} for name in ("a.txt", "b.txt")]
    assert [each.name for each in dataset.upload_documents(files)] == ["a.txt", "b.txt"]
    [document] = dataset.list_documents(keywords="A.")
    document.update(
        {"name": "c.txt", "meta_fields": {"author": "Ann"}, "parser_config": {"chunk_token_num": 9}}
    )
    [document] = dataset.list_documents(id=document.id)
    assert (document.name, document.parser_config.chunk_token_num) == ("c.txt", 9)
    assert document.download() == TEXT
    [(identifier, run, chunks, _)] = dataset.parse_documents([document.id])
    assert (identifier, run, chunks) == (document.id, "DONE", 1)
    with pytest.raises(Exception, match="Can't stop parsing document"):
        dataset.async_cancel_parse_documents([document.id])
    dataset.delete_documents(ids=[document.id])
    assert [each.name for each in dataset.list_documents()] == ["b.txt"]
