"""One adapter in event loops that come and go, in several at the same time, and on both sides of a fork."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from langchain_ragflow import RAGFlowRetriever
from ragflow_integrations import RAGFlow
from tests.transport.raw_server import http, serving

CHUNK = {
    "id": "1",
    "content": "six weeks",
    "document_id": "e",
    "document_keyword": "a.txt",
    "dataset_id": "d",
}
FOUND = http({"code": 0, "data": {"chunks": [CHUNK], "doc_aggs": [], "total": 1}})


def adapter(url: str) -> RAGFlowRetriever:
    """Of a pinned version, so that nothing is asked but what a test asks."""
    return RAGFlowRetriever(client=RAGFlow("key", url, server_version="0.27"), dataset_ids=["d"])


def test_a_loop_after_the_other() -> None:
    """LangChain calls ``asyncio.run`` again and again: each loop's connection ends with it."""
    with serving(FOUND) as (server, url):
        retriever = adapter(url)
        for number in (1, 2):
            (document,) = asyncio.run(retriever.ainvoke("q"))
            assert document.page_content == "six weeks"
            assert server.wait_for_ends()
            assert server.connections == number
        gc.collect()  # a connection left open would warn here


def test_four_loops_at_the_same_time() -> None:
    """Each in a thread of its own, with several questions at once."""
    with serving(FOUND) as (server, url):
        retriever = adapter(url)

        async def several() -> int:
            return sum(map(len, await asyncio.gather(*(retriever.ainvoke("q") for _ in range(5)))))

        with ThreadPoolExecutor(4) as threads:
            assert list(threads.map(lambda _: asyncio.run(several()), range(4))) == [5] * 4
        assert len(server.requests) == 20
        assert server.wait_for_ends(server.connections)


FORKING = """
import asyncio, os, sys
from tests.langchain.test_loops import adapter
retriever = adapter(sys.argv[1])

def ask():
    assert len(retriever.invoke("q")) == len(asyncio.run(retriever.ainvoke("q"))) == 1

ask()
child = os.fork()
ask()
if child == 0:
    retriever.client.close()
    os._exit(0)
_, status = os.waitpid(child, 0)
ask()
retriever.client.close()
sys.exit(os.waitstatus_to_exitcode(status))
"""


def test_after_a_fork() -> None:
    """Parent and child ask on, both ways, and never on the same connection."""
    with serving(FOUND) as (server, url):
        command = [sys.executable, "-W", "error", "-c", FORKING, url]
        done = subprocess.run(
            command, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2], timeout=120
        )
        assert (done.returncode, done.stderr) == (0, "")
        assert (server.connections, len(server.requests)) == (6, 8)  # one for each loop and process
        assert server.wait_for_ends(6)
