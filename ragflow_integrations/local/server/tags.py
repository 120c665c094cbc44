"""``/datasets/{id}/tags``: the tags that chunks have, counted, renamed, deleted."""

from __future__ import annotations

from starlette.responses import Response

from . import datasets
from .call import Call, Routes
from .envelope import ARGUMENT, Fail, answered

__all__ = ["ROUTES"]


def list_(call: Call) -> Response:
    """``GET /datasets/{id}/tags``: each tag and how many chunks have it."""
    datasets.owned(call, "no authorization")
    return answered(call.engine.tags([call.path["dataset_id"]]))


def aggregate(call: Call) -> Response:
    """``GET /datasets/tags/aggregation``: the same for several datasets together."""
    ids = call.ids("dataset_ids")
    if not ids:
        raise Fail("Lack of dataset_ids in query parameters")
    for each in ids:
        if call.engine.get_dataset(each) is None:
            raise Fail(f"No authorization for dataset '{each}'")
    return answered([{"value": tag, "count": count} for tag, count in call.engine.tags(ids)])


def rename(call: Call) -> Response:
    """``PUT /datasets/{id}/tags``: ``from_tag`` becomes ``to_tag``."""
    given = call.json()
    if "from_tag" not in given or "to_tag" not in given:
        raise Fail("Lack of from_tag or to_tag in request body")
    old, new = given["from_tag"], given["to_tag"]
    if not isinstance(old, str) or not isinstance(new, str):
        raise Fail("from_tag and to_tag must be strings", ARGUMENT)
    if not old.strip() or not new.strip():
        raise Fail("from_tag and to_tag must not be empty", ARGUMENT)
    datasets.owned(call, "no authorization")
    call.engine.rename_tag(call.path["dataset_id"], old.strip(), new)
    return answered({"from": old, "to": new})


def delete(call: Call) -> Response:
    """``DELETE /datasets/{id}/tags``: the chunks lose these ``tags``."""
    given = call.json()
    if "tags" not in given:
        raise Fail("Lack of tags in request body")
    if not isinstance(given["tags"], list) or not all(isinstance(each, str) for each in given["tags"]):
        raise Fail("tags must be a list of strings", ARGUMENT)
    datasets.owned(call, "no authorization")
    call.engine.delete_tags(call.path["dataset_id"], given["tags"])
    return answered({})


ROUTES: Routes = {
    "/datasets/tags/aggregation": {"GET": aggregate},
    "/datasets/{dataset_id}/tags": {"GET": list_, "PUT": rename, "DELETE": delete},
}
