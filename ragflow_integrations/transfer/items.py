"""Items at a target: what a local engine keeps beside a dataset's documents, and a RAGFlow server does not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import InvalidRequestError, UnsupportedError
from .ids import IdMap
from .records import ItemRecord
from .refusals import REFUSED
from .report import TransferReport

if TYPE_CHECKING:
    from .. import RAGFlow

__all__ = ["Items"]

_AT_ONCE = 100
_BYTES_AT_ONCE = 2**20


class Items:
    """Items, some of one dataset at a time; one that is there is not touched, so that none is made twice."""

    def __init__(self, client: RAGFlow, ids: IdMap, report: TransferReport) -> None:
        self._client, self._ids, self._report = client, ids, report
        self._waiting: list[ItemRecord] = []
        self._bytes = 0

    def bring(self, record: ItemRecord) -> None:
        """Take one, to be kept with others of its dataset."""
        if self._waiting and self._waiting[0].dataset_id != record.dataset_id:
            self.settle()
        self._waiting.append(record)
        self._bytes += len(record.model_dump_json())
        if len(self._waiting) >= _AT_ONCE or self._bytes >= _BYTES_AT_ONCE:
            self.settle()

    def settle(self) -> None:
        """Keep those that were taken."""
        waiting, self._waiting, self._bytes = self._waiting, [], 0
        if not waiting:
            return
        try:
            self._keep(waiting)
        except UnsupportedError as error:
            self._told(waiting, str(error))
            self._report.left["item"] += len(waiting)
        except REFUSED as error:
            self._told(waiting, str(error))
            self._report.failed["item"] += len(waiting)

    def _keep(self, waiting: list[ItemRecord]) -> None:
        dataset_id = self._ids.new("dataset", waiting[0].dataset_id)
        if dataset_id is None:
            raise InvalidRequestError(f"the dataset {waiting[0].dataset_id} was not made")
        dataset = self._client.get_dataset(dataset_id)
        there = dataset.item_operations([{"op": "get", **_place(each)} for each in waiting])
        missing = [each for each, found in zip(waiting, there, strict=True) if found is None]
        dataset.item_operations([{"op": "put", **_place(each), "value": each.value} for each in missing])
        self._report.done["item"] += len(missing)
        if kept := len(waiting) - len(missing):
            self._report.kept["item"] += kept

    def _told(self, waiting: list[ItemRecord], why: str) -> None:
        """Once for a dataset, however many items it has."""
        note = f"items of dataset {waiting[0].dataset_id}: {why}"
        if note not in self._report.notes:
            self._report.notes.append(note)


def _place(record: ItemRecord) -> dict[str, Any]:
    return {"namespace": record.namespace, "key": record.key}
