"""Files and folders of a tenant: what is kept, moved, deleted, linked to datasets, and whose it is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ragflow_integrations.local.engine import Engine
from ragflow_integrations.local.problems import Missing, Refused
from ragflow_integrations.local.store import Paging, Row

ALL: Paging = {"page": 1, "page_size": 100, "orderby": "name", "desc": False}


@pytest.fixture(params=["memory", "disk"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """An engine in memory, and one in a folder."""
    with Engine(":memory:" if request.param == "memory" else tmp_path) as engine:
        yield engine


def names(engine: Engine, folder: str) -> list[str]:
    """What is in a folder, by name."""
    return [each["name"] for each in engine.list_files(folder, **ALL)[0]]


def blobs(engine: Engine) -> int:
    """How many different contents are kept."""
    with engine._shared.store.read() as db:
        return int(db.execute("SELECT count(*) FROM blob").get)


def documents(engine: Engine, dataset: str) -> list[Row]:
    """A dataset's documents, by name."""
    return engine.list_documents(dataset, **ALL)[0]


def test_folders_in_names_are_made(engine: Engine) -> None:
    """A name with slashes is a file in folders, which are made once; equal names are numbered; nothing is a path."""
    root = engine.root_folder()["id"]
    first = engine.add_file(root, "a/b/x.txt", b"1")
    second = engine.add_file(root, "a/b/x.txt", b"2")
    assert (second["name"], second["location"]) == ("x(1).txt", "x.txt_")
    assert [each["name"] for each in engine.file_ancestors(first["id"])] == ["x.txt", "b", "a", "/"]
    odd = engine.add_file(root, "../../etc/passwd", b"3")
    assert [each["name"] for each in engine.file_ancestors(odd["id"])] == ["passwd", "etc", "..", "..", "/"]
    assert names(engine, root) == ["..", ".knowledgebase", "a"]
    assert engine.read_file(first["id"]) == b"1"


def test_sizes_and_searches_go_deep(engine: Engine) -> None:
    """A folder has the size of all below it; keywords are found in subfolders if asked for."""
    root = engine.root_folder()["id"]
    engine.add_file(root, "a/b/x.txt", b"12345")
    engine.add_file(root, "a/y.txt", b"12")
    found = {each["name"]: each for each in engine.list_files(root, **ALL)[0]}
    assert (found["a"]["size"], found["a"]["has_child_folder"]) == (7, True)
    assert engine.list_files(root, **ALL, keywords="X.T")[1] == 0
    assert engine.list_files(root, **ALL, keywords="X.T", deep=True)[1] == 1


def test_datasets_are_folders(engine: Engine) -> None:
    """Datasets and their documents are seen under ``.knowledgebase``, and changed through the datasets only."""
    dataset = engine.create_dataset({"name": "kb"})["id"]
    document = engine.add_document(dataset, "d.txt", b"text")["id"]
    root = engine.root_folder()["id"]
    [knowledge] = engine.list_files(root, **ALL)[0]
    assert (knowledge["name"], knowledge["size"]) == (".knowledgebase", 4)
    assert names(engine, knowledge["id"]) == ["kb"]
    [file] = engine.list_files(dataset, **ALL)[0]
    assert (file["id"], file["kbs_info"][0]["kb_name"]) == (document, "kb")
    assert engine.read_file(document) == b"text"
    assert engine.delete_file(document) == engine.delete_file(dataset) == engine.delete_file(root) == 0
    with pytest.raises(Refused, match="belongs to the datasets"):
        engine.move_files([document], None, "e.txt")
    with pytest.raises(Refused, match="shows the datasets"):
        engine.add_file(dataset, "e.txt", b"")
    assert [each["name"] for each in documents(engine, dataset)] == ["d.txt"]


def test_a_linked_file_is_a_document(engine: Engine) -> None:
    """Linked, it is a document of the same bytes, kept once; renamed and deleted with the file."""
    root, dataset = engine.root_folder()["id"], engine.create_dataset({"name": "kb"})["id"]
    file = engine.add_file(root, "f.txt", b"The moon is made of cheese.")["id"]
    [made] = engine.link_files([file], [dataset])
    assert made["file_id"] == file
    assert blobs(engine) == 1
    engine.move_files([file], None, "g.txt")
    [document] = documents(engine, dataset)
    assert (document["id"], document["name"]) == (made["document_id"], "g.txt")
    assert engine.list_files(dataset, **ALL)[1] == 0  # it is seen as the file that it is
    [info] = engine.list_files(root, **ALL, keywords="g.txt")[0][0]["kbs_info"]
    assert info == {"kb_id": dataset, "kb_name": "kb", "document_id": document["id"]}
    assert engine.delete_file(file) == 1
    assert (documents(engine, dataset), blobs(engine)) == ([], 0)


