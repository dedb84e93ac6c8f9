# SPDX-License-Identifier: Apache-2.0
"""Stores without a browser: other filesystems, a store that hangs or fails, records that are no records."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import fsspec
import pytest

from tests.support.inside import attach
from tests.support.raw_server import Reply, raw_server
from veo_provider.transfers.stored import Marks
from veo_provider.ui import serving, stores
from veo_provider.ui.facts import TaskKey, Video, describe, read_videos, state_of
from veo_provider.ui.lanes import Silent
from veo_provider.ui.serving import Server
from veo_provider.ui.stores import Bytes, Link, NotThere, Unreachable, open_video

OWNER = TaskKey("d", "r", "t", -1)
MARKS = Marks("g", 0, 1, "d", "t", "r", -1).as_dict()


def video(uri: str, **more: Any) -> Video:
    values: dict[str, Any] = {"index": 0, "size": 3, "content_type": "video/mp4", "generation_id": "g", "conn_id": None}
    values |= {"media": {}, "poster": True}
    return Video(OWNER, uri, **values | more)


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A store that is neither S3 nor a folder, and needs no connection."""
    monkeypatch.setenv("AIRFLOW__VEO__UI_OWN_CREDENTIALS", "True")
    fs = fsspec.filesystem("memory")
    attach("memory", fs=fs)
    fs.pipe_file("/films/a.mp4", b"0123456789")
    fs.pipe_file("/films/a.mp4.veo.json", json.dumps(MARKS).encode())
    yield fs
    fs.store.clear()


def test_another_store_by_range(memory: Any) -> None:
    opened = open_video(video("memory://films/a.mp4"))
    assert isinstance(opened, Bytes)
    assert (opened.size, opened.read(3, 4), opened.read(0, 2)) == (10, b"3456", b"01")
    opened.close()


def test_its_poster(memory: Any) -> None:
    with pytest.raises(NotThere):
        open_video(video("memory://films/a.mp4"), poster=True)
    memory.pipe_file("/films/a.mp4.poster.jpg", b"a picture")
    opened = open_video(video("memory://films/a.mp4"), poster=True)
    assert isinstance(opened, Bytes)
    assert (opened.kind, opened.read(0, 99)) == ("image/jpeg", b"a picture")
    # What isn't that video has no poster either.
    with pytest.raises(NotThere):
        open_video(video("memory://films/a.mp4", generation_id="other"), poster=True)


