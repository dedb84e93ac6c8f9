# SPDX-License-Identifier: Apache-2.0
"""Videos on their way to Google's and Microsoft's stores: what is stored, and what isn't."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from airflow.sdk import ObjectStoragePath
from azure.core.exceptions import HttpResponseError

from tests.stores.emulators import Store
from tests.support.processes import ROOT
from tests.unit.transfers.fakes import FakeHook, FakeTask, Interrupted, breaks, movie, run
from veo_provider.exceptions import VeoDestinationError, VeoNetworkError, VeoStorageError
from veo_provider.simulator import Simulator
from veo_provider.transfers import object_storage
from veo_provider.transfers.object_storage import ObjectStorageDestination
from veo_provider.transfers.stored import PART
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

SIZES = [100_000, PART, 2 * PART + 12345]


def transfer(dst: str, **arguments: Any) -> VeoToObjectStorageOperator:
    given = {"task_id": "store", "generation_id": "task_1", "dst": dst, "write_poster": False, **arguments}
    return VeoToObjectStorageOperator(**given)


@pytest.mark.parametrize("way", ["link", "inline"])
def test_from_the_gateway(
    there: Store, root: str, simulator: Simulator, generate: Callable[..., str], way: str
) -> None:
    generation_id = generate(f"a boat sim:{way} sim:size_mb=20", sample_count=2)
    arguments = {"generation_id": generation_id, "write_manifest": True, "write_poster": True}
    uris, facts = run(transfer(f"{root}/day 1/boat.mp4", **arguments))
    assert uris == [f"{there.scheme}://films/day 1/boat-{index}.mp4" for index in (0, 1)]
    suffixes = ("", ".manifest.json", ".poster.jpg", ".veo.json")
    assert there.names() == [f"day 1/boat-{index}.mp4{suffix}" for index in (0, 1) for suffix in suffixes]
    for index, uri, fact in zip((0, 1), uris, facts, strict=True):
        video, name = simulator.video(generation_id, index), f"day 1/boat-{index}.mp4"
        assert len(video) == 20_000_000
        assert there.read(name) == video
        expected = {"size": len(video), "sha256": hashlib.sha256(video).hexdigest(), "content_type": "video/mp4"}
        assert {key: fact[key] for key in expected} == expected
        sidecar = json.loads(there.read(f"{name}.veo.json"))
        assert {key: sidecar[key] for key in expected} == expected
        assert json.loads(there.read(f"{name}.manifest.json"))["uri"] == uri
        assert there.read(f"{name}.poster.jpg")[:3] == b"\xff\xd8\xff"
        kinds = [there.content_type(f"{name}{suffix}") for suffix in suffixes]
        assert kinds == ["video/mp4", "application/json", "image/jpeg", "application/json"]


@pytest.mark.parametrize("size", SIZES)
def test_a_retry_stores_nothing_again(there: Store, root: str, size: int) -> None:
    hook = FakeHook([movie(size)])
    first = run(transfer(f"{root}/a.mp4"), hook)
    assert there.read("a.mp4") == movie(size)
    assert run(transfer(f"{root}/a.mp4"), hook) == first
    assert len(hook.opened) == 1


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("error", [VeoNetworkError("gone"), Interrupted()], ids=type)
def test_a_broken_video_leaves_nothing(there: Store, root: str, size: int, error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(transfer(f"{root}/a.mp4"), FakeHook([movie(size)], breaks(error)))
    assert there.names() == []
    run(transfer(f"{root}/a.mp4"), FakeHook([movie(size)]))
    assert there.read("a.mp4") == movie(size)


def test_what_was_there_survives(there: Store, root: str) -> None:
    there.put("a.mp4", b"a stranger's")
    with pytest.raises(VeoDestinationError, match=f"{there.scheme}://films/a.mp4"):
        run(transfer(f"{root}/a.mp4"), FakeHook())
    with pytest.raises(VeoNetworkError):
        run(transfer(f"{root}/a.mp4", overwrite=True), FakeHook([movie(SIZES[-1])], breaks(VeoNetworkError("gone"))))
    assert (there.names(), there.read("a.mp4")) == (["a.mp4"], b"a stranger's")
    run(transfer(f"{root}/a.mp4", overwrite=True), FakeHook([movie(SIZES[-1])]))
    assert there.read("a.mp4") == movie(SIZES[-1])


def test_after_a_clear_the_new_video_takes_its_place(there: Store, root: str) -> None:
    run(transfer(f"{root}/a.mp4"), FakeHook())
    run(transfer(f"{root}/a.mp4", generation_id="task_2"), FakeHook([movie(2000, seed=1)]))
    assert there.read("a.mp4") == movie(2000, seed=1)
    with pytest.raises(VeoDestinationError, match="task_2"):
        run(transfer(f"{root}/a.mp4", generation_id="task_3"), FakeHook(), FakeTask(task_id="another"))


def test_what_the_store_cut_is_removed(there: Store, root: str, monkeypatch: pytest.MonkeyPatch) -> None:
    real = ObjectStorageDestination._check

    def check(*arguments: Any) -> None:
        there.put("a.mp4", there.read("a.mp4")[:-7])
        real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStorageDestination, "_check", check)
        with pytest.raises(VeoStorageError, match=r"which was removed"):
            run(transfer(f"{root}/a.mp4"), FakeHook([movie(PART + 1000)]))
    assert there.names() == []


def test_of_two_at_once_none_is_mixed(there: Store, root: str) -> None:
    path, size = ObjectStoragePath(f"{root}/a.mp4"), PART + 1
    # On Azure what has come belongs to the name, not to a writer: the first one to end takes it away from the other.
    fails: Any = pytest.raises(HttpResponseError) if there.scheme == "abfs" else nullcontext()
    with fails, object_storage._uploaded(path, "video/mp4") as one:
        one.write(b"1" * size)
        with object_storage._uploaded(path, "video/mp4") as two:
            two.write(b"2" * size)
        assert there.read("a.mp4") == b"2" * size
    assert there.read("a.mp4") == (b"2" if there.scheme == "abfs" else b"1") * size


def test_memory_stays_flat(there: Store, root: str, generate: Callable[..., str]) -> None:
    ids = [generate(f"a boat sim:link sim:size_mb={size}") for size in (1, 100)]
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.transfers.measure", root, *ids],
        cwd=ROOT,
        env=os.environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    measured = json.loads(done.stdout.splitlines()[-1])
    assert measured["size"] >= 100 * 10**6
    assert measured["growth"] < 60, measured
    sys.stdout.write(f"{there.scheme}: {measured}\n")
