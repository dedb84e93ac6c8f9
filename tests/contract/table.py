# SPDX-License-Identifier: Apache-2.0
"""The contract's shapes and errors as one table of bytes: what comes in, and what we must make of it."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass, field
from typing import Any

from tests.support.raw_server import Reply

LINK = "https://bucket.example/a/video.mp4"
INLINE = "data:video/mp4;base64,AAAAGGZ0eXBtcDQy"


@dataclass(frozen=True)
class Submit:
    """A submit's answer: the id we read, or the reason and whether a bill is possible."""

    name: str
    reply: Reply
    generation_id: str | None = None
    reason: str | None = None
    accepted: str = "no"
    transient: bool = False


@dataclass(frozen=True)
class Poll:
    """A poll's answer: what we read of the generation, or the reason it couldn't be read."""

    name: str
    reply: Reply
    phase: str | None = None
    status: str = ""
    urls: tuple[str, ...] = ()
    inline: int = 0
    problem: str | None = None
    reason: str | None = None
    transient: bool = False
    more: dict[str, Any] = field(default_factory=dict)


def ok(body: Any) -> Reply:
    return Reply(200, body)


def error(status: int, code: str = "", message: str = "m", headers: dict[str, str] | None = None) -> Reply:
    return Reply(status, {"code": code, "message": message, "data": None}, headers or {})


def openai_error(status: int, code: Any, message: str) -> Reply:
    return Reply(status, {"error": {"message": message, "type": "t", "code": code}})


HTML = b"<!DOCTYPE html><html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>"
SAFETY = "The prompt could not be submitted. Support codes: 58061214"

