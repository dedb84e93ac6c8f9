# SPDX-License-Identifier: Apache-2.0
"""``test_connection`` says in words what is wrong; the connection's own rules."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.contract.conftest import KEY
from tests.contract.table import HTML
from tests.contract.test_contract import REQUEST, _poll
from tests.support.certificates import make_certificate
from tests.support.raw_server import RawServer, Reply, raw_server
from veo_provider.api.calls import Kind
from veo_provider.api.errors import unanswered
from veo_provider.api.generation import Generation
from veo_provider.api.problem import Problem
from veo_provider.exceptions import VeoConfigurationError, VeoNetworkError
from veo_provider.hooks.connection import DEFAULT_BASE_URL, read_connection
from veo_provider.hooks.veo import VeoAsyncHook, VeoHook

MODELS = {"object": "list", "data": [{"id": "veo-3.1-generate-preview"}, {"id": "gpt"}]}


def test_it_works(server: RawServer, conn_id: str) -> None:
    server.answer(Reply(200, MODELS))
    hook = VeoHook(conn_id)
    fine, message = hook.test_connection()
    assert fine
    assert vars(hook.get_conn())["_session"] is None, "it is left open"
    assert "veo-3.1-generate-preview" in message
    assert [(request.method, request.target) for request in server.requests] == [("GET", "/v1/models")]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(401, {"error": {"message": "invalid token", "code": ""}}), ["invalid token", "password field"]),
        (Reply(404, HTML), ["base URL"]),
        (Reply(404, {"error": {"message": "Invalid URL (GET /v1/models)"}}), ["base URL"]),
        (Reply(200, HTML), ["base URL", "HTML page"]),
        (Reply(302, b"", {"Location": "/login"}), ["base URL"]),
        (Reply(502, HTML), ["502"]),
    ],
)
def test_what_is_wrong_in_words(reply: Reply, words: list[str], server: RawServer, conn_id: str) -> None:
    server.answer(reply)
    fine, message = VeoHook(conn_id).test_connection()
    assert not fine
    for word in words:
        assert word in message
    assert KEY not in message


def test_no_key(server: RawServer, connect: Callable[..., str]) -> None:
    server.answer(Reply(200, MODELS))
    fine, message = VeoHook(connect(server.url, password=None)).test_connection()
    assert not fine
    assert "no API key" in message
    assert server.requests == []


def test_no_network(connect: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    fine, message = VeoHook(connect(f"http://127.0.0.1:{port}")).test_connection()
    assert not fine
    assert f"No answer from http://127.0.0.1:{port}" in message


def test_a_connection_that_the_task_may_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise PermissionError("Access denied for connection 'veo'")

    monkeypatch.setattr(VeoHook, "get_connection", denied)
    with pytest.raises(VeoConfigurationError, match="Access denied"):
        _ = VeoHook("veo").connection


def test_no_such_connection() -> None:
    fine, message = VeoHook("nowhere").test_connection()
    assert not fine
    assert "nowhere" in message


@pytest.mark.parametrize(
    ("host", "password", "reason"),
    [("http://127.0.0.1:9", None, "authentication"), ("ftp://x", "k", "configuration")],
)
def test_the_triggerer_says_the_same(host: str, password: str | None, reason: str, connect: Callable[..., str]) -> None:
    conn_id = connect(host, password=password)

    async def ask() -> Any:
        async with VeoAsyncHook(conn_id) as hook:
            return await hook.poll("abc")

    seen = asyncio.run(ask())
    assert isinstance(seen, Problem)
    assert (seen.reason, seen.transient) == (reason, False)


def test_a_submit_that_never_began_is_not_unknown(connect: Callable[..., str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(VeoNetworkError):
        VeoHook(connect(f"http://127.0.0.1:{port}")).submit(REQUEST)


def test_a_tls_handshake_that_fails_is_not_unknown(server: RawServer, connect: Callable[..., str]) -> None:
    server.answer(Reply(200, {"task_id": "abc"}))
    with pytest.raises(VeoNetworkError):
        VeoHook(connect(server.url.replace("http:", "https:"))).submit(REQUEST)


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_netrc_does_not_replace_the_key(
    mode: str, server: RawServer, conn_id: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login someone password else\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    server.answer(Reply(200, {"status": "queued"}))
    _poll(mode, conn_id)
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("how", ["extra", "environment"])
def test_a_proxy(
    how: str, mode: str, server: RawServer, connect: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    extra = {"proxy": server.url} if how == "extra" else {}
    if how == "environment":
        monkeypatch.setenv("http_proxy", server.url)
    server.answer(Reply(200, {"status": "queued"}))
    _poll(mode, connect("http://gateway.invalid", **extra))
    assert server.requests[0].target == "http://gateway.invalid/v1/video/generations/abc"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_certificate_is_trusted_only_by_its_ca(mode: str, connect: Callable[..., str], tmp_path: Path) -> None:
    context, ca = make_certificate(tmp_path)
    with raw_server(context) as server:
        server.answer(Reply(200, {"status": "queued"}))
        seen = _poll(mode, connect(server.url, ca_bundle=str(ca)))
        assert isinstance(seen, Generation)
        server.answer(Reply(200, {"status": "queued"}))
        refused = _poll(mode, connect(server.url))
        assert isinstance(refused, Problem)
        assert refused.reason == "network"
        assert "certificate" in refused.message.lower()
        assert server.requests == []


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("base_url", ["https://gateway.invalid", "http://gateway.invalid"])
def test_a_proxys_password_is_in_no_message(
    base_url: str, mode: str, server: RawServer, connect: Callable[..., str]
) -> None:
    server.answer(Reply(407, b"no"))
    seen = _poll(mode, connect(base_url, proxy=server.url.replace("//", "//user:s3cret-word@")))
    assert isinstance(seen, Problem)
    assert "407" in seen.message
    assert "s3cret-word" not in seen.message


@pytest.mark.parametrize("text", ["at 'http://u:s3cret@h/', again //u:s3cret@h"])
def test_no_password_in_an_errors_words(text: str) -> None:
    message = unanswered(Kind.POLL, "http://gw", ValueError(text), request_began=False).message
    assert "s3cret" not in message
    assert "http://gw" in message


def test_defaults_and_text_from_the_form() -> None:
    connection = read_connection("c", host=None, password=" sk-1 ", extra={"proxy": "", "ca_bundle": None})
    assert connection.base_url == DEFAULT_BASE_URL
    assert (connection.api_key, connection.proxy, connection.verify) == ("sk-1", None, True)
    typed = read_connection(
        "c",
        host="gw.example",
        schema="http",
        port=8080,
        extra={"connect_timeout": "3", "allowed_result_hosts": "A.example, b:81 "},
    )
    assert typed.base_url == "http://gw.example:8080"
    assert typed.connect_timeout == 3.0
    assert typed.allowed_result_hosts == {"a.example", "b:81"}
    assert "sk-1" not in repr(connection)


@pytest.mark.parametrize("url", ["https://a..b", "https://gw:0", f"https://{'x' * 64}.example", "https://.gw"])
def test_what_no_machine_can_have_is_not_tried(url: str) -> None:
    with pytest.raises(VeoConfigurationError, match="base URL"):
        read_connection("c", host=url)
    with pytest.raises(VeoConfigurationError, match="extra proxy"):
        read_connection("c", host=None, extra={"proxy": url})
    for port in (70000, -1):
        with pytest.raises(VeoConfigurationError, match="base URL"):
            read_connection("c", host="https://gw.example", port=port)
    names = ("http://my_gateway:8080", "https://gw.example.", "https://bücher.example", "https://א1.example")
    for fine in ("http://[::1]:80", *names):
        assert read_connection("c", host=fine).base_url == fine


def test_a_path_is_not_lost_in_a_uri() -> None:
    with pytest.raises(VeoConfigurationError, match="JSON"):
        read_connection("c", host="https://gw.example", schema="gateway")


def test_a_bundle_must_hold_certificates(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("no certificate")
    for path, words in ((tmp_path, "there is no file"), (empty, "no certificates in PEM form")):
        with pytest.raises(VeoConfigurationError, match=words):
            read_connection("c", host=None, extra={"ca_bundle": str(path)})


def test_every_mistake_in_one_error() -> None:
    with pytest.raises(VeoConfigurationError) as caught:
        read_connection(
            "c",
            host="ftp://user:pw@gw/?q=1",
            password="sk a",
            extra={
                "base_url": "x",
                "connect_timeout": 0,
                "read_timeout": "soon",
                "ca_bundle": "/nowhere.pem",
                "last_frame_field": "end",
                "allowed_result_hosts": ["https://x/"],
                "proxy": "squid:3128",
            },
        )
    for word in (
        "base_url",
        "connect_timeout",
        "read_timeout",
        "ca_bundle",
        "last_frame_field",
        "allowed_result_hosts",
        "proxy",
        "must not hold a user",
        "must be like",
        "API key",
    ):
        assert word in str(caught.value)
    assert "pw" not in str(caught.value)


def test_the_key_and_the_proxys_password_are_masked(
    server: RawServer, connect: Callable[..., str], monkeypatch: pytest.MonkeyPatch
) -> None:
    masked: list[str] = []
    monkeypatch.setattr("veo_provider.hooks.airflow_connection.mask_secret", masked.append)
    conn_id = connect(server.url, proxy="http://user:s3cret-word@127.0.0.1:9")
    assert VeoHook(conn_id).connection.api_key == KEY
    assert masked == [KEY, "s3cret-word"]
