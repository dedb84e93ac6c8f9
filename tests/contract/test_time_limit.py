# SPDX-License-Identifier: Apache-2.0
"""An answer that trickles in keeps every read timeout from being reached; the whole call has a limit."""

from __future__ import annotations

import base64
import threading
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from tests.contract.test_contract import REQUEST, _poll
from tests.support.boxes import mp4
from tests.support.raw_server import RawServer, Reply
from veo_provider.api.problem import Problem, Reason
from veo_provider.exceptions import VeoNetworkError, VeoUnknownSubmitError
from veo_provider.hooks import connection, http_sync, time_limit
from veo_provider.hooks.veo import VeoHook

HEAD = Reply(200, {"task_id": "abc"}, drip=0.05)
BODY = Reply(200, b" " * 2000 + b'{"task_id":"abc","status":"queued"}', drip=0.002)
ENDLESS = Reply(200, b" " * 2000 + b'{"task_id":"abc"}', {"Connection": "close"}, drip=0.002, length=False)
slow = pytest.mark.parametrize("reply", [HEAD, BODY, ENDLESS], ids=["head", "body", "no length"])


@pytest.fixture(autouse=True)
def _a_short_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection.VeoConnection, "call_timeout", 0.6)


@slow
@pytest.mark.parametrize("mode", ["sync", "async"])
def test_a_trickling_poll_is_given_up(mode: str, reply: Reply, server: RawServer, conn_id: str) -> None:
    server.answer(reply)
    seen = _poll(mode, conn_id)
    assert isinstance(seen, Problem), seen
    assert (seen.reason, seen.transient) == (Reason.NETWORK, True)
    assert len(server.requests) == 1


@slow
def test_a_trickling_submit_is_unknown(reply: Reply, server: RawServer, conn_id: str) -> None:
    server.answer(reply)
    with pytest.raises(VeoUnknownSubmitError, match="took longer than"):
        VeoHook(conn_id).submit(REQUEST)
    assert len(server.requests) == 1


def test_a_trickling_inline_video_is_ended(server: RawServer, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_sync, "STALL_SECONDS", 0.3)
    body = {
        "task_id": "abc",
        "status": "succeeded",
        "url": f"data:video/mp4;base64,{base64.b64encode(mp4(b'x' * 3000)).decode()}",
    }
    server.answer(Reply(200, body), Reply(200, body, drip=0.001))
    monkeypatch.setattr(connection.VeoConnection, "call_timeout", 5)
    hook = VeoHook(conn_id)
    with hook.open_video("abc") as stream, pytest.raises(VeoNetworkError):
        stream.read()
    hook.close()


def test_a_proxy_that_trickles_before_there_is_a_connection(server: RawServer, connect: Callable[..., str]) -> None:
    reply = Reply(200, drip=0.05, headers={"X": "x" * 100})
    server.answer(reply)
    server.dripped = 0
    seen = _poll("sync", connect("https://gateway.invalid", proxy=server.url))
    assert isinstance(seen, Problem)
    assert "took longer than" in seen.message
    # It was ended within the head, not by a read timeout behind it.
    assert server.dripped < 100


def test_a_limit_is_over_with_its_call(server: RawServer, conn_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A timer that goes off late must not end the next call on the same connection."""
    monkeypatch.setattr(connection.VeoConnection, "call_timeout", 250)
    made: list[threading.Timer] = []

    def make(*args: Any) -> threading.Timer:
        made.append(threading.Timer(*args))
        return made[-1]

    monkeypatch.setattr(time_limit, "threading", SimpleNamespace(**vars(threading) | {"Timer": make}))
    server.answer(Reply(200, {"task_id": "abc", "status": "queued"}))
    hook = VeoHook(conn_id)
    before = server.connections
    for _ in range(4):
        assert not isinstance(hook.poll("abc"), Problem)
    hook.close()
    assert server.connections == before + 1
    assert len(made) >= 4
    assert all(timer.finished.is_set() for timer in made)
