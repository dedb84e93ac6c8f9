# SPDX-License-Identifier: Apache-2.0
"""Answers on the edge of the contract, on which a reading went wrong once."""

from __future__ import annotations

import json
from typing import Any

from tests.contract.table import LINK, SAFETY, Poll, Submit, error, ok, openai_error
from tests.support.raw_server import Reply

_PAGE = b"<html><title>503</title>No available channel, system_cpu_overloaded</html>"


_DEEP: dict[str, Any] = {}
for _ in range(20):
    _DEEP = {"data": _DEEP}


def _unknown(name: str, reply: Reply) -> Submit:
    return Submit(name, reply, reason="unknown_submit", accepted="maybe")


ODD_SUBMITS = [
    # What the gateway wraps is its upstream's error, and may stand beside a billed job.
    _unknown(
        "200 fail_to_fetch_task around a refusal",
        ok({"code": "fail_to_fetch_task", "message": '{"error":{"code":"invalid_request","message":"x"}}'}),
    ),
    _unknown("200 with an error beside an id", ok({"id": "task_7", "error": {"code": "invalid_request"}})),
    _unknown(
        "200 with an error around an id", ok({"code": "invalid_request", "message": "x", "data": {"id": "task_7"}})
    ),
    _unknown("503 page that quotes the words", Reply(503, _PAGE)),
    _unknown(
        "503 around a prompt with the words",
        Reply(503, {"error": {"message": "upstream failed"}, "request": {"prompt": "no available channel"}}),
    ),
    _unknown(
        "503 around a prompt about load",
        Reply(503, {"error": {"message": "upstream failed"}, "request": {"prompt": "system_cpu_overloaded"}}),
    ),
    # Whatever names a task may stand beside a billed one.
    _unknown(
        "200 with an error around an id, deeper",
        ok({"code": "get_channel_failed", "message": "m", "data": {"task": {"task_id": "task_7"}}}),
    ),
    _unknown("429 that names a task", Reply(429, {"task_id": "task_7", "error": {"message": "slow down"}})),
    _unknown(
        "503 without a channel that names a task",
        Reply(503, {"data": [{"task_id": "task_7"}], "error": {"code": "model_not_found", "message": "m"}}),
    ),
    _unknown("429 that names a task in JSON in a string", Reply(429, {"message": '{"data":{"task_id":"task_7"}}'})),
    _unknown("429 before a task in a second document", Reply(429, b'{"message":"slow"}{"task_id":"task_7"}')),
    _unknown("429 whose data is a task", Reply(429, {"message": "slow down", "data": "task_7"})),
    _unknown("429 with an OpenAI object", Reply(429, {"id": "video_7", "object": "video", "error": {"message": "m"}})),
    _unknown(
        "503 without a channel around an id",
        Reply(503, {"error": {"code": "model_not_found", "message": "m"}, "data": {"id": "task_7"}}),
    ),
    Submit(
        "429 with an id of something else",
        Reply(429, {"error": {"message": "slow down", "id": "req_7"}, "data": "too many requests"}),
        reason="rate_limit",
        transient=True,
    ),
    _unknown("429 with more than anybody looks into", Reply(429, json.dumps(_DEEP).encode())),
    _unknown("503 text that quotes the words", Reply(503, b"no available channel")),
    Submit("404 model_not_found", openai_error(404, "model_not_found", "no such model"), reason="invalid_request"),
    Submit("404 of another service", Reply(404, {"detail": "Not Found"}), reason="wrong_base_url"),
    Submit("407", Reply(407, b"proxy"), reason="configuration"),
    # An id that can't be asked for, or would forge a line of a log, is no id.
    _unknown("an id of dots", ok({"task_id": ".."})),
    _unknown("an id with a line break", ok({"task_id": "abc\nINFO all is well"})),
    _unknown("an id without an end", ok({"task_id": "x" * 5000})),
    Submit("another id where one can't be used", ok({"task_id": "", "id": "abc"}), "abc"),
    # Only an error document after the id means that it was never recorded.
    Submit("a zero byte after the document", ok(b'{"task_id":"abc"}\0'), "abc"),
    Submit("the document twice", ok(b'{"task_id":"abc"}{"task_id":"abc"}'), "abc"),
]


def _failed(name: str, task: dict[str, Any], problem: str) -> Poll:
    return Poll(name, ok({"task_id": "abc", "status": "failed", **task}), "failed", "failed", problem=problem)


ODD_POLLS = [
    Poll(
        "a small video whose scheme is escaped",
        ok(b'{"task_id":"abc","status":"succeeded","url":"\\u0064ata:video\\/mp4;base64,AAAA"}'),
        "succeeded",
        "succeeded",
        inline=1,
    ),
    Poll(
        "another generation",
        ok({"task_id": "xyz", "status": "succeeded", "url": LINK}),
        reason="server",
        transient=True,
    ),
    Poll(
        "another generation, in an envelope",
        ok({"code": "success", "data": {"task_id": "xyz", "status": "SUCCESS", "result_url": LINK}}),
        reason="server",
        transient=True,
    ),
    Poll("another generation, OpenAI", ok({"id": "xyz", "status": "completed"}), reason="server", transient=True),
    # Gateways that are built from the same code keep a video's own id beside the task's.
    Poll("one of two ids", ok({"id": "abc", "task_id": "xyz", "status": "queued"}), "waiting", "queued"),
    Poll("the other of two ids", ok({"id": "xyz", "task_id": "abc", "status": "queued"}), "waiting", "queued"),
    Poll(
        "one of the ids in an envelope",
        ok({"id": "abc", "code": "success", "data": {"task_id": "xyz", "id": 17, "status": "QUEUED"}}),
        "waiting",
        "queued",
    ),
    Poll("a number of the table's row", ok({"id": 17, "task_id": "abc", "status": "queued"}), "waiting", "queued"),
    Poll("a row's number alone", ok({"id": 17, "status": "queued"}), "waiting", "queued"),
    Poll("an unlisted status", error(418), reason="server", transient=True),
    Poll("407", Reply(407, b"proxy"), reason="server", transient=True),
    _failed(
        "the wording in the code", {"error": {"code": "content_policy_violation", "message": "x"}}, "content_policy"
    ),
    _failed("the wording in the status", {"error": {"status": "INVALID_ARGUMENT", "message": "x"}}, "invalid_request"),
    _failed(
        "the wording in the outer message",
        {"error": {"message": json.dumps({"error": {"message": "x"}, "detail": SAFETY})}},
        "content_policy",
    ),
    _failed("the wording in the task's own message", {"message": SAFETY}, "content_policy"),
    _failed(
        "filtered beside a failure",
        {"error": "x", "metadata": {"response": {"raiMediaFilteredCount": 1, "raiMediaFilteredReasons": []}}},
        "content_policy",
    ),
    Poll(
        "two frames echoed as plain base64",
        ok({"task_id": "abc", "status": "processing", "image": "A" * 300_000, "last_frame_image": "B" * 300_000}),
        "running",
        "processing",
    ),
    Poll("too many small tokens", ok({"status": "queued", "x": [0] * 100_000}), reason="server", transient=True),
]