def test_only_by_a_connection_to_such_a_store(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_FILES", '{"conn_type": "fs"}')
    monkeypatch.setenv("AIRFLOW_CONN_GOOGLE", '{"conn_type": "google_cloud_platform"}')
    for named in ("gone", "files", "google"):
        attach("memory", named, fs=memory)
        attach("gs", named, fs=memory)
        attach("abfs", named, fs=memory)
    shown: list[tuple[str, str | None]] = [("memory:", "files"), ("gs:", "google"), ("memory:", None)]
    for uri, conn_id in shown:
        assert isinstance(open_video(video(f"{uri}//films/a.mp4", conn_id=conn_id)), Bytes)
    monkeypatch.setenv("AIRFLOW__VEO__UI_OWN_CREDENTIALS", "False")
    refused: list[tuple[str, str | None]] = [("memory:", "gone"), ("gs:", "files"), ("memory:", None), ("memory:", "")]
    refused.append(("abfs:", "google"))
    for uri, conn_id in refused:
        with pytest.raises(NotThere):
            open_video(video(f"{uri}//films/a.mp4", conn_id=conn_id))


@pytest.mark.parametrize(
    "sidecar",
    [
        None,
        b"",
        b"no json",
        b"[]",
        json.dumps(MARKS | {"index": 1}).encode(),
        json.dumps(MARKS | {"index": float("inf")}).encode(),
        json.dumps(MARKS)[:-1].encode(),
        b" " * 70_000 + json.dumps(MARKS).encode(),
    ],
    ids=["none", "empty", "no json", "a list", "another", "no number", "broken off", "too large"],
)
def test_only_what_is_marked(sidecar: bytes | None, memory: Any) -> None:
    if sidecar is None:
        memory.rm("/films/a.mp4.veo.json")
    else:
        memory.pipe_file("/films/a.mp4.veo.json", sidecar)
    with pytest.raises(NotThere):
        open_video(video("memory://films/a.mp4"))


@pytest.mark.parametrize(
    "scheme", ["FILE", "File", " file", "simplecache::file", "filecache::local", "zip://x::file", "LOCAL", ""]
)
def test_no_other_name_leads_to_files(scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"0123")
    (tmp_path / "a.mp4.veo.json").write_text(json.dumps(MARKS))
    with pytest.raises(NotThere):
        open_video(video(f"{scheme}://{tmp_path}/a.mp4"))
    # The very same file, where it may be shown.
    monkeypatch.setenv("AIRFLOW__VEO__UI_FOLDERS", str(tmp_path))
    opened = open_video(video(f"file://{tmp_path}/a.mp4"))
    assert isinstance(opened, Bytes)
    assert opened.read(0, 9) == b"0123"


@pytest.fixture
def shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that may be shown, with a video in it, beside one that mustn't be, with a file of the same name."""
    for folder, content in (("shown/films", b"0123"), ("hidden", b"secret")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / "a.mp4").write_bytes(content)
        (tmp_path / folder / "a.mp4.veo.json").write_text(json.dumps(MARKS))
    monkeypatch.setenv("AIRFLOW__VEO__UI_FOLDERS", str(tmp_path / "shown"))
    return tmp_path / "shown"


def test_a_folder_that_becomes_a_link_after_it_was_looked_at(shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.path.realpath

    def swapped(path: str) -> str:
        found = real(path)
        if found.endswith("a.mp4"):
            (shown / "films").rename(shown / "away")
            (shown / "films").symlink_to(shown.parent / "hidden")
        return found

    monkeypatch.setattr(os.path, "realpath", swapped)
    with pytest.raises(NotThere):
        open_video(video(f"file://{shown}/films/a.mp4"))


def test_a_folder_that_is_swapped_once_its_marks_were_read(shown: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = stores._check

    def checked(*args: Any) -> None:
        real(*args)
        (shown / "films").rename(shown / "away")
        (shown / "films").symlink_to(shown.parent / "hidden")

    monkeypatch.setattr(stores, "_check", checked)
    opened = open_video(video(f"file://{shown}/films/a.mp4"))
    assert isinstance(opened, Bytes)
    assert opened.read(0, 9) == b"0123"


@pytest.mark.parametrize("uri", ["/..", "/../hidden/a.mp4", "", "/films", "/films/none.mp4", "/none/a.mp4"])
def test_what_is_no_video_below_the_folder(uri: str, shown: Path) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(NotThere):
        open_video(video(f"file://{shown}{uri}"))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("folders", [None, "", " ", ",", "/nonexistent,", "/nonexistent, ,", ".", "films"])
def test_no_name_is_no_folder(folders: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "films").mkdir()
    (tmp_path / "films" / "a.mp4").write_bytes(b"0123")
    (tmp_path / "films" / "a.mp4.veo.json").write_text(json.dumps(MARKS))
    monkeypatch.chdir(tmp_path)
    if folders is not None:
        monkeypatch.setenv("AIRFLOW__VEO__UI_FOLDERS", folders)
    with pytest.raises(NotThere):
        open_video(video(f"file://{tmp_path}/films/a.mp4"))


@pytest.mark.parametrize("uri", ["file:///x\0.mp4", "gs://[/x", "nothing://x/y", "file://", "file:///", "file:////etc"])
def test_uris_that_lead_nowhere(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__UI_FOLDERS", "/,/tmp")
    with pytest.raises(NotThere):
        open_video(video(uri))


def test_one_answer_of_s3_that_is_lost_fails_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    marked = Reply(headers={f"x-amz-meta-veo-{name.replace('_', '-')}": str(value) for name, value in MARKS.items()})
    with raw_server() as server:
        connection = {"conn_type": "aws", "login": "a", "password": "b", "extra": {"endpoint_url": server.url}}
        monkeypatch.setenv("AIRFLOW_CONN_S3_SLOW", json.dumps(connection))
        server.answer(Reply(reset=True), marked)
        assert isinstance(open_video(video("s3://films/a.mp4", conn_id="s3_slow")), Link)
        server.answer(Reply(reset=True), Reply(reset=True), marked)
        with pytest.raises(Unreachable):
            open_video(video("s3://films/a.mp4", conn_id="s3_slow"))


async def test_a_store_that_hangs_costs_one_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(serving, "TO_OPEN", 0.0)
    monkeypatch.setattr(serving, "open_video", lambda _, **__: go.wait(30))
    server = Server(width=1, seconds=0.1)
    assert (await server.serve(video("s3://hangs/a.mp4"), None)).status_code == 502
    # The store isn't asked again, and its thread is the only one that waits.
    assert (await server.serve(video("s3://hangs/b.mp4"), None)).body == b"Its store did not answer a moment ago"
    assert (await server.serve(video("s3://other/a.mp4"), None)).body == b"Too many videos are being opened"
    go.set()


async def test_a_store_that_hangs_leaves_threads_for_others(monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()

    def opened(one: Video, **_: Any) -> Bytes:
        if one.conn_id == "hangs":
            go.wait(30)
        raise NotThere("gone")

    monkeypatch.setattr(serving, "open_video", opened)
    monkeypatch.setattr(serving, "TO_OPEN", 0.0, raising=False)
    server = Server(seconds=2)
    # All buckets of a connection hang together.
    hanging = [server.serve(video(f"s3://bucket-{number}/a.mp4", conn_id="hangs"), None) for number in range(20)]
    assert {response.status_code for response in await asyncio.gather(*hanging)} == {502, 503}
    assert (await server.serve(video("s3://bucket-0/a.mp4"), None)).status_code == 404
    go.set()


async def test_more_videos_than_threads_are_all_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_: Video, **__: Any) -> None:
        time.sleep(0.02)
        raise NotThere("gone")

    monkeypatch.setattr(serving, "open_video", opened)
    monkeypatch.setattr(serving, "TO_OPEN", 60.0)
    server = Server()
    answers = await asyncio.gather(*(server.serve(video("s3://b/a"), None) for _ in range(24)))
    assert {one.status_code for one in answers} == {404}


@pytest.mark.parametrize("error", [KeyError("odd"), RuntimeError("a client's own")])
async def test_a_record_that_is_wrong_shuts_out_no_other(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    failures = [error, NotThere("gone")]

    def opened(_: Video, **__: Any) -> None:
        raise failures.pop(0)

    monkeypatch.setattr(serving, "open_video", opened)
    server = Server()
    assert [(await server.serve(video("s3://b/a"), None)).status_code for _ in range(2)] == [502, 404]


async def test_a_store_that_cannot_be_reached_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def opened(_: Video, **__: Any) -> None:
        raise Unreachable("EndpointConnectionError")

    monkeypatch.setattr(serving, "open_video", opened)
    server = Server()
    assert [(await server.serve(video("s3://b/a"), None)).status_code for _ in range(2)] == [502, 503]


@pytest.mark.parametrize("wanted", [None, "bytes=0-", "bytes=-5", "bytes=5-2"])
async def test_an_empty_video_is_all_of_it(wanted: str | None) -> None:
    response: Any = Server()._stream(Bytes("video/mp4", 0, lambda _, __: b"", lambda: None), wanted, "s")
    assert (response.status_code, response.headers["Content-Length"]) == (200, "0")
    assert [part async for part in response.body_iterator] == []


async def test_more_streams_than_threads_all_end(tmp_path: Path) -> None:
    size = 3 * serving.CHUNK
    server = Server(width=2)

    def slow(start: int, length: int) -> bytes:
        time.sleep(0.05)
        return bytes(length)

    async def whole() -> int:
        response: Any = server._stream(Bytes("video/mp4", size, slow, lambda: None), None, "s")
        return sum([len(part) async for part in response.body_iterator])

    assert await asyncio.gather(*(whole() for _ in range(8))) == [size] * 8


async def test_a_read_that_hangs_does_not_stop_the_loop_when_it_is_given_up() -> None:
    lock, go, closed = threading.Lock(), threading.Event(), threading.Event()

    def read(_: int, __: int) -> bytes:
        with lock:  # As a file's own.
            go.wait(30)
        return b""

    def close() -> None:
        with lock:
            closed.set()

    response: Any = Server(seconds=0.1)._stream(Bytes("video/mp4", 10, read, close), None, "s")
    with pytest.raises(Silent):
        [part async for part in response.body_iterator]
    assert not closed.is_set()
    go.set()
    assert await asyncio.to_thread(closed.wait, 30)


async def test_a_store_that_failed_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "veo_provider.ui.serving")
    monkeypatch.setattr(serving, "DOWN_SECONDS", 0.0)
    failures = [OSError("down"), NotThere("gone")]

    def opened(_: Video, **__: Any) -> None:
        raise failures.pop(0)

    monkeypatch.setattr(serving, "open_video", opened)
    server = Server()
    assert [(await server.serve(video("s3://b/a"), None)).status_code for _ in range(2)] == [502, 404]
    # Whoever asks isn't told why; whoever runs the server is.
    assert "isn't shown: gone" in caplog.text


async def test_a_video_that_has_become_shorter_breaks_off() -> None:
    closed: list[bool] = []
    opened = Bytes("video/mp4", 10, lambda start, _: b"01234" if start == 0 else b"", lambda: closed.append(True))
    response: Any = Server()._stream(opened, None, "s")
    with pytest.raises(ConnectionError):
        [part async for part in response.body_iterator]
    for _ in range(500):
        await asyncio.sleep(0 if closed else 0.01)
    assert closed == [True]


@pytest.mark.parametrize(("asked", "lives"), [("300", 300), ("5", 5), ("0", 1), ("100000", 900)])
def test_links_live_for_minutes(asked: str, lives: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__UI_LINK_SECONDS", asked)
    assert stores.link_seconds() == lives


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        "text",
        {"uri": "s3://b/k"},
        [None, 7, "x"],
        [{"uri": "no uri", "index": 0, "size": 1, "generation_id": "g"}],
        [{"uri": "s3://b/k", "index": True, "size": 1, "generation_id": "g"}],
        [{"uri": "s3://b/k", "index": 0, "size": -1, "generation_id": "g"}],
        [{"uri": "s3://b/k", "index": 0, "size": 1, "generation_id": 7}],
    ],
    ids=str,
)
def test_records_that_are_none(wrong: Any) -> None:
    assert list(read_videos(OWNER, wrong)) == []
    assert list(read_videos(OWNER, json.dumps(wrong))) == []


@pytest.mark.parametrize(
    "odd", [None, 7, "x", [], {"cost_usd": float("nan"), "request": 7, "prompt": 1, "videos": "2"}]
)
def test_facts_that_are_none_can_be_sent(odd: Any) -> None:
    said = describe(OWNER, odd, "running", [])
    assert json.loads(json.dumps(said, allow_nan=False)) == said
    assert (said["state"], said["cost_usd"], said["videos"]) == ("waiting", None, None)


@pytest.mark.parametrize(
    ("facts", "task_state", "stored", "state"),
    [
        ({}, None, False, "waiting"),
        ({"reason": "deadline"}, "up_for_retry", False, "waiting"),
        ({"reason": "deadline"}, "failed", False, "failed"),
        ({}, "upstream_failed", False, "failed"),
        ({"reason": "content_policy"}, "skipped", False, "filtered"),
        ({}, "skipped", False, "failed"),
        ({"status": "submitted"}, "success", False, "submitted"),
        ({"status": "submitted"}, "success", True, "succeeded"),
        ({"status": "submitted", "videos": 1}, "success", False, "succeeded"),
        ({"status": "done"}, "success", False, "succeeded"),
        # Marked as a success by hand: that makes no video.
        ({"status": "failed", "reason": "content_policy", "videos": 0}, "success", False, "filtered"),
        ({"status": "failed", "reason": "server", "videos": 0}, "success", False, "failed"),
        ({"status": "in_progress", "reason": "deadline"}, "success", False, "failed"),
        ({"status": "in_progress", "reason": "deadline"}, "success", True, "succeeded"),
    ],
)
def test_states(facts: dict[str, Any], task_state: str | None, stored: bool, state: str) -> None:
    assert state_of(facts, task_state, stored=stored) == state
