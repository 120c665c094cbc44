"""The official SDKs: every public method of each on the dialect it was made for, and one on a ``serve`` process."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import distributions
from pathlib import Path

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.serve import running_server
from tests.local.server.process import environment, served
from tools.pythons import ROOT
from tools.sdks import SDKS

INSTALLED = {each.version for each in distributions(name="ragflow-sdk")}
WALK = Path(__file__).with_name("sdk_walk.py")
DIALECTS = {sdk: "0.27" if sdk >= "0.25" else "0.24" for sdk in sorted({*SDKS, *INSTALLED})}

older_sdk = pytest.mark.skipif(sys.version_info >= (3, 13), reason="ragflow-sdk 0.22.1 needs Python < 3.13")


def interpreter(sdk: str) -> Path:
    """A Python that has this SDK: the one that runs the tests, or what ``make sdks`` has made."""
    if sdk in INSTALLED:
        return Path(sys.executable)
    own = ROOT / f".venv-sdk-{sdk}"
    if not list(own.glob("lib/python*/site-packages/ragflow_sdk")):
        pytest.skip(f"there is no environment with ragflow-sdk {sdk}: make sdks")
    return own / "bin" / "python"


@pytest.mark.parametrize(("sdk", "api_version"), DIALECTS.items())
def test_every_public_method(sdk: str, api_version: str) -> None:
    """Each does on the engine what the walk expects of it, and the SDK has none besides."""
    python = interpreter(sdk)
    with Engine(":memory:") as engine, running_server(engine, api_version=api_version) as server:
        done = subprocess.run(
            [python, WALK, server.base_url, server.api_key],
            env=environment(),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert (told["sdk"], told["forgotten"]) == (sdk, [])
    assert len(told["called"]) > 40


@older_sdk
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


@older_sdk
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
