# SPDX-License-Identifier: Apache-2.0
"""Answers of any kind are read without a crash; wordings, retry-after and dates."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from veo_provider.api.calls import Answer, Kind, poll_call
from veo_provider.api.error_body import read_error_body
from veo_provider.api.errors import problem_of, retry_after
from veo_provider.api.failures import failed_generation, support_code_categories
from veo_provider.api.generation import Generation, read_generation
from veo_provider.api.model_list import read_models
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.submission import read_submit
from veo_provider.api.text import MAX_TEXT, printable, without_secrets

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=8,
)
KEYS = st.sampled_from(
    ["task_id", "id", "status", "url", "result_url", "metadata", "response", "videos", "error", "code", "message",
     "data", "fail_reason", "progress", "success", "raiMediaFilteredCount", "raiMediaFilteredReasons"]
)  # fmt: skip
WORDS = st.sampled_from(
    ["success", "succeeded", "failed", "expired", "https://h/v.mp4", "data:video/mp4;base64,#0", "data:,#x", "100%", ""]
)
LIKELY = st.recursive(
    WORDS | JSON, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=6), max_leaves=12
)
BODIES = st.binary(max_size=200) | LIKELY.map(lambda value: json.dumps(value).encode())
STATUSES = st.integers(100, 599) | st.sampled_from([200, 400, 403, 500, 503])


@given(STATUSES, BODIES, st.text(max_size=40))
def test_no_answer_crashes(status: int, body: bytes, header: str) -> None:
    answer = Answer(status, {"retry-after": header, "x-oneapi-request-id": header}, body, now=0.0)
    seen = read_generation(answer, "g")
    assert isinstance(seen, Generation | Problem)
    if isinstance(seen, Generation):
        assert seen.problem is None or not seen.videos
    submitted = read_submit(answer)
    assert isinstance(submitted, Problem) or poll_call(submitted).path
    assert isinstance(read_models(answer), tuple | Problem)


@given(st.text())
def test_outside_text_stays_on_one_line_and_short(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert len(shown) <= MAX_TEXT


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("image https://b/i.png?X-Amz-Signature=s3cret&x=1 is bad", "image https://b/i.png?... is bad"),
        ('{"url":"https://b/i.png?sig=s3cret","n":1}', '{"url":"https://b/i.png?...","n":1}'),
        ("with url: /v.mp4?sig=s3cret (caused by", "with url: /v.mp4?... (caused by"),
        ("https://b/v.mp4?f=UTF-8''clip.mp4&sig=s3cret now", "https://b/v.mp4?... now"),
        ("https://h/v.mp4#access_token=s3cret of issue#1", "https://h/v.mp4#... of issue#1"),
        (r"https:\/\/me:s3cret@h\/p", r"https:\/\/h\/p"),
        ("http://gw queued task_7:veo@node3", "http://gw queued task_7:veo@node3"),
        ("https://h/" + "p" * 2300 + " https://h?sig=" + "s3cret" * 500, "https://h/" + "p" * 587 + "..."),
        ("https://me:s3cr@et@h/p and http://s3cret@h/p", "https://h/p and http://h/p"),
        ("is it down? Yes <?xml what?", "is it down? Yes <?xml what?"),
        ("s3://conn_id@bucket/key of me@example.com", "s3://conn_id@bucket/key of me@example.com"),
    ],
)
def test_outside_text_is_shown_without_what_opens_a_link(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("part", ["://", "//a:", "http://", r":\/\/", "?", "a#"])
def test_a_hostile_text_does_not_hang(part: str) -> None:
    """A triggerer shows texts in its event loop. Gone through from each mark on, this one would take hours."""
    without_secrets(part * 700_000)


@pytest.mark.parametrize(
    ("message", "reason", "transient"),
    [
        *[
            (f"xx {words} yy", Reason.CONTENT_POLICY, False)
            for words in (
                "violates our usage guidelines",
                "Responsible AI practices",
                "Support codes: 1",
                "sensitive words detected",
                "The prompt could not be submitted",
                "content_policy_violation",
                "raiMediaFilteredReasons",
                "内容违规",
                "包含敏感词",
                "审核未通过",
                "not supported; violates the usage guidelines",
            )
        ],
        ("Unsupported output video duration 5", Reason.INVALID_REQUEST, False),
        ("Resolution is NOT SUPPORTED here", Reason.INVALID_REQUEST, False),
        ("project not allowlisted", Reason.INVALID_REQUEST, False),
        ("code 3 INVALID_ARGUMENT", Reason.INVALID_REQUEST, False),
        ("Model x was not found or your project does not have access to it", Reason.MODEL_NOT_FOUND, False),
        ("this model is no longer available", Reason.MODEL_NOT_FOUND, False),
        *[
            (words, Reason.GENERATION_FAILED, True)
            for words in (
                "high load",
                "Quota exceeded",
                "RESOURCE_EXHAUSTED",
                "HTTP 429",
                "UNAVAILABLE",
                "please try again later",
                "Internal error",
                "负载已饱和",
                "something new",
                "",
            )
        ],
        ("任务超时", Reason.SERVER, True),
        ("Failed to get channel info", Reason.SERVER, True),
        ("获取渠道信息失败", Reason.SERVER, True),
    ],
)
def test_why_a_generation_failed(message: str, reason: Reason, transient: bool) -> None:
    problem = failed_generation(message, "400")
    assert (problem.reason, problem.transient, problem.code) == (reason, transient, "400")


@pytest.mark.parametrize(
    ("code", "category"),
    [("58061214", "child"), ("15236754", "celebrity"), ("64151117", "video safety"), ("90789179", "sexual content"),
     ("32635315", "vulgar content"), ("35561575", "third-party content")],
)  # fmt: skip
def test_support_codes_name_the_filter(code: str, category: str) -> None:
    assert support_code_categories(f"Support codes: {code}, 99999999") == (category,)
    assert category in failed_generation(f"Support codes: {code}", None).message


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("7", 7.0),
        (" 1.5 ", 1.5),
        ("Thu, 01 Jan 1970 00:01:40 GMT", 90.0),
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.0),
        ("", None),
        ("soon", None),
        ("-3", None),
        ("1" * 400, None),
    ],
)
def test_retry_after(value: str, seconds: float | None) -> None:
    assert retry_after(Answer(429, {"retry-after": value}, b"", now=10.0)) == seconds


def test_a_message_is_dug_out_of_nested_json() -> None:
    inner: Any = {"error": {"message": "the real words", "code": "deep"}}
    for _ in range(3):
        inner = {"code": "fail_to_fetch_task", "message": json.dumps(inner)}
    body = read_error_body(json.dumps(inner).encode())
    assert body.message == "the real words"
    assert body.code == "fail_to_fetch_task"


def test_a_control_character_cannot_forge_a_log_line() -> None:
    body = json.dumps({"message": "x\r\n[2026] INFO - all is well\x1b[0m"}).encode()
    message = problem_of(Kind.POLL, Answer(500, {}, body)).message
    assert message.isprintable()
