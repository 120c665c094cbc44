"""What adapters to a framework stand on: calls written once for both kinds of client, and rules they share.

For those who write an adapter; whoever uses RAGFlow from Python needs ``ragflow_integrations`` only.

    def names() -> Flow[list[str]]:
        found = yield from ask(lambda client: client.list_datasets())
        return [dataset.name for dataset in found]

    run(names(), client)                  # a RAGFlow
    await arun(names(), async_client)     # an AsyncRAGFlow
"""

from __future__ import annotations

from .completions import Completions, Messages, Reader
from .concurrency import together
from .fence import DATA, Fence
from .finding import (
    PAGE,
    dataset,
    dataset_ids,
    found_document,
    listed_documents,
    matching_documents,
    one_dataset,
    one_dataset_or_made,
)
from .flow import Flow, arun, ask, run, work
from .iterating import aiter_documents, datasets, iter_documents
from .keeping import listed, named, removed, versions, written
from .records import Record, check_json, checked_metadata, checked_text, kept, mark, marks_of, record
from .remembering import Turn, memories_as_dicts, memories_as_text, recalled, remembered, turns_of
from .searching import found_in_documents, with_document_metadata
from .telling import (
    DocumentPage,
    Passage,
    answer_as_text,
    answered,
    datasets_as_dicts,
    document_page,
    documents_as_dicts,
    passages_as_text,
    rows_as_text,
)
from .uploading import uploaded
from .users import agent_id_of, checked_user

__all__ = [
    "DATA",
    "PAGE",
    "Completions",
    "DocumentPage",
    "Fence",
    "Flow",
    "Messages",
    "Passage",
    "Reader",
    "Record",
    "Turn",
    "agent_id_of",
    "aiter_documents",
    "answer_as_text",
    "answered",
    "arun",
    "ask",
    "check_json",
    "checked_metadata",
    "checked_text",
    "checked_user",
    "dataset",
    "dataset_ids",
    "datasets",
    "datasets_as_dicts",
    "document_page",
    "documents_as_dicts",
    "found_document",
    "found_in_documents",
    "iter_documents",
    "kept",
    "listed",
    "listed_documents",
    "mark",
    "marks_of",
    "matching_documents",
    "memories_as_dicts",
    "memories_as_text",
    "named",
    "one_dataset",
    "one_dataset_or_made",
    "passages_as_text",
    "recalled",
    "record",
    "remembered",
    "removed",
    "rows_as_text",
    "run",
    "together",
    "turns_of",
    "uploaded",
    "versions",
    "with_document_metadata",
    "work",
    "written",
]
