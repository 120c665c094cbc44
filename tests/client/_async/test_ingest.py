"""Uploading files as a whole, from wherever they are, and replacing documents."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import (
    AsyncDataSet,
    AsyncRAGFlow,
    InvalidRequestError,
    ParseFailedError,
    ParseProgress,
    PartialError,
    RequestTimeoutError,
    UploadProgress,
)
from ragflow_integrations.models import DataSetFields
from ragflow_integrations.sources import gathered
from tests.client.conftest import Place
from tests.protocol.recorded import recorded
from tests.transport.raw_server import http, serving

TEXT = b"The moray eel breathes through its open mouth."
TAGS = {"author": "Ada", "year": "1843"}


@pytest.fixture
async def dataset(client: AsyncRAGFlow) -> AsyncDataSet:
    """An empty one."""
    return await client.create_dataset("eels")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two files, one of them in a folder of the folder, and two hidden ones."""
    root = tmp_path / "library"
    for name, text in {
        "eel.txt": TEXT,
        "deep/cod.md": b"# Cod\n\nThe cod is a fish.",
        ".hidden.txt": b"x",
        ".git/config.txt": b"x",
    }.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text)
    return root


async def test_a_folder(dataset: AsyncDataSet, folder: Path) -> None:
    """Its files and those of its folders, parsed and tagged, in the order of their names; nothing hidden."""
    documents = await dataset.upload(folder, meta_fields=TAGS, interval=0.05)
    assert [one.name for one in documents] == ["deep/cod.md", "eel.txt"]
    assert [(one.run, one.meta_fields) for one in documents] == [("DONE", TAGS)] * 2
    found = await dataset._client.retrieve("How does the moray eel breathe?", [dataset.id])
    assert found[0].document_name == "eel.txt"


@pytest.mark.parametrize("kind", ["path", "text", "bytes", "view", "file"])
async def test_a_file(dataset: AsyncDataSet, folder: Path, kind: str) -> None:
    """By its path, as its content, as an open file."""
    path = folder / "eel.txt"
    sources: dict[str, Any] = {
        "path": path,
        "text": str(path),
        "bytes": TEXT,
        "view": memoryview(TEXT),
        "file": io.BytesIO(TEXT),
    }
    (document,) = await dataset.upload(sources[kind], name="moray.txt", interval=0.05)
    assert (document.name, document.run, await document.download()) == ("moray.txt", "DONE", TEXT)


async def test_without_parsing(dataset: AsyncDataSet) -> None:
    """``parse=False`` leaves the documents as they are, described."""
    (document,) = await dataset.upload(TEXT, name="eel.txt", meta_fields=TAGS, parse=False)
    (found,) = await dataset.list_documents()
    assert (found.id, found.run, found.meta_fields) == (document.id, "UNSTART", TAGS)


async def test_done_again(dataset: AsyncDataSet, folder: Path) -> None:
    """What is there is not uploaded again; what an earlier try left undone is done; new tags are set."""
    (left,) = await dataset.upload(folder / "eel.txt", parse=False)
    first = await dataset.upload(folder, interval=0.05)
    again = await dataset.upload(folder, meta_fields=TAGS, interval=0.05)
    assert left.id in [one.id for one in first]
    assert [one.id for one in first] == [one.id for one in again]
    assert [(one.run, one.meta_fields) for one in again] == [("DONE", TAGS)] * 2


async def test_described_again(dataset: AsyncDataSet) -> None:
    """What is returned is as the server has it now, also where nothing is parsed."""
    await dataset.upload(TEXT, name="eel.txt", parse=False)
    (document,) = await dataset.upload(TEXT, name="eel.txt", meta_fields=TAGS, parse=False)
    assert document.meta_fields == TAGS


async def test_a_second_version_done_again(dataset: AsyncDataSet, tmp_path: Path) -> None:
    """A file that the server had to number, and to rename for that, is known again."""
    file = tmp_path / "library" / "deep" / "eel.txt"
    file.parent.mkdir(parents=True)
    ids = []
    for text in (b"The eel is green.", b"The eel is black.", b"The eel is black."):
        file.write_bytes(text)
        (document,) = await dataset.upload(tmp_path / "library", parse=False)
        ids.append(document.id)
    assert ids[1] == ids[2] != ids[0]
    assert {one.name for one in await dataset.list_documents()} == {"deep/eel.txt", "eel(1).txt"}


