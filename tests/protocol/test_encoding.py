"""Request bodies: JSON, and multipart that servers read back."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from python_multipart import parse_form

from ragflow_integrations import InvalidRequestError
from ragflow_integrations.protocol.encoding import encode, multipart
from ragflow_integrations.protocol.wire import FilePart, Request


def written(*parts: FilePart) -> tuple[str, bytes]:
    """The content type and the body of an upload of bytes."""
    content_type, pieces = multipart(parts)
    contents = [each.content if isinstance(each, FilePart) else each for each in pieces]
    return content_type, b"".join(each for each in contents if isinstance(each, bytes))


def files_of(*parts: FilePart) -> list[tuple[str, str, bytes]]:
    """What the multipart parser of our own and of many other servers finds in the body."""
    content_type, body = written(*parts)
    found: list[tuple[str, str, bytes]] = []

    def on_file(file: Any) -> None:
        file.file_object.seek(0)
        found.append((file.field_name.decode(), file.file_name.decode(), file.file_object.read()))
        file.close()

    headers = {"Content-Type": content_type.encode(), "Content-Length": str(len(body)).encode()}
    parse_form(headers, io.BytesIO(body), lambda field: pytest.fail(f"a field: {field}"), on_file)
    return found


@pytest.mark.parametrize(
    "name", ["a.txt", "Über uns.txt", "数据集.md", "a b;c=d.txt", "it's.txt", "%41.txt", "🌍.md"]
)
def test_names(name: str) -> None:
    """Names arrive as they are, in any script."""
    assert files_of(FilePart("file", name, b"x")) == [("file", name, b"x")]


@pytest.mark.parametrize(
    ("name", "arrives"),
    [
        ('say "hi".txt', "say %22hi%22.txt"),
        ("a\r\nb.txt", "a%0D%0Ab.txt"),
        ('x"\r\nX-Evil: 1', "x%22%0D%0AX-Evil: 1"),
    ],
)
def test_names_cannot_break_out(name: str, arrives: str) -> None:
    """Quotes and line breaks are written as browsers do, so that no name adds a header or ends the part."""
    assert files_of(FilePart("file", name, b"x")) == [("file", arrives, b"x")]


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=3))
def test_contents(contents: list[bytes]) -> None:
    """Any bytes arrive unchanged, in order."""
    parts = [FilePart("file", f"{number}.txt", content) for number, content in enumerate(contents)]
    assert [content for _, _, content in files_of(*parts)] == contents


def test_content_that_looks_like_multipart() -> None:
    """A file that holds another upload's body is not taken apart."""
    _, inner = written(FilePart("file", "i.txt", b"inner"))
    assert files_of(FilePart("file", "o.txt", inner)) == [("file", "o.txt", inner)]


def test_json() -> None:
    """JSON goes out as UTF-8, readable; an empty object is a body, no body is none."""
    content_type, body = encode(Request("POST", "/x", body={"question": "Öl 数据"}))
    assert content_type == "application/json"
    assert body == '{"question": "Öl 数据"}'.encode()
    assert encode(Request("DELETE", "/x", body={})) == ("application/json", b"{}")
    assert encode(Request("GET", "/x")) == (None, b"")


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, b"x", object(), "\ud800"])
def test_what_is_not_json(value: Any) -> None:
    """An argument that no JSON can hold is an ``InvalidRequestError`` that names the call."""
    with pytest.raises(InvalidRequestError, match=r"does not fit into JSON: .*\(POST /x\)"):
        encode(Request("POST", "/x", body={"options": value}))


def test_what_is_too_deep() -> None:
    """So is one that holds itself, or is nested without end."""
    deep: list[Any] = []
    deep.append(deep)
    with pytest.raises(InvalidRequestError, match=r"does not fit into JSON: .*\(POST /x\)"):
        encode(Request("POST", "/x", body=deep))
    nested: Any = None
    for _ in range(100_000):
        nested = [nested]
    with pytest.raises(InvalidRequestError, match=r"does not fit into JSON: .*\(POST /x\)"):
        encode(Request("POST", "/x", body=nested))


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=5))
def test_json_round_trip(value: Any) -> None:
    """What is sent is what was given."""
    assert json.loads(encode(Request("POST", "/x", body=[value]))[1]) == [value]
