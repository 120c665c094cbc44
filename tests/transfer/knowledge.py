"""A knowledge base with something of everything, and what of it a transfer has to carry."""

from __future__ import annotations

from typing import Any

from ragflow_integrations import RAGFlow


def make(client: RAGFlow, *, documents: int = 3) -> None:
    """Two datasets, edited and manual chunks, metadata, a disabled document, an empty one, a chat, a session."""
    letters = client.create_dataset("letters", description="Greek", parser_config={"chunk_token_num": 24})
    files = [
        {"display_name": f"letter {number}.txt", "blob": (f"Letter {number} is one of many. " * 12).encode()}
        for number in range(documents)
    ]
    first, *others = letters.upload_documents(files)
    first.update({"meta_fields": {"author": "Ann", "year": 2024}})
    letters.parse_documents([document.id for document in (first, *others)])
    first.add_chunk("Written by hand.", ["hand"], ["Who wrote it?"])
    chunk = next(iter(others[0].iter_chunks()))
    chunk.update({"content": "Edited afterwards.", "available": False})
    others[-1].update({"enabled": False})
    letters.upload_documents([{"display_name": "unparsed.md", "blob": b"# Not parsed yet"}])
    letters.upload_documents([{"display_name": "../../x.txt", "blob": b"A name that is no path."}])
    client.create_dataset("empty")
    chat = client.create_chat(
        "greek", dataset_ids=[letters.id], top_n=4, prompt_config={"prologue": "Chaire!"}
    )
    chat.create_session("first").ask("What is letter 1?")


def contents(client: RAGFlow) -> dict[str, Any]:
    """Everything that has to be the same afterwards, by names, without ids and times."""
    datasets = list(client.iter_datasets())
    names = {dataset.id: dataset.name for dataset in datasets}
    return {
        "datasets": {
            dataset.name: {
                "description": dataset.description,
                "chunk_token_num": dataset.parser_config["chunk_token_num"],
                "documents": sorted(_document(each) for each in dataset.iter_documents()),
            }
            for dataset in datasets
        },
        "chats": sorted(
            (
                chat.name,
                [names.get(id, id) for id in chat.dataset_ids],
                chat.top_n,
                chat.prompt_config["prologue"],
            )
            for chat in client.iter_chats()
        ),
    }


def _document(document: Any) -> tuple[Any, ...]:
    chunks = sorted(
        (chunk.content.strip(), chunk.important_keywords, chunk.questions, chunk.available)
        for chunk in document.iter_chunks()
    )
    return document.name, document.download(), document.status, sorted(document.meta_fields.items()), chunks
