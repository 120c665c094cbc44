"""Datasets: make, find, change, delete."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncRAGFlow,
    ConflictError,
    DataSet,
    InvalidRequestError,
    NotFoundError,
    UnsupportedError,
)
from tests.client._async.conftest import Connect
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.recordings.replay import Replay
from tests.transport.raw_server import http, serving

MISSING = "00000000000000000000000000000000"


async def test_create(client: AsyncRAGFlow) -> None:
    """The dataset as the server made it, with its defaults; what was given is kept."""
    dataset = await client.create_dataset(
        "n", description="d", permission="me", chunk_method="naive", parser_config={"chunk_token_num": 64}
    )
    assert (dataset.name, dataset.description, dataset.permission) == ("n", "d", "me")
    assert dataset.parser_config is not None
    assert (dataset.parser_config["chunk_token_num"], dataset.parser_config["delimiter"]) == (64, "\n")
    assert (dataset.document_count, dataset.similarity_threshold) == (0, 0.2)
    again = await client.get_dataset(dataset.id)
    assert (again.id, again.name, again.parser_config) == (dataset.id, "n", dataset.parser_config)


async def test_a_taken_name(client: AsyncRAGFlow) -> None:
    """It gets a number, as on the server."""
    names = [(await client.create_dataset("n")).name for _ in range(3)]
    assert names == ["n", "n(1)", "n(2)"]


async def test_list(client: AsyncRAGFlow) -> None:
    """Pages with the total of all, newest first, by name or id alone."""
    made = [await client.create_dataset(name) for name in "abc"]
    page = await client.list_datasets(page=1, page_size=2)
    assert ([dataset.name for dataset in page], page.total) == (["c", "b"], 3)
    assert [dataset.name for dataset in await client.list_datasets(page=2, page_size=2)] == ["a"]
    assert [dataset.name for dataset in await client.list_datasets(desc=False)] == ["a", "b", "c"]
    assert [dataset.id for dataset in await client.list_datasets(name="b")] == [made[1].id]
    assert [dataset.id for dataset in await client.list_datasets(id=made[2].id)] == [made[2].id]


async def test_update(client: AsyncRAGFlow) -> None:
    """Only what is sent changes; the object itself is renewed."""
    dataset = await client.create_dataset("n", description="d", parser_config={"chunk_token_num": 64})
    changed = await dataset.update({"name": "m", "parser_config": {"delimiter": ";"}})
    assert changed is dataset
    assert (dataset.name, dataset.description) == ("m", "d")
    again = await client.get_dataset(dataset.id)
    assert again.name == "m"
    assert again.parser_config is not None
    assert (again.parser_config["chunk_token_num"], again.parser_config["delimiter"]) == (64, ";")


async def test_refused_updates(client: AsyncRAGFlow) -> None:
    """A taken name, an unknown field and nothing at all are errors; nothing changes."""
    dataset, _ = await client.create_dataset("n"), await client.create_dataset("taken")
    with pytest.raises(ConflictError, match="'taken' already exists"):
        await dataset.update({"name": "taken"})
    with pytest.raises(InvalidRequestError, match="<colour>"):
        await dataset.update({"colour": "red"})
    with pytest.raises(InvalidRequestError, match="at least one field"):
        await dataset.update({})
    assert (await client.get_dataset(dataset.id)).name == dataset.name == "n"


async def test_delete(client: AsyncRAGFlow) -> None:
    """Those that are named, all if that is said, none by an empty list, an error without a word."""
    made = [await client.create_dataset(name) for name in "abcd"]
    await client.delete_datasets([made[0].id])
    await client.delete_datasets(ids=[])
    with pytest.raises(InvalidRequestError, match="say what to delete"):
        await client.delete_datasets()
    assert [dataset.name for dataset in await client.list_datasets()] == ["d", "c", "b"]
    await client.delete_datasets(ids=None)
    assert await client.list_datasets() == []
    await client.create_dataset("e")
    await client.delete_datasets(delete_all=True)
    assert (await client.list_datasets()).total == 0


async def test_delete_of_an_unknown_one(client: AsyncRAGFlow) -> None:
    """It is all or nothing: the known one stays."""
    dataset = await client.create_dataset("n")
    with pytest.raises(NotFoundError, match=MISSING):
        await client.delete_datasets([dataset.id, MISSING])
    assert [each.id for each in await client.list_datasets()] == [dataset.id]


async def test_get_by_name(client: AsyncRAGFlow) -> None:
    """The one of exactly this name; an id and a name, or neither, is an error."""
    made = [await client.create_dataset(name) for name in ("n", "no")]
    assert (await client.get_dataset(name="n")).id == made[0].id
    assert (await client.get_dataset(made[1].id)).name == "no"
    with pytest.raises(NotFoundError, match="'nope'"):
        await client.get_dataset(name="nope")
    for arguments in ({}, {"dataset_id": made[0].id, "name": "n"}):
        with pytest.raises(InvalidRequestError, match="dataset_id, name: give one of them"):
            await client.get_dataset(**arguments)


async def test_a_name_of_several(connect: Connect) -> None:
    """A team's datasets may share a name, and servers do not mind capitals: then the ids are told."""
    rows = [{"id": f"id{number}", "name": name} for number, name in enumerate(("Notes", "notes", "notes"))]
    answer = http({"code": 0, "data": rows, "total_datasets": 3})
    with serving(answer, answer) as (_, url):
        client = connect(url, server_version="0.27")
        assert (await client.get_dataset(name="Notes")).id == "id0"
        with pytest.raises(ConflictError, match="'notes' is the name of 2 datasets.*: id1, id2"):
            await client.get_dataset(name="notes")