async def test_while_it_is_parsed(dataset: AsyncDataSet) -> None:
    """A try that has run out of time is done again: what the server is still parsing is waited for."""
    text = b"Zebras live in Africa.\n" * 20_000
    with pytest.raises(RequestTimeoutError, match="parsing goes on"):
        await dataset.upload(text, name="zebras.txt", timeout=0)
    (document,) = await dataset.upload(text, name="zebras.txt", interval=0.05)
    assert document.run == "DONE"


async def test_settings_with_defaults(dataset: AsyncDataSet) -> None:
    """Done again with the same settings nothing is parsed again, though the server has added its own to them."""
    config = {"raptor": {"use_raptor": False}, "chunk_token_num": 64}
    (before,) = await dataset.upload(TEXT, name="eel.txt", parser_config=config, interval=0.05)
    (after,) = await dataset.upload(TEXT, name="eel.txt", parser_config=config, interval=0.05)
    assert before.process_begin_at == after.process_begin_at
    assert before.update_time == after.update_time


async def test_other_parser_settings_without_parsing(dataset: AsyncDataSet) -> None:
    """What is parsed keeps the settings that it was parsed with, so that later it is known to be due."""
    text = b"\n".join(b"Fish number %d swims in the sea and never sleeps." % n for n in range(60))
    config = {"chunk_token_num": 32}
    (before,) = await dataset.upload(text, name="fish.txt", interval=0.05)
    (kept,) = await dataset.upload(text, name="fish.txt", parser_config=config, parse=False)
    (after,) = await dataset.upload(text, name="fish.txt", parser_config=config, interval=0.05)
    assert kept.parser_config == before.parser_config
    assert after.chunk_count > before.chunk_count


async def test_other_parser_settings(dataset: AsyncDataSet) -> None:
    """Done again with other parser settings, it is parsed again."""
    text = b"\n".join(b"Fish number %d swims in the sea and never sleeps." % n for n in range(60))
    (before,) = await dataset.upload(text, name="fish.txt", interval=0.05)
    config = {"chunk_token_num": 32}
    (after,) = await dataset.upload(text, name="fish.txt", parser_config=config, interval=0.05)
    assert before.id == after.id
    assert after.chunk_count > before.chunk_count


async def test_changed_content(dataset: AsyncDataSet) -> None:
    """Other content of the same name and even size is another document."""
    (one,) = await dataset.upload(b"The eel is green.", name="eel.txt", interval=0.05)
    (two,) = await dataset.upload(b"The eel is black.", name="eel.txt", interval=0.05)
    assert (one.id != two.id, two.name) == (True, "eel(1).txt")


async def test_nothing_untagged_stays(dataset: AsyncDataSet) -> None:
    """A file that cannot be described is removed again, and said why."""
    with pytest.raises(InvalidRequestError):
        await dataset.upload(TEXT, name="eel.txt", chunk_method="no such method")
    assert await dataset.list_documents() == []


async def test_a_file_that_cannot_be_parsed(dataset: AsyncDataSet, tmp_path: Path) -> None:
    """The error names it; the others are parsed."""
    empty = tmp_path / "empty.txt"
    empty.write_bytes(b"   \n")
    eel = tmp_path / "eel.txt"
    eel.write_bytes(TEXT)
    with pytest.raises(ParseFailedError, match=r"empty\.txt"):
        await dataset.upload([empty, eel], interval=0.05)
    assert {one.name: one.run for one in await dataset.list_documents()} == {
        "empty.txt": "FAIL",
        "eel.txt": "DONE",
    }


