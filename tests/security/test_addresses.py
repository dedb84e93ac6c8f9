# SPDX-License-Identifier: Apache-2.0
"""Where a result's link may not lead, however it is spelled: at once, by a redirect, and behind a proxy."""

from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.security.hostile import KEY
from tests.support.raw_server import RawServer, Reply, raw_server
from veo_provider.api.generation import Generation, Phase, Video
from veo_provider.exceptions import VeoError, VeoNetworkError, VeoUnsafeLinkError
from veo_provider.hooks import patience
from veo_provider.hooks.link_rules import is_public
from veo_provider.hooks.veo import VeoHook

SIGNATURE = "X-Sig=s1gnature"
METADATA = [
    "169.254.169.254", "168.63.129.16", "192.0.0.192", "100.100.100.200", "fd00:ec2::254", "fd20:ce::254",
]  # fmt: skip
PRIVATE = [
    "127.0.0.1", "127.255.255.254", "10.0.0.1", "172.16.0.1", "172.31.255.1", "192.168.1.1", "169.254.0.1",
    "100.64.0.1", "100.127.255.1", "0.0.0.0", "0.1.2.3", "224.0.0.1", "239.255.255.250", "240.0.0.1",
    "255.255.255.255", "192.0.2.1", "198.51.100.1", "203.0.113.1", "198.18.0.1", "192.0.0.1",
    "::", "::1", "fe80::1%eth0", "fe80::1", "febf::1", "fc00::1", "fd00::1", "fec0::1", "ff02::1", "ff0e::1",
    "2001:db8::1", "100::1", "5f00::1",
    # An IPv4 address inside: mapped, compatible, translated, NAT64, 6to4, Teredo.
    "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::ffff:0.0.0.0", "::127.0.0.1",
    "::ffff:0:127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b::a83f:8110",
    "64:ff9b:1::7f00:1", "2002:7f00:1::", "2002:a00:1::", "2002:a9fe:a9fe::", "2001::1",
]  # fmt: skip
PUBLIC = ["8.8.8.8", "1.1.1.1", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808", "2002:808:808::1"]

SPELLINGS = [
    # Of 127.0.0.1, as a resolver takes it for one.
    "https://127.1/v", "https://0177.0.0.1/v", "https://0x7f.1/v", "https://0x7f000001/v", "https://2130706433/v",
    "https://017700000001/v", "https://127.0.0.1:443/v", "https://0/v", "https://%31%32%37.0.0.1/v",
    "https://１２７.０.０.１/v", "https://①②⑦.0.0.1/v", "https://127。0。0。1/v",
    "https://localhost/v", "https://LOCALHOST/v", "https://localhost./v", "https://localhost:8443/v",
    "https://[::1]/v", "https://[0:0:0:0:0:0:0:1]/v", "https://[::ffff:7f00:1]/v", "https://[::FFFF:127.0.0.1]:8443/v",
    # Of the metadata service.
    "https://0xa9fea9fe/v", "https://2852039166/v", "https://169.254.43518/v", "https://[::ffff:a9fe:a9fe]/v",
    "https://[64:ff9b::169.254.169.254]/v",
]  # fmt: skip
NAMES = [
    "https://store.example/v", "https://STORE.example./v", "https://bücher.example/v", "https://ⓢtore.example/v",
    "https://127.0.0.1.store.example/v",
]  # fmt: skip
NO_LINKS = [
    # No other scheme, no user, nothing that two readers may take for two hosts.
    "http://8.8.8.8/v", "http://store.example/v", "HTTP://8.8.8.8/v", "ftp://8.8.8.8/v", "file:///etc/passwd",
    "gopher://8.8.8.8/v", "DATA:video/mp4;base64,AAAA", "javascript:alert(1)", "https:", "https://",
    "https:///127.0.0.1/v", "https:127.0.0.1/v", "https://[::1/v", "https://8.8.8.8:99999/v", "https://8.8.8.8:x/v",
    "https://user@8.8.8.8/v", "https://user:s1gnature@8.8.8.8/v", "https://8.8.8.8@127.0.0.1/v",
    "https://8.8.8.8:443@127.0.0.1/v", "https://127.0.0.1:443@8.8.8.8/v",
    "https://127.0.0.1\\.store.example/v", "https://127.0.0.1#@8.8.8.8/v", "https://127.0.0.1?@8.8.8.8/v",
    "https://*.example/v", "https://.example/v", "https://a..example/v",
]  # fmt: skip
LITERALS = [f"https://[{ip}]/v" if ":" in ip else f"https://{ip}/v" for ip in [*METADATA, *PRIVATE] if "%" not in ip]
LINKS = [*LITERALS, *SPELLINGS, *NAMES, *NO_LINKS]


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    """The gateway, and the proxy."""
    with raw_server() as running:
        yield running


@pytest.fixture(autouse=True)
def connected(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Whatever is connected to; nothing but the gateway is let."""
    connect, found = socket.socket.connect, []

    def checked(self: socket.socket, address: Any) -> None:
        found.append(address)
        assert address[1] == server.port
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    monkeypatch.setattr(patience, "PATIENCE", 0.0)
    return found


@pytest.fixture(autouse=True)
def addresses(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the names below .example resolve to."""
    real, found = socket.getaddrinfo, ["8.8.8.8", "10.1.2.3"]

    def resolve(host: Any, port: Any, *args: Any, **kw: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else str(host)
        if name.rstrip(".").endswith(".example"):
            return [(0, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]
        return real(host, port, *args, **kw)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    return found


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., VeoHook]:
    def make(host: str, **extra: Any) -> VeoHook:
        fields = {"conn_type": "veo", "host": host, "password": KEY, "extra": extra}
        monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(fields))
        return VeoHook("veo_test")

    return make


def _open(hook: VeoHook, link: str) -> VeoError:
    known = Generation("abc", Phase.SUCCEEDED, "succeeded", videos=(Video(url=link),))
    with pytest.raises(VeoError) as caught:
        hook.open_video("abc", known=known)
    return caught.value


def _refused(error: VeoError, caplog: pytest.LogCaptureFixture) -> None:
    assert isinstance(error, VeoUnsafeLinkError), error
    assert error.generation_id == "abc"
    for text in (str(error), *caplog.messages):
        assert text.isprintable()
        assert "s1gnature" not in text
        assert KEY not in text


@pytest.mark.parametrize("link", LINKS)
def test_a_link(
    link: str, server: RawServer, connect: Callable[..., VeoHook], connected: list[Any], caplog: Any
) -> None:
    caplog.set_level(logging.DEBUG)
    _refused(_open(connect(server.url), f"{link}?{SIGNATURE}"), caplog)
    assert not connected


@pytest.mark.parametrize("link", ["https://[fe80::1%25lo]/v", "https://[fe80::1%lo]/v", "https://127.0.0.1./v"])
def test_what_no_resolver_takes_for_an_address(
    link: str, server: RawServer, connect: Callable[..., VeoHook], connected: list[Any]
) -> None:
    assert isinstance(_open(connect(server.url), link), VeoNetworkError | VeoUnsafeLinkError)
    assert not connected


def test_what_isnt_a_host_is_a_path(server: RawServer, connect: Callable[..., VeoHook], addresses: list[str]) -> None:
    """Two readers may differ on where a host ends; the one that looks it up is the one that connects."""
    addresses[:] = ["127.0.0.1"]
    error = _open(connect(server.url), "https://store.example\\@8.8.8.8/v")
    assert isinstance(error, VeoUnsafeLinkError)
    assert "store.example" in str(error)


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("link", ["https://169.254.169.254/v", "https://store.example/v", "http://127.0.0.1:1/v"])
def test_every_redirect(link: str, code: int, server: RawServer, connect: Callable[..., VeoHook], caplog: Any) -> None:
    caplog.set_level(logging.DEBUG)
    server.answer(Reply(code, headers={"Location": f"{link}?{SIGNATURE}"}))
    _refused(_open(connect(server.url), "/v"), caplog)
    assert len(server.requests) == 1


@pytest.mark.parametrize("link", [*LINKS, "//127.0.0.1/v", "//[::1]/v"])
def test_a_redirect(link: str, server: RawServer, connect: Callable[..., VeoHook], caplog: Any) -> None:
    """After four that are fine: each is looked at."""
    caplog.set_level(logging.DEBUG)
    fine = [Reply(302, headers={"Location": f"/{number}"}) for number in range(4)]
    server.answer(*fine, Reply(302, headers={"Location": f"{link}?{SIGNATURE}"}))
    _refused(_open(connect(server.url), "/v"), caplog)
    assert len(server.requests) == 5


@pytest.mark.parametrize("link", LINKS)
def test_behind_a_proxy(link: str, server: RawServer, connect: Callable[..., VeoHook], caplog: Any) -> None:
    """The proxy isn't asked for it, at once or by a redirect from a store that it has been asked for."""
    caplog.set_level(logging.DEBUG)
    server.answer(Reply(302, headers={"Location": f"{link}?{SIGNATURE}"}))
    hook = connect("http://gateway.invalid", proxy=server.url, allowed_result_hosts=["trusted.invalid"])
    _refused(_open(hook, f"{link}?{SIGNATURE}"), caplog)
    assert not server.requests
    _refused(_open(hook, "http://trusted.invalid/v"), caplog)
    assert [request.target for request in server.requests] == ["http://trusted.invalid/v"]
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize("address", [*METADATA, *PRIVATE])
def test_a_name_that_leads_to(
    address: str, server: RawServer, connect: Callable[..., VeoHook], addresses: list[str], connected: list[Any]
) -> None:
    """One such address among public ones is enough: which of them is taken is up to whoever made the name."""
    assert not is_public(address)
    addresses[:] = ["8.8.8.8", address]
    error = _open(connect(server.url), "https://store.example/v")
    assert isinstance(error, VeoUnsafeLinkError)
    assert address in str(error)
    assert "allowed_result_hosts" in str(error)
    assert not connected


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address(address: str) -> None:
    assert is_public(address)


def test_a_name_that_is_bound_anew(
    server: RawServer, connect: Callable[..., VeoHook], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address that was looked at is the one that is connected to: nobody asks for the name's address again."""
    answers, tried = [["8.8.8.8"], ["127.0.0.1"], ["127.0.0.1"]], []

    def resolve(host: str, port: int, *args: Any, **kw: Any) -> Any:
        found = [host] if host[0].isdigit() else answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    def refuse(self: socket.socket, address: Any) -> None:
        tried.append(address)
        raise ConnectionRefusedError("refused")

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    _open(connect(server.url), "https://store.example/v")
    assert tried == [("8.8.8.8", 443)]
    assert len(answers) == 2