async def test_every_filter(client: AsyncRAGFlow) -> None:
    """By ids, of which unknown ones are left out; with the number of documents in each state."""
    made = [await client.create_dataset(name) for name in "abc"]
    await made[0].upload_documents([{"display_name": "a.txt", "blob": b"x"}])
    found = await client.list_datasets(ids=[made[0].id, made[2].id, MISSING], include_parsing_status=True)
    assert {dataset.name for dataset in found} == {"a", "c"}
    states = {dataset.name: dataset.parsing_status["unstart_count"] for dataset in found}  # type: ignore[attr-defined]
    assert states == {"a": 1, "c": 0}


async def test_iterate(client: AsyncRAGFlow) -> None:
    """All datasets, also when there are more than a page."""
    for number in range(102):
        await client.create_dataset(f"{number:03}")
    names = [dataset.name async for dataset in client.iter_datasets(desc=False)]
    assert names == [f"{number:03}" for number in range(102)]
    await client.delete_datasets([dataset.id async for dataset in client.iter_datasets()])
    assert [dataset async for dataset in client.iter_datasets()] == []


async def test_what_the_reference_says(client: AsyncRAGFlow) -> None:
    """Its default model is the server's own, its parser configuration is taken, as is its class."""
    config = {"chunk_token_num": 128, "delimiter": "\n", "html4excel": False, "layout_recognize": True}
    own = await client.create_dataset("own")
    named = await client.create_dataset(
        "named",
        None,
        None,
        "BAAI/bge-large-zh-v1.5@BAAI",
        "me",
        "naive",
        DataSet.ParserConfig(client, {**config, "raptor": {"use_raptor": False}}),
    )
    assert named.embedding_model == own.embedding_model
    assert named.parser_config is not None
    assert (named.parser_config["chunk_token_num"], named.parser_config["layout_recognize"]) == (
        128,
        "DeepDOC",
    )
    assert DataSet.ParserConfig(config).chunk_token_num == 128
    with pytest.raises(AttributeError, match="nothing"):
        DataSet.ParserConfig().nothing  # noqa: B018


