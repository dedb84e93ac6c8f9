# SPDX-License-Identifier: Apache-2.0
"""Operators in a hurry, and a task that remembers its submits."""

from __future__ import annotations

import pytest

from tests.support.tasks import Task, TaskState
from veo_provider.api import resending
from veo_provider.operators import bookkeeping, running


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "FIRST_POLL_DELAY", 0.0)
    monkeypatch.setattr(resending, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(bookkeeping, "WRITE_PAUSES", (0.0, 0.0))


@pytest.fixture
def ti() -> Task:
    """The first try of a task with two retries, on an Airflow with a task state."""
    return Task(task_state_store=TaskState(), max_tries=2)
