# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import pytest

from tests.unit.transfers.fakes import movie, stream_of
from veo_provider.transfers.stored import Marks, folder_of, media_type, name_for

MARKS = Marks("task_1", 0, 2, "films", "store", "manual__1", -1)


@pytest.mark.parametrize(
    ("pattern", "count", "names"),
    [
        ("videos/clip.mp4", 1, ["videos/clip.mp4"]),
        ("videos/clip.mp4", 2, ["videos/clip-0.mp4", "videos/clip-1.mp4"]),
        ("videos.d/clip", 2, ["videos.d/clip-0", "videos.d/clip-1"]),
        ("videos/{index}.mp4", 1, ["videos/0.mp4"]),
        ("{index}/clip-{index}.mp4", 2, ["0/clip-0.mp4", "1/clip-1.mp4"]),
        ("file:///data/v1.2/clip.mp4", 2, ["file:///data/v1.2/clip-0.mp4", "file:///data/v1.2/clip-1.mp4"]),
    ],
)
def test_names(pattern: str, count: int, names: list[str]) -> None:
    assert [name_for(pattern, index, count) for index in range(count)] == names


@pytest.mark.parametrize(
    ("uri", "folder"),
    [
        ("s3://bucket/videos/clip.mp4", "s3://bucket/videos"),
        ("s3://bucket/clip.mp4", "s3://bucket"),
        ("file:///data/clip.mp4", "file:///data"),
        ("file:///clip.mp4", "file:///"),
    ],
)
def test_folders(uri: str, folder: str) -> None:
    assert folder_of(uri) == folder


def test_marks_survive_a_store_that_knows_only_text() -> None:
    assert Marks.read({name: str(value) for name, value in MARKS.as_dict().items()}) == MARKS


@pytest.mark.parametrize("broken", [{}, {"generation_id": "task_1"}, {**MARKS.as_dict(), "index": "x"}])
def test_marks_of_somebody_else_are_none(broken: dict[str, object]) -> None:
    assert Marks.read(broken) is None


def test_whose_video_it_is() -> None:
    assert MARKS.same_video(replace(MARKS, task_id="other", run_id="other"))
    assert not MARKS.same_video(replace(MARKS, index=1))
    assert not MARKS.same_video(None)
    assert MARKS.same_task(replace(MARKS, generation_id="task_2", index=1, count=1))
    assert not MARKS.same_task(replace(MARKS, map_index=0))
    assert not MARKS.same_task(None)


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("video/webm", "video/webm"),
        ("Video/MP4; codecs=avc1", "video/mp4"),
        ("application/octet-stream", "video/mp4"),
        ("", "video/mp4"),
    ],
)
def test_media_types(told: str, meant: str) -> None:
    stream = stream_of(movie(100))
    stream.content_type = told
    assert media_type(stream) == meant
