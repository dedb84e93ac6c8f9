# SPDX-License-Identifier: Apache-2.0
"""An answer like the last one is not read again; what brings news always is."""

from __future__ import annotations

from typing import Any

import pytest

from veo_provider.api.answer_reader import AnswerReader
from veo_provider.api.asking import Asking
from veo_provider.api.calls import Answer, Kind
from veo_provider.api.generation import Generation, Phase, read_generation
from veo_provider.api.problem import Problem

KEY = "sk-0123456789"
RUNNING = b'{"task_id": "g", "status": "in_progress", "progress": 10}'
FURTHER = b'{"task_id": "g", "status": "in_progress", "progress": 20}'
DONE = b'{"task_id": "g", "status": "succeeded", "url": "https://h/v.mp4"}'
LATE = b'{"task_id": "g", "status": "succeeded", "url": ""}'
FAILED = b'{"task_id": "g", "status": "failed", "error": {"message": "no"}}'


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Return the bodies that were read."""
    seen: list[bytes] = []

    def read(answer: Answer, generation_id: str) -> Any:
        seen.append(answer.body)
        return read_generation(answer, generation_id)

    monkeypatch.setattr("veo_provider.api.asking.read_generation", read)
    return seen


def poll(asking: Asking, body: bytes, status: int = 200, pieces: int = 1) -> Generation | Problem:
    reader = AnswerReader(status, {"x-oneapi-request-id": "r"}, Kind.POLL, KEY, asking.known)
    step = -(-len(body) // pieces)
    for start in range(0, len(body), step):
        reader.feed(body[start : start + step])
    return asking.read(reader.answer(1.0))


def test_the_same_answer_is_read_once(reads: list[bytes]) -> None:
    asking = Asking("g")
    first = poll(asking, RUNNING)
    assert poll(asking, RUNNING) is first
    assert poll(asking, RUNNING, pieces=7) is first
    assert reads == [RUNNING]


def test_every_news_is_read(reads: list[bytes]) -> None:
    asking = Asking("g")
    seen = [poll(asking, body) for body in (RUNNING, FURTHER, RUNNING, LATE, LATE, DONE)]
    assert all(isinstance(one, Generation) for one in seen)
    assert [one.progress for one in seen if isinstance(one, Generation)] == [10, 20, 10, None, None, None]
    assert [one.phase for one in seen[-2:] if isinstance(one, Generation)] == [Phase.SUCCEEDED] * 2
    assert reads == [RUNNING, FURTHER, RUNNING, LATE, DONE]


@pytest.mark.parametrize("body", [DONE, FAILED, b"no json", b'{"error": {"message": "busy"}}'])
def test_an_end_and_a_problem_are_read_each_time(body: bytes, reads: list[bytes]) -> None:
    asking = Asking("g")
    for _ in range(2):
        poll(asking, body)
    assert reads == [body, body]


def test_another_status_is_other_news() -> None:
    asking = Asking("g")
    assert isinstance(poll(asking, RUNNING), Generation)
    assert isinstance(poll(asking, RUNNING, status=503), Problem)
    assert isinstance(poll(asking, RUNNING), Generation)


def test_a_key_that_is_echoed_is_not_kept() -> None:
    asking = Asking("g")
    poll(asking, RUNNING.replace(b"in_progress", KEY.encode()))
    assert asking.known is not None
    assert KEY.encode() not in asking.known.body


def test_no_document_is_kept() -> None:
    asking = Asking("g")
    poll(asking, RUNNING)
    assert "document" not in vars(asking.known)
