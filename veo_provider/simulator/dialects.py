# SPDX-License-Identifier: Apache-2.0
"""The shapes of the answers: what a submit (S1-S5) and a poll (F1-F13) look like in each dialect of the family."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from typing import Any

Json = dict[str, Any]

SUBMIT_SHAPES = ("S1", "S2", "S3", "S4", "S5")
URL_FIELDS = ("url", "result_url", "video_url", "metadata.url", "response", "fail_reason", "none")


def json_bytes(body: Any) -> bytes:
    """
    Return a JSON value as the family writes it: in UTF-8, with nothing escaped that needn't be.

    :param body: the value.
    """
    return json.dumps(body, ensure_ascii=False).encode()


@dataclasses.dataclass(frozen=True)
class View:
    """
    One generation as a poll sees it, before any dialect.

    :param generation_id: its id.
    :param model: the model asked for.
    :param phase: ``queued``, ``running``, ``succeeded`` or ``failed``.
    :param progress: percent.
    :param created_at: epoch seconds.
    :param finished_at: epoch seconds; 0 while it runs.
    :param samples: how many were asked for.
    :param urls: where its videos are, or the one word ``expired``.
    :param filtered: why samples are missing, one reason each.
    :param error: its error as the body tells it; None if there is none.
    :param message: its error as plain text.
    :param word: a status word that overrules the dialect's own.
    """

    generation_id: str
    model: str
    phase: str
    progress: int
    created_at: int
    finished_at: int = 0
    samples: int = 1
    urls: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    error: Any = None
    message: str = ""
    word: str | None = None

    @property
    def url(self) -> str | list[str]:
        """One URL as text, several as a list, none as an empty text."""
        if len(self.urls) > 1:
            return list(self.urls)
        return self.urls[0] if self.urls else ""

    def status(self, words: dict[str, str]) -> str:
        """
        Return the status word.

        :param words: the dialect's words by phase.
        """
        return words[self.phase] if self.word is None else self.word

    def metadata(self) -> Json:
        """What the gateway copies from its upstream's answer; empty if there is nothing worth it."""
        links = [url for url in self.urls if url.startswith("http")]
        response: Json = {}
        if len(links) > 1:
            response["videos"] = [{"url": url, "mimeType": "video/mp4"} for url in links]
        if self.filtered:
            response["raiMediaFilteredCount"] = len(self.filtered)
            response["raiMediaFilteredReasons"] = list(self.filtered)
        return {"done": True, "sampleCount": self.samples, "response": response} if response else {}


_LOWER = {"queued": "queued", "running": "in_progress", "succeeded": "succeeded", "failed": "failed"}
_SIMPLE = _LOWER | {"running": "processing"}
_OPENAI = _LOWER | {"succeeded": "completed"}
_UPPER = {"queued": "QUEUED", "running": "IN_PROGRESS", "succeeded": "SUCCESS", "failed": "FAILURE"}


def _place(body: Json, field: str, view: View) -> None:
    metadata = view.metadata()
    if field == "response" or (field == "fail_reason" and len(view.urls) > 1):
        # A text column cannot hold a list, so several URLs move to where the upstream had them.
        response = metadata.setdefault("response", {})
        response["videos"] = [{"url": url, "mimeType": "video/mp4"} for url in view.urls]
    elif field == "metadata.url":
        metadata["url"] = view.url
    elif field != "none" and (field != "fail_reason" or view.phase != "failed"):
        body[field] = view.url
    if any(value or key != "url" for key, value in metadata.items()):
        body["metadata"] = metadata


def _flat(view: View, field: str) -> Json:
    body: Json = {"task_id": view.generation_id, "status": view.status(_LOWER), "format": "mp4"}
    if field != "url":
        body["url"] = ""
    _place(body, field, view)
    if view.phase == "failed":
        body["error"] = view.error
    return body


def _bare(view: View, field: str) -> Json:
    body = _flat(view, field)
    if view.phase in ("queued", "running"):
        body.pop("url", None)
    return body


def _record(view: View, field: str) -> Json:
    body: Json = {
        "task_id": view.generation_id,
        "status": view.status(_UPPER),
        "progress": f"{view.progress}%",
        "fail_reason": view.message,
    }
    _place(body, field, view)
    return body


def _envelope(view: View, field: str) -> Json:
    body = _record(view, field) | {"submit_time": view.created_at, "finish_time": view.finished_at, "data": {}}
    return {"code": "success", "message": "", "data": body}


def _simple_envelope(view: View, field: str) -> Json:
    body: Json = {"error": view.error if view.phase == "failed" else None, "format": "mp4", "metadata": None}
    body |= {"status": view.status(_SIMPLE), "task_id": view.generation_id, "url": ""}
    _place(body, field, view)
    return {"code": "success", "message": "", "data": body}


def _openai(view: View, field: str) -> Json:
    body: Json = {
        "id": view.generation_id,
        "object": "video",
        "model": view.model,
        "status": view.status(_OPENAI),
        "progress": view.progress,
        "created_at": view.created_at,
    }
    _place(body, field, view)
    if view.phase == "succeeded":
        body["completed_at"] = view.finished_at
    if view.phase == "failed":
        body["error"] = view.error
    return body


def _upper(view: View, field: str) -> Json:
    return _record(view, field) | {"created_at": view.created_at, "finished_at": view.finished_at}


@dataclasses.dataclass(frozen=True)
class Dialect:
    """
    The habits of one gateway.

    :param submit_shape: S1 to S5.
    :param poll: makes the body of a poll out of a view and the place of the URL.
    :param url_field: where the URL stands.
    :param results: how results are handed out if nobody says otherwise.
    """

    submit_shape: str
    poll: Callable[[View, str], Json]
    url_field: str
    results: str = "link"


DIALECTS = {
    "mixroute": Dialect("S1", _flat, "url"),
    "bare": Dialect("S2", _bare, "url"),
    "openai": Dialect("S3", _openai, "metadata.url", "content"),
    "newapi": Dialect("S4", _envelope, "result_url"),
    "newapi-old": Dialect("S4", _envelope, "fail_reason"),
    "simple-envelope": Dialect("S1", _simple_envelope, "url"),
    "upper": Dialect("S3", _upper, "none"),
    "two-documents": Dialect("S5", _flat, "url"),
}

EMPTY_POLL: Json = {"code": "success", "data": None}


def submit_body(shape: str, generation_id: str, model: str, created_at: int) -> bytes:
    """
    Make the answer to an accepted submit.

    :param shape: S1 to S5.
    :param generation_id: the new id.
    :param model: the model asked for.
    :param created_at: epoch seconds.
    """
    s2 = {"task_id": generation_id}
    if shape == "S5":
        # The family writes the id before it stores the task, then the error of the failed storing behind it.
        failed = {"code": "insert_task_failed", "message": "database is locked", "data": None}
        return json_bytes(s2) + json_bytes(failed)
    s3 = {"object": "video", "model": model, "status": "queued", "progress": 0, "created_at": created_at}
    s4 = {"task_id": generation_id, "status": "SUBMITTED", "submit_time": created_at}
    bodies: dict[str, Json] = {
        "S1": s2 | {"status": "pending", "created_at": created_at},
        "S2": s2,
        "S3": {"id": generation_id} | s2 | s3,
        "S4": {"code": "success", "message": "", "data": s4},
    }
    return json_bytes(bodies[shape])