BAD: list[tuple[dict[str, Any], str]] = [
    ({"name": "x" * 129}, r"name='x{20}…': give at most 128 bytes of UTF-8 \(these are 129\)"),
    ({"name": "ü" * 65}, "these are 130"),
    ({"name": 5}, "name=5: give a text"),
    ({"avatar": "abc"}, "avatar='abc': give a picture as 'data:image/png;base64,…'"),
    ({"description": "x" * 65536}, "description='x{20}…': give at most 65535 characters"),
    ({"description": 1}, "description=1: give a text"),
    ({"embedding_model": "m" * 256}, "embedding_model='m{20}…': give at most 255"),
    ({"permission": "all"}, "permission='all': give one of me, team"),
    ({"chunk_method": "manuel"}, "chunk_method='manuel': give one of naive, book, email"),
    ({"parser_config": [1]}, r"parser_config=\[1\]: give a dict"),
    (
        {"parser_config": {"chunk_token_num": 0}},
        "parser_config.chunk_token_num=0: give a whole number from 1 to 2048",
    ),
    ({"parser_config": {"chunk_token_num": "9"}}, "parser_config.chunk_token_num='9'"),
    (
        {"parser_config": {"auto_keywords": 33}},
        "parser_config.auto_keywords=33: give a whole number from 0 to 32",
    ),
    ({"parser_config": {"auto_questions": True}}, "parser_config.auto_questions=True"),
    ({"parser_config": {"topn_tags": 11}}, "parser_config.topn_tags=11"),
    ({"parser_config": {"filename_embd_weight": 1.5}}, "give a number from 0 to 1"),
    ({"parser_config": {"task_page_size": 0}}, "task_page_size=0: give a whole number from 1$"),
    ({"parser_config": {"raptor": {"max_cluster": 2000}}}, "parser_config.raptor.max_cluster=2000"),
    ({"parser_config": {"delimiter": ""}}, "parser_config.delimiter=''"),
    ({"pipeline_id": "p" * 32}, "give parse_type with it, and no chunk_method"),
    ({"pipeline_id": "p", "parse_type": 2}, "pipeline_id='p': give the id of a pipeline"),
    ({"parse_type": 65}, "parse_type=65: give a whole number from 0 to 64"),
    ({"auto_metadata_config": {"fields": []}}, "auto_metadata_config=.*'metadata'"),
    (
        {"auto_metadata_config": {"metadata": [{"key": "a"}]}},
        r"metadata\[0\]=.*: give a dict with key and type",
    ),
    (
        {"auto_metadata_config": {"metadata": [{"key": "a", "type": "int"}]}},
        "give one of string, list, time, number",
    ),
]


@pytest.mark.parametrize(("fields", "said"), BAD)
async def test_limits(connect: Connect, fields: dict[str, Any], said: str) -> None:
    """What is beyond a limit is refused with its name and the limit, before anything is sent."""
    client = connect("http://127.0.0.1:9")
    with pytest.raises(InvalidRequestError, match=said):
        await client.create_dataset(**{"name": "n", **fields})


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"orderby": "name"}, "orderby='name': give one of create_time, update_time"),
        ({"desc": "no"}, "desc='no': give True or False"),
        ({"ids": "a"}, "ids='a': give a list of ids"),
        ({"include_parsing_status": "yes"}, "include_parsing_status='yes': give True or False"),
        ({"id": ""}, "id='': give an id as text"),
        ({"name": ""}, "name='': give a text that is not empty"),
        ({"ext": "hand"}, "ext='hand': give a dict"),
    ],
)
async def test_listings_that_cannot_be(connect: Connect, options: dict[str, Any], said: str) -> None:
    """As everywhere, before anything is sent."""
    with pytest.raises(InvalidRequestError, match=said):
        await connect("http://127.0.0.1:9").list_datasets(**options)


async def test_limits_of_an_update(client: AsyncRAGFlow) -> None:
    """The same limits hold, and that of the page rank."""
    dataset = await client.create_dataset("n")
    for message, said in (({"pagerank": 101}, "pagerank=101: give a whole number from 0 to 100"), *BAD[:1]):
        with pytest.raises(InvalidRequestError, match=said):
            await dataset.update(message)


CONFIG = {"metadata": [{"key": "author", "type": "string"}]}


