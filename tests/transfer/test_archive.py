"""Export and import: what an archive holds, that it is whole or not there, and that nothing in it is trusted."""

from __future__ import annotations

import io
import json
import stat
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ragflow_integrations import ConfigurationError, InvalidRequestError, RAGFlow
from ragflow_integrations.transfer import export, import_
from tests.transfer.dying import died
from tests.transfer.knowledge import contents, make


@pytest.mark.parametrize("name", ["archive", "archive.zip"])
def test_there_and_back(client: RAGFlow, target: RAGFlow, tmp_path: Path, name: str) -> None:
    """What is imported from a folder or a zip is what was exported: files, chunks, metadata, settings, chats."""
    make(client)
    written = export(client, tmp_path / name)
    assert written.complete
    assert written.done == {"dataset": 2, "document": 5, "chat": 1, "session": 1}
    report = import_(target, tmp_path / name)
    assert report.complete, report.notes
    assert report.done == {"dataset": 2, "document": 5, "chat": 1}
    assert report.left == {"session": 1}
    assert contents(target) == contents(client)
    again = import_(target, tmp_path / name)
    assert not again.done
    assert again.kept == report.done
    assert contents(target) == contents(client)


def test_what_an_archive_holds(client: RAGFlow, tmp_path: Path) -> None:
    """Lines of JSON by kind, each original once by its digest, readable by the owner only, nothing half-written."""
    make(client)
    twin = client.create_dataset("twin")
    twin.upload_documents([{"display_name": "same.txt", "blob": b"A name that is no path."}])
    export(client, tmp_path / "archive")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["archive"]
    assert sorted(path.name for path in (tmp_path / "archive").iterdir()) == [
        "files",
        "manifest.json",
        "records.ndjson",
    ]
    lines = [json.loads(line) for line in (tmp_path / "archive" / "records.ndjson").read_text().splitlines()]
    documents = {line["name"]: line for line in lines if line["kind"] == "document"}
    assert {path.name for path in (tmp_path / "archive" / "files").iterdir()} == {
        document["sha256"] for document in documents.values()
    }
    assert documents["same.txt"]["sha256"] == documents["../../x.txt"]["sha256"]
    assert documents["letter 0.txt"]["meta_fields"] == {"author": "Ann", "year": 2024}
    assert "Written by hand." in [chunk["content"] for chunk in documents["letter 0.txt"]["chunks"]]
    [session] = [line for line in lines if line["kind"] == "session"]
    assert [message["role"] for message in session["messages"]] == ["assistant", "user", "assistant"]
    assert stat.S_IMODE((tmp_path / "archive").stat().st_mode) == 0o700
    export(client, tmp_path / "archive.zip")
    assert stat.S_IMODE((tmp_path / "archive.zip").stat().st_mode) == 0o600


def test_one_dataset(client: RAGFlow, tmp_path: Path) -> None:
    """With ``dataset_ids`` there is nothing but these datasets."""
    make(client)
    wanted = client.get_dataset(name="empty")
    assert export(client, tmp_path / "one", dataset_ids=[wanted.id]).done == {"dataset": 1}


def test_an_archive_is_never_overwritten(client: RAGFlow, tmp_path: Path) -> None:
    """Something at the path, even a broken link, is an error that names it."""
    (tmp_path / "there").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("there", "link"):
        with pytest.raises(InvalidRequestError, match=name):
            export(client, tmp_path / name)
    assert (tmp_path / "there").read_text() == "mine"


@pytest.mark.parametrize("name", ["archive", "archive.zip"])
def test_an_export_that_died_goes_on(client: RAGFlow, target: RAGFlow, tmp_path: Path, name: str) -> None:
    """Wherever it dies, nothing is at the path; the next run takes over what is there and completes it."""
    make(client)
    place = tmp_path / name
    requests = 4
    while died(client, requests, lambda: export(client, place)):
        assert not place.exists()
        with (tmp_path / f"{name}.part" / "records.ndjson").open("ab") as records:
            records.write(b'{"kind": "document", "id": "torn')
        requests += 3
    assert requests > 10
    assert import_(target, place).complete
    assert contents(target) == contents(client)


