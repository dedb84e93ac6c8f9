# SPDX-License-Identifier: Apache-2.0
"""Every shape of section 3 of the contract, as it goes over a socket."""

from __future__ import annotations

import json
import re
from typing import Any
from unittest.mock import ANY

import pytest

from tests.unit.simulator.caller import Caller, fetch, find_id
from veo_provider.simulator.dialects import DIALECTS

MODEL = "veo-3.1-fast-generate-preview"


class Link:
    """Equals any link to a video at an origin."""

    def __init__(self, pattern: str = r"http://127\.0\.0\.1:\d+/results/.+/\d\.mp4\?X-Sig=\w+&Expires=[\d.]+") -> None:
        self.pattern = pattern

    def __eq__(self, other: object) -> bool:
        return isinstance(other, str) and re.fullmatch(self.pattern, other) is not None

    __hash__ = None  # type: ignore[assignment]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("S1", {"task_id": ANY, "status": "pending", "created_at": ANY}),
        ("S2", {"task_id": ANY}),
        (
            "S3",
            {
                "id": ANY,
                "task_id": ANY,
                "object": "video",
                "model": MODEL,
                "status": "queued",
                "progress": 0,
                "created_at": ANY,
            },
        ),
        (
            "S4",
            {"code": "success", "message": "", "data": {"task_id": ANY, "status": "SUBMITTED", "submit_time": ANY}},
        ),
    ],
)
def test_submit_shapes(caller: Caller, shape: str, expected: Any) -> None:
    answer = caller.post(f"sim:submit_shape={shape}")
    assert answer.json() == expected
    assert answer.headers["Content-Type"].startswith("application/json")
    assert caller.poll(find_id(answer.json())).status_code == 200


def test_two_documents_are_billed_and_never_found(caller: Caller) -> None:
    answer = caller.post("sim:dialect=two-documents")
    first, end = json.JSONDecoder().raw_decode(answer.text)
    second, _ = json.JSONDecoder().raw_decode(answer.text[end:])
    assert (set(first), second["code"]) == ({"task_id"}, "insert_task_failed")
    poll = caller.poll(first["task_id"])
    assert (poll.status_code, poll.json()["code"]) == (400, "task_not_exist")
    assert caller.simulator.ledger()["totals"]["billed"] == 1


WAITING: dict[str, Any] = {
    "mixroute": {"task_id": ANY, "status": "queued", "url": "", "format": "mp4"},
    "bare": {"task_id": ANY, "status": "queued", "format": "mp4"},
    "openai": {"id": ANY, "object": "video", "model": MODEL, "status": "queued", "progress": 0, "created_at": ANY},
    "newapi": {
        "code": "success",
        "message": "",
        "data": {
            "task_id": ANY,
            "status": "QUEUED",
            "progress": "0%",
            "fail_reason": "",
            "result_url": "",
            "submit_time": ANY,
            "finish_time": 0,
            "data": {},
        },
    },
    "simple-envelope": {
        "code": "success",
        "message": "",
        "data": {"error": None, "format": "mp4", "metadata": None, "status": "queued", "task_id": ANY, "url": ""},
    },
    "upper": {
        "task_id": ANY,
        "status": "QUEUED",
        "progress": "0%",
        "fail_reason": "",
        "created_at": ANY,
        "finished_at": 0,
    },
}


@pytest.mark.parametrize("dialect", WAITING)
def test_waiting(caller: Caller, dialect: str) -> None:
    generation_id = caller.submit(f"sim:seconds=1000 sim:dialect={dialect}")
    assert caller.poll(generation_id).json() == WAITING[dialect]


def test_every_dialect_is_covered_here() -> None:
    assert set(DIALECTS) == {*WAITING, "newapi-old", "two-documents"}


