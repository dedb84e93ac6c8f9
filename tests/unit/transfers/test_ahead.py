# SPDX-License-Identifier: Apache-2.0
"""The source is read in a thread of its own: what comes out is the same, and nobody waits for nobody."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.transfers.fakes import Interrupted, movie, stream_of
from veo_provider.api.result import VideoStream
from veo_provider.transfers.ahead import BLOCKS, ReadAhead
from veo_provider.transfers.stored import CHUNK

LONG = movie(3 * BLOCKS * CHUNK)
PATIENCE = 30


class Source:
    """A video whose chunks are counted when they are asked for, and come when they may."""

    def __init__(self, video: bytes = LONG) -> None:
        self.video = video
        self.asked = 0
        self.asking = threading.Event()
        self.go = threading.Event()
        self.closed = threading.Event()
        self.go.set()

    def stream(self) -> VideoStream:
        limits: dict[str, Any] = {"content_type": "video/mp4", "max_bytes": 2**31, "size_hint": len(self.video)}
        return VideoStream(self._chunks(), close=self._close, **limits)

    def _close(self) -> None:
        threading.Event().wait(0.2)
        self.closed.set()

    def _chunks(self) -> Iterator[bytes]:
        for start in range(0, len(self.video), CHUNK):
            self.asked += 1
            self.asking.set()
            assert self.go.wait(PATIENCE)
            yield self.video[start : start + CHUNK]


@given(st.lists(st.integers(1, 200_000), min_size=1), st.integers(2000, 700_000))
def test_the_bytes_are_the_same_however_they_are_read(sizes: list[int], length: int) -> None:
    video = movie(length)
    whole = io.BytesIO(video)
    with ReadAhead(stream_of(video)) as source:
        for size in [*sizes, -1, 5, None]:
            assert source.read(size) == whole.read(size)
    assert (source.size, source.sha256) == (length, hashlib.sha256(video).hexdigest())


def wait_for(condition: Callable[[], bool]) -> None:
    waiting = threading.Event()
    for _ in range(PATIENCE * 100):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError


def test_it_reads_on_while_nobody_asks_but_not_for_ever() -> None:
    source = Source()
    with ReadAhead(source.stream()) as ahead:
        wait_for(lambda: source.asked >= BLOCKS)
        threading.Event().wait(0.2)
        assert source.asked == BLOCKS
        assert ahead.read(CHUNK) == LONG[:CHUNK]
        wait_for(lambda: source.asked > BLOCKS)
        assert ahead.read() == LONG[CHUNK:]
    assert source.closed.is_set()


@pytest.mark.parametrize("error", [OSError("broken"), Interrupted()])
def test_what_the_source_raises_is_raised_by_every_read(error: BaseException) -> None:
    with ReadAhead(stream_of(LONG, breaks_after=len(LONG) // 2, error=error)) as ahead:
        assert ahead.read(CHUNK) == LONG[:CHUNK]
        for _ in range(2):
            with pytest.raises(type(error)) as caught:
                ahead.read()
            assert caught.value is error


def test_the_end_is_not_told_before_it_was_looked_at() -> None:
    seen: list[str] = []

    def changed() -> None:
        seen.append(threading.current_thread().name)
        raise OSError("changed")

    with ReadAhead(stream_of(LONG), changed) as ahead:
        assert ahead.read(len(LONG)) == LONG
        for _ in range(2):
            with pytest.raises(OSError, match="changed"):
                ahead.read(1)
    # Where the video is stored: there Airflow's timeout can end it.
    assert seen == [threading.current_thread().name]


def test_whoever_leaves_does_not_wait_for_a_source_that_hangs() -> None:
    source = Source()
    source.go.clear()
    with ReadAhead(source.stream()):
        assert source.asking.wait(PATIENCE)
        # Nor does the end of the process wait for it.
        assert [one.daemon for one in threading.enumerate() if one.name == "veo-read-ahead"] == [True]
    assert not source.closed.is_set()
    source.go.set()
    # It is closed by who reads it, and nothing more is asked for.
    assert source.closed.wait(PATIENCE)
    assert source.asked == 1


def test_whoever_leaves_early_ends_a_reader_that_has_read_enough() -> None:
    source = Source()
    with ReadAhead(source.stream()):
        wait_for(lambda: source.asked >= BLOCKS)
    assert source.closed.wait(PATIENCE)
    assert source.asked == BLOCKS


def test_whoever_has_left_is_told_so() -> None:
    ahead = ReadAhead(stream_of(LONG))
    with ahead:
        ahead.read(CHUNK)
    with pytest.raises(ValueError, match="closed"):
        ahead.read(len(LONG))


def test_a_stream_that_is_closed_already_says_so() -> None:
    stream = stream_of(LONG)
    stream.close()
    with ReadAhead(stream) as ahead, pytest.raises(ValueError, match="closed"):
        ahead.read(1)


def test_nothing_comes_after_an_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    with ReadAhead(stream_of(LONG)) as ahead:
        ahead.read(CHUNK)
        with monkeypatch.context() as patch:
            # As Airflow's timeout may strike anywhere in it.
            patch.setattr(ReadAhead, "_fill", lambda _: (_ for _ in ()).throw(Interrupted()))
            with pytest.raises(Interrupted):
                ahead.read(CHUNK)
        with pytest.raises(Interrupted):
            ahead.read(CHUNK)


def test_a_thread_that_cannot_start_leaves_no_stream_open(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source()

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(RuntimeError, match="can't start"), ReadAhead(source.stream()):
        pass
    assert source.closed.is_set()


def test_an_interruption_right_after_the_start_ends_the_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Source()
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        real(thread)
        raise Interrupted

    monkeypatch.setattr(threading.Thread, "start", start)
    with pytest.raises(Interrupted), ReadAhead(source.stream()):
        pass
    assert source.closed.wait(PATIENCE)
