"""Datasets over the API of v0.27: what the recordings do not hold."""

from __future__ import annotations

import json

import pytest

from tests.local.server.api import Api, Json

SWITCHES = [
    {"auto_keywords": 3},
    {"raptor": {"use_raptor": True}},
    {"graphrag": {"use_graphrag": True}},
    {"pages": [[1, 2]]},
    {"tag_kb_ids": ["x"]},
]


@pytest.mark.parametrize("config", SWITCHES)
async def test_settings_for_parsing_are_kept(api: Api, config: Json) -> None:
    """What a server accepts as ``parser_config`` is kept as it was sent; parsing says what it cannot do."""
    made = (await api("POST", "/datasets", {"name": "y", "parser_config": config}))["data"]
    [(key, value)] = config.items()
    kept = made["parser_config"][key]
    assert (kept | value if isinstance(value, dict) else value) == kept


async def test_a_new_dataset_has_all_settings(api: Api) -> None:
    """Without a ``parser_config`` there are the method's defaults; with one RAGFlow's for what was not sent."""
    bare = (await api("POST", "/datasets", {"name": "a"}))["data"]["parser_config"]
    assert (bare["raptor"]["use_raptor"], bare["topn_tags"], "task_page_size" in bare) == (True, 3, False)
    sent = {"name": "b", "parser_config": {"chunk_token_num": 9}}
    full = (await api("POST", "/datasets", sent))["data"]["parser_config"]
    assert (full["raptor"]["use_raptor"], full["topn_tags"], full["task_page_size"]) == (False, 1, None)
    assert {bare["llm_id"], full["llm_id"]} == {api.engine.default_models()["chat"]}


async def test_children_follow_their_switch(api: Api) -> None:
    """``parent_child`` decides whether there are children and what parts them; a document keeps what it is not sent."""
    dataset = await api.dataset()
    switch = {"parent_child": {"use_parent_child": True, "children_delimiter": "§"}}
    changed = await api("PUT", f"/datasets/{dataset}", {"parser_config": switch})
    config = changed["data"]["parser_config"]
    assert (config["children_delimiter"], config["enable_children"]) == ("§", True)
    document = f"/datasets/{dataset}/documents/{await api.document(dataset)}"
    changed = await api("PUT", f"/datasets/{dataset}", {"parser_config": {"chunk_token_num": 5}})
    config = changed["data"]["parser_config"]
    assert (config["children_delimiter"], config["enable_children"]) == ("", False)
    off = {"parent_child": {"use_parent_child": False, "children_delimiter": "x"}}
    changed = await api("PUT", f"/datasets/{dataset}", {"parser_config": off})
    assert (
        changed["data"]["parser_config"]["parent_child"] == switch["parent_child"]
    )  # kept for the next time
    changed = await api("PATCH", document, {"parser_config": {"chunk_token_num": 5}})
    config = changed["data"]["parser_config"]
    assert (config["children_delimiter"], config["enable_children"]) == ("§", True)
    switch = {"parent_child": {"use_parent_child": False}}
    changed = await api("PATCH", document, {"parser_config": switch})
    config = changed["data"]["parser_config"]
    assert (config["children_delimiter"], config["enable_children"]) == ("", False)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"parse_type": 2}, "parser_id omitted → required fields missing: pipeline_id"),
        ({"pipeline_id": "a" * 32}, "parser_id omitted → required fields missing: parse_type"),
        (
            {"chunk_method": "qa", "parse_type": 2},
            "parser_id provided → disallowed fields present: parse_type",
        ),
    ],
)
async def test_method_or_pipeline(api: Api, body: Json, message: str) -> None:
    """A chunk method excludes a pipeline, and a pipeline needs both of its fields."""
    answer = await api("POST", "/datasets", {"name": "x", **body})
    assert answer["code"] == 101
    assert answer["message"].startswith(f"Field: <> - Message: <{message}> - Value: <{{'name': 'x'")


async def test_a_pipeline_is_refused_by_name(api: Api) -> None:
    """What a server would accept and the engine cannot do is said."""
    body = {"name": "x", "parse_type": 2, "pipeline_id": "a" * 32}
    answer = await api("POST", "/datasets", body)
    assert (answer["code"], "pipelines" in answer["message"]) == (102, True)


async def test_all_mistakes_of_a_body_are_told(api: Api) -> None:
    """Each field that is wrong has its line, in the order of the fields, the id of the path among them."""
    answer = await api("PUT", "/datasets/nope", {"name": "", "pagerank": 101, "x": 1})
    fields = [line.partition(">")[0].removeprefix("Field: <") for line in answer["message"].splitlines()]
    assert (answer["code"], fields) == (101, ["name", "dataset_id", "pagerank", "x"])


async def test_lists_by_ext_and_owner(api: Api) -> None:
    """``ext`` narrows by a part of the name, the chunk method and the owner; ``type=filter`` counts the owners'."""
    for name, method in (("Alpha", "naive"), ("alphabet", "qa"), ("Beta", "qa")):
        await api("POST", "/datasets", {"name": name, "chunk_method": method})

    async def names(**ext: object) -> list[str]:
        answer = await api("GET", "/datasets", params={"ext": json.dumps(ext), "desc": "false"})
        return [each["name"] for each in answer["data"]]

    assert await names(keywords="ALPHA") == ["Alpha", "alphabet"]
    assert await names(keywords="alpha", parser_id="qa") == ["alphabet"]
    assert await names(owner_ids=["somebody"]) == []
    owners = (await api("GET", "/datasets", params={"type": "filter"}))["data"]
    assert owners["total"] == 3
    assert [each["count"] for each in owners["filter"]["owner"]] == [3]
    wrong = await api("GET", "/datasets", params={"ext": "{"})
    assert wrong["message"] == "Field: <ext> - Message: <Input should be a valid dictionary> - Value: <{>"


