# SPDX-License-Identifier: Apache-2.0
"""What the page says of a generation, out of the XComs of its tasks. DAG authors can write anything into those."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeGuard

State = Literal["waiting", "submitted", "succeeded", "filtered", "failed"]
MAX_TEXT = 4000
MAX_VIDEOS = 100
_ENDED = {"success", "failed", "upstream_failed", "skipped", "removed"}
_TEXTS = ("generation_id", "status", "reason", "message", "submitted_at", "ended_at")
_NUMBERS = ("videos", "filtered")
_REQUEST = (
    "prompt",
    "model",
    "duration_seconds",
    "aspect_ratio",
    "resolution",
    "sample_count",
    "generate_audio",
    "seed",
    "person_generation",
)

_MEDIA = ("seconds", "width", "height", "frame_rate", "audio")


@dataclass(frozen=True)
class TaskKey:
    """One task instance."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return asdict(self)


@dataclass(frozen=True)
class Video:
    """
    One stored video, as the task instance that stored it recorded it.

    :param owner: that task instance.
    :param uri: where it is.
    :param index: which of the generation's videos, from 0.
    :param size: bytes.
    :param content_type: media type.
    :param generation_id: the generation it belongs to.
    :param conn_id: Airflow's connection to the store.
    :param media: what the file really is, as far as somebody has looked.
    :param poster: whether its first picture is beside it.
    """

    owner: TaskKey
    uri: str
    index: int
    size: int
    content_type: str
    generation_id: str
    conn_id: str | None
    media: Mapping[str, Any]
    poster: bool

    def as_dict(self) -> dict[str, Any]:
        """Return what the page needs of it: no connection, and no URI, of which only the name is shown."""
        name = self.uri.rpartition("/")[2][:200]
        facts = {"index": self.index, "size": self.size, "name": name, "media": self.media, "poster": self.poster}
        return {**self.owner.as_dict(), **facts}


def read_json(value: Any) -> Any:
    """Return an XCom's value as JSON; what Airflow's own server has written is text."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value


def read_facts(value: Any) -> Mapping[str, Any]:
    """Return what an XCom ``veo_generation`` says; nothing, if it isn't a mapping."""
    facts = read_json(value)
    return facts if isinstance(facts, Mapping) else {}


def read_videos(owner: TaskKey, value: Any) -> Iterator[Video]:
    """
    Read an XCom ``veo_videos``; what isn't a video in it is left out.

    :param owner: whose XCom it is.
    :param value: its value.
    """
    value = read_json(value)
    for one in value[:MAX_VIDEOS] if isinstance(value, list) else []:
        if not isinstance(one, dict):
            continue
        uri, gid, conn_id, kind = (_text(one.get(name)) for name in ("uri", "generation_id", "conn_id", "content_type"))
        index, size = one.get("index"), one.get("size")
        if uri and "://" in uri and gid and _whole(index) and _whole(size):
            poster = isinstance(one.get("poster"), str)
            yield Video(owner, uri, index, size, kind or "", gid, conn_id, _media(one.get("media")), poster)


def describe(owner: TaskKey, value: Any, task_state: str | None, videos: list[Video]) -> dict[str, Any]:
    """
    Return what the page says of a generation.

    :param owner: the task instance whose XCom it is.
    :param value: the value of its XCom ``veo_generation``.
    :param task_state: the state of that task instance.
    :param videos: what was stored of it.
    """
    facts = read_facts(value)
    asked = facts.get("request")
    asked = asked if isinstance(asked, Mapping) else {}
    cost = facts.get("cost_usd")
    return {
        **owner.as_dict(),
        "state": state_of(facts, task_state, stored=bool(videos)),
        "task_state": task_state,
        **{name: _text(facts.get(name)) for name in _TEXTS},
        **{name: facts.get(name) if _whole(facts.get(name)) else None for name in _NUMBERS},
        "cost_usd": cost if _is_number(cost) else None,
        "request": {name: _plain(asked.get(name)) for name in _REQUEST if asked.get(name) is not None},
        "stored": [video.as_dict() for video in sorted(videos, key=lambda video: video.index)],
    }


def state_of(facts: Mapping[str, Any], task_state: str | None, *, stored: bool) -> State:
    """
    Return the state that a generation is in.

    :param facts: its XCom ``veo_generation``.
    :param task_state: the state of the task instance.
    :param stored: whether a video of it was stored.
    """
    reason = facts.get("reason")
    # A failed task that somebody has marked as a success has no video yet.
    if task_state == "success" and (stored or not reason):
        # With wait_for_completion=False a task succeeds as soon as it has submitted.
        return "succeeded" if stored or facts.get("videos") or facts.get("status") != "submitted" else "submitted"
    if reason == "content_policy":
        return "filtered"
    return "failed" if task_state in _ENDED else "waiting"


def states_of(facts: Mapping[str, Any], task_state: str | None) -> set[str]:
    """Return the states that a generation may be in before anybody has looked for its videos."""
    return {state_of(facts, task_state, stored=stored) for stored in (True, False)}


def _media(value: Any) -> Mapping[str, Any]:
    known = value if isinstance(value, Mapping) else {}
    return {name: _plain(known[name]) for name in _MEDIA if known.get(name) is not None}


def _whole(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**53


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _text(value: Any) -> str | None:
    return _sendable(value) if isinstance(value, str) else None


def _sendable(text: str) -> str:
    # JSON can name halves of characters, which no answer can hold.
    return text[:MAX_TEXT].encode(errors="replace").decode()


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool) or _is_number(value) else _sendable(str(value))
