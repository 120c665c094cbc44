"""Documents at a target: uploaded, parsed, and with the chunks that they had."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import IO, TYPE_CHECKING, Any

from ..errors import InvalidRequestError
from .ids import IdMap
from .parsing import parse_all, reason
from .records import ChunkRecord, DatasetRecord, DocumentRecord
from .refusals import NOT_TO_BE_HAD, REFUSED, accepted
from .report import TransferReport

if TYPE_CHECKING:
    from .. import Chunk, DataSet, Document, RAGFlow

__all__ = ["Documents"]

_AT_ONCE = 32  # documents that are parsed together
_CHUNKS_AT_ONCE = 5000


@dataclass(slots=True)
class _Waiting:
    record: DocumentRecord
    document: Document


class Documents:
    """The documents of one dataset after the other; some at a time are parsed together."""

    def __init__(
        self, client: RAGFlow, ids: IdMap, report: TransferReport, picture: Callable[[str], bytes]
    ) -> None:
        self._client, self._ids, self._report, self._picture = client, ids, report, picture
        self._dataset: DataSet | None = None
        self._of: DatasetRecord | None = None
        self._there: set[str] = set()
        self._waiting: list[_Waiting] = []
        self._unseen: list[str] = []  # why pictures of the current document are not carried

    def enter(self, record: DatasetRecord, new: str) -> None:
        """The documents that follow belong to this dataset, which is ``new`` at the target."""
        self._of, self._dataset = record, self._client.get_dataset(new)
        self._there = {document.id for document in self._dataset.iter_documents()}

    def are_there(self, old: str) -> bool:
        """Whether a document that was made is still there; one that is not is to be made again."""
        new = self._ids.new("document", old)
        if new is not None and new not in self._there:
            self._ids.forget("document", old)
            return False
        return new is not None

    def bring(self, record: DocumentRecord, content: bytes | IO[bytes] | None) -> None:
        """Upload and describe a document; raises a refusal if the target does not take it."""
        dataset = self._dataset
        if dataset is None or self._of is None or record.dataset_id != self._of.id:
            raise InvalidRequestError(f"its dataset {record.dataset_id} was not made")
        if content is None:
            raise InvalidRequestError("it has no original file, and documents are made from files only")
        document = self._uploaded(dataset, record, content)
        self._waiting.append(_Waiting(record, document))
        chunks = sum(len(each.record.chunks) for each in self._waiting)
        if len(self._waiting) >= _AT_ONCE or chunks >= _CHUNKS_AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Parse what has been uploaded, and see to it that its chunks are those of the records."""
        waiting, self._waiting = self._waiting, []
        if not waiting or self._dataset is None:
            return
        to_parse = [each.document for each in waiting if each.record.chunks and each.record.run == "DONE"]
        parsed = {document.id: document for document in parse_all(self._dataset, to_parse)}
        for each in waiting:
            document = parsed.get(each.document.id, each.document)
            if document.run == "FAIL":
                self._note(
                    each.record,
                    f"cannot be parsed there ({reason(document)}); its chunks were made one by one",
                )
            try:
                self._finished(each.record, document)
            except REFUSED as error:
                self._note(each.record, str(error))
                self._report.failed["document"] += 1

    def _finished(self, record: DocumentRecord, document: Document) -> None:
        self._unseen = []
        self._have_chunks(record, document)
        if self._unseen:
            self._report.leave("picture", record.name, len(self._unseen), self._unseen[0])
        if not record.enabled:
            document.update({"enabled": False})
        self._ids.done("document", record.id, document.id)
        self._report.done["document"] += 1

    def _uploaded(self, dataset: DataSet, record: DocumentRecord, content: bytes | IO[bytes]) -> Document:
        """``upload`` finds what an interrupted run has left."""
        fields: dict[str, Any] = {
            "meta_fields": record.meta_fields,
            "parser_config": self._own_settings(record),
        }
        if self._of is not None and record.chunk_method != self._of.chunk_method:
            fields["chunk_method"] = record.chunk_method
        [document] = accepted(
            lambda given: dataset.upload(content, name=record.name, parse=False, **given),
            {name: value for name, value in fields.items() if value},
            may_drop=("parser_config", "chunk_method"),
            note=partial(self._note, record),
        )
        return document

    def _own_settings(self, record: DocumentRecord) -> dict[str, Any]:
        """The parser settings that are not just the dataset's."""
        usual = self._of.parser_config if self._of else {}
        return {name: value for name, value in record.parser_config.items() if usual.get(name) != value}

    def _note(self, record: DocumentRecord, text: str) -> None:
        note = f"document {record.name!r}: {text}"
        if note not in self._report.notes:  # once, however many of its chunks it is about
            self._report.notes.append(note)

    def _have_chunks(self, record: DocumentRecord, document: Document) -> None:
        """Its chunks are those of the record: what is not among them goes, what is missing is added.

        They are told by their text, as servers tell them.
        """
        present = {_text(chunk.content): chunk for chunk in document.iter_chunks()}
        wanted = {_text(chunk.content): chunk for chunk in record.chunks if _text(chunk.content)}
        document.delete_chunks(ids=[chunk.id for text, chunk in present.items() if text not in wanted])
        for text, chunk in wanted.items():
            if text in present:
                self._changed(record, present[text], chunk)
            else:
                self._added(record, document, chunk)

    def _added(self, record: DocumentRecord, document: Document, chunk: ChunkRecord) -> None:
        fields = {"tag_kwd": chunk.tag_kwd, "tag_feas": chunk.tag_feas, **self._pictured(chunk)}
        made = accepted(
            lambda given: document.add_chunk(
                chunk.content, chunk.important_keywords, chunk.questions, **given
            ),
            {name: value for name, value in fields.items() if value},
            may_drop=tuple(fields),
            note=partial(self._note, record),
        )
        later = {"positions": chunk.positions} if chunk.positions else {}
        self._set(record, made, later | ({} if chunk.available else {"available": False}))

    def _changed(self, record: DocumentRecord, made: Chunk, chunk: ChunkRecord) -> None:
        now = ChunkRecord.of(made)
        named = ("important_keywords", "questions", "available", "tag_kwd", "tag_feas")
        wanted = {name: getattr(chunk, name) for name in named}
        fields = {name: each for name, each in wanted.items() if each != getattr(now, name)}
        if not now.picture:  # a server puts a second one below the first
            fields |= self._pictured(chunk)
        self._set(record, made, fields)

    def _pictured(self, chunk: ChunkRecord) -> dict[str, bytes]:
        """The picture of a chunk as a field of it."""
        if not chunk.picture:
            return {}
        try:
            return {"image_base64": self._picture(chunk.picture)}
        except NOT_TO_BE_HAD as error:
            self._unseen.append(str(error))
            return {}

    def _set(self, record: DocumentRecord, made: Chunk, fields: dict[str, Any]) -> None:
        if fields:
            note = partial(self._note, record)
            accepted(
                lambda given: made.update(given) if given else made, fields, may_drop=tuple(fields), note=note
            )


def _text(content: str) -> str:
    return content.strip()  # which some servers do to a chunk that is added