async def test_metadata_to_be_found(api: Api) -> None:
    """``auto_metadata_config`` is what ``metadata/config`` tells, which also replaces it."""
    field = {"key": "author", "type": "string", "description": None, "enum": None}
    wanted = {"metadata": [field], "built_in_metadata": []}
    body = {"name": "x", "auto_metadata_config": {"metadata": [{"key": "author", "type": "string"}]}}
    dataset = (await api("POST", "/datasets", body))["data"]["id"]
    path = f"/datasets/{dataset}/metadata/config"
    assert (await api("GET", path))["data"] == wanted
    assert (await api("PUT", path, {"metadata": []}))["data"] == {"metadata": [], "built_in_metadata": []}
    assert (await api("GET", path))["data"] == {"metadata": [], "built_in_metadata": []}
    wrong = await api("PUT", path, {"metadata": [{"key": "", "type": "text"}]})
    assert (wrong["code"], len(wrong["message"].splitlines())) == (101, 2)


async def test_runs_are_refused_by_name(api: Api) -> None:
    """GraphRAG and RAPTOR on documents: code 102, the feature, and who has it; there is nothing to trace or delete."""
    dataset = await api.dataset()
    await api.document(dataset)
    for path, feature in (
        ("run_graphrag", "GraphRAG"),
        ("run_raptor", "RAPTOR"),
        ("index?type=wiki", "wikis"),
    ):
        answer = await api("POST", f"/datasets/{dataset}/{path}")
        assert answer["code"] == 102
        assert feature in answer["message"]
        assert "RAGFlow" in answer["message"]
    assert await api("GET", f"/datasets/{dataset}/index?type=raptor") == {"code": 0, "data": {}}
    for path in ("graph", "knowledge_graph", "index?type=raptor", "raptor"):
        assert await api("DELETE", f"/datasets/{dataset}/{path}") == {"code": 0, "data": {}}
    wrong = await api("DELETE", f"/datasets/{dataset}/zz")
    assert wrong == {"code": 101, "message": "Invalid index type 'zz'"}


async def test_ingestion_summary(api: Api) -> None:
    """How many documents, chunks and tokens there are, and how many documents are in which state."""
    dataset = await api.dataset()
    await api.document(dataset)
    found = (await api("GET", f"/datasets/{dataset}/ingestions/summary"))["data"]
    assert (found["doc_num"], found["chunk_num"], found["status"]["unstart_count"]) == (1, 0, 1)


@pytest.mark.parametrize(
    ("path", "answer"),
    [
        ("", {"code": 0, "data": {"logs": [], "total": 0}}),
        ("?page_size=101", {"code": 101, "message": "page_size must be less than or equal to 100"}),
        ("?log_type=zz", {"code": 102, "message": 'Invalid "log_type", expected "dataset" or "file"'}),
        ("/zz", {"code": 102, "message": "Log not found"}),
    ],
)
async def test_ingestion_logs(api: Api, path: str, answer: Json) -> None:
    """Nothing but parsing runs here, so that a dataset has no logs of other runs; those of parsing are refused."""
    dataset = await api.dataset()
    assert await api("GET", f"/datasets/{dataset}/ingestions{path}") == answer
    files = await api("GET", f"/datasets/{dataset}/ingestions?log_type=file")
    assert files["code"] == 102
    assert "logs of ingestion" in files["message"]


async def test_tags(api: Api) -> None:
    """The tags of chunks are counted, renamed without becoming two, and deleted; other datasets keep theirs."""
    first, second = await api.dataset("a"), await api.dataset("b")
    for dataset, tags in ((first, ["x", "y"]), (first, ["x", "z"]), (second, ["x"])):
        path = f"/datasets/{dataset}/documents/{await api.document(dataset)}/chunks"
        assert (await api("POST", path, {"content": f"{dataset} {tags}", "tag_kwd": tags}))["code"] == 0
    path = f"/datasets/{first}/tags"
    assert (await api("GET", path))["data"] == [["x", 2], ["y", 1], ["z", 1]]
    both = await api("GET", "/datasets/tags/aggregation", params={"dataset_ids": f"{first},{second}"})
    assert both["data"][0] == {"value": "x", "count": 3}
    assert (await api("PUT", path, {"from_tag": "y", "to_tag": "x"}))["data"] == {"from": "y", "to": "x"}
    assert (await api("GET", path))["data"] == [["x", 2], ["z", 1]]
    assert await api("DELETE", path, {"tags": ["x", "nope"]}) == {"code": 0, "data": {}}
    assert (await api("GET", path))["data"] == [["z", 1]]
    assert (await api("GET", f"/datasets/{second}/tags"))["data"] == [["x", 1]]
    for body, code in (
        ({}, 102),
        ({"from_tag": 1, "to_tag": "x"}, 101),
        ({"from_tag": " ", "to_tag": "x"}, 101),
    ):
        assert (await api("PUT", path, body))["code"] == code
    assert (await api("DELETE", path, {"tags": "x"}))["code"] == 101
    assert (await api("GET", f"/datasets/{'0' * 32}/tags"))["message"] == "no authorization"
