# SPDX-License-Identifier: Apache-2.0
"""``generation_id`` beside records: what is recorded of it, and what it may replace."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, TaskDeferred

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_tries import NO_WAIT, ids, record, run, unended
from tests.unit.operators.test_veo import operator, run_deferred
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoDeadlineError,
    VeoGenerationFailedError,
    VeoLedgerError,
    VeoNotFoundError,
    VeoPermissionError,
    VeoResultGoneError,
    VeoUnknownSubmitError,
)
from veo_provider.hooks.veo import VeoHook
from veo_provider.ledger.record import Record
from veo_provider.ledger.stores import TASK_STATE_KEY
from veo_provider.operators.bookkeeping import Book
from veo_provider.simulator import Simulator

PASSING = {"on": "poll", "kind": "status", "status": 502, "times": 1}
SHORT: dict[str, Any] = {"timeout": 0.3}


@pytest.fixture(params=["task state", "folder"])
def both_ledgers(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "folder":
        monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")


ledgers = pytest.mark.usefixtures("both_ledgers")


def other_task() -> Task:
    return Task(task_id="another", task_state_store=TaskState())


async def failed(gateway: Simulator) -> str:
    with pytest.raises(VeoGenerationFailedError):
        await run(other_task(), "A cat sim:failed=high_load")
    return ids(gateway)[-1]


@ledgers
async def test_a_late_success_replaces_no_later_try(ti: Task, gateway: Simulator) -> None:
    found = await run(other_task())
    gateway.inject(PASSING)
    with pytest.raises(TaskDeferred) as deferred:
        operator(generation_id=found).execute(ti.context)
    event = await run_deferred(deferred.value)
    cleared = ti.cleared()
    with pytest.raises(VeoDeadlineError):
        await run(cleared, "A dog sim:never", **SHORT)
    mine = ids(gateway)[-1]
    assert operator(generation_id=found).execute_complete(ti.context, event) == found
    with pytest.raises(VeoDeadlineError, match=mine):
        await run(cleared.retried(), "A dog sim:never", **SHORT)
    assert ids(gateway) == [found, mine]


@ledgers
async def test_a_clear_lets_go_of_an_adopted_generation_whose_connection_has_moved(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await unended(other_task(), gateway)
    with pytest.raises(VeoDeadlineError):
        await run(ti, generation_id=found, **SHORT)
    [name] = [name for name in os.environ if name.startswith("AIRFLOW_CONN_VEO")]
    monkeypatch.setenv(name, os.environ[name].replace("127.0.0.1", "localhost"))
    with pytest.raises(VeoConfigurationError, match=r"clear the task .*" + found):
        await run(ti.retried())
    with pytest.raises(VeoConfigurationError, match="on_clear='regenerate'"):
        await run(ti.cleared(), on_clear="keep")
    assert await run(ti.cleared()) == ids(gateway)[-1] != found


@ledgers
@pytest.mark.parametrize("ended_by_airflow", [False, True])
async def test_what_was_seen_alive_is_recorded_at_a_deadline_too(
    ended_by_airflow: bool, ti: Task, gateway: Simulator
) -> None:
    found = await unended(other_task(), gateway)
    gateway.inject(PASSING)
    task = operator(generation_id=found, timeout=1.5)
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(ti.context)
    method, kwargs = "__fail__", {"error": "Trigger timeout"}
    if not ended_by_airflow:
        method, kwargs = "execute_complete", {"event": await run_deferred(deferred.value)}
    with pytest.raises(VeoDeadlineError, match=found):
        task.resume_execution(method, kwargs, ti.context)
    with pytest.raises(VeoDeadlineError, match=found):
        await run(ti.cleared(), "A cat", **SHORT)
    assert ids(gateway) == [found]


@ledgers
async def test_a_failed_id_replaces_no_unknown_submit(ti: Task, gateway: Simulator) -> None:
    old = await failed(gateway)
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    with pytest.raises(VeoGenerationFailedError, match=old):
        await run(ti.cleared(), generation_id=old)
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti.cleared().cleared(), "A cat")


@ledgers
async def test_a_failed_id_replaces_no_generation_that_runs(ti: Task, gateway: Simulator) -> None:
    old = await failed(gateway)
    mine = await unended(ti, gateway)
    with pytest.raises(VeoGenerationFailedError, match=old):
        await run(ti.cleared(), generation_id=old)
    with pytest.raises(VeoDeadlineError, match=mine):
        await run(ti.cleared().cleared(), "A cat sim:never", **SHORT)


@pytest.mark.parametrize("body", [{"status": "succeeded", "url": "expired"}, None], ids=["expired", "unknown"])
async def test_what_is_gone_after_a_first_look_that_failed_is_not_recorded(
    body: dict[str, Any] | None, ti: Task, gateway: Simulator
) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    alive = {"on": "poll", "kind": "status", "status": 200, "body": {"status": "in_progress"}, "times": 1}
    gateway.inject([PASSING, alive])
    if body is not None:
        gateway.inject({"on": "poll", "kind": "status", "status": 200, "body": body, "times": None})
    with pytest.raises((VeoResultGoneError, VeoNotFoundError), match="task_gone"):
        await run(ti.cleared(), generation_id="task_gone")
    assert record(ti).generation_id is None


async def test_an_answer_that_any_id_may_get_records_nothing(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    nothing_yet = {"code": "success", "data": None}
    gateway.inject({"on": "poll", "kind": "status", "status": 200, "body": nothing_yet, "times": 1})
    await run(ti.cleared(), generation_id="task_mistyped", **NO_WAIT)
    assert record(ti).generation_id is None


async def test_an_answer_that_names_the_id_is_enough(ti: Task, gateway: Simulator) -> None:
    found = await unended(other_task(), gateway)
    without_status = {"task_id": found, "url": "", "format": "mp4"}
    gateway.inject({"on": "poll", "kind": "status", "status": 200, "body": without_status, "times": 1})
    await run(ti, generation_id=found, **NO_WAIT)
    assert record(ti).generation_id == found


async def test_what_is_refused_after_it_was_seen_alive_is_recorded(ti: Task, gateway: Simulator) -> None:
    found = await unended(other_task(), gateway)
    gateway.inject(PASSING)
    refused = {"on": "poll", "kind": "status", "status": 403, "body": {"code": "forbidden"}, "times": None}
    gateway.inject({**refused, "skip": 1})
    with pytest.raises(VeoPermissionError, match=found):
        await run(ti, generation_id=found)
    assert record(ti).generation_id == found


async def test_an_id_that_was_never_seen_is_not_recorded_at_its_deadline(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    gateway.inject({**PASSING, "times": 1000})
    with pytest.raises(VeoDeadlineError, match="task_mistyped"):
        await run(ti.cleared(), generation_id="task_mistyped", **SHORT)
    assert record(ti).generation_id is None


async def test_its_own_id_answers_a_clear_even_if_the_gateway_is_away(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = await unended(ti, gateway)
    gateway.inject(PASSING)
    cleared = ti.cleared()
    with monkeypatch.context() as patch:
        # The worker dies before that.
        patch.setattr(Book, "done", lambda *_: None)
        await run(cleared, generation_id=mine, **NO_WAIT)
    assert await run(cleared.retried(), "A dog", **NO_WAIT) == mine
    assert ids(gateway) == [mine]


async def test_a_padded_id_is_recorded_at_its_success(ti: Task, gateway: Simulator) -> None:
    found = await run(other_task())
    gateway.inject(PASSING)
    assert await run(ti, generation_id=f" {found} ") == found
    assert await run(ti.retried()) == found


@ledgers
async def test_it_is_recorded_with_its_gateway_even_where_the_xcom_is_lost(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await run(other_task())
    gateway.inject(PASSING)
    with pytest.raises(TaskDeferred) as deferred:
        operator(generation_id=found).execute(ti.context)
    event = await run_deferred(deferred.value)
    ti.xcoms.clear()
    with monkeypatch.context() as patch:
        # The worker dies before that.
        patch.setattr(Book, "done", lambda *_: None)
        operator(generation_id=found).execute_complete(ti.context, event)
    assert await run(ti.retried()) == found
    assert ids(gateway) == [found]


async def test_it_is_recorded_while_the_connection_is_away(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise AirflowNotFoundException("isn't defined")

    found = await run(other_task())
    gateway.inject(PASSING)
    with pytest.raises(TaskDeferred) as deferred:
        operator(generation_id=found).execute(ti.context)
    event = await run_deferred(deferred.value)
    with monkeypatch.context() as patch:
        patch.setattr(VeoHook, "get_connection", away)
        assert operator(generation_id=found).execute_complete(ti.context, event) == found
        assert record(ti).generation_id == found
        # Without the XCom nobody knows where it is; it is there all the same.
        bare = Task(task_state_store=TaskState())
        assert operator(generation_id=found).execute_complete(bare.context, event) == found
        assert bare.task_state_store.values == {}


async def test_an_adopted_record_is_of_its_own_try(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: Simulator
) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    found = await run(Task(task_id="another"))
    began = datetime.now(UTC) - timedelta(seconds=1)
    await run(Task(run_started=began), generation_id=found)
    with pytest.raises(VeoLedgerError, match="before this run began"):
        await run(Task(run_started=began + timedelta(seconds=60)))


@pytest.mark.parametrize("same", [False, True])
async def test_an_adoption_replaces_the_record_of_a_deleted_run(
    same: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gateway: Simulator
) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    old = await run(Task(try_number=3))
    found = old if same else await run(Task(task_id="another"))
    anew = Task(run_started=datetime.now(UTC), max_tries=2)
    assert await run(anew, generation_id=found) == found
    assert await run(anew.retried()) == found


async def test_what_was_reused_is_kept_by_a_retry_and_bought_anew_by_a_changed_clear(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ti: Task, gateway: Simulator
) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    first = await run(ti, reuse=True)
    other = Task(task_id="other", max_tries=2)
    with monkeypatch.context() as patch:
        # Its successes are lost, so its record is that of a generation that runs.
        patch.setattr(Book, "done", lambda *_: None)
        assert await run(other, reuse=True) == first
        assert await run(other.retried(), "A dog", reuse=True) == first
        assert await run(other.cleared(), reuse=True) == first
    assert ids(gateway) == [first]
    assert await run(other.cleared().cleared(), "A dog", reuse=True) != first
    assert len(ids(gateway)) == 2


async def test_a_clear_is_answered_once(ti: Task, gateway: Simulator) -> None:
    mine = await unended(ti, gateway)
    cleared = ti.cleared()
    for again, prompt in ((cleared, "A cat sim:never"), (cleared.retried(), "A cat of another day sim:never")):
        with pytest.raises(VeoDeadlineError, match=mine):
            await run(again, prompt, **SHORT)
    assert ids(gateway) == [mine]


async def test_an_answered_clear_replaces_nothing_that_another_process_writes(ti: Task, gateway: Simulator) -> None:
    await unended(ti, gateway)
    store, real = ti.task_state_store, ti.task_state_store.set
    calls: list[str] = []

    def overtaken(key: str, value: Any, **options: Any) -> None:
        calls.append(key)
        if len(calls) == 1:
            theirs = replace(Record.read(store.get(TASK_STATE_KEY), ""), nonce="theirs", generation_id="theirs")
            real(key, theirs.as_dict())
            raise ConnectionError("the API server is away")
        real(key, value, **options)

    store.set = overtaken
    with pytest.raises(VeoDeadlineError):
        await run(ti.cleared(), "A cat sim:never", **SHORT)
    assert record(ti).generation_id == "theirs"
