"""Datasets, as one tenant sees them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

from .. import datasets, documents, parser_defaults, tags
from ..models.names import KINDS, Kind
from ..parser_defaults import ParserDefaults
from ..store import Row
from .part import Part, or_none

__all__ = ["DatasetCalls"]


class DatasetCalls(Part):
    """The calls about datasets."""

    @property
    def embedding_model(self) -> str:
        """The ``embedding_model`` of datasets that name none."""
        return self._shared.models.default("embedding")

    def default_models(self) -> dict[Kind, str]:
        """The names of the models that are used where none is named, by kind."""
        return {kind: self._shared.models.default(kind) for kind in KINDS}

    def create_dataset(
        self, fields: Mapping[str, Any], defaults: ParserDefaults = parser_defaults.v027
    ) -> Row:
        """A new dataset of these fields (``name`` at least); a name that is taken becomes ``name(1)``.

        Its ``parser_config`` is laid over the ``defaults`` of its chunk method. ``UnknownModel`` if no model is
        called ``embedding_model``.
        """
        name = fields.get("embedding_model") or self.embedding_model
        kept = self._kept(name)
        with self._shared.store.write() as db:
            fields = {**fields, "embedding_model": name}
            return datasets.create(
                db, self.tenant_id, kept, fields, self._shared.models.default("chat"), defaults
            )

    def list_datasets(self, **filters: Unpack[datasets.Filters]) -> tuple[list[Row], int]:
        """One page of datasets and how many fit: ``page page_size orderby desc``.

        Optionally ``id name chunk_method``, the list ``ids``, and ``keywords`` (a part of the name).
        """
        with self._shared.store.read() as db:
            return datasets.listed(db, self.tenant_id, **filters)

    def get_dataset(self, dataset_id: str) -> Row | None:
        """One dataset, or None."""
        with self._shared.store.read() as db:
            return or_none(datasets.get, db, self.tenant_id, dataset_id)

    def is_foreign_dataset(self, dataset_id: str) -> bool:
        """Whether a dataset is another tenant's: the one thing that RAGFlow tells of it, to who wants to upload."""
        with self._shared.store.read() as db:
            return datasets.is_foreign(db, self.tenant_id, dataset_id)

    def dataset_size(self, dataset_id: str) -> int:
        """The bytes of a dataset's files, counted as often as they were added."""
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, [dataset_id])
            return documents.size(db, dataset_id)

    def update_dataset(
        self,
        dataset_id: str,
        fields: Mapping[str, Any],
        defaults: ParserDefaults = parser_defaults.v027,
    ) -> Row:
        """Change a dataset; ``parser_config`` is merged. ``Refused`` if the new name is taken.

        Another ``chunk_method`` without a ``parser_config`` brings its ``defaults``. ``UnknownModel`` for an unknown
        ``embedding_model``, ``Refused`` for one that makes other vectors than those that are there.
        """
        model = fields.get("embedding_model")
        kept = self._kept(model) if model else None
        with self._shared.store.write() as db:
            return datasets.update(db, self.tenant_id, dataset_id, fields, kept, defaults)

    def tags(self, dataset_ids: Sequence[str]) -> list[tuple[str, int]]:
        """All tags of these datasets' chunks and how many chunks have each, the most frequent first."""
        with self._shared.store.read() as db:
            datasets.check_owner(db, self.tenant_id, dataset_ids)
            return tags.counted(db, dataset_ids)

    def rename_tag(self, dataset_id: str, old: str, new: str) -> None:
        """Give the chunks that have one tag another one in its place."""
        with self._shared.store.write() as db:
            datasets.check_owner(db, self.tenant_id, [dataset_id])
            tags.exchange(db, dataset_id, old, [new])

    def delete_tags(self, dataset_id: str, names: Sequence[str]) -> None:
        """Take these tags from all chunks of a dataset."""
        with self._shared.store.write() as db:
            datasets.check_owner(db, self.tenant_id, [dataset_id])
            for each in names:
                tags.exchange(db, dataset_id, each, [])

    def delete_datasets(self, ids: Sequence[str] | None) -> int:
        """Delete datasets (None: all) with all that is in them; none if one is unknown (``Missing``)."""
        with self._shared.store.write() as db:
            gone = datasets.delete(db, self.tenant_id, ids)
        self._shared.matrices.forget(gone)
        return len(gone)

    def _kept(self, embedding_model: str) -> datasets.Kept:
        """What is kept of an embedder; a model elsewhere is asked here, where nobody waits to write."""
        embedder = self._shared.models.embedder(embedding_model)
        return embedder.name, embedder.dimensions
