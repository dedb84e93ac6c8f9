# SPDX-License-Identifier: Apache-2.0
"""Every shape and every error row of the contract, through both hooks, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from tests.contract.odd_rows import ODD_POLLS, ODD_SUBMITS
from tests.contract.table import LINK, POLLS, SUBMITS, Poll, Submit
from tests.support.processes import wait_until
from tests.support.raw_server import RawServer, Reply
from veo_provider.api.generation import Generation
from veo_provider.api.problem import Problem
from veo_provider.api.request import parse_request
from veo_provider.api.waiting import Seen
from veo_provider.exceptions import VeoError, VeoPermanentError, VeoTransientError, VeoUnknownSubmitError
from veo_provider.hooks.veo import VeoAsyncHook, VeoHook
from veo_provider.operators.submitting import MAX_SAID

REQUEST = parse_request(
    {
        "prompt": "A cat",
        "model": "veo-3.1-generate-preview",
        "duration_seconds": 8,
        "aspect_ratio": "16:9",
        "resolution": "720p",
        "sample_count": 2,
        "seed": 0,
        "generate_audio": False,
        "extra_parameters": {"negativePrompt": "dogs"},
    }
)


def _poll(mode: str, conn_id: str, generation_id: str = "abc") -> Seen:
    if mode == "sync":
        hook = VeoHook(conn_id)
        try:
            return hook.poll(generation_id)
        finally:
            hook.close()

    async def ask() -> Seen:
        async with VeoAsyncHook(conn_id) as hook:
            return await hook.poll(generation_id)

    return asyncio.run(ask())


def _limits(reply: Reply) -> dict[str, float]:
    return {"read_timeout": 0.4, "connect_timeout": 2} if reply.stall else {}


def _read_by(server: RawServer) -> None:
    """Wait until the server has read a request: whoever gives up early may be sooner."""
    wait_until("a request", lambda: server.requests, seconds=20, every=0.01)


@pytest.mark.parametrize("row", [*SUBMITS, *ODD_SUBMITS], ids=lambda row: row.name)
def test_submit(row: Submit, server: RawServer, connect: Callable[..., str]) -> None:
    server.answer(row.reply)
    hook = VeoHook(connect(server.url, **_limits(row.reply)))
    if row.generation_id is not None:
        assert hook.submit(REQUEST) == row.generation_id
    else:
        with pytest.raises(VeoError) as caught:
            hook.submit(REQUEST)
        error = caught.value
        assert error.reason == row.reason
        assert isinstance(error, VeoUnknownSubmitError) is (row.accepted != "no")
        assert isinstance(error, VeoTransientError if row.transient else VeoPermanentError)
        if row.accepted == "yes":
            assert "was accepted and billed" in str(error)
        if row.accepted == "maybe":
            assert "may have been accepted and billed" in str(error)
            assert server.url in str(error)
            assert "veo-3.1-generate-preview" in str(error)
    # Whatever came back: the request went out once, and not again.
    _read_by(server)
    assert [request.method for request in server.requests] == ["POST"]


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize("row", [*POLLS, *ODD_POLLS], ids=lambda row: row.name)
def test_poll(row: Poll, mode: str, server: RawServer, connect: Callable[..., str]) -> None:
    server.answer(row.reply)
    seen = _poll(mode, connect(server.url, **_limits(row.reply)))
    if row.phase is None:
        assert isinstance(seen, Problem)
        assert (seen.reason, seen.transient) == (row.reason, row.transient)
    else:
        assert isinstance(seen, Generation), seen
        assert (seen.phase, seen.status) == (row.phase, row.status)
        assert tuple(video.url for video in seen.videos if video.url) == row.urls
        assert [video.inline for video in seen.videos if video.url is None] == list(range(row.inline))
        assert (seen.problem.reason if seen.problem else None) == row.problem
    for name, value in row.more.items():
        assert getattr(seen, name) == value
    _read_by(server)
    assert {request.target for request in server.requests} == {"/v1/video/generations/abc"}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, [{"task_id": "task_BILLED"}]),
        Reply(200, b'data: {"task_id":"task_BILLED"}'),
        Reply(200, b'{"task_id":"task_BILLED","status":"pen', {"Connection": "close"}, cut=38, length=False),
        Reply(200, {"code": "400", "data": {"task_id": "task_BILLED"}}),
        Reply(429, {"task_id": "task_BILLED", "error": {"message": "slow down"}}),
        Reply(500, {"code": "insert_task_failed", "message": "m", "data": {"id": "task_BILLED"}}),
        Reply(502, {"error": {"message": "bad gateway"}, "data": "task_BILLED"}),
        Reply(502, {"error": {"message": "x " * 600}, "task_id": "task_BILLED"}),
        Reply(200, {"poll_url": "https://gw/v1/videos?task_id=task_BILLED", "message": "x " * 600}),
        Reply(502, b"http://gw queued task_BILLED:veo@node3"),
    ],
)
def test_an_unknown_submit_quotes_what_may_name_it(reply: Reply, server: RawServer, conn_id: str) -> None:
    server.answer(reply)
    with pytest.raises(VeoUnknownSubmitError, match="task_BILLED") as caught:
        VeoHook(conn_id).submit(REQUEST)
    # What is kept of it in the record.
    assert "task_BILLED" in caught.value.said[:MAX_SAID]


def test_the_id_of_what_can_never_be_polled_is_whole(server: RawServer, conn_id: str) -> None:
    name = "task_" + "x" * 300
    server.answer(Reply(200, json.dumps({"id": name}).encode() + b'{"code":"insert_task_failed","message":"m"}'))
    with pytest.raises(VeoUnknownSubmitError, match=name):
        VeoHook(conn_id).submit(REQUEST)


def test_what_is_sent(server: RawServer, conn_id: str) -> None:
    server.answer(Reply(200, {"task_id": "abc"}))
    VeoHook(conn_id).submit(REQUEST)
    request = server.requests[0]
    assert request.target == "/v1/video/generations"
    assert request.headers["authorization"] == "Bearer sk-contract-0123456789"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.body) == {
        "model": "veo-3.1-generate-preview",
        "prompt": "A cat",
        "durationSeconds": 8,
        "aspectRatio": "16:9",
        "resolution": "720p",
        "sampleCount": 2,
        "generateAudio": False,
        "seed": 0,
        "negativePrompt": "dogs",
    }


@pytest.mark.parametrize("mode", ["sync", "async"])
@pytest.mark.parametrize(
    ("generation_id", "target"),
    [
        ("task_A1", "task_A1"),
        ("projects/p/locations/l", "projects%2Fp%2Flocations%2Fl"),
        ("a b?c#d%2F", "a%20b%3Fc%23d%252F"),
        ("x" * 300 + "==", "x" * 300 + "%3D%3D"),
    ],
)
def test_any_id_is_one_path_segment(
    generation_id: str, target: str, mode: str, server: RawServer, conn_id: str
) -> None:
    server.answer(Reply(200, {"status": "queued"}))
    _poll(mode, conn_id, generation_id)
    assert server.requests[0].target == f"/v1/video/generations/{target}"


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_key_is_not_sent_after_a_redirect(mode: str, server: RawServer, conn_id: str) -> None:
    server.answer(Reply(302, b"", {"Location": f"{server.url}/elsewhere"}), Reply(200, {"status": "queued"}))
    _poll(mode, conn_id)
    assert len(server.requests) == 1


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_the_request_id_is_kept(mode: str, server: RawServer, conn_id: str) -> None:
    server.answer(Reply(500, b"", {"X-Oneapi-Request-Id": "req-42"}))
    seen = _poll(mode, conn_id)
    assert isinstance(seen, Problem)
    assert seen.request_id == "req-42"


def test_polls_share_a_connection_and_submits_do_not(server: RawServer, conn_id: str) -> None:
    server.answer(Reply(200, {"status": "queued", "task_id": "abc"}))
    hook = VeoHook(conn_id)
    before = server.connections
    for _ in range(3):
        hook.poll("abc")
    assert server.connections == before + 1
    hook.submit(REQUEST)
    hook.submit(REQUEST)
    assert server.connections == before + 3
    hook.close()


def test_get_generation_returns_a_failure_and_raises_a_problem(server: RawServer, conn_id: str) -> None:
    server.answer(
        Reply(200, {"status": "failed", "error": "high load"}), Reply(400, {"code": "task_not_exist", "message": "x"})
    )
    hook = VeoHook(conn_id)
    assert hook.get_generation("abc").phase == "failed"
    with pytest.raises(VeoPermanentError, match="abc"):
        hook.get_generation("abc")


async def test_the_triggerers_hook_gets_a_generation_too(server: RawServer, conn_id: str) -> None:
    server.answer(
        Reply(200, {"status": "failed", "error": "high load"}), Reply(400, {"code": "task_not_exist", "message": "x"})
    )
    async with VeoAsyncHook(conn_id) as hook:
        assert (await hook.get_generation("abc")).phase == "failed"
        with pytest.raises(VeoPermanentError, match="abc"):
            await hook.get_generation("abc")


@pytest.mark.parametrize("mode", ["sync", "async"])
def test_what_is_quoted_holds_no_key_and_no_signature(mode: str, server: RawServer, conn_id: str) -> None:
    words = "Wrong key Bearer sk-contract-0123456789 for https://b/i.png?X-Amz-Signature=s3cret"
    server.answer(Reply(400, {"error": {"message": words}}, {"X-Oneapi-Request-Id": "sk-contract-0123456789"}))
    seen = _poll(mode, conn_id)
    assert isinstance(seen, Problem)
    assert seen.request_id == "***"
    assert "Wrong key Bearer *** for https://b/i.png?..." in seen.message
    server.answer(Reply(200, {"message": words, "n": "\\u0041"}))
    with pytest.raises(VeoUnknownSubmitError, match=r"Bearer \*\*\* for https://b/i\.png\?\.\.\.") as caught:
        VeoHook(conn_id).submit(REQUEST)
    assert "s3cret" not in str(caught.value)


def test_a_signed_link_is_in_no_repr(server: RawServer, conn_id: str) -> None:
    server.answer(Reply(200, {"status": "succeeded", "url": f"{LINK}?X-Sig=secret"}))
    assert "secret" not in repr(VeoHook(conn_id).get_generation("abc"))
