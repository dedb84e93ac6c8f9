# SPDX-License-Identifier: Apache-2.0
"""Links over real sockets: where they may lead, who gets the key, and what a broken download does."""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from veo_provider.api.problem import Reason
from veo_provider.exceptions import (
    VeoAuthenticationError,
    VeoError,
    VeoNetworkError,
    VeoPermanentError,
    VeoProtocolError,
    VeoRateLimitedError,
    VeoResultGoneError,
    VeoServerError,
    VeoTransientError,
    VeoUnsafeLinkError,
)
from veo_provider.hooks import link_rules, links
from veo_provider.hooks.link_rules import is_public
from veo_provider.hooks.links import LinkRules, open_link

VIDEO = b"\0\0\0\x18ftypmp42\0\0\0\0mp42isom" + bytes(range(251)) * 2000
HALF = len(VIDEO) // 2
KEY = "sk-secret"
ETAG = {"ETag": '"v1"'}
Script = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_GET(self) -> None:
        self.server.seen.append((self.path, {name.lower(): value for name, value in self.headers.items()}))
        scripts = self.server.scripts
        (scripts.pop(0) if len(scripts) > 1 else scripts[0])(self)

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, headers: dict[str, str], body: bytes = b"", *, length: int | None = None) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body) if length is None else length)} | headers).items():
            if value:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def await_hang_up(self) -> None:
        self.close_connection = True
        with contextlib.suppress(ConnectionResetError):
            self.connection.recv(1)

    def hang_up(self, *, reset: bool = False) -> None:
        self.close_connection = True
        if reset:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scripts: list[Script] = [whole()]
        self.seen: list[tuple[str, dict[str, str]]] = []

    def handle_error(self, request: Any, client_address: Any) -> None:
        pass

    @property
    def place(self) -> str:
        return f"127.0.0.1:{self.server_port}"

    def url(self, path: str = "/v.mp4?X-Sig=secret") -> str:
        return f"http://{self.place}{path}"

    def headers(self, name: str) -> list[str | None]:
        return [headers.get(name) for _, headers in self.seen]


def whole(status: int = 200, headers: dict[str, str] | None = None, body: bytes = VIDEO) -> Script:
    return lambda handler: handler.answer(status, {"Content-Type": "video/mp4"} | (headers or {}), body)


def cut(at: int, headers: dict[str, str] | None = None, *, reset: bool = False) -> Script:
    """The whole video is announced, and the connection ends after so many bytes."""

    def script(handler: Handler) -> None:
        handler.answer(200, ETAG if headers is None else headers, VIDEO[:at], length=len(VIDEO))
        handler.hang_up(reset=reset)

    return script


def rest(handler: Handler, *, end: int | None = None, **changed: str) -> None:
    """What a store answers to ``Range``, changed where it is to be wrong; the connection may end early."""
    start = int(handler.headers["Range"].removeprefix("bytes=").removesuffix("-"))
    facts = {"Content-Range": f"bytes {start}-{len(VIDEO) - 1}/{len(VIDEO)}"} | ETAG
    facts |= {name.replace("_", "-"): value for name, value in changed.items()}
    handler.answer(206, facts, VIDEO[start:end], length=len(VIDEO) - start)
    if end is not None:
        handler.hang_up()


def redirect(target: str, status: int = 302) -> Script:
    return whole(status, {"Location": target}, b"")


@pytest.fixture(autouse=True)
def _no_pauses_and_only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        assert ipaddress.ip_address(address[0]).is_loopback
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)
    monkeypatch.setattr(links, "PAUSE", 0.0)


def _serve() -> Iterator[Server]:
    with Server() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def gateway() -> Iterator[Server]:
    yield from _serve()


@pytest.fixture
def store() -> Iterator[Server]:
    yield from _serve()


@dataclass
class Caller:
    """Opens links for a connection whose gateway is somewhere; changes to its rules come by name."""

    base_url: str = "https://gateway.example"
    changes: dict[str, Any] = field(default_factory=dict)

    def open(self, url: str, max_bytes: int = 10**7, **changes: Any) -> Any:
        rules: dict[str, Any] = {
            "base_url": self.base_url,
            "api_key": KEY,
            "allowed_hosts": frozenset(),
            "connect_timeout": 5.0,
            "read_timeout": 5.0,
            "verify": True,
            "proxy_for": lambda url: None,
        }
        return open_link(url, LinkRules(**rules | self.changes | changes), max_bytes=max_bytes)

    def read(self, url: str, **changes: Any) -> bytes:
        with self.open(url, **changes) as video:
            data: bytes = video.read()
            return data

    def error(self, url: str, **changes: Any) -> VeoError:
        with pytest.raises(VeoError) as caught:
            self.read(url, **changes)
        assert "secret" not in str(caught.value)
        return caught.value


