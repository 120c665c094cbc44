"""The two-minute tour: real documents into a knowledge base, then cited answers in three ways.

    make quickstart                          Python's language reference, one document a topic
    make quickstart QUESTION="What is a decorator?"
    make quickstart DOCS=~/notes             your own folder of .txt, .md and .html files

Without a server everything runs on the local engine in ``./.quickstart``; with ``RAGFLOW_BASE_URL`` and
``RAGFLOW_API_KEY`` set, the same happens on that server.
"""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from pydoc_data import topics
from typing import Any

from langchain_core.runnables import RunnableLambda, RunnablePassthrough
from tqdm import tqdm

from langchain_ragflow import ChatRAGFlow, RAGFlowRetriever
from llamaindex_ragflow import RAGFlowQueryEngine
from ragflow_integrations import (
    Chat,
    ConflictError,
    DataSet,
    Document,
    InvalidRequestError,
    NotFoundError,
    ParseProgress,
    RAGFlow,
    RAGFlowError,
    UnsupportedError,
)
from ragflow_integrations.local.answer import answer as extractive_answer

QUESTIONS = ["How does the yield expression work?", "What does the del statement do?"]
FOLDER = ".quickstart"
OURS = "made by the quickstart of ragflow-integrations"
CITATION = re.compile(r"\[ID:(\d+)\]")


@dataclass(frozen=True)
class Source:
    """One source below an answer; ``[ID:index]`` in the text cites it."""

    index: int
    name: str
    score: float | None


def main() -> int:
    """Build the knowledge base, ask, print; 0 if everything worked."""
    try:
        with connect() as client:
            dataset = knowledge_base(client, *documents())
            chat = assistant(client, dataset)
            for question in [os.environ["QUESTION"]] if os.environ.get("QUESTION") else QUESTIONS:
                ask_three_ways(client, dataset, chat, question)
    except RAGFlowError as error:
        print(f"quickstart: {error}", file=sys.stderr)
        return 1
    return 0


def connect() -> RAGFlow:
    """The server of the environment, else the local engine."""
    client = RAGFlow() if os.environ.get("RAGFLOW_BASE_URL") else RAGFlow.local(f"{FOLDER}/kb")
    print(f"RAGFlow at {client.base_url}")
    return client


def documents() -> tuple[str, dict[str, bytes]]:
    """The knowledge base's name and its files: the folder ``DOCS``, or Python's language reference."""
    if not os.environ.get("DOCS"):
        files = {f"{name}.txt": text.encode() for name, text in topics.topics.items()}
        return "quickstart: Python language reference", files
    folder = Path(os.environ["DOCS"]).expanduser().resolve()
    if not folder.is_dir():
        raise InvalidRequestError(f"DOCS={str(folder)!r}: there is no such folder")
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and not path.name.startswith("."))
    if not paths:
        raise InvalidRequestError(f"DOCS={str(folder)!r}: the folder holds no files")
    return f"quickstart: {folder.name}", {
        path.relative_to(folder).as_posix().replace("/", " - "): path.read_bytes() for path in paths
    }


# --- the knowledge base -------------------------------------------------------------------------------


def knowledge_base(client: RAGFlow, name: str, files: Mapping[str, bytes]) -> DataSet:
    """The dataset, holding exactly these files, parsed; what is there unchanged is kept."""
    dataset = find_or_create(client, name)
    kept, outdated = compare(dataset, files)
    dataset.delete_documents(ids=outdated)
    missing = {file: data for file, data in files.items() if file not in kept}
    print(
        f"Knowledge base {dataset.name!r}: {len(kept)} documents unchanged and re-used, {len(missing)} to ingest"
    )
    parse(dataset, upload(dataset, missing))
    return client.get_dataset(dataset.id)


def find_or_create(client: RAGFlow, name: str) -> DataSet:
    """The dataset of this name; it must be the quickstart's own, since documents are deleted from it."""
    try:
        dataset = client.list_datasets(name=name)[0]
    except NotFoundError:
        return client.create_dataset(name, description=OURS, parser_config={"chunk_token_num": 128})
    if dataset.description != OURS:
        raise ConflictError(
            f"the dataset {name!r} is not the quickstart's; rename it, or point DOCS elsewhere"
        )
    return dataset


def compare(dataset: DataSet, files: Mapping[str, bytes]) -> tuple[set[str], list[str]]:
    """The names that are there unchanged and parsed, and the ids of the documents that are not."""
    kept: set[str] = set()
    outdated: list[str] = []
    for document in every_document(dataset):
        data = files.get(document.name)
        same = data is not None and (document.meta_fields or {}).get("sha256") == fingerprint(data)
        if same and document.run == "DONE":
            kept.add(document.name)
        else:
            outdated.append(document.id)
    return kept, outdated


def every_document(dataset: DataSet) -> Iterator[Document]:
    """All documents, page by page."""
    page = 1
    while found := dataset.list_documents(page=page, page_size=100, orderby="create_time", desc=False):
        yield from found
        page += 1


def upload(dataset: DataSet, files: Mapping[str, bytes]) -> list[Document]:
    """Upload with a progress bar; a file that the server does not take is named and left out."""
    uploaded: list[Document] = []
    for name, data in bar(files.items(), "Uploading", len(files)):
        try:
            uploaded += dataset.upload_documents([{"display_name": name, "blob": data}])
        except (InvalidRequestError, UnsupportedError) as error:
            tqdm.write(f"  left out: {name}: {error}")
        else:
            uploaded[-1].update({"meta_fields": {"sha256": fingerprint(data)}})
    return uploaded


