# SPDX-License-Identifier: Apache-2.0
"""What is read of an answer; how it is scanned is in test_answer_scanner.py."""

from __future__ import annotations

import pytest

from veo_provider.api.answer_reader import AnswerReader, without_key
from veo_provider.api.answer_scanner import MAX_DEPTH
from veo_provider.api.calls import Answer, Kind


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 5000])
def test_a_small_answer_may_be_as_deep_as_a_large_one(depth: int) -> None:
    reader = AnswerReader(200, {}, Kind.POLL, "")
    reader.feed(b"[" * depth + b"]" * depth)
    assert reader.answer(0.0).truncated is (depth > MAX_DEPTH)


@pytest.mark.parametrize(
    ("key", "body", "left"),
    [
        ("sk-12345", b"Bearer sk-12345!", b"Bearer ***!"),
        ("sk-1/345", rb"as sk-1\/345 and sk-1/345", b"as *** and ***"),
        # A piece of anything else.
        ("sk", b"task", b"task"),
    ],
)
def test_the_key_is_taken_out(key: str, body: bytes, left: bytes) -> None:
    answer = without_key(Answer(400, {"x-request": body.decode()}, body, 0.0), key)
    assert answer.body == left
    assert answer.headers["x-request"] == body.decode().replace(key, "***" if len(key) > 2 else key)


@pytest.mark.parametrize("body", [b"as sk-1/34567", rb"as sk-1\/34567"], ids=["plain", "escaped"])
def test_the_key_is_taken_out_of_an_answer_without_headers(body: bytes) -> None:
    assert without_key(Answer(400, {}, body, 0.0), "sk-1/34567").body == b"as ***"


def test_the_key_is_taken_out_of_headers_alone() -> None:
    answer = without_key(Answer(400, {"retry-after": "sk-12345678"}, b"{}", 0.0), "sk-12345678")
    assert answer.headers == {"retry-after": "***"}