def test_an_unfinished_export_of_another_server_is_refused(
    client: RAGFlow, target: RAGFlow, tmp_path: Path
) -> None:
    """Two servers are not mixed in one archive, and what is no record is not built upon."""
    make(client)
    assert died(client, 8, lambda: export(client, tmp_path / "archive"))
    with pytest.raises(ConfigurationError, match=r"archive\.part.*another server"):
        export(target, tmp_path / "archive")
    with (tmp_path / "archive.part" / "records.ndjson").open("a") as records:
        records.write("no record\n")
    with pytest.raises(ConfigurationError, match=r"archive\.part: this is no unfinished export"):
        export(client, tmp_path / "archive")


@pytest.mark.parametrize("name", ["archive", "archive.zip"])
@pytest.mark.parametrize("file", ["photo.jpg", "state.json"])
def test_what_lies_beside_and_is_none_of_ours_stays(
    client: RAGFlow, tmp_path: Path, name: str, file: str
) -> None:
    """A folder that is in the way of an unfinished export is named, and nothing in it is touched."""
    beside = tmp_path / f"{name}.part"
    beside.mkdir()
    (beside / file).write_text("mine")
    with pytest.raises(ConfigurationError, match=r"part: this is no unfinished export"):
        export(client, tmp_path / name)
    assert {each.name: each.read_text() for each in beside.iterdir()} == {file: "mine"}
    assert not (tmp_path / name).exists()


def test_an_export_that_could_not_be_packed_is_still_of_its_server(
    client: RAGFlow, target: RAGFlow, tmp_path: Path
) -> None:
    """Ended when all is there but the zip, it is not mixed with another server's, and completed by its own."""
    make(client)
    in_the_way = tmp_path / "archive.zip.part.zip"
    in_the_way.mkdir()
    with pytest.raises(IsADirectoryError):
        export(client, tmp_path / "archive.zip")
    in_the_way.rmdir()
    with pytest.raises(ConfigurationError, match="another server"):
        export(target, tmp_path / "archive.zip")
    assert set(export(client, tmp_path / "archive.zip").done) <= {"dataset"}
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("archive")] == ["archive.zip"]
    assert import_(target, tmp_path / "archive.zip").complete
    assert contents(target) == contents(client)


def test_two_exports_at_once_are_refused(client: RAGFlow, tmp_path: Path) -> None:
    """An unfinished archive belongs to one run at a time."""
    make(client)
    told = []

    def meanwhile(_: object) -> None:
        with pytest.raises(ConfigurationError, match="running already") as refused:
            export(client, tmp_path / "archive")
        told.append(refused.value)

    assert export(client, tmp_path / "archive", progress=meanwhile).complete
    assert told


# --- archives that are not what they seem ---------------------------------------------------------------


@pytest.fixture
def archive(client: RAGFlow, tmp_path: Path) -> Path:
    make(client, documents=2)
    export(client, tmp_path / "archive")
    return tmp_path / "archive"


def rewritten(archive: Path, change: Callable[[dict[str, Any]], None], kind: str = "document") -> None:
    """Change every record of a kind."""
    file = archive / "records.ndjson"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    for line in lines:
        if line["kind"] == kind:
            change(line)
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    "name",
    [
        "../../escaped.txt",
        "/tmp/escaped.txt",
        "CON.txt",
        "..\\..\\escaped.txt",
        "nul\0.txt",
        "a" * 300 + ".txt",
    ],
)
def test_a_name_is_never_a_path(target: RAGFlow, archive: Path, tmp_path: Path, name: str) -> None:
    """Whatever a document is called, it is a document of that name or none, and no file is written anywhere."""
    rewritten(archive, lambda record: record.update(name=name), "document")
    before = {
        path for path in tmp_path.rglob("*") if "target" not in path.parts and "state" not in path.parts
    }
    report = import_(target, archive)
    after = {path for path in tmp_path.rglob("*") if "target" not in path.parts and "state" not in path.parts}
    assert after == before
    assert not [
        path for path in (tmp_path / "target").rglob("*") if "escaped" in path.name or "CON" in path.name
    ]
    taken = [document.name for document in target.get_dataset(name="letters").iter_documents()]
    if "\0" in name or len(name) > 255:
        assert report.failed["document"] == 4
        assert taken == []
    else:
        assert name in taken


