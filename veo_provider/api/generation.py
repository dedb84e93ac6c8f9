# SPDX-License-Identifier: Apache-2.0
"""An answer becomes one typed generation, whatever the gateway's dialect (contract, section 3)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from veo_provider.api.calls import Answer, Kind
from veo_provider.api.error_body import is_error, read_error_document
from veo_provider.api.errors import problem_of, request_id
from veo_provider.api.failures import failed_generation, filtered
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.text import mapping, printable

RUNNING = {"in_progress", "processing", "running"}
SUCCEEDED = {"succeeded", "success", "completed"}
FAILED = {"failed", "failure", "error", "cancelled", "canceled", "expired", "rejected"}
WAITING = {"pending", "submitted", "queued", "not_start", "unknown", "created", ""}
KNOWN = RUNNING | SUCCEEDED | FAILED | WAITING
# What AnswerScanner leaves of a data URI: its head, and a number in its payload's place.
_INLINE = re.compile(r"data:(?P<type>[^;,]*)(?:;[^,]*)?,#(?P<number>\d{1,6})")


MAX_FILTERED = 1000
"""More samples than any request has. A count from outside may be too large for Airflow to encode."""


class Phase(StrEnum):
    """Where a generation stands."""

    WAITING = "waiting"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    """The gateway is done; whether there is a video is another question."""
    FAILED = "failed"


@dataclass(frozen=True)
class Video:
    """
    Where the bytes of one video are.

    :param url: an absolute link, or a path on the gateway. It may be signed: never log it. Links die after
        hours to two days (contract, section 4).
    :param inline: for a video inside the answer: its number among the answer's payloads.
    :param content_type: media type where the answer names one.
    """

    url: str | None = field(default=None, repr=False)
    inline: int | None = None
    content_type: str = "video/mp4"


@dataclass(frozen=True)
class Generation:
    """
    What the gateway said of one generation.

    :param generation_id: the gateway's task id.
    :param phase: where it stands.
    :param status: the gateway's own word, in lower case.
    :param named: whether the answer names it: one that doesn't, and has no status, may be given to any id.
    :param known_status: whether the contract lists that word; an unlisted one counts as waiting.
    :param progress: percent, where given.
    :param videos: the videos, if it succeeded.
    :param missing: the samples, counted from 0, whose place in the list of videos is empty.
    :param filtered_count: samples that a safety filter removed.
    :param filtered_reasons: what the filter said.
    :param expired: the gateway says that the result is gone.
    :param failure: why it failed.
    """

    generation_id: str
    phase: Phase
    status: str
    named: bool = False
    known_status: bool = True
    progress: int | None = None
    videos: tuple[Video, ...] = ()
    missing: tuple[int, ...] = ()
    filtered_count: int = 0
    filtered_reasons: tuple[str, ...] = ()
    expired: bool = False
    failure: Problem | None = None

    @property
    def problem(self) -> Problem | None:
        """Why there will be no video; ``None`` while there may be one, or if there is."""
        if self.phase is Phase.FAILED:
            return self.failure
        if self.phase is not Phase.SUCCEEDED or self.videos:
            return None
        if self.filtered_count or self.filtered_reasons:
            return filtered(self.filtered_reasons, max(self.filtered_count, 1))
        if self.expired:
            return Problem(
                Reason.RESULT_GONE,
                "The gateway no longer holds this result: it was kept for some hours and not stored in time. "
                "It can only be generated anew",
            )
        return None

    @property
    def is_final(self) -> bool:
        """Whether another poll can't change anything that matters."""
        return bool(self.videos) or self.problem is not None


def read_generation(answer: Answer, generation_id: str) -> Generation | Problem:
    """
    Read the answer to a poll.

    :param answer: the gateway's answer; inline videos in it have been replaced by their number.
    :param generation_id: the id that was asked for.
    """
    if not 200 <= answer.status < 300:
        return problem_of(Kind.POLL, answer)
    document = answer.document
    if not isinstance(document, dict) or answer.truncated:
        problem = problem_of(Kind.POLL, answer)
        return replace(problem, reason=Reason.SERVER, transient=True)
    task = document
    if "data" in document and "status" not in document:
        if document["data"] is None and str(document.get("code")).lower() == "success":
            return Generation(generation_id, Phase.WAITING, "")
        if isinstance(document["data"], dict):
            task = document["data"]
    if "status" not in task and not _urls(task) and is_error(document):
        return problem_of(Kind.POLL, answer)
    named = _ids(document, task)
    # A number may be the row in the gateway's own table.
    others = [value for value in named if not value.isdecimal()]
    if others and generation_id not in named:
        return Problem(
            Reason.SERVER,
            f"The gateway was asked for generation {generation_id} and answered about {printable(others[0], 100)}",
            transient=True,
            status_code=answer.status,
            request_id=request_id(answer),
        )
    return replace(_read_task(task, generation_id, request_id(answer)), named=generation_id in named)


