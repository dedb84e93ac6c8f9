# SPDX-License-Identifier: Apache-2.0
"""
Two processes of one try: Airflow executes a try again whose end it has mistaken, and the first may still run.

What the second one does is called from within the first, at the moment that matters.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_tries import every, ids, record, run
from tests.unit.operators.test_veo import operator
from veo_provider.exceptions import VeoLedgerError, VeoTransientError, VeoUnknownSubmitError
from veo_provider.hooks.veo import VeoHook
from veo_provider.ledger.record import SubmitPhase
from veo_provider.operators.running import Run
from veo_provider.operators.submitting import Submitter
from veo_provider.simulator import Simulator

NOW = datetime.now(UTC)


@pytest.fixture(params=["task state", "folder"])
def ti(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Task:
    if request.param == "task state":
        return Task(task_state_store=TaskState(), max_tries=2, run_started=NOW)
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    return Task(max_tries=2, run_started=NOW)


def execute(ti: Task, prompt: str = "A cat") -> str:
    return str(operator(prompt, deferrable=False).execute(ti.context))


@every
async def test_a_try_that_is_executed_again_goes_on(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    with pytest.raises(TaskDeferred):
        operator("A cat").execute(ti.context)
    assert [await run(ti.executed_again(), **how)] == ids(gateway)
    assert [await run(ti.executed_again(), "a prompt of another day", **how)] == ids(gateway)


def test_while_one_sends_the_other_stands_back(ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def twin() -> None:
        with pytest.raises(VeoTransientError, match="nothing was sent from here"):
            execute(ti.executed_again())

    _within(monkeypatch, VeoHook, "submit", twin)
    assert [execute(ti)] == ids(gateway)
    assert gateway.ledger()["totals"]["submits"] == 1


def test_what_was_sent_and_lost_is_known_as_lost_to_the_next_try(ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "submit", "kind": "lost_answer"})
    with pytest.raises(VeoUnknownSubmitError):
        execute(ti)
    with pytest.raises(VeoTransientError):
        execute(ti.executed_again())
    with pytest.raises(VeoUnknownSubmitError):
        execute(ti.retried())
    assert gateway.ledger()["totals"]["submits"] == 1


def test_while_one_pauses_before_sending_again_the_other_sends(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    gateway.inject({"on": "submit", "kind": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 1})
    bought: list[str] = []
    _within(monkeypatch, Submitter, "_wait_or_raise", lambda: bought.append(execute(ti.executed_again())))
    with pytest.raises(VeoTransientError, match="Another process"):
        execute(ti)
    assert bought == ids(gateway)
    assert [execute(ti.retried())] == bought


def test_both_start_from_the_same_record(ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look and the intent of the one, the other buys."""
    bought: list[str] = []
    _within(monkeypatch, Run, "_check_cost", lambda: bought.append(execute(ti.executed_again())))
    with pytest.raises(VeoTransientError, match="Another process"):
        execute(ti)
    assert bought == ids(gateway)


def test_a_run_that_was_deleted_and_made_again(
    tmp_path: Path, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a folder keeps the records of deleted runs; Airflow deletes its own with the run."""
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    first = execute(Task(run_started=NOW))
    with pytest.raises(VeoLedgerError, match="deleted run") as caught:
        execute(Task(run_started=datetime.now(UTC) + timedelta(seconds=1)))
    assert first in str(caught.value)
    assert "000001.json" in str(caught.value)
    ti = Task(task_state_store=TaskState(), run_started=NOW)
    monkeypatch.delenv("AIRFLOW__VEO__LEDGER_PATH")
    second = execute(ti)
    # Clocks differ; a record of the task state is of this run all the same.
    assert execute(replace(ti, run_started=NOW + timedelta(hours=1), xcoms={})) == second
    assert record(ti).phase is SubmitPhase.DONE
    assert ids(gateway) == [first, second]


def _within(monkeypatch: pytest.MonkeyPatch, owner: type, name: str, twin: Callable[[], None]) -> None:
    """Let the twin run once, just before a method of the first does its work."""
    real = getattr(owner, name)
    pending = [twin]

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if pending:
            pending.pop()()
        return real(self, *args, **kwargs)

    monkeypatch.setattr(owner, name, method)