async def test_automatic_metadata(connect: Connect) -> None:
    """Servers forget what they are told at first: it is set again, and read."""
    made = {"id": "d1", "name": "n", "parser_config": {"metadata": [], "enable_metadata": True}}
    done = {**made, "parser_config": {"metadata": CONFIG["metadata"], "enable_metadata": True}}
    answers = [http({"code": 0, "data": data}) for data in (made, CONFIG, done)]
    with serving(*answers) as (server, url):
        dataset = await connect(url, server_version="0.27").create_dataset("n", auto_metadata_config=CONFIG)
        asked = [received.line.rpartition(" ")[0] for received in server.requests]
        bodies = [json.loads(received.body or b"null") for received in server.requests]
    assert asked == [
        "POST /api/v1/datasets",
        "PUT /api/v1/datasets/d1/metadata/config",
        "GET /api/v1/datasets/d1",
    ]
    assert bodies == [{"name": "n", "auto_metadata_config": CONFIG}, CONFIG, None]
    assert dataset.parser_config == done["parser_config"]


async def test_automatic_metadata_that_is_refused(connect: Connect) -> None:
    """Then no half-made dataset is left; if it cannot be deleted, that is said."""
    made, refused = {"code": 0, "data": {"id": "d1"}}, {"code": 101, "message": "Field: <metadata> - no"}
    for last, notes in (({"code": 0}, []), (refused, ["the dataset d1 was made and not deleted again"])):
        with serving(http(made), http(refused), http(last)) as (server, url):
            client = connect(url, server_version="0.27")
            with pytest.raises(InvalidRequestError, match="Field: <metadata> - no") as caught:
                await client.create_dataset("n", auto_metadata_config=CONFIG)
            assert server.requests[2].line.startswith("DELETE /api/v1/datasets")
            assert json.loads(server.requests[2].body) == {"ids": ["d1"]}
        said = [note.partition(":")[0] for note in getattr(caught.value, "__notes__", [])]
        assert said == notes


async def test_a_real_v024(connect: Connect, replay_v024: Replay) -> None:
    """Recorded answers of v0.24.0: one dataset is found in the listing, and what it has not is said."""
    client = connect(replay_v024.url)
    row = recorded("v0.24", "ds.list.by_id").body["data"][0]
    dataset = await client.get_dataset(row["id"])
    assert (dataset.id, dataset.name) == (row["id"], "rec_ds")
    assert (await client.get_dataset(name="rec_ds")).id == row["id"]
    with pytest.raises(NotFoundError, match="nope"):
        await client.get_dataset(name="nope")
    assert (await dataset.update({"name": "rec_ds2"})).name == "rec_ds2"
    with pytest.raises(ConflictError, match="'rec_full' already exists"):
        await dataset.update({"name": "rec_full"})
    await client.delete_datasets(recorded("v0.24", "ds.delete.ok").request_body["ids"])
    refused = r"{}=….* needs RAGFlow v0.2{}.0 or later; this server is v0.24.0"
    options: list[tuple[dict[str, Any], int]] = [
        ({"ids": [row["id"]]}, 7),
        ({"include_parsing_status": True}, 5),
        ({"ext": {}}, 5),
    ]
    for option, version in options:
        with pytest.raises(UnsupportedError, match=refused.format(*option, version)):
            await client.list_datasets(**option)
    with pytest.raises(UnsupportedError, match=refused.format("auto_metadata_config", 5)):
        await client.create_dataset("n", auto_metadata_config=CONFIG)


async def test_delete_all_as_v024_speaks(client: AsyncRAGFlow, place: Place, connect: Connect) -> None:
    """Without ``delete_all`` on the server the datasets are listed first, and no empty list of ids goes out."""
    if place.base_url == ":memory:":
        return
    for name in "abc":
        await client.create_dataset(name)
    old = connect(place.base_url, place.api_key, server_version="0.24")
    await old.delete_datasets(ids=None)
    assert await client.list_datasets() == []
    await old.delete_datasets(delete_all=True)
