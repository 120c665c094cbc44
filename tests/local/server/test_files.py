"""Files over the API: what the recordings do not hold."""

from __future__ import annotations

import pytest

from tests.local.server.api import Api, Json


async def upload(api: Api, name: str = "f.txt", path: str = "/files", **form: str) -> Json:
    """The answer to the upload of one file."""
    return await api("POST", path, files={"file": (name, b"body")}, data=form)


async def test_from_upload_to_document(api: Api) -> None:
    """A file goes into a folder, is linked to a dataset, moved, and deleted with its document."""
    folder = (await api("POST", "/files", {"name": "in", "type": "folder"}))["data"]["id"]
    file = (await upload(api))["data"][0]["id"]
    dataset = await api.dataset()
    linked = await api("POST", "/files/link-to-datasets", {"file_ids": [file], "kb_ids": [dataset]})
    assert linked == {"code": 0, "data": True, "message": "success"}
    moved = await api(
        "POST", "/files/move", {"src_file_ids": [file], "dest_file_id": folder, "new_name": "g.txt"}
    )
    assert moved == {"code": 0, "data": True}
    docs = (await api("GET", f"/datasets/{dataset}/documents"))["data"]["docs"]
    assert [each["name"] for each in docs] == ["g.txt"]
    response = await api.http.get(f"/files/{file}")
    assert (response.text, response.headers["content-type"]) == ("body", "text/plain")
    deleted = await api("DELETE", "/files", {"ids": [folder, "0" * 32]})
    assert deleted["message"] == "Partially deleted 2 files with 1 errors"
    assert deleted["data"]["errors"] == [f"File or Folder not found: {'0' * 32}"]
    assert (await api("GET", f"/datasets/{dataset}/documents"))["data"]["total"] == 0


@pytest.mark.parametrize(
    ("method", "path", "body", "code", "message"),
    [
        ("POST", "/files", {}, 101, "Field: <name> - Message: <Field required> - Value: <{}>"),
        ("POST", "/files", {"name": "x", "parent_id": "zz"}, 102, "Parent Folder Doesn't Exist!"),
        ("GET", "/files?parent_id=zz", None, 102, "Folder not found!"),
        ("GET", "/files/zz/parent", None, 102, "Folder not found!"),
        ("GET", "/files/zz", None, 102, "document not found"),
        ("GET", "/file/parent_folder", None, 102, "`file_id` query parameter is required"),
        ("POST", "/files/link-to-datasets", {}, 101, "required argument are missing: file_ids,kb_ids; "),
        ("POST", "/files/link-to-datasets", {"file_ids": ["z"], "kb_ids": []}, 102, "File not found!"),
        ("POST", "/files/move", {"src_file_ids": ["z"], "new_name": "n"}, 102, "Source files not found!"),
        ("POST", "/file/rename", {"file_id": "z", "name": "n"}, 102, "Source files not found!"),
    ],
)
async def test_mistakes(api: Api, method: str, path: str, body: Json | None, code: int, message: str) -> None:
    """Each mistake has RAGFlow's code and words."""
    answer = await api(method, path, body)
    assert (answer["code"], answer["message"]) == (code, message)


async def test_a_move_needs_a_wish(api: Api) -> None:
    """A move says where to or under which name; a name is for one file."""
    answer = await api("POST", "/files/move", {"src_file_ids": ["a"]})
    assert "At least one of dest_file_id or new_name must be provided" in answer["message"]
    answer = await api("POST", "/files/move", {"src_file_ids": ["a", "b"], "new_name": "n"})
    assert "new_name can only be used with a single file" in answer["message"]


@pytest.mark.parametrize("query", [{"page_size": 101}, {"page": 0}, {"foo": 1}])
async def test_the_list_is_strict(api: Api, query: Json) -> None:
    """Parameters that are wrong or unknown are refused by name."""
    answer = await api("GET", "/files", params=query)
    assert answer["code"] == 101
    assert answer["message"].startswith(f"Field: <{next(iter(query))}>")


async def test_html_is_no_page(api: Api) -> None:
    """A file that a browser could run is handed out as a download."""
    file = (await upload(api, "page.html"))["data"][0]["id"]
    headers = (await api.http.get(f"/files/{file}")).headers
    assert (headers["content-disposition"], headers["x-content-type-options"]) == ("attachment", "nosniff")