CONTENT = Link(r"http://127\.0\.0\.1:\d+/v1/videos/task_\w+/content")


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        ("mixroute", {"task_id": ANY, "status": "succeeded", "format": "mp4", "url": Link()}),
        ("bare", {"task_id": ANY, "status": "succeeded", "format": "mp4", "url": Link()}),
        (
            "openai",
            {
                "id": ANY,
                "object": "video",
                "model": MODEL,
                "status": "completed",
                "progress": 100,
                "created_at": ANY,
                "completed_at": ANY,
                "metadata": {"url": CONTENT},
            },
        ),
        (
            "newapi",
            {
                "code": "success",
                "message": "",
                "data": {
                    "task_id": ANY,
                    "status": "SUCCESS",
                    "progress": "100%",
                    "fail_reason": "",
                    "result_url": Link(),
                    "submit_time": ANY,
                    "finish_time": ANY,
                    "data": {},
                },
            },
        ),
        (
            "newapi-old",
            {
                "code": "success",
                "message": "",
                "data": {
                    "task_id": ANY,
                    "status": "SUCCESS",
                    "progress": "100%",
                    "fail_reason": Link(),
                    "submit_time": ANY,
                    "finish_time": ANY,
                    "data": {},
                },
            },
        ),
        (
            "simple-envelope",
            {
                "code": "success",
                "message": "",
                "data": {
                    "error": None,
                    "format": "mp4",
                    "metadata": None,
                    "status": "succeeded",
                    "task_id": ANY,
                    "url": Link(),
                },
            },
        ),
        (
            "upper",
            {
                "task_id": ANY,
                "status": "SUCCESS",
                "progress": "100%",
                "fail_reason": "",
                "created_at": ANY,
                "finished_at": ANY,
            },
        ),
    ],
)
def test_done(caller: Caller, dialect: str, expected: Any) -> None:
    assert caller.run(f"sim:dialect={dialect}") == expected


@pytest.mark.parametrize(
    ("dialect", "expected"),
    [
        (
            "mixroute",
            {
                "task_id": ANY,
                "status": "failed",
                "url": "",
                "format": "mp4",
                "error": {"code": 400, "message": "out of luck"},
            },
        ),
        (
            "newapi",
            {
                "code": "success",
                "message": "",
                "data": {
                    "task_id": ANY,
                    "status": "FAILURE",
                    "progress": "100%",
                    "fail_reason": "out of luck",
                    "result_url": "",
                    "submit_time": ANY,
                    "finish_time": ANY,
                    "data": {},
                },
            },
        ),
        (
            "newapi-old",
            {
                "code": "success",
                "message": "",
                "data": {
                    "task_id": ANY,
                    "status": "FAILURE",
                    "progress": "100%",
                    "fail_reason": "out of luck",
                    "submit_time": ANY,
                    "finish_time": ANY,
                    "data": {},
                },
            },
        ),
    ],
)
def test_failed(caller: Caller, dialect: str, expected: Any) -> None:
    assert caller.run(f"sim:failed=out_of_luck sim:dialect={dialect}") == expected


@pytest.mark.parametrize("dialect", ["simple-envelope", "openai"])
def test_failed_with_an_error_object(caller: Caller, dialect: str) -> None:
    answer = caller.run(f"sim:failed=out_of_luck sim:dialect={dialect}")
    body = answer.get("data") or answer
    assert (body["status"], body["error"]) == ("failed", {"code": 400, "message": "out of luck"})


@pytest.mark.parametrize(
    ("form", "expected"),
    [("int", {"code": 400, "message": "x"}), ("text", {"code": "400", "message": "x"}), ("none", {"message": "x"})],
)
def test_error_forms(caller: Caller, form: str, expected: Any) -> None:
    assert caller.run(f"sim:failed=x sim:error_form={form}")["error"] == expected


def test_error_as_bare_text(caller: Caller) -> None:
    assert caller.run("sim:failed=x sim:error_form=string")["error"] == "x"


@pytest.mark.parametrize("field", ["url", "result_url", "video_url", "fail_reason"])
def test_url_fields(caller: Caller, field: str) -> None:
    answer = caller.run(f"sim:url_field={field}")
    assert answer[field] == Link()
    assert {value for value in answer.values() if value == Link()} == {answer[field]}


def test_url_in_metadata(caller: Caller) -> None:
    assert caller.run("sim:url_field=metadata.url")["metadata"] == {"url": Link()}
    videos = [{"url": Link(), "mimeType": "video/mp4"}]
    assert caller.run("sim:url_field=response")["metadata"] == {"response": {"videos": videos}}


def test_several_videos(caller: Caller) -> None:
    answer = caller.run(sampleCount=3)
    assert answer["url"] == [Link()] * 3
    videos = [{"url": url, "mimeType": "video/mp4"} for url in answer["url"]]
    assert answer["metadata"] == {"done": True, "sampleCount": 3, "response": {"videos": videos}}
    assert len({fetch(url).content for url in answer["url"]}) == 3


def test_several_videos_where_a_text_column_is(caller: Caller) -> None:
    body = caller.run("sim:dialect=newapi-old", sampleCount=2)["data"]
    assert body["fail_reason"] == ""
    assert [video["url"] for video in body["metadata"]["response"]["videos"]] == [Link()] * 2


def test_url_before_status(caller: Caller) -> None:
    assert next(iter(caller.run("sim:url_first"))) == "url"
    assert next(iter(caller.run("sim:url_first sim:dialect=simple-envelope")["data"])) == "url"
