# SPDX-License-Identifier: Apache-2.0
"""The key in what the gateway says, in the spellings that an echo may have."""

from __future__ import annotations

import pytest

from veo_provider.api.calls import Answer
from veo_provider.api.echoes import answer_without_key, text_without_key


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
    answer = answer_without_key(Answer(400, {"x-request": body.decode()}, body, 0.0), key)
    assert answer.body == left
    assert answer.headers["x-request"] == left.decode()


@pytest.mark.parametrize("body", [b"as sk-1/34567", rb"as sk-1\/34567"], ids=["plain", "escaped"])
def test_the_key_is_taken_out_of_an_answer_without_headers(body: bytes) -> None:
    assert answer_without_key(Answer(400, {}, body, 0.0), "sk-1/34567").body == b"as ***"


def test_the_key_is_taken_out_of_headers_alone() -> None:
    answer = answer_without_key(Answer(400, {"retry-after": "sk-12345678"}, b"{}", 0.0), "sk-12345678")
    assert answer.headers == {"retry-after": "***"}


def test_another_spelling_of_the_key_is_found() -> None:
    key = 'sk-"1/2+3=='
    for text in (r"sk-\"1\/2+3==", r"\u0073\u006B-\\\"1/2\\u002b3\u003d\u003D", "sk-%221%2f2%2B3%3d%3D"):
        assert text_without_key(f"as {text}!", key) == "as ***!"


def test_a_row_of_backslashes_takes_no_longer_than_other_text() -> None:
    # Without a bound on them it would take hours: the suite's own limit ends it.
    text = "\\" * 1_000_000
    assert text_without_key(text, "sk-12345678") == text
