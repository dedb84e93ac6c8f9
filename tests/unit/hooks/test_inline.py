# SPDX-License-Identifier: Apache-2.0
"""A video inside an answer: the end of its text is the end of the video, the end of the answer isn't."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator

import pytest

from tests.support.boxes import mp4
from tests.support.raw_server import RawServer, Reply, raw_server
from veo_provider.exceptions import VeoNetworkError
from veo_provider.hooks.veo import VeoHook

VIDEO = mp4(bytes(range(251)) * 400)
TAIL = b"\0\0\1"
Read = Callable[..., bytes]


@pytest.fixture
def server() -> Iterator[RawServer]:
    with raw_server() as running:
        yield running


@pytest.fixture
def read(server: RawServer, monkeypatch: pytest.MonkeyPatch) -> Read:
    """Read a video that a gateway sends inline; all that is asked of it first is the whole of it."""
    fields = {"conn_type": "veo", "host": server.url, "password": "sk-inline"}
    monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(fields))

    def reading(video: bytes, missing: int = 0, refusals: tuple[Reply, ...] = ()) -> bytes:
        url = f"data:video/mp4;base64,{base64.b64encode(video).decode()}"
        whole = Reply(200, {"task_id": "abc", "status": "succeeded", "url": url})
        # Its end is the connection's: no length tells that there was more.
        cut = Reply(200, whole.payload[: len(whole.payload) - missing], {"Connection": "close"}, 10**9, length=False)
        server.answer(whole, *refusals, cut)
        hook = VeoHook("veo_test")
        try:
            with hook.open_video("abc") as stream:
                return stream.read()
        finally:
            hook.close()

    return reading


def test_what_follows_a_video_is_no_cut_if_its_text_has_an_end(read: Read) -> None:
    assert read(VIDEO + TAIL) == VIDEO + TAIL


def test_an_answer_that_ends_behind_the_video_is_a_cut(read: Read) -> None:
    # Of the text behind the video there are 3 bytes, base64's 4 digits, a quote and a brace.
    with pytest.raises(VeoNetworkError, match="ended inside the video"):
        read(VIDEO + TAIL, missing=4)


def test_a_cut_file_that_the_gateway_stored_is_a_cut(read: Read) -> None:
    with pytest.raises(VeoNetworkError, match="but its mdat box goes on"):
        read(VIDEO[:-10])


def test_a_refusal_in_its_place_that_breaks_off_is_asked_again(read: Read, server: RawServer) -> None:
    assert read(VIDEO, refusals=(Reply(502, b"half of it", cut=4),)) == VIDEO
    assert len(server.requests) == 3
