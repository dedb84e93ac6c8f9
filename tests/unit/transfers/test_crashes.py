# SPDX-License-Identifier: Apache-2.0
"""What is in the store after a crash, or after somebody else wrote there: whose it is, and what a retry makes of it."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from tests.support.inside import attach
from tests.support.processes import ROOT
from tests.unit.transfers import killed
from tests.unit.transfers.fakes import FakeHook, FakeTask, Interrupted, movie, run, stream_of
from veo_provider.api.result import VideoStream
from veo_provider.exceptions import VeoDestinationError, VeoResultGoneError, VeoStorageError
from veo_provider.transfers.stored import Marks
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

OLD, TWIN, OTHER = movie(1000), movie(1000, 1), movie(1500, 2)
PRECIOUS = b"p" * len(OLD)
NEW = pytest.mark.parametrize("new", [TWIN, OTHER], ids=["same size", "other size"])
NOT_OURS = "isn't a video of this provider"


@pytest.fixture
def memory() -> Iterator[Any]:
    fs = fsspec.filesystem("memory")
    attach("memory", fs=fs)
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path, memory: Any) -> str:
    return f"file://{tmp_path}/a.mp4" if request.param == "file" else "memory:///films/a.mp4"


def transfer(dst: str, generation_id: str = "task_1", **arguments: Any) -> VeoToObjectStorageOperator:
    return VeoToObjectStorageOperator(task_id="store", generation_id=generation_id, dst=dst, **arguments)


def content(uri: str) -> bytes:
    path = ObjectStoragePath(uri)
    return bytes(path.fs.cat_file(path.path))


def put(uri: str, data: bytes) -> None:
    path = ObjectStoragePath(uri)
    path.fs.pipe_file(path.path, data)


def mover(uri: str) -> tuple[Any, str]:
    """What makes a file appear: its holder and its name."""
    return (os, "replace") if uri.startswith("file") else (ObjectStoragePath(uri).fs, "mv")


def crash(uri: str, point: float, operator: Any, hook: FakeHook) -> None:
    """
    End a transfer in the middle.

    :param point: 0 before the sidecar, 1 between it and the video, 1.5 when both are there.
    """
    with pytest.MonkeyPatch.context() as patch:
        holder, name = mover(uri)
        real, calls = getattr(holder, name), iter(range(9))

        def move(*names: Any) -> None:
            number = next(calls)
            if number == point:
                raise Interrupted
            real(*names)
            if number == int(point):
                raise Interrupted

        patch.setattr(holder, name, move)
        with pytest.raises(Interrupted):
            run(operator, hook)


def stored(uri: str, generation_id: str, video: bytes, ti: FakeTask | None = None, **arguments: Any) -> int:
    """Run a transfer that must succeed with these bytes; return how many videos were fetched for that."""
    hook = FakeHook([video])
    _, (facts,) = run(transfer(uri, generation_id, **arguments), hook, ti)
    assert content(uri) == video
    assert (facts["generation_id"], facts["size"]) == (generation_id, len(video))
    assert facts["sha256"] == hashlib.sha256(video).hexdigest()
    return len(hook.opened)


def refused(uri: str, generation_id: str, words: str, ti: FakeTask | None = None) -> None:
    before = content(uri)
    hook = FakeHook([OTHER])
    with pytest.raises(VeoDestinationError, match=words):
        run(transfer(uri, generation_id), hook, ti)
    assert content(uri) == before
    assert hook.opened == []


@NEW
@pytest.mark.parametrize(("point", "fetched"), [(0, 1), (1, 1), (1.5, 0)])
def test_a_retry_after_a_crash_stores_the_new_video(uri: str, new: bytes, point: float, fetched: int) -> None:
    stored(uri, "task_1", OLD)
    crash(uri, point, transfer(uri, "task_2"), FakeHook([new]))
    assert content(uri) == (new if point > 1 else OLD)
    assert stored(uri, "task_2", new) == fetched
    assert stored(uri, "task_2", new) == 0


@pytest.mark.parametrize(("point", "fetched"), [(0, 1), (1, 1), (1.5, 0)])
def test_a_retry_after_a_crash_stores_the_first_video(uri: str, point: float, fetched: int) -> None:
    crash(uri, point, transfer(uri), FakeHook([OLD]))
    assert stored(uri, "task_1", OLD) == fetched


@pytest.mark.parametrize(("point", "fetched"), [(0, 1), (1, 1), (2, 0)])
def test_a_worker_that_is_killed(tmp_path: Path, point: int, fetched: int) -> None:
    uri = f"file://{tmp_path}/a.mp4"
    stored(uri, "task_1", OLD)
    arguments = [uri, "task_2", len(TWIN), 1, point]
    done = subprocess.run([sys.executable, "-m", killed.__name__, *map(str, arguments)], cwd=ROOT, check=False)
    assert done.returncode == killed.STATUS
    assert content(uri) == (TWIN if point == 2 else OLD)
    assert stored(uri, "task_2", TWIN) == fetched


def test_crash_upon_crash(uri: str) -> None:
    stored(uri, "task_1", OLD)
    for _ in range(3):
        crash(uri, 1, transfer(uri, "task_2"), FakeHook([TWIN]))
    crash(uri, 1, transfer(uri, "task_3"), FakeHook([OTHER]))
    beside = json.loads(content(f"{uri}.veo.json"))
    assert (beside["generation_id"], beside["replaces"]["generation_id"]) == ("task_3", "task_1")
    assert "replaces" not in beside["replaces"]
    assert stored(uri, "task_2", TWIN) == 1


@NEW
def test_the_old_video_keeps_its_owner_after_a_crash(uri: str, new: bytes) -> None:
    stored(uri, "task_1", OLD)
    crash(uri, 1, transfer(uri, "task_2"), FakeHook([new]))
    other = FakeTask(run_id="manual__2")
    refused(uri, "task_3", r"video 0 of generation task_1, stored by films\.store in scheduled", other)
    # Whoever wants the old video finds it.
    assert stored(uri, "task_1", OLD, other) == 0


def test_what_the_gateway_forgot_is_not_the_old_video(uri: str) -> None:
    stored(uri, "task_1", OLD)
    crash(uri, 1, transfer(uri, "task_2"), FakeHook([TWIN]))
    gone = VeoResultGoneError("gone", generation_id="task_2")
    with pytest.raises(VeoResultGoneError):
        run(transfer(uri, "task_2"), FakeHook(gone=gone))


def test_somebody_elses_file_is_theirs_after_a_crash_too(uri: str) -> None:
    put(uri, PRECIOUS)
    crash(uri, 1, transfer(uri, overwrite=True), FakeHook([OLD]))
    refused(uri, "task_1", NOT_OURS)
    assert stored(uri, "task_1", OLD, overwrite=True) == 1


@pytest.mark.parametrize("point", [1, 1.5])
def test_what_somebody_put_there_after_a_crash_is_theirs(uri: str, point: float) -> None:
    crash(uri, point, transfer(uri), FakeHook([OLD]))
    put(uri, PRECIOUS)
    refused(uri, "task_1", NOT_OURS)
    refused(uri, "task_2", NOT_OURS)


def test_other_bytes_of_the_same_size_are_not_the_video(uri: str) -> None:
    stored(uri, "task_1", OLD)
    put(uri, PRECIOUS)
    refused(uri, "task_1", NOT_OURS)
    refused(uri, "task_2", NOT_OURS)
    with pytest.raises(VeoResultGoneError):
        run(transfer(uri), FakeHook(gone=VeoResultGoneError("gone")))
    assert stored(uri, "task_1", OLD, overwrite=True) == 1


INSIDE = json.dumps({"replaces": Marks("task_1", 0, 1, "films", "store", "manual__1", -1).as_dict()}).encode()
THEIRS = pytest.mark.parametrize(
    "theirs", [b"", b"{", b"[]", b"{}", b'{"generation_id": "task_1"}', b"\xff\xfe", INSIDE]
)


@THEIRS
def test_somebody_elses_file_in_the_sidecars_place_is_theirs(uri: str, theirs: bytes) -> None:
    beside, hook = f"{uri}.veo.json", FakeHook([OLD])
    put(beside, theirs)
    with pytest.raises(VeoDestinationError, match=r"a\.mp4\.veo\.json holds something that isn't .* overwrite=True"):
        run(transfer(uri), hook)
    assert (content(beside), hook.opened) == (theirs, [])
    assert not ObjectStoragePath(uri).exists()
    assert stored(uri, "task_1", OLD, overwrite=True) == 1
    assert stored(uri, "task_1", OLD) == 0


def test_a_folder_in_the_sidecars_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.mp4.veo.json").mkdir()
    with pytest.raises(VeoDestinationError, match=r"a\.mp4\.veo\.json holds something"):
        run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook([OLD]))


@THEIRS
def test_what_another_puts_in_the_sidecars_place_in_the_meantime_survives(uri: str, theirs: bytes) -> None:
    def slowly(video: bytes) -> VideoStream:
        put(f"{uri}.veo.json", theirs)
        return stream_of(video)

    with pytest.raises(VeoStorageError, match=r"a\.mp4 changed while the video was on its way"):
        run(transfer(uri), FakeHook([OLD], slowly))
    assert content(f"{uri}.veo.json") == theirs
    assert not ObjectStoragePath(uri).exists()


def test_a_store_that_moves_nothing_onto_what_is_there(memory: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = "memory:///films/a.mp4"
    stored(uri, "task_1", OLD)
    monkeypatch.setattr(memory, "mv", lambda *_: None)
    with pytest.raises(VeoStorageError, match="another video"):
        run(transfer(uri, "task_2"), FakeHook([TWIN]))
    assert content(uri) == OLD


@pytest.mark.parametrize("theirs", [b"precious", PRECIOUS], ids=["other size", "same size"])
def test_what_another_writes_in_the_meantime_survives(uri: str, theirs: bytes) -> None:
    def slowly(video: bytes) -> VideoStream:
        put(uri, theirs)
        return stream_of(video)

    with pytest.raises(VeoStorageError, match="while the video was on its way"):
        run(transfer(uri), FakeHook([OLD], slowly))
    assert content(uri) == theirs
    refused(uri, "task_1", NOT_OURS)
    assert stored(uri, "task_1", OLD, overwrite=True) == 1


def test_two_tries_at_once_store_the_same_video(uri: str) -> None:
    def slowly(video: bytes) -> VideoStream:
        stored(uri, "task_1", OLD)
        return stream_of(video)

    run(transfer(uri), FakeHook([OLD], slowly))
    assert stored(uri, "task_1", OLD) == 0


@pytest.mark.parametrize(("theirs", "held"), [(b"precious", "8 bytes"), (None, "nothing")])
def test_what_another_does_right_afterwards_stays(uri: str, theirs: bytes | None, held: str) -> None:
    path = ObjectStoragePath(uri)
    with pytest.MonkeyPatch.context() as patch:
        holder, name = mover(uri)
        real = getattr(holder, name)

        def then_another(source: str, target: str) -> None:
            real(source, target)
            if target == path.path:
                path.fs.rm_file(target) if theirs is None else path.fs.pipe_file(target, theirs)

        patch.setattr(holder, name, then_another)
        with pytest.raises(VeoStorageError, match=f"holds {held} right after 1000 bytes were stored"):
            run(transfer(uri), FakeHook([OLD]))
    if theirs:
        assert content(uri) == theirs
        refused(uri, "task_1", NOT_OURS)
    else:
        assert stored(uri, "task_1", OLD) == 1