def test_linking_again_replaces_or_adds(engine: Engine) -> None:
    """Replacing takes the old documents; adding leaves the datasets alone that have the file."""
    root = engine.root_folder()["id"]
    one, two = (engine.create_dataset({"name": name})["id"] for name in "ab")
    engine.add_file(root, "in/f.txt", b"x")
    [folder] = [each["id"] for each in engine.list_files(root, **ALL, keywords="in")[0]]
    [first] = engine.link_files([folder], [one])
    [second] = engine.link_files([folder], [one, two], replace=False)
    assert [each["id"] for each in documents(engine, one)] == [first["document_id"]]
    assert [each["id"] for each in documents(engine, two)] == [second["document_id"]]
    assert len(engine.link_files([folder], [one, two])) == 2
    assert first["document_id"] not in [each["id"] for each in documents(engine, one)]


def test_deleting_a_document_leaves_the_file(engine: Engine) -> None:
    """The document goes from the dataset, with the dataset too; the file and its bytes stay."""
    root, dataset = engine.root_folder()["id"], engine.create_dataset({"name": "kb"})["id"]
    file = engine.add_file(root, "f.txt", b"x")["id"]
    engine.link_files([file], [dataset])
    engine.delete_documents(dataset, None)
    assert engine.read_file(file) == b"x"
    engine.link_files([file], [dataset])
    engine.delete_datasets([dataset])
    assert engine.read_file(file) == b"x"


def test_moving(engine: Engine) -> None:
    """Folders of the same name are merged; nothing goes into itself; of a move that fails nothing is done."""
    root = engine.root_folder()["id"]
    engine.add_file(root, "a/x/1.txt", b"1")
    engine.add_file(root, "b/x/2.txt", b"2")
    ids = {each["name"]: each["id"] for each in engine.list_files(root, **ALL)[0]}
    [inner] = [each["id"] for each in engine.list_files(ids["b"], **ALL)[0]]
    engine.move_files([inner], ids["a"], None)
    [merged] = [each["id"] for each in engine.list_files(ids["a"], **ALL)[0]]
    assert names(engine, merged) == ["1.txt", "2.txt"]
    with pytest.raises(Refused, match="into its own subfolder"):
        engine.move_files([ids["b"], ids["a"]], merged, None)
    with pytest.raises(Refused, match="to itself"):
        engine.move_files([ids["b"]], ids["b"], None)
    assert names(engine, root) == [".knowledgebase", "a", "b"]
    assert engine.delete_file(ids["a"]) == 4
    assert blobs(engine) == 0


def test_names(engine: Engine) -> None:
    """An extension cannot be changed, and a name is there once in a folder, whatever its case."""
    root = engine.root_folder()["id"]
    file = engine.add_file(root, "f.txt", b"1")["id"]
    engine.add_file(root, "g.txt", b"1")
    for name, reason in (("f.md", "extension"), ("G.txt", "Duplicated file name")):
        with pytest.raises(Refused, match=reason):
            engine.move_files([file], None, name)
    engine.move_files([file], None, "F.txt")
    with pytest.raises(Refused, match="Duplicated folder name"):
        engine.create_folder(root, "f.TXT")
    assert names(engine, root) == [".knowledgebase", "F.txt", "g.txt"]


def test_each_tenant_has_its_own(engine: Engine) -> None:
    """Another tenant's files are not there, in whatever way they are asked for."""
    other = engine.add_tenant("ragflow-other")
    file = engine.add_file(engine.root_folder()["id"], "f.txt", b"1")["id"]
    dataset = other.create_dataset({"name": "kb"})["id"]
    assert other.get_file(file) is None
    assert (other.is_foreign_file(file), engine.is_foreign_file(file)) == (True, False)
    assert other.root_folder()["id"] != engine.root_folder()["id"]
    for call in (
        lambda: other.read_file(file),
        lambda: other.delete_file(file),
        lambda: other.move_files([file], None, "g.txt"),
        lambda: other.link_files([file], [dataset]),
        lambda: engine.link_files([file], [dataset]),
        lambda: other.add_file(engine.root_folder()["id"], "x.txt", b""),
    ):
        with pytest.raises(Missing):
            call()
    assert other.list_files(engine.root_folder()["id"], **ALL) == ([], 0)