async def test_a_file_that_is_refused(dataset: AsyncDataSet) -> None:
    """The others are uploaded, described and parsed; the error has them, and what is wrong with that one."""
    files = [_file(b"MZ", "a.exe"), _file(TEXT, "eel.txt"), _file(b"MZ", "b.exe"), _file(b"# Cod", "cod.md")]
    seen: list[Any] = []
    with pytest.raises(PartialError, match=r"2 of the files .*: a.exe: This type .*; b.exe: This") as caught:
        await dataset.upload(files, meta_fields=TAGS, interval=0.05, progress=seen.append)
    documents = caught.value.data["documents"]
    assert [(one.name, one.run, one.meta_fields) for one in documents] == [
        ("eel.txt", "DONE", TAGS),
        ("cod.md", "DONE", TAGS),
    ]
    assert list(caught.value.data["refused"]) == ["a.exe", "b.exe"]
    assert await documents[0].download() == TEXT
    assert [each.name for each in seen if isinstance(each, UploadProgress)] == [file.name for file in files]


async def test_only_files_that_are_refused(dataset: AsyncDataSet) -> None:
    """Nothing was done, so nothing is said of a part; of one file the server's own refusal is the error."""
    with pytest.raises(InvalidRequestError, match=r"2 of the files .* a.exe: This type .*; b.exe: This"):
        await dataset.upload([_file(b"MZ", "a.exe"), _file(b"MZ", "b.exe")])
    with pytest.raises(InvalidRequestError, match=r"^a.exe: This type of file has not been supported yet"):
        await dataset.upload(b"MZ", name="a.exe")
    assert await dataset.list_documents() == []


async def test_refused_and_not_parsed(dataset: AsyncDataSet) -> None:
    """Where parsing fails as well, that is the error, and the refused file is in a note."""
    with pytest.raises(ParseFailedError) as caught:
        await dataset.upload([_file(b"MZ", "a.exe"), _file(b"  ", "blank.txt")], interval=0.05)
    assert [name for name, _ in caught.value.failures] == ["blank.txt"]
    assert "a.exe: This type of file" in "".join(caught.value.__notes__)


async def test_a_version_that_is_refused(dataset: AsyncDataSet) -> None:
    """Nothing is replaced then, neither this document nor those before it."""
    documents = await dataset.upload([_file(TEXT, "eel.txt"), _file(b"A cod.", "cod.txt")], interval=0.05)
    with pytest.raises(InvalidRequestError, match=r"a.exe: This type"):
        await dataset.replace({documents[0].id: b"A new eel.", documents[1].id: _file(b"MZ", "a.exe")})
    assert {one.id for one in await dataset.list_documents()} == {one.id for one in documents}


async def test_what_is_no_left_over(dataset: AsyncDataSet) -> None:
    """A document of somebody's own with the new version's content is not taken for one: it has tags."""
    (old,) = await dataset.upload(b"The eel is green.", name="eel.txt", interval=0.05)
    (own,) = await dataset.upload(TEXT, name="eel.txt", meta_fields=TAGS, parse=False)
    ids = await dataset.replace({old.id: TEXT}, interval=0.05)
    assert {one.id for one in await dataset.list_documents()} == {own.id, ids[old.id]}


async def test_two_versions_with_one_content(dataset: AsyncDataSet) -> None:
    """Each document has a new version of its own, also where the names lead from one to the other."""
    old = [
        (await dataset.upload(text, name="eel.txt", interval=0.05))[0] for text in (b"An eel.", b"Two eels.")
    ]
    assert [one.name for one in old] == ["eel.txt", "eel(1).txt"]
    ids = await dataset.replace({one.id: TEXT for one in old}, interval=0.05)
    rows = await dataset.list_documents(orderby="name", desc=False)
    assert {row.id for row in rows} == set(ids.values())
    assert [(row.name, row.run) for row in rows] == [("eel(1).txt", "DONE"), ("eel.txt", "DONE")]


LARGE = b"x" * 2**16 + b"eel"
LARGE_HASH = "5a9ae97bb8992c102b28a1ae25cdacf5"


def known_file(**document: Any) -> list[bytes]:
    """What a v0.27 answers that is asked for a large file, for its chunks, and for the document."""
    row = {"id": "e", "name": "eel.txt", "size": len(LARGE), "run": "DONE", "dataset_id": "d"}
    listed = http({"code": 0, "data": {"docs": [row], "total": 1}})
    chunks = http({"code": 0, "data": {"chunks": [], "total": 0, "doc": {**row, **document}}})
    content = http(LARGE, content_disposition="attachment; filename=eel.txt")
    return [listed, chunks, content, listed]


