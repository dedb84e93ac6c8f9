# SPDX-License-Identifier: Apache-2.0
"""A local file is there whole, or not at all, whatever happens while it is written."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from veo_provider.local_files import whole_file


def put(path: Path, data: bytes, *, exclusively: bool = False) -> None:
    with whole_file(str(path), exclusively=exclusively) as file:
        file.write(data)


@pytest.mark.parametrize("exclusively", [False, True])
def test_a_file_and_its_folders_are_made(exclusively: bool, tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "clip.mp4"
    put(path, b"whole", exclusively=exclusively)
    assert path.read_bytes() == b"whole"
    assert list(path.parent.iterdir()) == [path]


def test_what_is_there_is_replaced_or_stays(tmp_path: Path) -> None:
    path = tmp_path / "clip.mp4"
    put(path, b"first")
    with pytest.raises(FileExistsError):
        put(path, b"second", exclusively=True)
    assert path.read_bytes() == b"first"
    put(path, b"third")
    assert path.read_bytes() == b"third"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_whoever_dies_leaves_what_was_there(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def die(*_: object) -> None:
        raise KeyboardInterrupt

    path = tmp_path / "clip.mp4"
    put(path, b"before")
    monkeypatch.setattr(os, step, die)
    with pytest.raises(KeyboardInterrupt):
        put(path, b"after")
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_bytes_and_name_are_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """First the bytes, then the name, then the folder that holds it."""
    steps: list[str] = []

    def noting(name: str, real: Callable[..., object]) -> Callable[..., object]:
        def step(*args: object) -> object:
            kind = "folder" if name == "fsync" and stat.S_ISDIR(os.fstat(int(str(args[0]))).st_mode) else "file"
            steps.append(f"{name} {kind}")
            return real(*args)

        return step

    for name in ("fsync", "replace"):
        monkeypatch.setattr(os, name, noting(name, getattr(os, name)))
    put(tmp_path / "clip.mp4", b"data")
    assert steps == ["fsync file", "replace file", "fsync folder"]
