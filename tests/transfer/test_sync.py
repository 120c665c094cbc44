"""A folder and a dataset in step: what is new, changed and gone; what breaks off; what is somebody else's."""

from __future__ import annotations

import os
import random
import shutil
from pathlib import Path

import pytest

from ragflow_integrations import DataSet, InvalidRequestError, RAGFlow
from ragflow_integrations.transfer import SyncReport, sync_files, sync_folder
from tests.transfer.dying import died


def texts(dataset: DataSet) -> dict[str, str]:
    """What can be found: the text of each parsed document."""
    return {
        document.name: " ".join(chunk.content.strip() for chunk in document.iter_chunks())
        for document in dataset.iter_documents(run=["DONE"])
    }


def test_new_changed_and_removed_files(dataset: DataSet, folder: Path) -> None:
    """Each run reports what it did, and the dataset then has what the folder has."""
    assert sync_folder(dataset, folder) == SyncReport(added=["alpha.md", "beta.txt", "deep/gamma.txt"])
    assert sync_folder(dataset, folder) == SyncReport(unchanged=["alpha.md", "beta.txt", "deep/gamma.txt"])
    (folder / "alpha.md").write_text("Alpha is a letter.")
    (folder / "beta.txt").unlink()
    (folder / "delta.txt").write_text("Delta is the fourth letter.")
    assert sync_folder(dataset, folder) == SyncReport(
        added=["delta.txt"], changed=["alpha.md"], removed=["beta.txt"], unchanged=["deep/gamma.txt"]
    )
    assert texts(dataset) == {
        "alpha.md": "Alpha is a letter.",
        "deep/gamma.txt": "Gamma is the third letter.",
        "delta.txt": "Delta is the fourth letter.",
    }


def test_others_documents_are_never_touched(dataset: DataSet, folder: Path, tmp_path: Path) -> None:
    """Neither a document put there otherwise, even of the same name and content, nor another folder's is removed."""
    dataset.upload(folder / "beta.txt")
    other = tmp_path / "other" / "docs"
    other.mkdir(parents=True)
    (other / "alpha.md").write_text("Another alpha.")
    sync_folder(dataset, other)
    sync_folder(dataset, folder)
    (folder / "beta.txt").unlink()
    (folder / "alpha.md").unlink()
    assert sync_folder(dataset, folder).removed == ["alpha.md", "beta.txt"]
    assert texts(dataset) == {
        "alpha.md": "Another alpha.",
        "beta.txt": "Beta is the second letter.",
        "deep/gamma.txt": "Gamma is the third letter.",
    }


def test_an_empty_folder_removes_nothing(dataset: DataSet, folder: Path) -> None:
    """A folder without a file, e.g. one that is not mounted, is an error and not a wish to delete everything."""
    sync_folder(dataset, folder)
    kept = texts(dataset)
    with pytest.raises(InvalidRequestError, match="leaves out every file"):
        sync_folder(dataset, folder, exclude=["*"])
    shutil.rmtree(folder)
    folder.mkdir()
    with pytest.raises(InvalidRequestError, match="no file"):
        sync_folder(dataset, folder)
    folder.rmdir()
    with pytest.raises(InvalidRequestError, match="no such folder"):
        sync_folder(dataset, folder)
    assert texts(dataset) == kept


def test_a_file_that_is_not_taken_is_reported_each_time(dataset: DataSet, folder: Path) -> None:
    """The others are brought in; a file that is parsed no more keeps its earlier version until it can be."""
    (folder / "tool.exe").write_bytes(b"\0\1")
    first = sync_folder(dataset, folder)
    assert first.added == ["alpha.md", "beta.txt", "deep/gamma.txt"]
    assert [name for name, _ in first.failed] == ["tool.exe"]
    (folder / "beta.txt").write_bytes(b"\0\0\0 no text")
    broken = sync_folder(dataset, folder, exclude=["*.exe"])
    assert [name for name, _ in broken.failed] == ["beta.txt"]
    assert "zero bytes" in broken.failed[0][1]
    assert texts(dataset)["beta.txt"] == "Beta is the second letter."
    (folder / "beta.txt").write_text("Beta is better now.")
    assert sync_folder(dataset, folder, exclude=["*.exe"]).changed == ["beta.txt"]
    assert texts(dataset)["beta.txt"] == "Beta is better now."
    assert dataset.list_documents().total == 3


