"""``kill -9`` in the middle of ingestion: what was acknowledged is there, and parsing goes on."""

from __future__ import annotations

import pydoc_data.topics
import time
from pathlib import Path

import httpx

from tests.local.server.process import parsed, served

TEXT = "\n\n".join(pydoc_data.topics.topics.values())[:400_000]
DOCUMENTS = 5


def _ingest(client: httpx.Client, dataset: str, name: str, text: str) -> str:
    """Upload and start parsing; returns the id when both are acknowledged."""
    files = {"file": (name, text.encode())}
    document = client.post(f"/datasets/{dataset}/documents", files=files).json()["data"][0]["id"]
    assert client.post(f"/datasets/{dataset}/chunks", json={"document_ids": [document]}).json() == {"code": 0}
    return str(document)


def _runs(client: httpx.Client, dataset: str) -> list[str]:
    listed = client.get(f"/datasets/{dataset}/documents").json()["data"]["docs"]
    return [document["run"] for document in listed]


def test_kill_in_the_middle_of_ingestion(tmp_path: Path) -> None:
    """Killed while some documents are parsed and others wait, it finishes all of them after a restart."""
    texts = {f"{number}.txt": f"{number}\n\n{TEXT}" for number in range(DOCUMENTS)}
    with served(tmp_path) as server, server.client() as client:
        dataset = client.post("/datasets", json={"name": "big"}).json()["data"]["id"]
        ids = {_ingest(client, dataset, name, text): name for name, text in texts.items()}
        deadline = time.monotonic() + 60
        while "DONE" not in (before := _runs(client, dataset)):
            assert time.monotonic() < deadline, before
            time.sleep(0.01)
        server.process.kill()
        server.process.wait(timeout=120)
    assert "RUNNING" in before, "the kill came too late to prove anything: make the texts longer"

    with served(tmp_path) as server, server.client() as client:
        documents = parsed(client, dataset, DOCUMENTS)
        assert {document["id"]: document["name"] for document in documents} == ids
        assert {document["run"] for document in documents} == {"DONE"}
        # the same text gives the same chunks: none is missing and none is there twice
        assert len({document["chunk_count"] for document in documents}) == 1
        totals = client.get(f"/datasets/{dataset}").json()["data"]
        assert totals["chunk_count"] == sum(document["chunk_count"] for document in documents)
        for identifier, name in ids.items():
            assert client.get(f"/documents/{identifier}").text == texts[name]
        question = {"question": "What does the yield expression do?", "dataset_ids": [dataset]}
        assert client.post("/retrieval", json=question).json()["data"]["chunks"]
