"""Settings: argument before environment before default; what is wrong is named, secrets are not."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import SecretStr

from ragflow_integrations import ConfigurationError
from ragflow_integrations.config import resolve

SECRET = "ragflow-sesame"
URL = "http://h:9380"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://h:9380", "http://h:9380"),
        ("http://h:9380/", "http://h:9380"),
        (" https://h/api/v1/ ", "https://h"),
        ("https://h/ragflow/api/v1", "https://h/ragflow"),
        ("http://[::1]:9380/v1", "http://[::1]:9380"),
        ("HTTP://Host", "http://Host"),
        (":memory:", ":memory:"),
        ("local::memory:", ":memory:"),
        ("local:./kb", "local:./kb"),
        ("local:///data/kb", "local:/data/kb"),
    ],
)
def test_addresses(given: str, url: str) -> None:
    """The address as people write it, with or without the API's path."""
    assert resolve(SECRET, given).base_url == url


@pytest.mark.parametrize(
    "url",
    ["localhost:9380", "ftp://h", "http://", "http://:9380", "http://h:port", "http://h:99999", "http://h:0",
     "http://[::1", "h", "local:", "//h", "http://h\ud800", "http://h\x00"],
)  # fmt: skip
def test_unusable_addresses(url: str) -> None:
    """They are refused at once, as given."""
    with pytest.raises(ConfigurationError, match="^base_url=") as caught:
        resolve(SECRET, url)
    assert repr(url) in str(caught.value)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        (f"http://user:{SECRET}@h", "http://***"),
        (f"http://user:{SECRET}://@h/x", "http://***"),
        (f"https://h?api_key={SECRET}", "https://***"),
        (f"http://h/#{SECRET}", "http://***"),
        (f"http://h?x=a@{SECRET}", "http://***"),
        (f"user:{SECRET}@h", "***"),
        ("ragflow-Jq0ZcX3n_8dLw-51", "***"),
    ],
)
def test_no_secret_of_an_address_is_repeated(url: str, shown: str) -> None:
    """A key in the wrong place is refused without being shown."""
    with pytest.raises(ConfigurationError) as caught:
        resolve(None, url)
    assert f"base_url={shown!r}" in str(caught.value)
    assert url not in str(caught.value)
    assert SECRET not in str(caught.value)


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """It stands in for what is not given, and only for that."""
    with pytest.raises(ConfigurationError, match="pass base_url= or set RAGFLOW_BASE_URL"):
        resolve()
    monkeypatch.setenv("RAGFLOW_BASE_URL", URL)
    with pytest.raises(
        ConfigurationError, match=f"no API key for {URL}: pass api_key= or set RAGFLOW_API_KEY"
    ):
        resolve()
    monkeypatch.setenv("RAGFLOW_API_KEY", SECRET)
    settings = resolve()
    assert settings.base_url == URL
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == SECRET
    assert resolve("other", "http://other").base_url == "http://other"
    with pytest.raises(ConfigurationError, match="no API key"):
        resolve("")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"timeout": 0}, "timeout=0: give seconds above 0, or None"),
        ({"timeout": -1}, "timeout=-1"),
        ({"timeout": "5"}, "timeout='5'"),
        ({"timeout": True}, "timeout=True"),
        ({"timeout": float("nan")}, "timeout=nan"),
        ({"timeout": float("inf")}, "timeout=inf: give seconds above 0, or None"),
        ({"timeout": 1e300}, r"timeout=1e\+300: give seconds above 0, or None"),
        ({"max_retries": -1}, "max_retries=-1: give 0 or more"),
        ({"max_retries": 1.5}, "max_retries=1.5"),
        ({"headers": {"x": "a\nb"}}, r"headers\['x'\]: name and value must be printable ASCII text"),
        ({"headers": {"x": 1}}, r"headers\['x'\]"),
        ({"headers": {"ü": "1"}}, r"headers\['ü'\]"),
        ({"headers": {"a b": "1"}}, r"headers\['a b'\]: a name has letters, digits and '-'"),
        ({"headers": {"": "1"}}, r"headers\[''\]: a name has letters"),
        ({"headers": [("x", "1")]}, "headers of type list: give a dict"),
        ({"verify": None}, "verify=None: give True, False, or a file"),
        ({"proxy": 8080}, "proxy: give its address as text, not int"),
        ({"server_version": 0.27}, r"server_version=0\.27: give it as '0\.24\.0' or '0\.27', as text"),
        ({"server_version": "٠.٢٤"}, "server_version='٠.٢٤'"),
        ({"base_url": 5}, "base_url=5: give the address as text"),
    ],
)
def test_wrong_values(options: dict[str, Any], said: str) -> None:
    """Each is refused by name and value."""
    with pytest.raises(ConfigurationError, match=said):
        resolve(**{"api_key": SECRET, "base_url": URL, **options})


@pytest.mark.parametrize("key", [f"Bearer {SECRET}", f"{SECRET}\n{SECRET}", f"{SECRET}ü", 5])
def test_wrong_keys(key: Any) -> None:
    """The message says how a key looks, not this one."""
    with pytest.raises(ConfigurationError, match="^api_key: give the key") as caught:
        resolve(key, URL)
    assert SECRET not in str(caught.value)


def test_settings_keep_secrets() -> None:
    """Neither the key, nor headers, nor a proxy's password are shown."""
    settings = resolve(SecretStr(SECRET), URL, headers={"X-Token": SECRET}, proxy=f"http://u:{SECRET}@h")
    assert SECRET not in repr(settings)
    assert settings.headers == {"x-token": SECRET}
    assert resolve(f" {SECRET}\n", URL).api_key == SecretStr(SECRET)


@pytest.mark.parametrize(
    ("url", "path"), [(":memory:", ":memory:"), ("local:./kb", "./kb"), ("local:/x", "/x"), (URL, None)]
)
def test_where_the_engine_is(url: str, path: str | None) -> None:
    """A server has no path; the local engine needs no key."""
    assert resolve(SECRET if path is None else None, url).local_path == path