@pytest.fixture
def home(gateway: Server) -> Caller:
    """A connection whose links are the gateway's own."""
    return Caller(f"http://{gateway.place}/prefix")


@pytest.fixture
def guest(store: Server) -> Caller:
    """A connection that allows the store, which is elsewhere."""
    return Caller(changes={"allowed_hosts": frozenset({store.place})})


# What a download is


def test_reads_a_video(guest: Caller, store: Server) -> None:
    with guest.open(store.url("/a/v.mp4?x=1#part")) as video:
        assert (video.content_type, video.size_hint) == ("video/mp4", len(VIDEO))
        assert video.read() == VIDEO
        assert video.size == len(VIDEO)
    assert store.seen[0][0] == "/a/v.mp4?x=1"
    assert store.headers("accept-encoding") == ["identity"]


def test_the_rules_do_not_show_the_key() -> None:
    assert KEY not in repr(LinkRules("http://h", KEY, frozenset(), 1, 1, True, lambda url: None))


def test_reads_what_has_no_length(guest: Caller, store: Server) -> None:
    body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (VIDEO[:HALF], VIDEO[HALF:])) + b"0\r\n\r\n"
    store.scripts = [whole(headers={"Content-Length": "", "Transfer-Encoding": "chunked"}, body=body)]
    with guest.open(store.url()) as video:
        assert video.size_hint is None
        assert video.read() == VIDEO


def test_a_cut_body_without_a_length_is_an_error(guest: Caller, store: Server) -> None:
    def script(handler: Handler) -> None:
        body = b"%x\r\n%b" % (len(VIDEO), VIDEO[:HALF])
        handler.answer(200, ETAG | {"Content-Length": "", "Transfer-Encoding": "chunked"}, body)
        handler.hang_up()

    store.scripts = [script]
    assert isinstance(guest.error(store.url()), VeoNetworkError)
    assert len(store.seen) == 1


def test_closing_early_hangs_up(guest: Caller, store: Server) -> None:
    gone = threading.Event()

    def script(handler: Handler) -> None:
        handler.answer(200, {}, VIDEO[:HALF], length=len(VIDEO))
        handler.await_hang_up()
        gone.set()

    store.scripts = [script]
    with guest.open(store.url()) as video:
        assert video.read(100) == VIDEO[:100]
    assert gone.wait(30)


def test_an_unread_link_hangs_up(guest: Caller, store: Server) -> None:
    gone = threading.Event()

    def script(handler: Handler) -> None:
        handler.answer(200, {}, length=len(VIDEO))
        handler.await_hang_up()
        gone.set()

    store.scripts = [script]
    guest.open(store.url()).close()
    assert gone.wait(30)


def test_an_html_page_is_no_video(guest: Caller, store: Server) -> None:
    store.scripts = [whole(headers={"Content-Type": "text/html"}, body=b"<!DOCTYPE html><title>Sign in</title>")]
    error = guest.error(store.url())
    assert isinstance(error, VeoProtocolError)
    assert "text/html" in str(error)
    assert "<title>Sign in" in str(error)


def test_too_large_a_video_is_refused_at_once(guest: Caller, store: Server) -> None:
    with pytest.raises(VeoProtocolError, match="max_bytes"):
        guest.open(store.url(), max_bytes=len(VIDEO) - 1)


def test_a_compressed_video_is_refused(guest: Caller, store: Server) -> None:
    store.scripts = [whole(headers={"Content-Encoding": "gzip"})]
    assert isinstance(guest.error(store.url()), VeoProtocolError)


@pytest.mark.parametrize(
    ("status", "body", "expected"),
    [
        (403, b"<Error><Code>AccessDenied</Code><Resource>?X-Sig=secret</Resource></Error>", VeoResultGoneError),
        (404, b"", VeoResultGoneError),
        (410, b"", VeoResultGoneError),
        (401, b"", VeoResultGoneError),
        (400, b"<?xml version='1.0'?><Error><Code>ExpiredToken</Code></Error>", VeoResultGoneError),
        (400, b"<Error><Code>InvalidArgument</Code></Error>", VeoProtocolError),
        (408, b"", VeoNetworkError),
        (429, b"", VeoRateLimitedError),
        (500, b"", VeoServerError),
        (503, b"<html>", VeoServerError),
        (204, b"", VeoProtocolError),
        (206, VIDEO, VeoProtocolError),
        (304, b"", VeoProtocolError),
    ],
)
def test_errors_of_a_store(guest: Caller, store: Server, status: int, body: bytes, expected: type[VeoError]) -> None:
    store.scripts = [whole(status, {"Retry-After": "7"}, body)]
    error = guest.error(store.url("/a/v.mp4?X-Sig=secret"))
    assert type(error) is expected
    assert error.status_code == status
    assert error.retry_after == 7
    assert f"{store.place}/a/v.mp4" in str(error)
    assert ("AccessDenied" in str(error)) == (b"AccessDenied" in body)


