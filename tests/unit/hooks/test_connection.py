# SPDX-License-Identifier: Apache-2.0
"""The connection's rules that need no gateway: proxies, extras of a wrong kind, warnings, prices."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import Connection

from veo_provider.api.problem import Problem
from veo_provider.api.request import parse_request
from veo_provider.compat import AIRFLOW
from veo_provider.exceptions import VeoConfigurationError, VeoConnectionNotFoundError, VeoError
from veo_provider.hooks.airflow_connection import from_airflow
from veo_provider.hooks.connection import VeoConnection, read_connection
from veo_provider.hooks.veo import VeoAsyncHook, VeoHook

MODEL = "veo-3.1-generate-preview"
WRONG_PROXIES = [
    "squid",
    "socks5://u:S3CRET@h:1080",
    "ftp://u:S3CRET@h",
    "http://",
    "http://:3128",
    "http://u:S3CRET@",
    "http://u:S3CRET@:3128",
    "http://u:S3CRET@h:port",
    "http://u:S3CRET@h:99999",
    "http://u:S3CRET@h:0",
    "http://u:S3CRET@h:3128/path",
    "http://u:S3CRET@h:3128?x",
    "http://u:S3CRET@h:3128?",
    "http://u:S3CRET@h#x",
    "http://u:S3#CRET@h",
    "http://u:S3/CRET@h:3128",
    "http://u:S3?CRET@h:3128",
    "http://u:S3CRET@[::1",
    "http://u:S3CRET@h\n:3128",
    "http://u:S3CRET@h h:3128",
    "http://u:S3CRET@h:3128;x",
    "http:/u:S3CRET@h:3128",
    "http://u:S3 CRET@h",
]


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Set the environment's proxies, and no others."""
    for name in ("http", "https", "all", "no"):
        monkeypatch.delenv(f"{name}_proxy", raising=False)
        monkeypatch.delenv(f"{name}_PROXY".upper(), raising=False)

    def use(**proxies: str) -> None:
        for name, value in proxies.items():
            monkeypatch.setenv(name, value)

    return use


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., VeoConnection]:
    """Make a connection, and read it as a worker does."""

    def make(host: str = "https://gw.example", extra: Any = None) -> VeoConnection:
        fields = {"conn_type": "veo", "host": host, "password": "sk-key", "extra": extra or {}}
        monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(fields))
        return VeoHook("veo_test").connection

    return make


@pytest.fixture
def masked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("veo_provider.hooks.airflow_connection.mask_secret", found.append)
    return found


@pytest.mark.parametrize("proxy", WRONG_PROXIES)
def test_a_wrong_proxy_is_refused_and_not_quoted(proxy: str) -> None:
    with pytest.raises(VeoConfigurationError, match="extra proxy must be like") as caught:
        read_connection("c", host=None, extra={"proxy": proxy, "read_timeout": 0})
    assert "read_timeout" in str(caught.value)
    assert "S3" not in str(caught.value)
    assert "CRET" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "proxy",
    [
        "http://h",
        "https://h:3128",
        "HTTP://h:3128/",
        "http://u:S3CRET@h:3128",
        "http://u:S3%2FCRET@h",
        "http://[::1]:3128",
        "http://u@h",
    ],
)
def test_a_sound_proxy(proxy: str) -> None:
    connection = read_connection("c", host=None, extra={"proxy": f" {proxy}\n"})
    assert connection.proxy == connection.proxy_for("https://gw") == proxy
    assert "S3" not in repr(connection)


@pytest.mark.parametrize("proxy", [name for name in WRONG_PROXIES if "://" in name])
def test_a_wrong_proxy_of_the_environment_is_refused_and_not_quoted(
    proxy: str, environment: Callable[..., None], connect: Callable[..., VeoConnection], masked: list[str]
) -> None:
    environment(HTTPS_PROXY=proxy)
    with pytest.raises(VeoConfigurationError, match="HTTPS_PROXY") as caught:
        connect()
    assert "S3" not in str(caught.value)
    assert "CRET" not in str(caught.value)
    # It stands on its own in the log of another library, maybe.
    assert ("S3CRET" in masked) == ("S3CRET" in proxy)


def test_which_proxy_of_the_environment_is_wrong(environment: Callable[..., None]) -> None:
    connection = read_connection("c", host=None)
    environment(all_proxy="socks5://h:1", http_proxy="h:port")
    with pytest.raises(VeoConfigurationError, match="ALL_PROXY"):
        connection.proxy_for("https://gw")
    with pytest.raises(VeoConfigurationError, match="HTTP_PROXY"):
        connection.proxy_for("http://gw")
    environment(no_proxy="gw")
    assert connection.proxy_for("https://gw") is None


def test_a_proxy_of_the_environment_needs_no_scheme(environment: Callable[..., None]) -> None:
    environment(https_proxy=" squid:3128 ")
    assert read_connection("c", host=None).proxy_for("https://gw") == "http://squid:3128"


