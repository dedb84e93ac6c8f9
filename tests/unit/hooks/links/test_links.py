# SPDX-License-Identifier: Apache-2.0
"""What opening and reading a link gives, and how it fails."""

from __future__ import annotations

import socket
import threading

import pytest

from tests.unit.hooks.links.server import (
    ETAG,
    HALF,
    KEY,
    VIDEO,
    Caller,
    Handler,
    Server,
    trickle,
    whole,
)
from veo_provider.exceptions import (
    VeoAuthenticationError,
    VeoError,
    VeoNetworkError,
    VeoProtocolError,
    VeoRateLimitedError,
    VeoResultGoneError,
    VeoServerError,
)
from veo_provider.hooks import links
from veo_provider.hooks.links import LinkRules


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


@pytest.mark.parametrize("tail", [b"\0\0\1", b"<!-- served by a CDN -->"])
def test_what_follows_a_video_is_no_cut_if_the_length_is_right(guest: Caller, store: Server, tail: bytes) -> None:
    store.scripts = [whole(body=VIDEO + tail)]
    assert guest.read(store.url()) == VIDEO + tail
    store.scripts = [whole(body=VIDEO[:-1])]
    assert "but its mdat box goes on" in str(guest.error(store.url()))


def test_a_cut_body_without_a_length_is_an_error(guest: Caller, store: Server) -> None:
    def script(handler: Handler) -> None:
        body = b"%x\r\n%b" % (len(VIDEO), VIDEO[:HALF])
        handler.answer(200, ETAG | {"Content-Length": "", "Transfer-Encoding": "chunked"}, body)
        handler.hang_up()

    store.scripts = [script]
    assert isinstance(guest.error(store.url()), VeoNetworkError)
    assert len(store.seen) == 1


@pytest.mark.parametrize("missing", [0, 1, HALF])
def test_a_body_that_ends_with_its_connection_is_measured_by_its_boxes(
    guest: Caller, store: Server, missing: int
) -> None:
    def script(handler: Handler) -> None:
        handler.answer(200, {"Content-Length": "", "Connection": "close"}, VIDEO[: len(VIDEO) - missing])
        handler.hang_up()

    store.scripts = [script]
    if not missing:
        assert guest.read(store.url()) == VIDEO
        return
    error = guest.error(store.url())
    assert isinstance(error, VeoNetworkError)
    assert f"The video ends after {len(VIDEO) - missing} bytes, but its mdat box goes on" in str(error)


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


@pytest.mark.parametrize("status", [400, 401, 429, 502])
def test_a_gateway_that_echoes_the_key_at_a_link(home: Caller, gateway: Server, status: int) -> None:
    body = f'{{"error":{{"message":"refused: Bearer {KEY}"}}}}'.encode()
    gateway.scripts = [whole(status, {}, body)]
    # Caller.error looks for the key in the message.
    assert "Bearer ***" in str(home.error(gateway.url()))


def test_an_error_whose_body_trickles(guest: Caller, store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "STALL_SECONDS", 3.0)
    store.scripts = [trickle(0, {}, status=403)]
    assert isinstance(guest.error(store.url()), VeoResultGoneError)
    # 4096 of the page were wanted.
    assert store.trickled < 2000


@pytest.mark.parametrize(
    ("coding", "readable"),
    [
        ("", True),
        ("aws-chunked", True),
        ("identity", True),
        ("binary", True),
        ("gzip", False),
        ("aws-chunked, X-GZIP", False),
        ("br", False),
    ],
)
def test_only_what_is_compressed_is_no_video(guest: Caller, store: Server, coding: str, readable: bool) -> None:
    store.scripts = [lambda handler: with_coding(handler, coding)]
    if readable:
        assert guest.read(store.url()) == VIDEO
    else:
        assert isinstance(guest.error(store.url()), VeoProtocolError)


def with_coding(handler: Handler, coding: str) -> None:
    handler.send_response(200)
    handler.send_header("Content-Encoding", coding)
    handler.send_header("Content-Length", str(len(VIDEO)))
    handler.end_headers()
    handler.wfile.write(VIDEO)


def test_an_error_whose_body_is_cut(guest: Caller, store: Server) -> None:
    def script(handler: Handler) -> None:
        handler.answer(403, {"Content-Length": "", "Transfer-Encoding": "chunked"}, b"ff\r\n<Error>")
        handler.hang_up()

    store.scripts = [script]
    assert isinstance(guest.error(store.url()), VeoResultGoneError)


def test_a_silent_server_is_a_network_error(guest: Caller, store: Server) -> None:
    store.scripts = [lambda handler: handler.hang_up()]
    assert isinstance(guest.error(store.url()), VeoNetworkError)
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        place = f"127.0.0.1:{closed.getsockname()[1]}"
        error = guest.error(f"http://{place}/v?X-Sig=secret", allowed_hosts=frozenset({place}))
    assert isinstance(error, VeoNetworkError)
    assert "refused" in str(error)
