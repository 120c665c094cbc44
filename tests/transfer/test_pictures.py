"""Pictures of chunks: carried to where they can be, told where not, and in an archive trusted no more than files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from ragflow_integrations import Document, RAGFlow
from ragflow_integrations.transfer import TransferReport, export, import_, pull, push

ADDED, PARSED = b"\x89PNG\r\n\x1a\nadded", b"\xff\xd8\xff parsed"


def make(client: RAGFlow) -> None:
    """A document of a parsed chunk and two added ones; three chunks have pictures, two of them the same."""
    dataset = client.create_dataset("album")
    [document] = dataset.upload_documents([{"display_name": "a.txt", "blob": b"A harbour in the morning."}])
    dataset.parse_documents([document.id])
    next(document.iter_chunks()).update({"image_base64": PARSED})
    document.add_chunk("A ship.", image_base64=ADDED)
    document.add_chunk("A second ship.", image_base64=ADDED)
    document.add_chunk("No picture.")


def document(client: RAGFlow) -> Document:
    """The only one."""
    return next(client.get_dataset(name="album").iter_documents())


def pictures(client: RAGFlow) -> dict[str, bytes | None]:
    """The pictures of its chunks, by their text."""
    return {
        each.content.strip(): bytes(each.image()) if each.image_id and each.content != "Odd." else None
        for each in document(client).iter_chunks()
    }


@pytest.fixture
def archive(client: RAGFlow, tmp_path: Path) -> Path:
    """An export of the album."""
    make(client)
    assert export(client, tmp_path / "archive").notes == []
    return tmp_path / "archive"


def _through_archive(client: RAGFlow, target: RAGFlow, tmp_path: Path) -> TransferReport:
    export(client, tmp_path / "a.zip")
    return import_(target, tmp_path / "a.zip")


@pytest.mark.parametrize(
    "move", [_through_archive, lambda client, target, _: push(client, target)], ids=["archive", "push"]
)
def test_pictures_arrive(
    client: RAGFlow,
    target: RAGFlow,
    tmp_path: Path,
    move: Callable[[RAGFlow, RAGFlow, Path], TransferReport],
) -> None:
    """Those of added chunks and of chunks that the target has parsed by itself, byte for byte; nothing else changes."""
    make(client)
    report = move(client, target, tmp_path)
    assert (report.failed, report.left, report.notes) == ({}, {}, [])
    assert pictures(target) == pictures(client)
    assert pictures(client) == {
        "A harbour in the morning.": PARSED,
        "A ship.": ADDED,
        "A second ship.": ADDED,
        "No picture.": None,
    }


def test_an_archive_has_each_once(archive: Path) -> None:
    """Beside the original file there are two pictures, by their digests, which the records of the chunks name."""
    lines = [json.loads(line) for line in (archive / "records.ndjson").read_text().splitlines()]
    [record] = [line for line in lines if line["kind"] == "document"]
    named = {chunk["picture"] for chunk in record["chunks"]} - {""}
    assert len(named) == 2
    assert {file.name for file in (archive / "files").iterdir()} == named | {record["sha256"]}


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("../../../../etc/passwd", "no digest"),
        ("/etc/passwd", "no digest"),
        ("0" * 64, "there is no file"),
    ],
)
def test_a_name_that_is_no_pictures(target: RAGFlow, archive: Path, name: str, told: str) -> None:
    """It is never a path: nothing is read, the document comes without the picture, and that is told."""
    records = archive / "records.ndjson"
    lines = [json.loads(line) for line in records.read_text().splitlines()]
    for line in lines:
        for chunk in line.get("chunks", []):
            chunk["picture"] = name
    records.write_text("".join(json.dumps(line) + "\n" for line in lines))
    report = import_(target, archive)
    assert report.left == {"picture": 4}
    [note] = report.notes
    assert told in note
    assert set(pictures(target).values()) == {None}


def test_a_changed_picture_is_found_out(target: RAGFlow, archive: Path) -> None:
    """Other bytes under a digest are not taken."""
    for file in (archive / "files").iterdir():
        if file.read_bytes() in (ADDED, PARSED):
            file.write_bytes(b"something else")
    report = import_(target, archive)
    assert report.left == {"picture": 3}
    [note] = report.notes
    assert "not the one that was exported" in note
    assert set(pictures(target).values()) == {None}


def test_a_picture_that_cannot_be_read(
    client: RAGFlow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is too large for an archive is left out of it, and told."""
    monkeypatch.setattr("ragflow_integrations.transfer.archive._LARGEST_PICTURE", len(ADDED) - 1)
    make(client)
    report = export(client, tmp_path / "archive")
    assert report.left == {"picture": 2}
    [note] = report.notes
    assert f"at most {len(ADDED) - 1}" in note
    assert len(list((tmp_path / "archive" / "files").iterdir())) == 2


def test_what_is_no_picture(client: RAGFlow, target: RAGFlow, tmp_path: Path) -> None:
    """What a chunk has for a picture and is none is told, by export and push; everything else is carried."""
    make(client)
    document(client).add_chunk("Odd.", image_base64=b"no picture at all")
    for report in (export(client, tmp_path / "archive"), push(client, target)):
        assert (report.failed, report.left) == ({}, {"picture": 1})
        assert report.notes[0].startswith("picture 'a.txt': ")
    assert pictures(target) == {**pictures(client), "Odd.": None}


def test_an_older_target_says_so(client: RAGFlow) -> None:
    """A server before v0.26 takes no pictures: chunks come without, told once for added and once for parsed ones."""
    make(client)
    with RAGFlow.local(api_version="0.24") as older:
        report = pull(older, client)
        assert report.complete, report.notes
        assert len([note for note in report.notes if "image_base64" in note]) == 2
        assert set(pictures(older).values()) == {None}
