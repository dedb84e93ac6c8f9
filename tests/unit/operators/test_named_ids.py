# SPDX-License-Identifier: Apache-2.0
"""Which generation errors and facts name, where there are several, or the way back fails."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, AirflowTaskTimeout, TaskDeferred

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_adopting_records import PASSING, other_task
from tests.unit.operators.test_tries import ids, run, unended
from tests.unit.operators.test_veo import operator, run_deferred
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoConnectionNotFoundError,
    VeoDeadlineError,
    VeoLedgerError,
    VeoLedgerUnavailableError,
    VeoValidationError,
)
from veo_provider.hooks.veo import VeoHook
from veo_provider.operators.bookkeeping import Book
from veo_provider.operators.story import Story
from veo_provider.simulator import Simulator

FAILED: dict[str, Any] = {"error": "Trigger failure"}


def _late(*_: object) -> None:
    raise AirflowTaskTimeout


def _away(*_: object, **__: object) -> None:
    raise ConnectionError("away")


@pytest.mark.parametrize("bought_before", [False, True])
async def test_an_error_names_what_was_handed_over(
    bought_before: bool, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise AirflowNotFoundException("isn't defined")

    if bought_before:
        await run(ti)
    found, cleared = await run(other_task()), ti.cleared()
    monkeypatch.setattr(VeoHook, "get_connection", away)
    with pytest.raises(VeoConnectionNotFoundError, match=found):
        await run(cleared, generation_id=found)
    assert cleared.xcoms["veo_generation"]["generation_id"] == found


async def test_it_is_named_where_the_ledger_is_wrong(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", "nosuch://x/y")
    with pytest.raises(VeoConfigurationError, match="task_7"):
        await run(Task(), generation_id="task_7")


@pytest.mark.parametrize("bought_before", [False, True])
async def test_coming_back_without_the_xcom_asks_for_what_was_handed_over(
    bought_before: bool, ti: Task, gateway: Simulator
) -> None:
    if bought_before:
        await run(ti)
    found, cleared = await run(other_task()), ti.cleared()
    gateway.inject(PASSING)
    with pytest.raises(TaskDeferred):
        operator(generation_id=found).execute(cleared.context)
    cleared.xcoms.clear()
    assert operator(generation_id=found).resume_execution("__fail__", FAILED, cleared.context) == found


async def test_a_refused_id_leaves_the_generation_that_runs_submitted(ti: Task, gateway: Simulator) -> None:
    mine, cleared = await unended(ti, gateway), ti.cleared()
    with pytest.raises(VeoValidationError, match=mine):
        await run(cleared, generation_id="None")
    facts = cleared.xcoms["veo_generation"]
    assert (facts["generation_id"], facts["status"]) == (mine, "submitted")


async def test_what_could_not_be_submitted_after_a_clear_is_not_the_old_one(ti: Task, gateway: Simulator) -> None:
    first, cleared = await run(ti), ti.cleared()
    ti.task_state_store.set = _away
    with pytest.raises(VeoLedgerUnavailableError, match=first):
        await run(cleared)
    facts = cleared.xcoms["veo_generation"]
    assert (facts["generation_id"], facts["status"], facts["reason"]) == (None, "not submitted", "ledger")


async def test_what_could_not_be_recorded_was_submitted(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Book, "_write", _away)
    with pytest.raises(VeoLedgerError, match="is billed"):
        await run(ti)
    facts = ti.xcoms["veo_generation"]
    assert (facts["generation_id"], facts["status"]) == (ids(gateway)[0], "submitted")


async def test_a_time_limit_on_the_way_back_names_the_generation(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator().execute(ti.context)
    event = await run_deferred(deferred.value)
    with monkeypatch.context() as patch:
        patch.setattr(Book, "done", _late)
        with pytest.raises(VeoDeadlineError, match=ids(gateway)[0]):
            operator().execute_complete(ti.context, event)
        # Nothing tells yet of which generation it is.
        patch.setattr(Story, "read", _late)
        ti.task_state_store, ti.xcoms = TaskState(), {}
        with pytest.raises(AirflowTaskTimeout):
            operator().execute_complete(ti.context, event)


async def test_a_failed_way_back_is_told_in_the_facts(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(TaskDeferred):
        operator("A cat sim:never").execute(ti.context)
    monkeypatch.setattr(VeoHook, "poll", _late)
    with pytest.raises(VeoDeadlineError, match=ids(gateway)[0]):
        operator("A cat sim:never").resume_execution("__fail__", {"error": "Trigger timeout"}, ti.context)
    assert ti.xcoms["veo_generation"]["reason"] == "deadline"
