# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from tests.support.inside import attach
from tests.unit.transfers.fakes import FakeHook, FakeTask, Interrupted, breaks, movie, run
from veo_provider.exceptions import VeoDestinationError, VeoNetworkError, VeoValidationError
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

BROKEN = VeoNetworkError("broke off")


@pytest.fixture
def memory() -> Iterator[Any]:
    # A store that isn't local, and shows what is written before it is closed.
    fs = fsspec.filesystem("memory")
    attach("memory", fs=fs)
    fs.store.clear()
    yield fs
    fs.store.clear()


@pytest.fixture(params=["file", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path, memory: Any) -> str:
    return f"file://{tmp_path}/deep/films" if request.param == "file" else "memory:///films"


def transfer(dst: Any, **arguments: Any) -> VeoToObjectStorageOperator:
    return VeoToObjectStorageOperator(**{"task_id": "store", "generation_id": "task_1", "dst": dst, **arguments})


def names(place: str) -> list[str]:
    folder = ObjectStoragePath(place)
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def content(uri: str) -> bytes:
    path = ObjectStoragePath(uri)
    return bytes(path.fs.cat_file(path.path))


def test_a_video_and_its_sidecar(place: str) -> None:
    video = movie(3_000_000)
    (uri,), (facts,) = run(transfer(f"{place}/a.mp4"), FakeHook([video]))
    assert uri == f"{place}/a.mp4"
    assert content(uri) == video
    assert names(place) == ["a.mp4", "a.mp4.veo.json"]
    beside = json.loads(content(f"{uri}.veo.json"))
    assert beside == {
        "generation_id": "task_1",
        "index": 0,
        "count": 1,
        "dag_id": "films",
        "task_id": "store",
        "run_id": "scheduled__2026-01-02T00:00:00+00:00",
        "map_index": -1,
        "size": 3_000_000,
        "sha256": facts["sha256"],
        "content_type": "video/mp4",
    }


def test_a_path_object(tmp_path: Path) -> None:
    (uri,), _ = run(transfer(ObjectStoragePath(f"file://{tmp_path}") / "a.mp4"), FakeHook())
    assert uri == f"file://{tmp_path}/a.mp4"


def test_a_bare_absolute_path(tmp_path: Path) -> None:
    (uri,), _ = run(transfer(f"{tmp_path}/a.mp4"), FakeHook())
    assert uri == f"file://{tmp_path}/a.mp4"


@pytest.mark.parametrize("error", [BROKEN, Interrupted()])
def test_a_broken_stream_leaves_nothing(place: str, error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(transfer(f"{place}/a.mp4"), FakeHook([movie(3_000_000)], breaks(error)))
    assert names(place) == []


def test_the_predecessor_survives_a_broken_stream(place: str) -> None:
    run(transfer(f"{place}/a.mp4"), FakeHook())
    before = content(f"{place}/a.mp4.veo.json")
    with pytest.raises(VeoNetworkError):
        run(
            transfer(f"{place}/a.mp4", generation_id="task_2", overwrite=True),
            FakeHook([movie(3_000_000, 1)], breaks(BROKEN)),
        )
    assert names(place) == ["a.mp4", "a.mp4.veo.json"]
    assert content(f"{place}/a.mp4") == movie(1000)
    assert content(f"{place}/a.mp4.veo.json") == before


def test_a_video_that_is_there_is_known(place: str) -> None:
    _, first = run(transfer(f"{place}/a.mp4"), FakeHook())
    hook = FakeHook()
    _, second = run(transfer(f"{place}/a.mp4"), hook)
    assert (second, hook.opened) == (first, [])


@pytest.mark.parametrize("sidecar", [b"", b"{", b"[]", b"{}", None])
def test_a_file_without_a_good_sidecar_is_somebody_elses(tmp_path: Path, sidecar: bytes | None) -> None:
    run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())
    beside = tmp_path / "a.mp4.veo.json"
    beside.unlink() if sidecar is None else beside.write_bytes(sidecar)
    with pytest.raises(VeoDestinationError, match="isn't a video of this provider"):
        run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())


def test_a_crash_between_sidecar_and_video_is_mended_by_a_retry(tmp_path: Path) -> None:
    run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())
    (tmp_path / "a.mp4").unlink()
    run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())
    assert (tmp_path / "a.mp4").read_bytes() == movie(1000)


def test_a_cut_file_is_not_taken_for_the_video(tmp_path: Path) -> None:
    run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())
    (tmp_path / "a.mp4").write_bytes(movie(500))
    with pytest.raises(VeoDestinationError):
        run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())


def test_files_have_the_usual_rights(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook())
    finally:
        os.umask(mask)
    assert (tmp_path / "a.mp4").stat().st_mode & 0o777 == 0o644


def test_mapped_tasks_do_not_overwrite_each_other(tmp_path: Path) -> None:
    run(transfer(f"file://{tmp_path}/a.mp4"), FakeHook(), FakeTask(map_index=0))
    with pytest.raises(VeoDestinationError, match=r"map index 0.*ti\.map_index"):
        run(transfer(f"file://{tmp_path}/a.mp4", generation_id="task_2"), FakeHook(), FakeTask(map_index=1))


@pytest.mark.parametrize(
    ("dst", "words"),
    [
        (None, "dst must be a URI"),
        (" ", "dst must be a URI"),
        ("file:///data/", "dst must name an object, such as file:///data/clip.mp4"),
        ("file:///data/a.mp4.veo.json", "dst must not end with .veo.json"),
        ("data/a.mp4", "dst must be absolute"),
        ("file://data/a.mp4", "dst must be absolute"),
        ("nosuch://bucket/a.mp4", "nothing installed here writes nosuch://"),
    ],
)
def test_bad_places(dst: Any, words: str) -> None:
    with pytest.raises(VeoValidationError, match=words):
        run(transfer(dst), FakeHook())


def test_connections_are_templated() -> None:
    assert {"generation_id", "dst", "dst_conn_id", "veo_conn_id", "asset"} == set(transfer("file:///a").template_fields)