SUBMITS = [
    Submit("S1", ok({"task_id": "task_xxx", "status": "pending", "created_at": 1709459123}), "task_xxx"),
    Submit("S2", ok({"task_id": "cHJvamVjdHMvcC9sb2NhdGlvbnMv"}), "cHJvamVjdHMvcC9sb2NhdGlvbnMv"),
    Submit(
        "S3",
        ok(
            {
                "id": "task_A1",
                "task_id": "task_A1",
                "object": "video",
                "model": "veo-3.1-fast-generate-preview",
                "status": "queued",
                "progress": 0,
                "created_at": 1709459123,
            }
        ),
        "task_A1",
    ),
    Submit(
        "S4",
        ok(
            {
                "code": "success",
                "message": "",
                "data": {"task_id": "abc", "status": "SUBMITTED", "submit_time": 1709459123},
            }
        ),
        "abc",
    ),
    Submit(
        "S5",
        ok(b'{"task_id":"cHJv"}{"code":"insert_task_failed","message":"db","data":null}'),
        reason="unknown_submit",
        accepted="yes",
    ),
    Submit("200 without an id", ok({"status": "pending"}), reason="unknown_submit", accepted="maybe"),
    Submit("200 that is HTML", Reply(200, HTML), reason="unknown_submit", accepted="maybe"),
    Submit("200 with nothing", Reply(200, b""), reason="unknown_submit", accepted="maybe"),
    Submit("200 success:false", ok({"success": False, "message": "x"}), reason="unknown_submit", accepted="maybe"),
    Submit("200 with a known code", ok({"code": "invalid_request", "message": "x"}), reason="invalid_request"),
    Submit(
        "200 with an error object",
        ok({"error": {"message": "no credit", "type": "t", "code": "insufficient_user_quota"}}),
        reason="quota",
    ),
    Submit("200 with a numeric code", ok({"code": 429, "message": "slow"}), reason="rate_limit", transient=True),
    Submit("400 invalid_request", error(400, "invalid_request"), reason="invalid_request"),
    Submit("400 invalid_json", error(400, "invalid_json"), reason="invalid_request"),
    Submit("400 model_price_error", error(400, "model_price_error"), reason="invalid_request"),
    Submit("400 other", openai_error(400, "whatever", "no"), reason="invalid_request"),
    Submit("400 fail_to_fetch_task, safety", error(400, "fail_to_fetch_task", SAFETY), reason="content_policy"),
    Submit(
        "400 safety, nested",
        error(
            400, "fail_to_fetch_task", json.dumps({"error": {"code": 400, "message": json.dumps({"message": SAFETY})}})
        ),
        reason="content_policy",
    ),
    Submit("400 safety, Chinese", error(400, "fail_to_fetch_task", "内容违规"), reason="content_policy"),
    Submit("400 fail_to_fetch_task, else", error(400, "fail_to_fetch_task", "bad"), reason="invalid_request"),
    Submit("401", openai_error(401, "", "无效的令牌"), reason="authentication"),
    Submit("401 exhausted", openai_error(401, "", "该令牌额度已用尽"), reason="quota"),
    Submit("401 fail_to_fetch_task", error(401, "fail_to_fetch_task"), reason="upstream"),
    Submit("404 fail_to_fetch_task", error(404, "fail_to_fetch_task"), reason="upstream"),
    Submit("402", error(402), reason="quota"),
    Submit("403 quota_not_enough", error(403, "quota_not_enough"), reason="quota"),
    Submit("403 insufficient_user_quota", error(403, "insufficient_user_quota"), reason="quota"),
    Submit("403 pre_consume_token_quota_failed", error(403, "pre_consume_token_quota_failed"), reason="quota"),
    Submit("403 otherwise", error(403, "forbidden"), reason="permission"),
    Submit("403 HTML", Reply(403, HTML), reason="permission"),
    Submit(
        "403 upstream_load_saturated",
        error(403, "fail_to_fetch_task", '{"error":{"code":"upstream_load_saturated","message":"full"}}'),
        reason="rate_limit",
        transient=True,
    ),
    Submit("404 Invalid URL", openai_error(404, "", "Invalid URL (POST /x)"), reason="wrong_base_url"),
    Submit("404 HTML", Reply(404, HTML), reason="wrong_base_url"),
    *[Submit(str(status), error(status), reason="invalid_request") for status in (405, 411, 413, 414, 415, 422, 501)],
    Submit("408", error(408), reason="unknown_submit", accepted="maybe"),
    Submit("425", error(425), reason="rate_limit", transient=True),
    Submit("429", error(429), reason="rate_limit", transient=True),
    Submit("429 HTML", Reply(429, HTML), reason="rate_limit", transient=True),
    Submit("500 build_request_failed", error(500, "build_request_failed"), reason="server", transient=True),
    Submit("500 get_channel_failed", error(500, "get_channel_failed"), reason="server", transient=True),
    Submit("500 database error", error(500, "", "database error"), reason="unknown_submit", accepted="maybe"),
    Submit("500 insert_task_failed", error(500, "insert_task_failed"), reason="unknown_submit", accepted="yes"),
    Submit("500 otherwise", error(500, "x"), reason="unknown_submit", accepted="maybe"),
    Submit("500 fail_to_fetch_task", error(500, "fail_to_fetch_task"), reason="unknown_submit", accepted="maybe"),
    *[
        Submit(f"{status} HTML", Reply(status, HTML), reason="unknown_submit", accepted="maybe")
        for status in (502, 504, 520, 524)
    ],
    Submit("503", error(503), reason="unknown_submit", accepted="maybe"),
    Submit("503 model_not_found", error(503, "model_not_found"), reason="model_unavailable", transient=True),
    Submit(
        "503 no available channel",
        openai_error(503, "", "No available channel for model veo"),
        reason="model_unavailable",
        transient=True,
    ),
    Submit(
        "503 system_disk_overloaded", openai_error(503, "system_disk_overloaded", "x"), reason="server", transient=True
    ),
    Submit(
        "503 fail_to_fetch_task around words",
        error(503, "fail_to_fetch_task", "no available channel"),
        reason="unknown_submit",
        accepted="maybe",
    ),
    Submit("307", Reply(307, b"", {"Location": "http://127.0.0.1:9/"}), reason="wrong_base_url"),
    Submit(
        "a Location that is no URL",
        Reply(302, b"", {"Location": "http://[::"}),
        reason="unknown_submit",
        accepted="maybe",
    ),
    Submit(
        "200 with an error code around a task",
        ok({"code": "400", "data": {"task_id": "task_77"}}),
        reason="unknown_submit",
        accepted="maybe",
    ),
    Submit("201", Reply(201, {"task_id": "abc"}), "abc"),
    Submit("a byte order mark", ok(b'\xef\xbb\xbf{"task_id":"abc"}'), "abc"),
    Submit("compressed", Reply(200, gzip.compress(b'{"task_id":"abc"}'), {"Content-Encoding": "gzip"}), "abc"),
    Submit(
        "compressed badly",
        Reply(200, b"not gzip", {"Content-Encoding": "gzip"}),
        reason="unknown_submit",
        accepted="maybe",
    ),
    Submit("301", Reply(301, b"", {"Location": "/login"}), reason="wrong_base_url"),
    Submit("an unlisted status", error(418), reason="unknown_submit", accepted="maybe"),
    Submit("reset", Reply(reset=True), reason="unknown_submit", accepted="maybe"),
    Submit("cut body", Reply(200, {"task_id": "abc"}, cut=5), reason="unknown_submit", accepted="maybe"),
    Submit(
        "cut body without a length",
        Reply(200, b'{"task_id":"abcdef"}', {"Connection": "close"}, cut=15, length=False),
        reason="unknown_submit",
        accepted="maybe",
    ),
    Submit("read timeout", Reply(stall=60), reason="unknown_submit", accepted="maybe"),
]


