# SPDX-License-Identifier: Apache-2.0
"""An error names the generation once, whatever else is in its words."""

from __future__ import annotations

import pytest

from veo_provider.api.problem import Problem, Reason
from veo_provider.exceptions import VeoServerError
from veo_provider.raising import error_for


@pytest.mark.parametrize(
    ("message", "generation_id", "text"),
    [
        ("HTTP 502", "50", "HTTP 502 (generation 50)"),
        ("Generation task_1 failed", "task_1", "Generation task_1 failed"),
        ("Generation task_12 failed", "task_1", "Generation task_12 failed (generation task_1)"),
        ("Generation g-1-x failed", "g-1", "Generation g-1-x failed (generation g-1)"),
        ("Down", None, "Down"),
    ],
)
def test_the_generation_is_named(message: str, generation_id: str | None, text: str) -> None:
    assert str(VeoServerError(message, generation_id=generation_id)) == text


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_has_a_class(reason: Reason) -> None:
    assert error_for(Problem(reason, "m")).reason is reason