async def asked_for(answers: list[bytes], source: bytes | Path) -> list[str]:
    """What is sent to find out that a file is there already."""
    with serving(*answers) as (server, url):
        async with AsyncRAGFlow("ragflow-key", url, server_version="0.27") as client:
            dataset = AsyncDataSet._of(client, DataSetFields(id="d"))
            (document,) = await dataset.upload(source, name="eel.txt")
    assert document.id == "e"
    return [each.line.removesuffix(" HTTP/1.1").rpartition("/documents")[2] for each in server.requests]


FIND, HASH, FETCH, LOOK = (
    "?page=1&page_size=1&name=eel.txt",
    "/e/chunks?page=1&page_size=1",
    "/e",
    "?page=1&page_size=100&ids=e",
)


@pytest.mark.parametrize("kind", ["bytes", "path"])
async def test_known_by_its_hash(tmp_path: Path, kind: str) -> None:
    """A large file that is there already is not fetched, if the server has its hash."""
    listed, chunks, _, again = known_file(content_hash=LARGE_HASH)
    path = tmp_path / "eel.bin"
    path.write_bytes(LARGE)
    source = path if kind == "path" else LARGE
    assert await asked_for([listed, chunks, again], source) == [FIND, HASH, LOOK]


async def test_another_hash() -> None:
    """It may be of another kind, or none: the content decides."""
    for told in ("6f49e16d7b584699200d38b551788666", "", None):
        assert await asked_for(known_file(content_hash=told), LARGE) == [FIND, HASH, FETCH, LOOK]


async def test_without_the_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """The content is fetched and compared."""
    monkeypatch.setitem(sys.modules, "xxhash", None)
    listed, _, content, again = known_file()
    assert await asked_for([listed, content, again], LARGE) == [FIND, FETCH, LOOK]


@pytest.mark.parametrize("name", ["doc.upload.umlaut_name", "doc.upload.empty_file"])
async def test_the_hash_that_servers_have(name: str) -> None:
    """As a real v0.27.0 told it of what it was sent."""
    exchange = recorded("v0.27", name)
    (row,) = exchange.body["data"]
    (source,) = gathered({"Über uns.txt": b"hallo", "empty.txt": b""}[row["name"]], row["name"])
    assert source.xxh128() == row["content_hash"]


async def test_progress(dataset: AsyncDataSet, folder: Path) -> None:
    """A callback hears of each file and each look, and at last that all is done."""
    told: list[ParseProgress | UploadProgress] = []
    await dataset.upload(folder, progress=told.append, interval=0.05)
    uploads = [one for one in told if isinstance(one, UploadProgress)]
    assert [(one.finished, one.total, one.name) for one in uploads] == [
        (1, 2, "deep/cod.md"),
        (2, 2, "eel.txt"),
    ]
    assert isinstance(told[-1], ParseProgress)
    assert (told[-1].finished, told[-1].total, told[-1].fraction) == (2, 2, 1.0)


