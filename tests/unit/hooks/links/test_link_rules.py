# SPDX-License-Identifier: Apache-2.0
"""Which hosts and addresses a link may lead to."""

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
from veo_provider.hooks.link_rules import is_public


@pytest.mark.parametrize(
    "url",
    [
        "http://store.example/v?secret",
        "ftp://store.example/v",
        "data:video/mp4;base64,AAAA",
        "/relative",
        "https://",
        "https://user:secret@store.example/v",
        "https://[::1/v?secret",
        "https://store.example:99999/v?secret",
        "https://127.0.0.1/v",
        "https://[::1]/v",
        "https://[::ffff:127.0.0.1]/v",
        "https://[64:ff9b::7f00:1]:8443/v",
        "https://169.254.169.254/latest/meta-data",
        "https://10.1.2.3/v",
        "https://[fd00::1]/v",
        "https://0.0.0.0/v",
        "https://2130706433/v",
        "https://0x7f.1/v",
        "https://localhost/v",
        "https://gateway.example:444/v",
    ],
)
def test_refused_links(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = socket.getaddrinfo
    answer = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("192.168.0.1", 444))]
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda host, *args, **kw: answer if "example" in host else real(host, *args, **kw)
    )
    assert isinstance(Caller().error(url), VeoUnsafeLinkError)


PRIVATE = [
    "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
    "240.0.0.1", "255.255.255.255", "192.0.2.1", "198.18.0.1", "::", "::1", "fe80::1%eth0", "fe80::1", "fc00::1",
    "fd00::1", "fec0::1", "ff02::1", "ff0e::1", "2001:db8::1", "2001::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
    "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1",
    "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::", "100::1", "5f00::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]


@pytest.mark.parametrize("address", PRIVATE)
def test_addresses_that_are_not_public(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not is_public(address)
    # One such address among public ones is enough: which of them is taken is up to whoever made the name.
    found = [(0, 0, 0, "", (other, 443)) for other in ("8.8.8.8", address)]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: found)
    error = Caller().error("https://store.example/v?secret")
    assert isinstance(error, VeoUnsafeLinkError)
    assert address in str(error)
    assert "allowed_result_hosts" in str(error)


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_that_are_public(address: str) -> None:
    assert is_public(address)


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

    def connect(address: tuple[str, int], *args: Any, **kw: Any) -> socket.socket:
        tried.append(address[0])
        raise ConnectionRefusedError("refused")

    found = [(0, 0, 0, "", (address, 443)) for address in PUBLIC]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: found)
    monkeypatch.setattr(link_rules, "create_connection", connect)
    assert isinstance(Caller().error("https://store.example/v?secret"), VeoNetworkError)
    assert tried == PUBLIC
