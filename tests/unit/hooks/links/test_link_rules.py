# SPDX-License-Identifier: Apache-2.0
"""Which hosts a link may lead to after all, and how it is connected; what is refused is in tests/security."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from tests.unit.hooks.links.server import (
    VIDEO,
    Caller,
    Server,
)
from veo_provider.exceptions import (
    VeoNetworkError,
    VeoUnsafeLinkError,
)
from veo_provider.hooks import link_rules


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "{}", "localhost:{port}"])
def test_allowed_hosts(store: Server, name: str) -> None:
    name = name.format(store.place, port=store.server_port)
    host = "localhost" if "localhost" in name else "127.0.0.1"
    url = f"http://{host.upper()}:{store.server_port}/v"
    assert Caller().read(url, allowed_hosts=frozenset({name})) == VIDEO
    assert store.headers("authorization") == [None]
    other = frozenset({f"{host}:1", "other.example"})
    assert isinstance(Caller().error(url, allowed_hosts=other), VeoUnsafeLinkError)


def test_a_name_without_an_address_is_a_network_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*args: Any, **kw: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    assert isinstance(Caller().error("https://store.example/v?secret"), VeoNetworkError)
    proxied = Caller().error("https://store.example/v?secret", proxy_for=lambda url: "http://127.0.0.1:1")
    assert isinstance(proxied, VeoUnsafeLinkError)


def test_behind_a_proxy_the_name_is_checked_first(store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    proxy = {"proxy_for": lambda url: f"http://user:word@{store.place}"}
    assert isinstance(Caller().error("https://localhost/v", **proxy), VeoUnsafeLinkError)
    assert not store.seen
    allowed = frozenset({"store.example"})
    assert Caller().read("http://store.example/v?x#y", allowed_hosts=allowed, **proxy) == VIDEO
    assert store.seen[0][0] == "http://store.example/v?x"
    assert store.headers("authorization") == [None]
    assert store.headers("proxy-authorization") == ["Basic dXNlcjp3b3Jk"]


def test_the_address_really_connected_to_is_checked(store: Server, tls: Path) -> None:
    error = Caller().error("https://store.example/v?secret", verify=str(tls))
    assert isinstance(error, VeoUnsafeLinkError)
    assert "127.0.0.1" in str(error)
    assert not store.seen


def test_a_public_store_is_read_over_tls(store: Server, tls: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_rules, "is_public", lambda address: address in ("8.8.8.8", "127.0.0.1"))
    assert Caller().read("https://store.example/v?x", verify=str(tls)) == VIDEO
    assert store.seen[0][1]["host"] == "store.example"
    for url, trust in (("https://other.example/v?secret", str(tls)), ("https://store.example/v?secret", True)):
        error = Caller().error(url, verify=trust)
        assert isinstance(error, VeoNetworkError)
        assert "certificate" in str(error).lower()
    assert len(store.seen) == 1


def test_every_address_of_a_name_is_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    tried: list[str] = []
    public = ["8.8.8.8", "2606:4700::1111", "1.1.1.1"]

    def connect(address: tuple[str, int], *args: Any, **kw: Any) -> socket.socket:
        tried.append(address[0])
        raise ConnectionRefusedError("refused")

    found = [(0, 0, 0, "", (address, 443)) for address in public]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: found)
    monkeypatch.setattr(link_rules, "create_connection", connect)
    assert isinstance(Caller().error("https://store.example/v?secret"), VeoNetworkError)
    assert tried == public
