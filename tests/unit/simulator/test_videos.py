# SPDX-License-Identifier: Apache-2.0
"""The videos are real ones, of what was asked for."""

from __future__ import annotations

import hashlib
import importlib.util
import io
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import av
import pytest

from tests.unit.simulator.caller import Caller, fetch
from veo_provider.simulator import Simulator, SimulatorOptions
from veo_provider.simulator.clips import ClipCache, default_cache_dir
from veo_provider.simulator.drawing import MissingDependency, Picture, draw
from veo_provider.simulator.mp4 import CHUNK, VideoFile

SMALL = Picture(seconds=1, width=64, height=48, audio=False, palette=0)


def probe(data: bytes) -> dict[str, Any]:
    with av.open(io.BytesIO(data), "r") as container:
        video = container.streams.video[0]
        frames = list(container.decode(video))
        return {
            "container": container.duration,
            "video": float((video.duration or 0) * (video.time_base or 0)),
            "size": (video.width, video.height),
            "codecs": sorted(stream.codec_context.name for stream in container.streams),
            "format": video.pix_fmt,
            "frames": len(frames),
        }


@pytest.mark.parametrize(
    ("seconds", "ratio", "resolution", "size"),
    [
        (4, "16:9", "720p", (1280, 720)),
        (6, "9:16", "720p", (720, 1280)),
        (8, "16:9", "1080p", (1920, 1080)),
        (4, "9:16", "1080p", (1080, 1920)),
    ],
)
def test_video_is_what_was_asked_for(
    caller: Caller, seconds: int, ratio: str, resolution: str, size: tuple[int, int]
) -> None:
    link = caller.run(
        model="veo-3.1-generate-preview",
        durationSeconds=seconds,
        aspectRatio=ratio,
        resolution=resolution,
        generateAudio=True,
    )["url"]
    facts = probe(fetch(link).content)
    assert facts == {
        "container": seconds * 1_000_000,
        "video": seconds,
        "size": size,
        "codecs": ["aac", "h264"],
        "format": "yuv420p",
        "frames": seconds * 24,
    }


@pytest.mark.parametrize(
    ("model", "audio", "codecs"),
    [
        ("veo-3.1-generate-preview", False, ["h264"]),
        ("veo-3.1-generate-preview", None, ["h264"]),
        ("veo-3.1-generate-preview", True, ["aac", "h264"]),
        ("veo-3.0-fast-generate-001", False, ["aac", "h264"]),
    ],
)
def test_sound(caller: Caller, model: str, audio: bool | None, codecs: list[str]) -> None:
    link = caller.run(model=model, generateAudio=audio)["url"]
    assert probe(fetch(link).content)["codecs"] == codecs


def test_a_video_that_is_not_what_was_asked_for(caller: Caller) -> None:
    link = caller.run(
        "A cat sim:made_seconds=2 sim:made_ratio=9:16 sim:made_resolution=720p sim:made_silent",
        model="veo-3.0-fast-generate-001",
        durationSeconds=4,
        aspectRatio="16:9",
        resolution="1080p",
    )["url"]
    facts = probe(fetch(link).content)
    assert (facts["video"], facts["size"], facts["codecs"]) == (2, (720, 1280), ["h264"])


def test_picture_moves(caller: Caller) -> None:
    with av.open(io.BytesIO(fetch(caller.run()["url"]).content), "r") as container:
        pictures = [bytes(frame.planes[0]) for frame in container.decode(video=0)]
    assert len(set(pictures)) == len(pictures) == 4 * 24


def test_index_is_in_front(caller: Caller) -> None:
    content = fetch(caller.run()["url"]).content
    assert content[4:8] == b"ftyp"
    assert content.index(b"moov") < content.index(b"mdat")


def test_prompt_and_seed_change_the_picture(caller: Caller) -> None:
    pictures = {
        hashlib.sha256(fetch(caller.run(prompt, seed=seed)["url"]).content[:50_000]).digest()
        for prompt, seed in (("a cat", 1), ("a dog", 1), ("a cat", 2), ("a cat sim:link", 1))
    }
    assert len(pictures) == 3


def test_padded_video_is_a_stream_and_still_a_video(caller: Caller) -> None:
    content = fetch(caller.run("sim:size_mb=5")["url"]).content
    assert len(content) == 5_000_000
    assert probe(content)["frames"] == 4 * 24


def test_any_part_of_a_video_is_the_part_of_the_whole(tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(bytes(range(256)) * 1000)
    video = VideoFile(clip, 256_000, "mark", 700_001)
    whole = b"".join(video.read())
    assert len(whole) == video.size == 700_001
    assert whole[:256_000] == clip.read_bytes()
    assert whole[256_004:256_012] == b"freemark"
    edges = (0, 1, 255_999, 256_000, 256_003, 256_009, 300_000, 2 * CHUNK, 700_000, 700_001)
    for start in edges:
        for end in edges:
            assert b"".join(video.read(start, end)) == whole[start:end]


def test_cache_is_shared_and_whole(tmp_path: Path) -> None:
    caches = [ClipCache(tmp_path) for _ in range(3)]
    with ThreadPoolExecutor() as pool:
        paths = set(pool.map(lambda cache: cache.clip(SMALL).result(20), caches))
    for cache in caches:
        cache.close()
    assert [path.name for path in paths] == [path.name for path in tmp_path.iterdir()]
    assert probe(paths.pop().read_bytes())["frames"] == 24


def test_cached_clip_is_not_drawn_again(tmp_path: Path) -> None:
    (tmp_path / SMALL.file_name).write_bytes(b"kept")
    cache = ClipCache(tmp_path)
    assert cache.clip(SMALL).result(0).read_bytes() == b"kept"
    cache.close()


def test_drawing_ends_with_the_simulator_and_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(InterruptedError):
        draw(SMALL, tmp_path / "clip.mp4", lambda: False)
    long = Picture(seconds=600, width=640, height=480, audio=False, palette=0)
    folder = tmp_path / "cache"
    cache = ClipCache(folder)
    future = cache.clip(long)
    cache.close()
    assert future.cancelled() or isinstance(future.exception(), InterruptedError)
    assert not folder.exists() or not list(folder.iterdir())


def test_default_cache_is_the_users(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert default_cache_dir() == tmp_path / "veo-simulator"
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert default_cache_dir().name.startswith("veo-simulator-")


def test_missing_library_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingDependency, match=r"pip install 'airflow-provider-veo\[simulator\]'"):
        Simulator(SimulatorOptions()).start()


def test_drawing_that_fails_fails_the_generation(start: Any, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = start(cache_dir=tmp_path / "file").run()
    assert answer["status"] == "failed"
    assert "could not draw" in answer["error"]["message"]
