"""Which datasets a class works on: fields by ids or by names, and looking the names up."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, PrivateAttr, model_validator

from ragflow_integrations import DataSet
from ragflow_integrations.adapting import Flow, dataset_ids, datasets, one_dataset, one_dataset_or_made

from ._client import STRICT, Connected

__all__ = ["DatasetFields", "OnDatasets", "OnOneDataset"]


class DatasetFields(BaseModel):
    """Datasets by their ids or by their names."""

    model_config = STRICT

    dataset_ids: list[str] | None = None
    """The datasets; or by ``dataset_names``. With neither, those that ``scope`` names."""

    dataset_names: list[str] | None = None
    """Names of datasets; each is looked up once (``GET /datasets``) and its id kept, in a copy anew.

    With a function as ``scope`` it is looked up in each call, since a name may mean another dataset to another
    user. ``ConflictError`` for a name that several share.
    """

    @model_validator(mode="after")
    def _check_datasets(self) -> Self:
        if self.dataset_ids is not None and self.dataset_names is not None:
            raise ValueError("give dataset_ids or dataset_names, not both")
        return self


class OnDatasets(DatasetFields, Connected):
    """What works on datasets of a server."""

    model_config = STRICT

    _ids: dict[str, str] = PrivateAttr(default_factory=dict)

    def _dataset_ids(self, fields: DatasetFields) -> Flow[list[str]]:
        """The ids, of those that a scope leaves; ``InvalidRequestError`` if no dataset is named."""
        known = {} if callable(self.scope) else self._ids
        return (yield from dataset_ids(fields.dataset_ids, fields.dataset_names, known))

    def _datasets(self) -> Flow[list[DataSet]]:
        """The datasets, each with a call of its own; ``NotFoundError`` for an unknown one."""
        return (yield from datasets((yield from self._dataset_ids(self))))


class OnOneDataset(Connected):
    """What keeps something in one dataset of a server."""

    model_config = STRICT

    dataset_id: str | None = None
    """The dataset; or by ``dataset_name``."""

    dataset_name: str | None = None
    """The dataset's name, looked up once (``GET /datasets``), with a function as ``scope`` in each call."""

    _ids: dict[str, str] = PrivateAttr(default_factory=dict)

    @model_validator(mode="after")
    def _check_dataset(self) -> Self:
        if (self.dataset_id is None) == (self.dataset_name is None):
            raise ValueError("give dataset_id or dataset_name, one of them")
        return self

    def _dataset(self) -> Flow[DataSet]:
        return (yield from one_dataset(self.dataset_id, self.dataset_name, self._known_ids()))

    def _found_or_made(self) -> Flow[DataSet]:
        """The dataset; one that is named and was never there is made."""
        return (yield from one_dataset_or_made(self.dataset_id, self.dataset_name, self._known_ids()))

    def _known_ids(self) -> dict[str, str]:
        """With a function as ``scope`` a name may mean another dataset to another user."""
        return {} if callable(self.scope) else self._ids