def test_the_triggerer_says_the_same_of_a_proxy(
    environment: Callable[..., None], connect: Callable[..., VeoConnection]
) -> None:
    connect()
    environment(https_proxy="http://u:S3CRET@h:port")

    async def ask() -> Any:
        async with VeoAsyncHook("veo_test") as hook:
            return await hook.poll("abc")

    seen = asyncio.run(ask())
    assert isinstance(seen, Problem)
    assert (seen.reason, seen.transient) == ("configuration", False)
    assert "S3CRET" not in seen.message


@pytest.mark.parametrize("how", ["extra", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "without scheme"])
def test_a_proxys_password_is_masked_as_written_and_decoded(
    how: str, environment: Callable[..., None], connect: Callable[..., VeoConnection], masked: list[str]
) -> None:
    proxy = "user:S3%2FCR:ET@127.0.0.1:9" if how == "without scheme" else "http://user:S3%2FCR:ET@127.0.0.1:9"
    if how != "extra":
        environment(**{"https_proxy" if how == "without scheme" else how: proxy})
    connect(extra={"proxy": proxy} if how == "extra" else {})
    assert masked == ["sk-key", "S3%2FCR:ET", "S3/CR:ET"]


def test_a_proxy_without_a_password_masks_nothing(
    environment: Callable[..., None], connect: Callable[..., VeoConnection], masked: list[str]
) -> None:
    environment(https_proxy="http://user@h:3128", http_proxy="http://h:3128", no_proxy="a:1,b")
    connect()
    assert masked == ["sk-key"]


@pytest.mark.parametrize("extra", ["[1]", '"S3CRET"', "7", [{"proxy": "S3CRET"}], "true", "{S3CRET"])
def test_extras_that_are_no_object(extra: Any, connect: Callable[..., VeoConnection]) -> None:
    # Airflow 3.0 and 3.1 don't know a connection that has such extras.
    known = AIRFLOW not in ((3, 0), (3, 1))
    error: type[VeoError] = VeoConfigurationError if known else VeoConnectionNotFoundError
    with pytest.raises(error, match="extras must be a JSON object" if known else "has no connection") as caught:
        connect(extra=extra)
    assert "S3CRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "extra", "words"),
    [
        ("https://gw:port", {}, "must be like"),
        ("https://gw:99999", {}, "must be like"),
        ("https://gw example", {}, "must be like"),
        ("https://gw\n.example", {}, "must be like"),
        ("https://gw", {"connect_timeout": 10**400}, "connect_timeout"),
        ("https://gw", {"prices": {MODEL: -1}}, f"extra prices: '{MODEL}'"),
        ("https://gw", {"prices": "cheap"}, "extra prices: it must be a JSON object"),
    ],
)
def test_other_mistakes(host: str, extra: dict[str, Any], words: str) -> None:
    with pytest.raises(VeoConfigurationError, match=words):
        read_connection("c", host=host, extra=extra)


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("https://gw.example", False),
        ("http://gw.example/path", True),
        ("http://10.0.0.7:8080", True),
        ("http://[fd00::1]:8080", True),
        ("http://127.example", True),
        ("http://127.0.0.1:8080", False),
        ("http://127.1.2.3", False),
        ("http://[::1]:8080", False),
        ("http://LocalHost:8080", False),
        ("http://gw.localhost", False),
    ],
)
def test_a_key_in_plain_text_is_warned_of_once_per_hook(
    host: str, warned: bool, connect: Callable[..., VeoConnection], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING, logger="veo_provider.hooks.connection"):
        connection = connect(host)
    assert len(connection.warnings) == len(caplog.records) == int(warned)
    for text in (*connection.warnings, *caplog.messages):
        assert connection.base_url in text
        assert "API key" in text
        assert "sk-key" not in text


@pytest.mark.parametrize("text", [False, True])
def test_prices(text: bool, connect: Callable[..., VeoConnection]) -> None:
    prices: Any = {MODEL: {"720p": {"audio": 0.4, "no_audio": 0.2}}}
    connection = connect(extra={"prices": json.dumps(prices) if text else prices})
    request = parse_request(
        {"prompt": "A cat", "model": MODEL, "duration_seconds": 8, "aspect_ratio": "16:9", "resolution": "720p"}
        | {"sample_count": 2, "generate_audio": False}
    )
    assert connection.prices.estimate(request) == 3.2
    assert connect().prices.estimate(request) is None
    assert hash(connection) != hash(None)


def test_a_connection_that_has_not_changed_warns_once(caplog: pytest.LogCaptureFixture) -> None:
    found = Connection(conn_id="c", conn_type="veo", host="http://gw.example", password="sk-12345678")
    with caplog.at_level(logging.WARNING, logger="veo_provider.hooks.connection"):
        known = from_airflow("c", found)
        assert from_airflow("c", found, known=known) == known
        assert len(caplog.records) == 1
        from_airflow("c", found)
        assert len(caplog.records) == 2
