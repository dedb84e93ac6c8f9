# SPDX-License-Identifier: Apache-2.0
"""Each hostile answer, wherever an answer is read: an error of ours with its generation, in bounded memory."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import zlib
from collections.abc import Callable, Iterator

import pytest

from tests.contract.test_contract import REQUEST
from tests.security.hostile import ENDLESS, KEY, ROWS, Hostile, video_answer
from tests.support.boxes import mp4
from tests.support.memory import forget_peak, held, peak
from tests.support.raw_server import RawServer, Reply, raw_server
from veo_provider.api.problem import Problem
from veo_provider.exceptions import VeoError, VeoUnknownSubmitError
from veo_provider.hooks import connection, http_sync, links, patience
from veo_provider.hooks.veo import VeoAsyncHook, VeoHook
from veo_provider.raising import error_for

MEMORY = 48 * 1024**2
INLINE = "data:video/mp4;base64," + base64.b64encode(mp4(b"x" * 1000)).decode()

# The answer is cut at a size or a time; a test waits for a time limit of ours only where it drips, or for silence.
pytestmark = pytest.mark.timeout(60)


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server() as running:
        yield running


@pytest.fixture
def conn_id(where: str, server: RawServer, monkeypatch: pytest.MonkeyPatch) -> str:
    # aiohttp doesn't tell of every broken answer, some end by the silence behind them.
    seconds = {"read_timeout": 1, "connect_timeout": 5} if where == "async poll" else {"read_timeout": 20}
    fields = {"conn_type": "veo", "host": server.url, "password": KEY, "extra": seconds}
    monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(fields))
    monkeypatch.setattr(patience, "PATIENCE", 0.0)
    monkeypatch.setattr(links, "PAUSE", 0.0)
    return "veo_test"


def _submit(conn_id: str, server: RawServer, hostile: Reply) -> VeoError | None:
    server.answer(hostile)
    try:
        VeoHook(conn_id).submit(REQUEST)
    except VeoUnknownSubmitError as error:
        # Nobody knows what it did with the request. Any other error would tell of a refusal.
        return error
    finally:
        assert [request.method for request in server.requests] == ["POST"]
    return None


def _poll(conn_id: str, server: RawServer, hostile: Reply) -> VeoError | None:
    server.answer(hostile)
    hook = VeoHook(conn_id)
    try:
        hook.get_generation("abc")
    except VeoError as error:
        return error
    finally:
        hook.close()
    return None


def _async_poll(conn_id: str, server: RawServer, hostile: Reply) -> VeoError | None:
    server.answer(hostile)

    async def ask() -> VeoError | None:
        async with VeoAsyncHook(conn_id) as hook:
            seen = await hook.poll("abc")
        return error_for(seen, "abc") if isinstance(seen, Problem) else None

    return asyncio.run(ask())


def _read(conn_id: str, server: RawServer, *replies: Reply) -> VeoError | None:
    server.answer(*replies)
    hook = VeoHook(conn_id)
    try:
        with hook.open_video("abc", max_bytes=10**6) as stream:
            while stream.read(64 * 1024):
                pass
    except VeoError as error:
        return error
    finally:
        hook.close()
    return None


def _inline(conn_id: str, server: RawServer, hostile: Reply) -> VeoError | None:
    return _read(conn_id, server, Reply(200, video_answer(url=INLINE)), hostile)


def _link(conn_id: str, server: RawServer, hostile: Reply) -> VeoError | None:
    return _read(conn_id, server, Reply(200, video_answer(url="/v1/videos/abc/content")), hostile)


READERS: dict[str, Callable[[str, RawServer, Reply], VeoError | None]] = {
    "submit": _submit,
    "sync poll": _poll,
    "async poll": _async_poll,
    "inline": _inline,
    "link": _link,
}


@pytest.mark.parametrize("where", READERS)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_a_hostile_answer(
    row: Hostile, where: str, server: RawServer, conn_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    before = held()
    forget_peak()
    error = READERS[where](conn_id, server, Reply(raw=row.pieces))
    assert peak() - before < MEMORY
    if error is None:
        assert where in row.harmless
        return
    assert where == "submit" or error.generation_id == "abc"
    said = [str(error), repr(error), str(error.code), str(error.request_id), *caplog.messages]
    assert not [text for text in said if not text.isprintable() or len(text) > 3000]
    assert not [text for text in said if KEY in text]


@pytest.mark.parametrize("where", READERS)
@pytest.mark.parametrize("row", ENDLESS, ids=lambda row: row.name)
def test_an_answer_without_end(
    row: Hostile, where: str, server: RawServer, conn_id: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection.VeoConnection, "call_timeout", 0.5)
    for module in (links, http_sync):
        monkeypatch.setattr(module, "STALL_SECONDS", 0.5)
    before = held()
    forget_peak()
    error = READERS[where](conn_id, server, Reply(raw=row.pieces))
    assert peak() - before < MEMORY
    assert error is not None
    assert where == "submit" or error.generation_id == "abc"


@pytest.mark.parametrize("where", ["submit", "sync poll", "async poll", "inline"])
@pytest.mark.parametrize(
    ("coding", "wbits"), [("gzip", 31), (" X-Gzip", 31), ("deflate", 15), ("deflate", -15)], ids=str
)
def test_a_compressed_answer_that_means_no_harm_is_read(
    coding: str, wbits: int, where: str, server: RawServer, conn_id: str
) -> None:
    packer = zlib.compressobj(9, wbits=wbits)
    # More than one piece, so small that its last byte is not the last one of what is unpacked.
    body = packer.compress(video_answer(url=INLINE, more="A" * 1_000_000)) + packer.flush()
    assert READERS[where](conn_id, server, Reply(200, body, {"Content-Encoding": coding})) is None
    assert {request.headers["accept-encoding"] for request in server.requests} == {"identity"}
