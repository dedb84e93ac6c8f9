# SPDX-License-Identifier: Apache-2.0
"""Downloads that break off."""

from __future__ import annotations

import contextlib
import threading
import time

import pytest

from tests.unit.hooks.links.server import (
    ETAG,
    HALF,
    KEY,
    VIDEO,
    Caller,
    Handler,
    Script,
    Server,
    cut,
    redirect,
    rest,
    trickle,
    whole,
)
from veo_provider.api.problem import Reason
from veo_provider.exceptions import (
    VeoNetworkError,
    VeoPermanentError,
    VeoTransientError,
    VeoUnsafeLinkError,
)
from veo_provider.hooks import links


@pytest.mark.parametrize("already", [0, HALF])
def test_a_trickling_download_is_ended_and_goes_on(
    guest: Caller, store: Server, already: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "STALL_SECONDS", 3.0)
    store.scripts = [trickle(already, ETAG), rest]
    assert guest.read(store.url()) == VIDEO
    # From where it was, each time: not a byte is fetched twice.
    assert store.headers("range")[0] is None
    assert store.headers("range")[1:]
    assert None not in store.headers("range")[1:]


@pytest.mark.parametrize("length", [True, False])
def test_a_trickling_download_without_an_etag_fails(
    guest: Caller, store: Server, length: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "STALL_SECONDS", 0.4)
    store.scripts = [trickle(HALF, {} if length else {"Content-Length": "", "Connection": "close"})]
    with pytest.raises(VeoNetworkError):
        guest.read(store.url())


def test_a_link_whose_head_trickles_fails(guest: Caller, store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "STALL_SECONDS", 0.4)

    def script(handler: Handler) -> None:
        with contextlib.suppress(OSError):
            for byte in b"HTTP/1.1 200 OK\r\nContent-Type: video/mp4\r\n" * 50:
                time.sleep(0.02)
                handler.wfile.write(bytes([byte]))
        handler.close_connection = True

    store.scripts = [script]
    with pytest.raises(VeoNetworkError, match="took longer than"):
        guest.read(store.url())


def test_chunks_of_one_byte_are_a_trickle(guest: Caller, store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "STALL_SECONDS", 0.4)
    monkeypatch.setattr(links, "CHUNK", 1)
    monkeypatch.setattr(links, "MAX_STALLS", 1)
    store.scripts = [trickle(HALF, ETAG)]
    assert isinstance(guest.error(store.url()), VeoNetworkError)


def test_a_slow_reader_is_not_a_slow_download(guest: Caller, store: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(links, "STALL_SECONDS", 8.0)
    passed, real = 0.0, time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: real() + passed)
    store.scripts = [whole()]
    with guest.open(store.url()) as stream:
        data = stream.read(1000)
        passed = 1000.0
        # Whoever watches looks four times in that limit.
        time.sleep(2.2)
        data += stream.read()
    assert data == VIDEO
    assert len(store.seen) == 1


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