def test_files_that_cannot_be_taken_stop_nothing(dataset: DataSet, folder: Path) -> None:
    """A name that is too long or no text in one line, a file that cannot be read: named, and left out on wish."""
    deep = folder / ("d" * 200)
    deep.mkdir()
    (deep / f"{'e' * 100}.txt").write_text("Epsilon.")
    (folder / "new\nline.txt").write_text("Zeta.")
    (folder / os.fsdecode(b"\xff.txt")).write_text("Eta.")
    (folder / "broken.txt").symlink_to("/proc/self/mem")  # a file whose first byte cannot be read, by nobody
    done = sync_folder(dataset, folder)
    assert done.added == ["alpha.md", "beta.txt", "deep/gamma.txt"]
    assert {name: reason for name, reason in done.failed if "255 bytes" in reason}.keys() == {
        f"{deep.name}/{'e' * 100}.txt"
    }
    assert {name for name, reason in done.failed if "one line" in reason} == {"new\nline.txt", "\udcff.txt"}
    assert {name for name, reason in done.failed if "cannot be read" in reason} == {"broken.txt"}
    again = sync_folder(dataset, folder, exclude=["ddd*", "new*", "\udcff*", "broken.txt"])
    assert (again.unchanged, again.failed) == (done.added, [])


def test_metadata_is_set_and_kept(dataset: DataSet, folder: Path) -> None:
    """Given metadata is on every document beside the mark, and a later change of it needs no upload."""
    sync_folder(dataset, folder, meta_fields={"team": "one"})
    document = dataset.list_documents(name="beta.txt")[0]
    document.update({"meta_fields": {**document.meta_fields, "own": "kept"}})
    assert sync_folder(dataset, folder, meta_fields={"team": "two"}).unchanged == [
        "alpha.md",
        "beta.txt",
        "deep/gamma.txt",
    ]
    after = dataset.list_documents(name="beta.txt")[0]
    assert after.id == document.id
    assert {key: after.meta_fields[key] for key in ("team", "own")} == {"team": "two", "own": "kept"}
    with pytest.raises(InvalidRequestError, match="sync"):
        sync_folder(dataset, folder, meta_fields={"sync": "mine"})


def test_a_label_makes_it_the_same_folder_elsewhere(dataset: DataSet, folder: Path, tmp_path: Path) -> None:
    """With a label a copy of the folder in another place is the same folder, and without one it is not."""
    sync_folder(dataset, folder, label="handbook")
    copy = shutil.copytree(folder, tmp_path / "copy")
    (copy / "beta.txt").unlink()
    assert sync_folder(dataset, copy, label="handbook").removed == ["beta.txt"]
    assert sync_folder(dataset, copy).added == ["alpha.md", "deep/gamma.txt"]
    with pytest.raises(InvalidRequestError, match="label"):
        sync_folder(dataset, copy, label="a/b")


def test_single_files_are_replaced_and_not_removed(dataset: DataSet, folder: Path) -> None:
    """``sync_files`` adds and replaces by name; what is not named stays; a folder is refused."""
    assert sync_files(dataset, [folder / "alpha.md", folder / "beta.txt"]).added == ["alpha.md", "beta.txt"]
    (folder / "beta.txt").write_text("Beta anew.")
    assert sync_files(dataset, [folder / "beta.txt"]) == SyncReport(changed=["beta.txt"])
    assert texts(dataset) == {"alpha.md": "# Alpha\nAlpha is the first letter.", "beta.txt": "Beta anew."}
    with pytest.raises(InvalidRequestError, match="no file"):
        sync_files(dataset, [folder])


@pytest.mark.parametrize("seed", range(6))
def test_broken_off_anywhere_it_goes_on(client: RAGFlow, dataset: DataSet, folder: Path, seed: int) -> None:
    """Runs that end before or after any request leave nothing twice and lose nothing: the next run completes them."""
    sync_folder(dataset, folder)
    (folder / "alpha.md").write_text("Alpha is new.")
    (folder / "beta.txt").unlink()
    for number in range(5):
        (folder / f"more{number}.txt").write_text(f"More of number {number}.")
    chance = random.Random(seed)
    breaks = sum(
        died(client, chance.randrange(2, 14), lambda: sync_folder(dataset, folder)) for _ in range(8)
    )
    assert breaks > 0
    report = sync_folder(dataset, folder)
    assert report.complete
    assert texts(dataset) == {
        "alpha.md": "Alpha is new.",
        "deep/gamma.txt": "Gamma is the third letter.",
        **{f"more{number}.txt": f"More of number {number}." for number in range(5)},
    }
    assert dataset.list_documents().total == 7