@pytest.mark.parametrize(
    ("status", "expected"), [(401, VeoAuthenticationError), (404, VeoResultGoneError), (502, VeoServerError)]
)
def test_errors_of_the_gateway(home: Caller, gateway: Server, status: int, expected: type[VeoError]) -> None:
    gateway.scripts = [whole(status, {}, b'{"error":{"message":"no","code":"c"}}')]
    assert type(home.error(gateway.url())) is expected


def test_a_silent_server_is_a_network_error(guest: Caller, store: Server) -> None:
    store.scripts = [lambda handler: handler.hang_up()]
    assert isinstance(guest.error(store.url()), VeoNetworkError)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        error = guest.error(f"http://{place}/v?X-Sig=secret", allowed_hosts=frozenset({place}))
    assert isinstance(error, VeoNetworkError)
    assert "refused" in str(error)


# The key, and redirects


def test_the_key_goes_to_the_gateway_only(home: Caller, gateway: Server, store: Server) -> None:
    allowed = {"allowed_hosts": frozenset({"127.0.0.1"})}
    assert home.read(gateway.url(), **allowed) == VIDEO
    gateway.scripts = [redirect(store.url())]
    assert home.read(gateway.url(), **allowed) == VIDEO
    assert home.read(store.url(), **allowed) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"] * 2
    assert store.headers("authorization") == [None, None]


def test_the_key_does_not_come_back_from_elsewhere(home: Caller, gateway: Server, store: Server) -> None:
    store.scripts = [redirect(gateway.url("/v1/other"))]
    gateway.scripts = [redirect(store.url()), whole()]
    assert home.read(gateway.url("/v1/first"), allowed_hosts=frozenset({"127.0.0.1"})) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}", None]


def test_the_key_stays_through_redirects_at_home(home: Caller, gateway: Server) -> None:
    gateway.scripts = [redirect("/other", 307), whole()]
    assert home.read(gateway.url()) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"] * 2
    assert gateway.seen[1][0] == "/other"


def test_another_port_is_not_the_gateway(home: Caller, store: Server) -> None:
    assert isinstance(home.error(store.url()), VeoUnsafeLinkError)
    assert not store.seen


@pytest.mark.parametrize(
    "target", ["https://{}/v", "http://{}/v", "https://localhost:1/", "file:///etc/passwd", "//[", "https://u:p@{}/v"]
)
def test_redirects_to_where_no_result_comes_from(home: Caller, gateway: Server, store: Server, target: str) -> None:
    gateway.scripts = [redirect(target.format(store.place))]
    assert isinstance(home.error(gateway.url()), VeoUnsafeLinkError)
    assert not store.seen


def test_redirects_have_an_end(home: Caller, gateway: Server) -> None:
    gateway.scripts = [redirect("/again?X-Sig=secret")]
    assert isinstance(home.error(gateway.url()), VeoProtocolError)
    assert len(gateway.seen) == links.MAX_REDIRECTS + 1
    gateway.scripts = [whole(302, {}, b"")]
    assert "nowhere" in str(home.error(gateway.url()))


