# SPDX-License-Identifier: Apache-2.0
"""A store that keeps fewer bytes than it was given: what it kept is removed, and nothing else."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fsspec
import pytest
from airflow.providers.common.compat.sdk import ObjectStoragePath

from tests.support.inside import attach
from tests.unit.transfers.fakes import FakeHook, movie, run
from veo_provider.exceptions import VeoStorageError
from veo_provider.transfers.stored import CHUNK
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

VIDEO, LARGE = movie(1000), movie(2 * CHUNK + 500, 1)


@pytest.fixture(params=["file", "memory"])
def uri(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "file":
        yield f"file://{tmp_path}/a.mp4"
        return
    fs = fsspec.filesystem("memory")
    attach("memory", fs=fs)
    fs.store.clear()
    yield "memory:///films/a.mp4"
    fs.store.clear()


def transfer(uri: str, generation_id: str = "task_1", **arguments: Any) -> VeoToObjectStorageOperator:
    return VeoToObjectStorageOperator(task_id="store", generation_id=generation_id, dst=uri, **arguments)


def content(uri: str) -> bytes:
    path = ObjectStoragePath(uri)
    return bytes(path.fs.cat_file(path.path))


def left(uri: str) -> list[str]:
    return sorted(path.name for path in ObjectStoragePath(uri).parent.iterdir())


def keeping(monkeypatch: pytest.MonkeyPatch, uri: str, kept: dict[str, Any]) -> None:
    """Make the store change what appears under a name, by the name's suffix."""
    fs = ObjectStoragePath(uri).fs
    holder, name = (os, "replace") if uri.startswith("file") else (fs, "mv")
    real = getattr(holder, name)

    def move(source: str, target: str) -> None:
        real(source, target)
        for suffix, change in kept.items():
            if target.endswith(suffix):
                fs.pipe_file(target, change(fs.cat_file(target)))

    monkeypatch.setattr(holder, name, move)


@pytest.mark.parametrize("sidecar", [None, 0, 50])
@pytest.mark.parametrize("size", [0, 999, CHUNK, CHUNK + 7])
def test_what_a_store_cut_is_removed_and_a_retry_goes_on(
    uri: str, size: int, sidecar: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = VIDEO if size < len(VIDEO) else LARGE
    with monkeypatch.context() as patch:
        keeping(patch, uri, {".mp4": lambda data: data[:size], ".json": lambda data: data[:sidecar]})
        with pytest.raises(VeoStorageError, match=f"holds {size} bytes right after {len(video)} .* was removed"):
            run(transfer(uri), FakeHook([video]))
    assert left(uri) == []
    run(transfer(uri), FakeHook([video]))
    assert content(uri) == video


def test_what_was_to_be_replaced_is_gone_too(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    ObjectStoragePath(uri).parent.mkdir(exist_ok=True)
    ObjectStoragePath(uri).write_bytes(b"somebody else's")
    keeping(monkeypatch, uri, {".mp4": lambda data: data[:500]})
    with pytest.raises(VeoStorageError, match="was removed"):
        run(transfer(uri, overwrite=True), FakeHook([VIDEO]))
    assert left(uri) == []


@pytest.mark.parametrize("change", [lambda _: b"precious", lambda data: data + b"more", lambda _: VIDEO[:500] + b"!"])
def test_what_is_no_beginning_of_the_video_is_left(uri: str, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    keeping(monkeypatch, uri, {".mp4": change})
    with pytest.raises(VeoStorageError, match=r"It was left there: .* remove it"):
        run(transfer(uri), FakeHook([VIDEO]))
    assert content(uri) == change(VIDEO)


def test_what_cannot_be_removed_is_named(uri: str, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = ObjectStoragePath(uri).fs
    real = fs.rm_file

    def forbidden(path: str) -> None:
        if path.endswith("a.mp4"):
            raise PermissionError("no")
        real(path)

    keeping(monkeypatch, uri, {".mp4": lambda data: data[:500]})
    monkeypatch.setattr(fs, "rm_file", forbidden)
    with pytest.raises(VeoStorageError, match=r"a\.mp4 holds 500 bytes .* It was left there: .* remove it"):
        run(transfer(uri), FakeHook([VIDEO]))
    assert content(uri) == VIDEO[:500]
