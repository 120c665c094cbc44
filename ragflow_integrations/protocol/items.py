"""Items beside a dataset's documents (``/datasets/{id}/items``), which the local engine has and no RAGFlow server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import NotFoundError, UnsupportedError
from .checks import check_objects
from .envelope import no_such_route, payload
from .reading import unexpected
from .versions import request
from .wire import Call, Flow, Reader, Request, Response, ask

__all__ = ["operate"]


def operate(dataset_id: str, operations: Sequence[Mapping[str, Any]]) -> Flow[list[Any]]:
    """``POST …/items``; done twice it is the same, but for the times of what was written."""
    body = {"operations": check_objects("operations", operations)}
    sent = request("DataSet.item_operations", dataset_id=dataset_id, body=body, idempotent=True)
    try:
        return (yield from ask(Call(sent, _answers(len(operations)))))
    except NotFoundError as error:
        if not no_such_route(error):
            raise
        raise UnsupportedError("items are kept by the local engine only; a RAGFlow server has none") from None


def _answers(count: int) -> Reader[list[Any]]:
    def read(request: Request, response: Response) -> list[Any]:
        data = payload(request, response)
        if not isinstance(data, list) or len(data) != count:
            raise unexpected(request, "not each operation has an answer")
        return data

    return read
