# SPDX-License-Identifier: Apache-2.0
"""A gateway, a task instance and videos, as the transfers see them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.support.boxes import HEADERS, mp4
from tests.support.inside import OutletEventAccessors
from veo_provider.api.result import VideoStream
from veo_provider.exceptions import VeoError
from veo_provider.raising import error_for


class Interrupted(BaseException):
    """As Airflow's timeout and its end of a task are."""


def movie(size: int, seed: int = 0) -> bytes:
    """An MP4 of that many bytes, different for every seed."""
    block = hashlib.sha256(str(seed).encode()).digest()
    return mp4((block * (size // len(block) + 1))[: size - HEADERS])


def stream_of(
    content: bytes, *, breaks_after: int | None = None, error: BaseException | None = None, max_bytes: int = 2**31
) -> VideoStream:
    """A video that comes in small pieces, as from a socket, and may break off."""

    def chunks() -> Iterator[bytes]:
        piece = min(65536, len(content) // 4)
        for start in range(0, len(content), piece):
            if error and start >= (breaks_after or 0):
                raise error
            yield content[start : start + piece]

    return VideoStream(
        chunks(),
        content_type="application/octet-stream",
        max_bytes=max_bytes,
        close=lambda: None,
        size_hint=len(content),
        error=error_for,
    )


def breaks(error: BaseException) -> Callable[[bytes], VideoStream]:
    """Make streams that raise when half of the video has come."""
    return lambda content: stream_of(content, breaks_after=len(content) // 2, error=error)


@dataclass
class FakeHook:
    """
    A gateway with one finished generation.

    :param videos: their bytes.
    :param make: makes a stream of a video, to break it.
    :param gone: what is raised instead of a generation.
    """

    videos: Sequence[bytes] = (movie(1000),)
    make: Callable[[bytes], VideoStream] = stream_of
    gone: VeoError | None = None
    opened: list[tuple[str, int, int]] = field(default_factory=list)
    closed: bool = False

    def close(self) -> None:
        self.closed = True

    def get_finished(self, generation_id: str) -> Any:
        if self.gone:
            raise self.gone
        return SimpleNamespace(generation_id=generation_id, videos=tuple(self.videos))

    def open_video(self, generation_id: str, index: int = 0, *, max_bytes: int, known: Any = None) -> VideoStream:
        self.opened.append((generation_id, index, max_bytes))
        return self.make(self.videos[index])


@dataclass
class FakeTask:
    """The part of a task instance that a transfer uses."""

    dag_id: str = "films"
    task_id: str = "store"
    run_id: str = "scheduled__2026-01-02T00:00:00+00:00"
    map_index: int | None = -1
    xcoms: dict[str, Any] = field(default_factory=dict)
    others: dict[tuple[str, int], Any] = field(default_factory=dict)
    """The XComs ``veo_generation`` of other tasks, by task id and map index."""
    pulls: list[Any] = field(default_factory=list)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: list[str], key: str, map_indexes: list[int] | None = None) -> list[Any]:
        assert key == "veo_generation"
        self.pulls.append(map_indexes)
        return [
            value
            for (task_id, index), value in self.others.items()
            if task_id in task_ids and (map_indexes is None or index in map_indexes)
        ]


def context_of(ti: FakeTask | None = None) -> Any:
    return {"ti": ti or FakeTask(), "outlet_events": OutletEventAccessors()}


def run(operator: Any, hook: Any = None, ti: FakeTask | None = None) -> tuple[list[str], list[Mapping[str, Any]]]:
    """Execute a transfer; return what it returns, and the XCom ``veo_videos``."""
    if hook is not None:
        operator.hook = hook
    ti = ti or FakeTask()
    return operator.execute(context_of(ti)), ti.xcoms["veo_videos"]
