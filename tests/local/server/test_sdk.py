"""The official SDK against a real ``serve`` process."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.local.server.process import served

pytestmark = pytest.mark.skipif(sys.version_info >= (3, 13), reason="ragflow-sdk 0.22.1 needs Python < 3.13")


def test_official_sdk_from_dataset_to_retrieval(tmp_path: Path) -> None:
    """ragflow-sdk 0.22.1 creates a dataset, uploads, parses, lists chunks and finds the right one."""
    from ragflow_sdk import RAGFlow

    with served(tmp_path) as server:
        rag = RAGFlow(server.api_key, server.base_url)
        dataset = rag.create_dataset("animals", description="where they live")
        assert [each.id for each in rag.list_datasets(name="animals")] == [dataset.id]
        files = {
            "zebras.txt": b"Zebras live in the savannas of Africa.",
            "whales.md": b"# Whales\n\nWhales live in the sea.",
        }
        uploaded = dataset.upload_documents(
            [{"display_name": name, "blob": blob} for name, blob in files.items()]
        )
        results = dataset.parse_documents([document.id for document in uploaded])
        assert sorted((run, chunks) for _, run, chunks, _ in results) == [("DONE", 1), ("DONE", 1)]
        [zebras, _] = uploaded
        assert [chunk.content.strip() for chunk in zebras.list_chunks()] == [files["zebras.txt"].decode()]
        assert zebras.download() == files["zebras.txt"]
        found = rag.retrieve(dataset_ids=[dataset.id], question="Where do zebras live?")
        assert found[0].document_id == zebras.id
        zebras.add_chunk("A zebra's foal can run within an hour.", important_keywords=["foal"])
        assert rag.retrieve(dataset_ids=[dataset.id], question="foal")[0].content.startswith("A zebra's foal")


def test_official_sdk_errors_and_deletes(tmp_path: Path) -> None:
    """What the server refuses reaches the SDK's caller with RAGFlow's words; deletes take what is named."""
    from ragflow_sdk import RAGFlow

    with served(tmp_path) as server:
        rag = RAGFlow(server.api_key, server.base_url)
        dataset = rag.create_dataset("short-lived")
        with pytest.raises(Exception, match="lacks permission for dataset 'nothing'"):
            rag.list_datasets(name="nothing")
        with pytest.raises(Exception, match="String should have at least 1 character"):
            rag.create_dataset("")
        dataset.update({"name": "renamed"})
        assert rag.get_dataset(name="renamed").id == dataset.id
        rag.delete_datasets(ids=[dataset.id])
        assert rag.list_datasets() == []