@pytest.mark.parametrize("digest", ["../../../etc/passwd", "/etc/passwd", "x" * 64])
def test_a_digest_is_never_a_path(target: RAGFlow, archive: Path, digest: str) -> None:
    """What stands in the place of a digest and is none is refused, with the line."""
    rewritten(archive, lambda record: record.update(sha256=digest))
    with pytest.raises(InvalidRequestError, match=r"records\.ndjson, line \d+: .*sha256"):
        import_(target, archive)


def test_links_are_refused(target: RAGFlow, archive: Path, tmp_path: Path) -> None:
    """A link in the place of a file, of the records or of the folder of files is not followed."""
    secret = tmp_path / "secret"
    file = next((archive / "files").iterdir())
    file.rename(secret)
    file.symlink_to(secret)
    with pytest.raises(InvalidRequestError, match="there is no file files/"):
        import_(target, archive)
    file.unlink()
    secret.rename(file)
    (archive / "files").rename(tmp_path / "elsewhere")
    (archive / "files").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidRequestError, match="there is no file files/"):
        import_(target, archive)
    (archive / "records.ndjson").rename(tmp_path / "records")
    (archive / "records.ndjson").symlink_to(tmp_path / "records")
    with pytest.raises(InvalidRequestError, match=r"there is no file records\.ndjson"):
        import_(target, archive)


def test_a_link_in_a_zip_is_refused(target: RAGFlow, tmp_path: Path) -> None:
    """A member that says it is a link is not read."""
    link = zipfile.ZipInfo("manifest.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as packed:
        packed.writestr(link, "/etc/passwd")
    with pytest.raises(InvalidRequestError, match=r"manifest\.json is a link"):
        import_(target, tmp_path / "a.zip")


def test_changed_files_are_found_out(target: RAGFlow, archive: Path) -> None:
    """Other content under a digest, or more of it than was exported, is refused and not uploaded."""
    for file in (archive / "files").iterdir():
        file.write_bytes(b"x" * file.stat().st_size)
    with pytest.raises(InvalidRequestError, match="not the one that was exported"):
        import_(target, archive)
    for file in (archive / "files").iterdir():
        file.write_bytes(b"x" * 10_000_000)
    with pytest.raises(InvalidRequestError, match="not the one that was exported"):
        import_(target, archive)
    assert target.get_dataset(name="letters").document_count == 0


def zipped(name: str, packed: int) -> bytes:
    """A zip of one file with nothing in it."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", packed) as file:
        file.writestr(name, "")
    return content.getvalue()


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("a.zip", zipped("é", zipfile.ZIP_STORED).replace("é".encode(), b"\xff\xff"), "cannot be read"),
        ("a.zip", zipped("manifest.json", zipfile.ZIP_BZIP2), "packed in a way"),
        ("a.zip", b"no zip at all", "cannot be read"),
        ("a.zip", b"PK\x05\x06" + bytes(18), "is it an export"),
        ("a", b"", "cannot be read"),
    ],
)
def test_what_is_no_archive_is_said(
    target: RAGFlow, tmp_path: Path, name: str, content: bytes, told: str
) -> None:
    """A file that is none of ours is one error that names it."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidRequestError, match=told):
        import_(target, tmp_path / name)


def test_an_archive_of_a_later_version_is_refused(target: RAGFlow, archive: Path) -> None:
    """Its version is named; so is a folder without a manifest, and a path without anything."""
    manifest = json.loads((archive / "manifest.json").read_text())
    (archive / "manifest.json").write_text(json.dumps({**manifest, "version": 99}))
    with pytest.raises(InvalidRequestError, match="version 99"):
        import_(target, archive)
    (archive / "manifest.json").unlink()
    with pytest.raises(InvalidRequestError, match=r"no file manifest\.json"):
        import_(target, archive)
    with pytest.raises(InvalidRequestError, match="no such file or folder"):
        import_(target, archive / "nowhere")


def test_broken_records_are_named(target: RAGFlow, archive: Path) -> None:
    """A line that is no record is refused with its number and field."""
    with (archive / "records.ndjson").open("a") as records:
        records.write('{"kind": "document", "id": "1"}\n')
    with pytest.raises(
        InvalidRequestError, match=r"records\.ndjson, line \d+: document\.dataset_id Field required"
    ):
        import_(target, archive)