def _filtered(count: Any, reasons: Any, url: Any = "") -> dict[str, Any]:
    response = {"raiMediaFilteredCount": count, "raiMediaFilteredReasons": reasons}
    return {
        "task_id": "abc",
        "status": "succeeded",
        "format": "mp4",
        "url": url,
        "metadata": {"done": True, "response": response},
    }


POLLS = [
    *[
        Poll(f"F1 {word}", ok({"task_id": "abc", "status": word, "url": "", "format": "mp4"}), phase, word.lower())
        for word, phase in (
            ("queued", "waiting"),
            ("pending", "waiting"),
            ("submitted", "waiting"),
            ("NOT_START", "waiting"),
            ("unknown", "waiting"),
            ("created", "waiting"),
            ("in_progress", "running"),
            ("processing", "running"),
            ("RUNNING", "running"),
        )
    ],
    Poll("F1 without url", ok({"task_id": "abc", "status": "queued"}), "waiting", "queued"),
    Poll("F1 empty status", ok({"task_id": "abc", "status": ""}), "waiting", ""),
    Poll("F1 no status", ok({"task_id": "abc"}), "waiting", ""),
    Poll("a word not listed", ok({"status": "Dreaming"}), "waiting", "dreaming", more={"known_status": False}),
    Poll(
        "an error beside a waiting status",
        ok({"status": "queued", "error": {"code": 400, "message": "x"}}),
        "waiting",
        "queued",
    ),
    Poll(
        "F2",
        ok({"task_id": "abc", "status": "succeeded", "format": "mp4", "url": LINK}),
        "succeeded",
        "succeeded",
        (LINK,),
    ),
    Poll(
        "F3",
        ok(
            {
                "task_id": "abc",
                "status": "succeeded",
                "format": "mp4",
                "url": ["https://h/1.mp4", "https://h/2.mp4"],
                "metadata": {
                    "sampleCount": 2,
                    "response": {
                        "videos": [{"url": "https://h/1.mp4", "mimeType": "video/mp4"}, {"url": "https://h/2.mp4"}]
                    },
                },
            }
        ),
        "succeeded",
        "succeeded",
        ("https://h/1.mp4", "https://h/2.mp4"),
    ),
    Poll(
        "F3 without url",
        ok({"status": "succeeded", "metadata": {"response": {"videos": [{"url": "https://h/1.mp4"}]}}}),
        "succeeded",
        "succeeded",
        ("https://h/1.mp4",),
    ),
    Poll(
        "F4",
        ok({"task_id": "abc", "status": "succeeded", "format": "mp4", "url": INLINE}),
        "succeeded",
        "succeeded",
        inline=1,
    ),
    Poll("F4 several", ok({"status": "succeeded", "url": [INLINE, INLINE]}), "succeeded", "succeeded", inline=2),
    Poll(
        "F5",
        ok(_filtered(1, ["... Support codes: 42237218"])),
        "succeeded",
        "succeeded",
        problem="content_policy",
        more={"filtered_count": 1},
    ),
    Poll("F5 count only", ok(_filtered("2", None)), "succeeded", "succeeded", problem="content_policy"),
    Poll(
        "F5 in part",
        ok(_filtered(1, ["Support codes: 42237218"], ["https://h/1.mp4", ""])),
        "succeeded",
        "succeeded",
        ("https://h/1.mp4",),
        more={"filtered_count": 1, "missing": (1,)},
    ),
    Poll("F6", ok({"status": "succeeded", "url": "expired"}), "succeeded", "succeeded", problem="result_gone"),
    Poll(
        "F7",
        ok({"status": "failed", "url": "", "error": {"code": 400, "message": SAFETY}}),
        "failed",
        "failed",
        problem="content_policy",
    ),
    Poll(
        "F7 code as text",
        ok({"status": "failed", "error": {"code": "x", "message": "Unsupported output video duration"}}),
        "failed",
        "failed",
        problem="invalid_request",
    ),
    Poll(
        "F7 no code",
        ok({"status": "failed", "error": {"message": "high load"}}),
        "failed",
        "failed",
        problem="generation_failed",
    ),
    Poll(
        "F7 plain string",
        ok({"status": "failed", "error": "sensitive words"}),
        "failed",
        "failed",
        problem="content_policy",
    ),
    Poll("F7 without words", ok({"status": "cancelled"}), "failed", "cancelled", problem="generation_failed"),
    Poll(
        "F8 fail_reason",
        ok(
            {
                "code": "success",
                "message": "",
                "data": {"task_id": "abc", "status": "SUCCESS", "progress": "100%", "fail_reason": LINK, "data": {}},
            }
        ),
        "succeeded",
        "success",
        (LINK,),
        more={"progress": 100},
    ),
    Poll(
        "F8 result_url",
        ok({"code": "success", "data": {"status": "SUCCESS", "result_url": LINK, "fail_reason": "https://old/"}}),
        "succeeded",
        "success",
        (LINK,),
    ),
    Poll(
        "F9",
        ok(
            {
                "code": "success",
                "message": "",
                "data": {"task_id": "abc", "status": "FAILURE", "progress": "100%", "fail_reason": "任务超时"},
            }
        ),
        "failed",
        "failure",
        problem="server",
    ),
    Poll(
        "F9 with a link as its reason",
        ok({"code": "success", "data": {"status": "FAILURE", "fail_reason": LINK}}),
        "failed",
        "failure",
        problem="generation_failed",
    ),
    Poll(
        "F10",
        ok(
            {
                "code": "success",
                "message": "",
                "data": {
                    "error": None,
                    "format": "mp4",
                    "metadata": None,
                    "status": "processing",
                    "task_id": "abc",
                    "url": "",
                },
            }
        ),
        "running",
        "processing",
    ),
    Poll(
        "F11",
        ok({"id": "abc", "object": "video", "status": "completed", "progress": 100, "metadata": {"url": LINK}}),
        "succeeded",
        "completed",
        (LINK,),
        more={"progress": 100},
    ),
    Poll(
        "F12",
        ok({"task_id": "abc", "status": "SUCCESS", "progress": "100%", "fail_reason": "", "created_at": 1}),
        "succeeded",
        "success",
    ),
    Poll("F13", ok({"code": "success", "data": None}), "waiting", ""),
    Poll("video_url", ok({"status": "completed", "video_url": LINK}), "succeeded", "completed", (LINK,)),
    Poll(
        "url before result_url",
        ok({"status": "success", "url": LINK, "result_url": "https://x/"}),
        "succeeded",
        "success",
        (LINK,),
    ),
    *[
        Poll(f"failure word {word}", ok({"status": word, "error": "x"}), "failed", word, problem="generation_failed")
        for word in ("failed", "failure", "error", "cancelled", "canceled", "expired", "rejected")
    ],
    Poll("400 task_not_exist", error(400, "task_not_exist"), reason="not_found"),
    Poll("200 task_not_exist", ok({"code": "task_not_exist", "message": "x", "data": None}), reason="not_found"),
    Poll("400 other", error(400, "invalid_request"), reason="invalid_request"),
    Poll("401", openai_error(401, "", "bad key"), reason="authentication"),
    Poll("402", error(402), reason="quota"),
    Poll("403", error(403), reason="permission"),
    Poll("404 Invalid URL", openai_error(404, "", "Invalid URL (GET /x)"), reason="wrong_base_url"),
    Poll("404 HTML", Reply(404, HTML), reason="wrong_base_url"),
    Poll("404 JSON", error(404, "", "task not found"), reason="not_found"),
    Poll("405", error(405), reason="invalid_request"),
    Poll("408", error(408), reason="network", transient=True),
    Poll("425", error(425), reason="rate_limit", transient=True),
    Poll(
        "429", error(429, headers={"Retry-After": "7"}), reason="rate_limit", transient=True, more={"retry_after": 7.0}
    ),
    Poll("500", error(500), reason="server", transient=True),
    Poll("500 insert_task_failed", error(500, "insert_task_failed"), reason="server", transient=True),
    Poll("502 HTML", Reply(502, HTML), reason="server", transient=True),
    Poll("503", error(503), reason="server", transient=True),
    Poll("504 empty", Reply(504), reason="server", transient=True),
    Poll("524", Reply(524, HTML), reason="server", transient=True),
    Poll("302", Reply(302, b"", {"Location": "http://127.0.0.1:9/"}), reason="wrong_base_url"),
    Poll("201", Reply(201, {"status": "queued"}), "waiting", "queued"),
    Poll("a byte order mark", ok(b'\xef\xbb\xbf{"status":"queued"}'), "waiting", "queued"),
    Poll("compressed badly", Reply(200, b"not gzip", {"Content-Encoding": "gzip"}), reason="network", transient=True),
    Poll("200 HTML", Reply(200, HTML), reason="server", transient=True),
    Poll("200 empty", Reply(200), reason="server", transient=True),
    Poll("200 a list", ok([]), reason="server", transient=True),
    Poll("200 success:false", ok({"success": False, "message": "x"}), reason="server", transient=True),
    Poll("200 too large", ok({"status": "queued", "x": ["y" * 1000] * 2000}), reason="server", transient=True),
    Poll("reset", Reply(reset=True), reason="network", transient=True),
    Poll("cut body", Reply(200, {"status": "succeeded", "url": LINK}, cut=20), reason="network", transient=True),
    Poll(
        "cut body without a length",
        Reply(200, {"status": "succeeded", "url": LINK}, cut=30, length=False),
        reason="server",
        transient=True,
    ),
    Poll("read timeout", Reply(stall=60), reason="network", transient=True),
]
