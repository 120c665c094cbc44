"""Which datasets a class works on: fields by ids or by names, and looking the names up."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, PrivateAttr, model_validator

from ragflow_integrations import DataSet, InvalidRequestError
from ragflow_integrations.adapting import Flow, ask, dataset

from ._client import STRICT, Connected

__all__ = ["DatasetFields", "OnDatasets"]


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
        if fields.dataset_names:
            return (yield from self._looked_up(fields.dataset_names))
        scope = yield from ask(lambda client: client.scope)
        if fields.dataset_ids:
            return [id for id in fields.dataset_ids if scope is None or scope.has_dataset(id)]
        unnamed = fields.dataset_ids is None and fields.dataset_names is None
        if unnamed and scope is not None and scope.dataset_ids is not None:
            return sorted(scope.dataset_ids)
        raise InvalidRequestError(
            "no dataset: give dataset_ids=[…], dataset_names=[…] or a scope of datasets"
        )

    def _looked_up(self, names: list[str]) -> Flow[list[str]]:
        known = {} if callable(self.scope) else self._ids
        for name in names:
            if name not in known:
                known[name] = (yield from _named(name)).id
        return [known[name] for name in names]

    def _datasets(self) -> Flow[list[DataSet]]:
        """The datasets, each with a call of its own; ``NotFoundError`` for an unknown one."""
        found = []
        for dataset_id in (yield from self._dataset_ids(self)):
            found.append((yield from dataset(dataset_id)))
        return found


def _named(name: str) -> Flow[DataSet]:
    return (yield from ask(lambda client: client.get_dataset(name=name)))