def test_the_environment_is_not_asked(
    home: Caller, guest: Caller, gateway: Server, store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login mallory password mallory\ndefault login a password b\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    assert home.read(gateway.url()) == guest.read(store.url()) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"]
    assert store.headers("authorization") == [None]


# Where a link may lead


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


@pytest.fixture
def tls(store: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The store speaks TLS as ``store.example``, a name with a public address; returns the file to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "store.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("store.example")]), critical=False)
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    trusted = tmp_path / "cert.pem"
    trusted.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    private = tmp_path / "key.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, private)
    store.socket = context.wrap_socket(store.socket, server_side=True)

    def connect(address: tuple[str, int], *args: Any, **kw: Any) -> socket.socket:
        assert address[0] == "8.8.8.8"  # what was checked, and not the name once more
        made = socket.socket()
        made.connect(("127.0.0.1", store.server_port))
        return made

    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kw: [(2, 1, 6, "", ("8.8.8.8", 443))])
    monkeypatch.setattr(link_rules, "create_connection", connect)
    return trusted


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


# Downloads that break off


@pytest.mark.parametrize("reset", [False, True])
def test_a_download_goes_on_where_it_broke_off(guest: Caller, store: Server, reset: bool) -> None:
    store.scripts = [cut(HALF, reset=reset), lambda h: rest(h, end=len(VIDEO) - 1000), rest]
    assert guest.read(store.url()) == VIDEO
    ranges = [int(str(value).removeprefix("bytes=").removesuffix("-")) for value in store.headers("range")[1:]]
    assert ranges == sorted(ranges)
    assert all(0 <= start < len(VIDEO) for start in ranges)
    assert store.headers("if-range") == [None, '"v1"', '"v1"']


def test_a_download_that_stalls_goes_on(guest: Caller, store: Server) -> None:
    go = threading.Event()

    def stall(handler: Handler) -> None:
        handler.answer(200, ETAG, VIDEO[:HALF], length=len(VIDEO))
        go.wait(60)
        handler.hang_up()

    store.scripts = [stall, rest]
    try:
        assert guest.read(store.url(), read_timeout=1.0) == VIDEO
    finally:
        go.set()


def test_the_key_goes_with_a_resumption_at_home(home: Caller, gateway: Server) -> None:
    gateway.scripts = [cut(HALF), rest]
    assert home.read(gateway.url()) == VIDEO
    assert gateway.headers("authorization") == [f"Bearer {KEY}"] * 2


def test_the_whole_same_file_again_is_skipped_into(guest: Caller, store: Server) -> None:
    store.scripts = [cut(HALF), cut(100), cut(HALF + 100_000), rest]
    assert guest.read(store.url()) == VIDEO
    store.scripts = [cut(HALF), whole(headers=ETAG)]
    assert guest.read(store.url()) == VIDEO


def test_an_overloaded_server_is_asked_again(guest: Caller, store: Server) -> None:
    store.scripts = [cut(HALF), whole(503, {}, b""), whole(429, {}, b""), lambda h: h.hang_up(), rest]
    assert guest.read(store.url()) == VIDEO


@pytest.mark.parametrize(
    "script",
    [
        whole(headers={"ETag": '"v2"'}),
        whole(),
        whole(headers=ETAG, body=VIDEO[:-1]),
        whole(403, {}, b""),
        whole(416, {}, b""),
        lambda h: rest(h, ETag='"v2"'),
        lambda h: rest(h, ETag=""),
        lambda h: rest(h, Content_Range=f"bytes 0-{len(VIDEO) - 1}/{len(VIDEO)}"),
        lambda h: rest(h, Content_Range=f"bytes {HALF}-{len(VIDEO)}/{len(VIDEO) + 1}"),
        lambda h: rest(h, Content_Range="bytes 5-9/*"),
        lambda h: rest(h, Content_Range=""),
    ],
)
def test_another_file_is_not_spliced_in(guest: Caller, store: Server, script: Script) -> None:
    store.scripts = [cut(HALF), script]
    error = guest.error(store.url())
    assert type(error) is VeoNetworkError
    assert error.reason is Reason.NETWORK
    assert len(store.seen) == 2


@pytest.mark.parametrize("headers", [{}, {"ETag": 'W/"v1"'}, ETAG | {"Accept-Ranges": "none"}])
def test_no_resumption_where_the_server_has_none(guest: Caller, store: Server, headers: dict[str, str]) -> None:
    store.scripts = [cut(HALF, headers), rest]
    assert isinstance(guest.error(store.url()), VeoTransientError)
    assert len(store.seen) == 1


def test_a_length_that_is_a_lie_is_an_error(guest: Caller, store: Server) -> None:
    def script(handler: Handler) -> None:
        handler.answer(200, {}, VIDEO, length=len(VIDEO) + 5)
        handler.hang_up()

    store.scripts = [script]
    assert isinstance(guest.error(store.url()), VeoNetworkError)


def test_a_download_that_gets_nowhere_ends(guest: Caller, store: Server) -> None:
    store.scripts = [cut(HALF), cut(0)]
    assert isinstance(guest.error(store.url()), VeoNetworkError)
    assert len(store.seen) == 1 + links.MAX_STALLS


def test_a_resumption_follows_the_rules_too(home: Caller, gateway: Server, store: Server) -> None:
    gateway.scripts = [cut(HALF), redirect(f"https://{store.place}/v?X-Sig=secret")]
    error = home.error(gateway.url())
    assert isinstance(error, VeoUnsafeLinkError)
    assert isinstance(error, VeoPermanentError)
    assert not store.seen