async def test_a_bar(dataset: AsyncDataSet, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """``progress=True`` draws one for each stage; without it nothing is written."""
    await dataset.upload(folder, interval=0.05)
    assert capsys.readouterr() == ("", "")
    await dataset.upload(TEXT, name="new.txt", progress=True, interval=0.05)
    drawn = capsys.readouterr().err
    assert "uploading: 100%" in drawn
    assert "parsing: 100%" in drawn


async def test_replaced(dataset: AsyncDataSet) -> None:
    """The new version has the old one's name and metadata; the old one is gone; the map tells the ids."""
    (old,) = await dataset.upload(b"The eel is green.", name="eel.txt", meta_fields=TAGS, interval=0.05)
    ids = await dataset.replace({old.id: b"The eel is black."}, interval=0.05)
    (new,) = await dataset.list_documents()
    assert ids == {old.id: new.id}
    assert (new.name, new.run, new.meta_fields) == ("eel.txt", "DONE", TAGS)
    found = await dataset._client.retrieve("Which colour is the eel?", [dataset.id])
    assert [one.content.strip() for one in found] == ["The eel is black."]


async def test_a_version_of_what_is_switched_off(dataset: AsyncDataSet) -> None:
    """It is switched off as well: nobody finds it."""
    (old,) = await dataset.upload(b"The eel is green.", name="eel.txt", interval=0.05)
    await old.update({"enabled": False})
    await dataset.replace({old.id: b"The eel is black."}, interval=0.05)
    (new,) = await dataset.list_documents()
    assert (new.run, new.status) == ("DONE", "0")
    assert await dataset._client.retrieve("Which colour is the eel?", [dataset.id]) == []


def fail(_: object) -> None:
    raise ZeroDivisionError


async def test_a_callback_that_fails(dataset: AsyncDataSet) -> None:
    """Its error reaches the caller; the old version stays and no new one."""
    (old,) = await dataset.upload(b"The eel is green.", name="eel.txt", meta_fields=TAGS, interval=0.05)
    with pytest.raises(ZeroDivisionError):
        await dataset.replace({old.id: b"The eel is black."}, progress=fail)
    with pytest.raises(ZeroDivisionError):
        await dataset.upload(TEXT, name="moray.txt", meta_fields=TAGS, progress=fail)
    left = {one.name: (one.id == old.id, one.run, one.meta_fields) for one in await dataset.list_documents()}
    assert left == {"eel.txt": (True, "DONE", TAGS), "moray.txt": (False, "UNSTART", TAGS)}


@pytest.mark.parametrize("documents", [{}, {"not/an/id": b"x"}, {17: b"x"}, {"d": 17}, {"d": "."}, [b"x"]])
async def test_versions_that_are_refused(documents: Any) -> None:
    """Before anything is sent: there is no server."""
    async with AsyncRAGFlow("ragflow-key", "http://127.0.0.1:9", max_retries=0) as client:
        with pytest.raises(InvalidRequestError):
            await AsyncDataSet._of(client, DataSetFields(id="d")).replace(documents)


def from_v024(name: str, **changed: Any) -> bytes:
    """What a real v0.24.0 answered, as it goes over the wire, about another document."""
    body = recorded("v0.24", name).body
    return http({**body, "data": {**body["data"], **changed}} if changed else body)


async def test_on_v024() -> None:
    """Changed content under a known name there: looked for by both names, uploaded, described by ``PUT``."""
    id = recorded("v0.24", "doc.upload.same_name").body["data"][0]["id"]
    answers = [
        from_v024("doc.list.name"),
        from_v024("doc.list.name_missing"),
        from_v024("doc.upload.same_name"),
        from_v024("doc.update.meta", id=id),
        from_v024("doc.list"),
    ]
    with serving(*answers) as (server, url):
        async with AsyncRAGFlow("ragflow-key", url, server_version="0.24") as client:
            dataset = AsyncDataSet._of(client, DataSetFields(id="d"))
            (document,) = await dataset.upload(b"other", name="a.txt", meta_fields=TAGS, parse=False)
    assert (document.id, document.name) == (id, "a(1).txt")
    asked = [
        each.line.removesuffix(" HTTP/1.1").replace("/api/v1/datasets/d/documents", "")
        for each in server.requests
    ]
    assert asked == [
        "GET ?page=1&page_size=1&name=a.txt",
        "GET ?page=1&page_size=1&name=a%281%29.txt",
        "POST ",
        f"PUT /{id}",
        f"GET ?page=1&page_size=100&ids={id}",
    ]


async def test_an_empty_file_on_a_real_server() -> None:
    """It is not fetched to be compared: real servers call that an error."""
    row = {"id": "e", "name": "empty.txt", "size": 0, "run": "UNSTART"}
    listed = http({"code": 0, "data": {"docs": [row], "total": 1}})
    with serving(listed) as (server, url):
        async with AsyncRAGFlow("ragflow-key", url) as client:
            dataset = AsyncDataSet._of(client, DataSetFields(id="d"))
            (document,) = await dataset.upload(b"", name="empty.txt", parse=False)
    assert document.id == "e"
    assert [each.line.split(" ")[0] for each in server.requests] == ["GET", "GET"]


async def test_a_version_that_cannot_be_parsed(dataset: AsyncDataSet) -> None:
    """Nothing is replaced, nothing is left over."""
    documents = await dataset.upload(
        [_file(b"The eel is green.", "eel.txt"), _file(b"The cod is grey.", "cod.txt")], interval=0.05
    )
    with pytest.raises(ParseFailedError):
        await dataset.replace({documents[0].id: b"The eel is black.", documents[1].id: b"  "}, interval=0.05)
    rows = await dataset.list_documents(orderby="name", desc=False)
    assert [(row.id, row.run) for row in rows] == [(documents[1].id, "DONE"), (documents[0].id, "DONE")]


def _file(content: bytes, name: str) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name
    return file


def closed_file() -> io.BytesIO:
    file = io.BytesIO(TEXT)
    file.close()
    return file


@pytest.mark.parametrize(
    ("source", "options", "said"),
    [
        ("/no/such/file.txt", {}, "source='/no/such/file.txt': there is no such file or folder"),
        (b"x", {}, "name=None: bytes have no name of their own"),
        (17, {}, "source of type int: give a path"),
        ([], {}, r"source=\[\]: there is no file in it"),
        ([b"x", b"y"], {"name": "a.txt"}, "name='a.txt': it names one file, and there are 2"),
        (io.StringIO("x"), {"name": "a.txt"}, "binary mode"),
        (b"x", {"name": "ü" * 128 + ".txt"}, "255 bytes at most"),
        (b"x", {"name": "a.txt", "progress": "yes"}, "progress='yes'"),
        (b"x", {"name": "a.txt", "interval": 0}, "interval=0: give seconds above 0"),
        (b"x", {"name": "a.txt", "timeout": "5"}, "timeout='5': give seconds from 0"),
        (b"x", {"name": ""}, "name='': give a text that is not empty"),
        (b"x", {"name": 5}, "name=5: give a text"),
        (b"x", {"name": "a\nb.txt"}, "a name is text in one line"),
        (b"x", {"name": "a\udcff.txt"}, "a name is text in one line"),
        ("The moray eel breathes. " * 300, {}, "cannot be read: .*name too long"),
        ("~nobody-of-this-name/a.txt", {}, "there is no such file or folder"),
        (closed_file(), {"name": "a.txt"}, "closed file"),
    ],
)
async def test_what_is_refused(place: Place, source: Any, options: dict[str, Any], said: str) -> None:
    """Before anything is sent, by field and value."""
    async with AsyncRAGFlow(place.api_key, place.base_url) as client:
        dataset = await client.create_dataset("eels")
        with pytest.raises(InvalidRequestError, match=said):
            await dataset.upload(source, **options)
        assert await dataset.list_documents() == []


async def test_a_folder_that_cannot_be_read(
    dataset: AsyncDataSet, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is said, instead of leaving out what is in it; a link that leads nowhere is left out."""
    (folder / "broken.txt").symlink_to(folder / "nowhere.txt")
    assert len(await dataset.upload(folder, parse=False)) == 2
    scandir = os.scandir

    def refusing(path: Any) -> Any:
        if str(path).endswith("deep"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refusing)  # the tests may run as root, who may read everything
    with pytest.raises(InvalidRequestError, match=r"cannot be read: .*Permission denied: .*deep"):
        await dataset.upload(folder, parse=False)


async def test_two_files_of_one_name(dataset: AsyncDataSet, tmp_path: Path) -> None:
    """They would overwrite each other when done again, so they are refused."""
    for place in ("a", "b"):
        (tmp_path / "books" / place).mkdir(parents=True)
        (tmp_path / "books" / place / "eel.txt").write_bytes(TEXT)
    books = tmp_path / "books"
    with pytest.raises(InvalidRequestError, match=r"several files are called 'eel\.txt'"):
        await dataset.upload([books / "a" / "eel.txt", books / "b" / "eel.txt"])
    assert len(await dataset.upload(books, parse=False)) == 2
