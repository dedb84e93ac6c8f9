# SPDX-License-Identifier: Apache-2.0
"""What is read of an answer; how it is scanned is in test_answer_scanner.py."""

from __future__ import annotations

import pytest

from veo_provider.api.answer_reader import AnswerReader
from veo_provider.api.answer_scanner import MAX_DEPTH
from veo_provider.api.calls import Kind


@pytest.mark.parametrize("depth", [MAX_DEPTH, MAX_DEPTH + 1, 5000])
def test_a_small_answer_may_be_as_deep_as_a_large_one(depth: int) -> None:
    reader = AnswerReader(200, {}, Kind.POLL, "")
    reader.feed(b"[" * depth + b"]" * depth)
    assert reader.answer(0.0).truncated is (depth > MAX_DEPTH)