def parse(dataset: DataSet, uploaded: list[Document]) -> None:
    """Parse with a progress bar; a file that could not be parsed is named, the others are kept."""
    if not uploaded:
        return
    with bar(None, "Parsing", len(uploaded)) as shown:
        ended = dataset.parse_documents([document.id for document in uploaded], progress=advance(shown))
        failed = [document_id for document_id, run, *_ in ended if run != "DONE"]
        for document in dataset.list_documents(ids=failed) if failed else ():
            reason = (document.progress_msg or "").rpartition("[ERROR]")[2].strip()
            tqdm.write(f"  could not be parsed: {document.name}: {reason}")


def advance(shown: Any) -> Callable[[ParseProgress], None]:
    """A callback that moves the bar to where parsing is."""

    def move(progress: ParseProgress) -> None:
        shown.update(progress.finished - shown.n)

    return move


def bar(items: Iterable[Any] | None, label: str, total: int) -> Any:
    """A progress bar on the terminal, one line in a log."""
    return tqdm(items, desc=label, total=total, unit="doc", mininterval=0.2, ncols=80, disable=total == 0)


def fingerprint(data: bytes) -> str:
    """What tells whether a file has changed."""
    return hashlib.sha256(data).hexdigest()


def assistant(client: RAGFlow, dataset: DataSet) -> Chat:
    """The chat assistant on the dataset."""
    for chat in client.list_chats(name=dataset.name):
        return chat if chat.dataset_ids == [dataset.id] else chat.update({"dataset_ids": [dataset.id]})
    return client.create_chat(dataset.name, dataset_ids=[dataset.id], similarity_threshold=0.2)


# --- three ways to ask --------------------------------------------------------------------------------


def ask_three_ways(client: RAGFlow, dataset: DataSet, chat: Chat, question: str) -> None:
    """Ask in each way and print the answer with its sources."""
    print(f"\n{'=' * 100}\n{question}")
    show("LangChain: LCEL chain with RAGFlowRetriever", *by_chain(client, dataset, question))
    show("LangChain: ChatRAGFlow, streamed", *by_chat_model(client, chat, question))
    show("LlamaIndex: RAGFlowQueryEngine", *by_query_engine(client, chat, question))


def by_chain(
    client: RAGFlow, dataset: DataSet, question: str
) -> tuple[Iterable[str], Callable[[], list[Source]]]:
    """Retrieval in LangChain; the last step quotes, any chat model may stand in its place."""
    retriever = RAGFlowRetriever(client=client, dataset_ids=[dataset.id], k=6)
    both = {"question": RunnablePassthrough(), "documents": retriever}
    result = (both | RunnablePassthrough.assign(answer=RunnableLambda(quote))).invoke(question)
    return [result["answer"]], lambda: [
        Source(index, document.metadata["document_name"], document.metadata.get("score"))
        for index, document in enumerate(result["documents"])
    ]


def quote(found: dict[str, Any]) -> str:
    """The sentences of the retrieved documents that answer best, with their citations; no model."""
    texts = [document.page_content for document in found["documents"]]
    return "".join(extractive_answer(found["question"], texts))


def by_chat_model(
    client: RAGFlow, chat: Chat, question: str
) -> tuple[Iterable[str], Callable[[], list[Source]]]:
    """The assistant as a LangChain chat model; the last chunk brings the references."""
    reference: list[dict[str, Any]] = []

    def deltas() -> Iterator[str]:
        for chunk in ChatRAGFlow(client=client, chat_id=chat.id).stream(question):
            yield str(chunk.content)
            reference.extend(chunk.response_metadata.get("reference", []))

    return deltas(), lambda: [
        Source(index, cited["document_name"], cited.get("similarity"))
        for index, cited in enumerate(reference)
    ]


def by_query_engine(
    client: RAGFlow, chat: Chat, question: str
) -> tuple[Iterable[str], Callable[[], list[Source]]]:
    """The assistant as a LlamaIndex query engine."""
    response = RAGFlowQueryEngine(client=client, chat_id=chat.id).query(question)
    return [str(response)], lambda: [
        Source(index, node.metadata["document_name"], node.score)
        for index, node in enumerate(response.source_nodes)
    ]


def show(way: str, pieces: Iterable[str], sources: Callable[[], list[Source]]) -> None:
    """One answer under its way's name, printed as it arrives, then the sources it could cite."""
    print(f"\n--- {way}", end="")
    cited = {int(number) for number in CITATION.findall(print_wrapped(pieces))}
    for source in sources():
        score = "no score" if source.score is None else f"score {source.score:.3f}"
        print(f"  [ID:{source.index}] {source.name:<28} {score}{'  cited' if source.index in cited else ''}")


def print_wrapped(pieces: Iterable[str], width: int = 100) -> str:
    """Print each word as soon as it is whole, wrapped and indented; returns the text."""
    text, pending, column = "", "", width
    for piece in chain(pieces, [" "]):
        text, pending = text + piece, pending + piece
        *words, pending = re.split(r"\s+", pending)
        for word in filter(None, words):
            fits = column + len(word) < width
            column = column + len(word) + 1 if fits else len(word) + 2
            print(" " + word if fits else "\n  " + word, end="", flush=True)
    print()
    return text


if __name__ == "__main__":
    raise SystemExit(main())