def _read_task(task: Mapping[str, Any], generation_id: str, request: str | None) -> Generation:
    status = str(task.get("status") or "").lower()
    if status not in KNOWN:
        status = printable(status, 60)
    phase = _phase(status)
    generation = Generation(
        generation_id,
        phase,
        status,
        known_status=phase is not Phase.WAITING or status in WAITING,
        progress=_progress(task.get("progress")),
    )
    if phase is Phase.FAILED:
        return replace(generation, failure=replace(_failure(task, status), request_id=request))
    if phase is not Phase.SUCCEEDED:
        return generation
    count, reasons = _filtered(task)
    urls = _urls(task)
    return replace(
        generation,
        videos=tuple(_video(url) for url in urls if _is_url(url)),
        missing=tuple(n for n, url in enumerate(urls) if not _is_url(url)),
        filtered_count=count,
        filtered_reasons=reasons,
        expired=any(url.strip().lower() == "expired" for url in urls),
    )


def _ids(document: Mapping[str, Any], task: Mapping[str, Any]) -> list[str]:
    """Return the ids that an answer names, the likeliest first."""
    places = [(place, name) for name in ("task_id", "id") for place in (task, document)]
    return [str(place[name]).strip() for place, name in places if place.get(name)]


def _failure(task: Mapping[str, Any], status: str) -> Problem:
    words = read_error_document({name: task.get(name) for name in ("message", "detail", "error", "fail_reason")})
    count, reasons = _filtered(task)
    if count or reasons:
        return filtered([*reasons, *([words.message] if words.message else [])], max(count, 1))
    message = words.message or (f"status {status}" if status != "failed" else "")
    return failed_generation(message, words.code, words.text)


def _phase(status: str) -> Phase:
    if status in SUCCEEDED:
        return Phase.SUCCEEDED
    if status in FAILED:
        return Phase.FAILED
    return Phase.RUNNING if status in RUNNING else Phase.WAITING


def _urls(task: Mapping[str, Any]) -> list[str]:
    """Return the first place that names a usable URL; failing that, everything found there (``expired``)."""
    leftovers: list[str] = []
    for candidate in _url_places(task):
        found = [candidate] if isinstance(candidate, str) else candidate if isinstance(candidate, list) else []
        texts = [url if isinstance(url, str) else "" for url in found]
        if any(_is_url(url) for url in texts):
            return texts
        leftovers += texts
    return leftovers


def _url_places(task: Mapping[str, Any]) -> Iterator[Any]:
    yield from (task.get("url"), task.get("result_url"), task.get("video_url"))
    metadata = mapping(task.get("metadata"))
    yield metadata.get("url")
    videos = mapping(metadata.get("response")).get("videos")
    if isinstance(videos, list):
        yield [mapping(video).get("url") for video in videos]
    # Old records keep the link of a successful task in the field for failures.
    reason = task.get("fail_reason")
    if isinstance(reason, str) and reason.startswith(("http", "data:")):
        yield reason


def _is_url(url: str) -> bool:
    return url.strip().startswith(("http://", "https://", "/")) or _INLINE.fullmatch(url.strip()) is not None


def _video(url: str) -> Video:
    url = url.strip()
    inline = _INLINE.fullmatch(url)
    if inline is None:
        return Video(url=url)
    return Video(inline=int(inline["number"]), content_type=printable(inline["type"], 60) or "video/mp4")


def _filtered(task: Mapping[str, Any]) -> tuple[int, tuple[str, ...]]:
    metadata = mapping(task.get("metadata"))
    for place in (mapping(metadata.get("response")), metadata, mapping(task.get("response")), task):
        reasons = place.get("raiMediaFilteredReasons")
        texts = tuple(printable(str(r), 300) for r in reasons) if isinstance(reasons, list) else ()
        count = _integer(place.get("raiMediaFilteredCount")) or 0
        if count > 0 or texts:
            return min(max(count, 0), MAX_FILTERED), texts
    return 0, ()


def _progress(value: Any) -> int | None:
    return _integer(value.strip().rstrip("%")) if isinstance(value, str) else _integer(value)


def _integer(value: Any) -> int | None:
    if isinstance(value, bool):
        return None
    try:
        return int(float(value))
    except (TypeError, ValueError, OverflowError):
        return None
