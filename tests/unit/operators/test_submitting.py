# SPDX-License-Identifier: Apache-2.0
"""The store that fails, the process that is not alone, and what is sent again within one try."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_tries import ids, record, run
from veo_provider.api import resending
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoDeadlineError,
    VeoError,
    VeoInvalidRequestError,
    VeoLedgerError,
    VeoLedgerUnavailableError,
    VeoModelUnavailableError,
    VeoRateLimitedError,
    VeoTransientError,
)
from veo_provider.ledger.record import SubmitPhase
from veo_provider.ledger.stores import TASK_STATE_KEY
from veo_provider.simulator import Simulator

# A store that fails.


class Failing(TaskState):
    def __init__(self, fails: Callable[[dict[str, Any]], bool], times: int = 99) -> None:
        super().__init__()
        self.fails, self.times = fails, times

    def set(self, key: str, value: Any, **options: Any) -> None:
        if self.fails(value) and self.times:
            self.times -= 1
            raise ConnectionError("the API server is away")
        super().set(key, value, **options)


async def test_without_an_intent_nothing_is_sent(gateway: Simulator) -> None:
    ti = Task(task_state_store=Failing(lambda value: value["phase"] == "submitting", times=1), max_tries=2)
    with pytest.raises(VeoTransientError, match="nothing was sent"):
        await run(ti)
    assert gateway.ledger()["submits"] == []
    assert [await run(ti.retried())] == ids(gateway)


async def test_an_intent_that_cannot_be_read_back_is_taken_back(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = TaskState.get, iter([None, None, ConnectionError()])

    def get(self: TaskState, key: str, default: Any = None) -> Any:
        if error := next(calls, None):
            raise error
        return real(self, key, default)

    monkeypatch.setattr(TaskState, "get", get)
    with pytest.raises(VeoTransientError, match="nothing was sent"):
        await run(ti)
    assert record(ti).phase is SubmitPhase.REFUSED
    assert [await run(ti.retried())] == ids(gateway)


async def test_a_ledger_that_cannot_be_read_sends_nothing(ti: Task, gateway: Simulator) -> None:
    ti.task_state_store.set(TASK_STATE_KEY, {"version": 99})
    with pytest.raises(VeoLedgerError, match="nothing was sent"):
        await run(ti)

    def fails(*_: object) -> None:
        raise OSError("GET https://me:s3cret@store/x?sig=s3cret failed\nFORGED")

    ti.task_state_store.get = fails
    with pytest.raises(VeoTransientError, match=r"nothing was sent.*store/x") as caught:
        await run(ti)
    assert "s3cret" not in str(caught.value)
    assert "\n" not in str(caught.value)
    assert gateway.ledger()["submits"] == []


async def test_a_setting_that_is_wrong_sends_nothing(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__GENERATION_DEAD_AFTER", "1")
    with pytest.raises(VeoConfigurationError, match=r"generation_dead_after.*Nothing was sent"):
        await run(ti)
    assert gateway.ledger()["submits"] == []


@pytest.mark.parametrize("times", [2, 99])
async def test_an_id_that_cannot_be_written(times: int, gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    store = Failing(lambda value: value["phase"] == "submitted", times)
    ti = Task(task_state_store=store, max_tries=2)
    if times == 2:  # it is tried again
        assert [await run(ti)] == ids(gateway)
    else:
        with pytest.raises(VeoLedgerError) as caught:
            await run(ti)
        assert isinstance(caught.value, AirflowFailException)
        assert ids(gateway)[0] in str(caught.value)
        assert ti.xcoms["veo_generation"]["generation_id"] == ids(gateway)[0]
        assert ti.xcoms["veo_generation"]["status"] == "submitted"
    assert f"Submitted generation {ids(gateway)[0]}" in capsys.readouterr().out


async def test_a_done_mark_that_fails_costs_nothing(gateway: Simulator) -> None:
    ti = Task(task_state_store=Failing(lambda value: value["phase"] == "done"), max_tries=2)
    first = await run(ti)
    assert await run(ti.retried()) == first
    assert ids(gateway) == [first]


async def test_a_zombie_does_not_send(gateway: Simulator) -> None:
    class Overtaken(TaskState):
        def set(self, key: str, value: Any, **options: Any) -> None:
            super().set(key, {**value, "nonce": "theirs"}, **options)

    ti = Task(task_state_store=Overtaken(), max_tries=2)
    with pytest.raises(VeoLedgerUnavailableError, match="nothing was sent from here"):
        await run(ti)
    assert ti.xcoms["veo_generation"]["reason"] == "ledger"
    assert gateway.ledger()["submits"] == []


async def test_another_gateway_is_not_asked(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoDeadlineError):
        await run(ti, "A cat sim:never", timeout=0.3)
    ti.task_state_store.set(TASK_STATE_KEY, replace(record(ti), base_url="https://old.example").as_dict())
    with pytest.raises(VeoConfigurationError, match=r"https://old\.example") as caught:
        await run(ti.retried())
    assert ids(gateway)[0] in str(caught.value)
    assert "or clear the task to submit" in str(caught.value)
    with pytest.raises(VeoConfigurationError, match="set on_clear='regenerate' and clear"):
        await run(ti.cleared(), on_clear="keep")
    assert len(ids(gateway)) == 1


# Sending again within one try.


async def test_what_was_surely_refused_is_sent_again(ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "submit", "kind": "status", "status": 429, "headers": {"Retry-After": "0"}, "times": 2})
    assert [await run(ti)] == ids(gateway)
    assert gateway.ledger()["totals"]["submits"] == 3
    assert record(ti).number == 3


async def test_a_verdict_voids_the_intent(ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "submit", "kind": "status", "status": 400, "body": {"code": "invalid_request"}})
    with pytest.raises(VeoInvalidRequestError):
        await run(ti)
    assert record(ti).phase is SubmitPhase.REFUSED
    assert gateway.ledger()["totals"]["submits"] == 1
    assert [await run(ti.cleared())] == ids(gateway)


async def test_a_model_without_a_channel_is_asked_for_a_few_times(ti: Task, gateway: Simulator) -> None:
    body = {"error": {"code": "model_not_found", "message": "no available channel"}}
    gateway.inject({"on": "submit", "kind": "status", "status": 503, "body": body, "times": 99})
    with pytest.raises(VeoModelUnavailableError):
        await run(ti)
    assert gateway.ledger()["totals"]["submits"] == resending.MAX_SENDS_WITHOUT_CHANNEL


async def test_it_is_not_sent_again_after_the_deadline(ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "submit", "kind": "status", "status": 429, "headers": {"Retry-After": "60"}, "times": 99})
    with pytest.raises(VeoRateLimitedError):
        await run(ti, timeout=30)
    assert gateway.ledger()["totals"]["submits"] == 1


@pytest.mark.parametrize("fault", [{"kind": "reset"}, {"kind": "status", "status": 502}, {"kind": "html"}])
async def test_what_may_have_been_accepted_is_not_sent_again(
    fault: dict[str, Any], ti: Task, gateway: Simulator
) -> None:
    gateway.inject({"on": "submit", **fault})
    with pytest.raises(VeoError):
        await run(ti)
    assert gateway.ledger()["totals"]["submits"] == 1


async def test_without_a_ledger_it_says_so(gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    ti = Task(max_tries=2)
    await run(ti)
    assert capsys.readouterr().out.count("No ledger") == 1
    await run(ti.retried())
    assert len(ids(gateway)) == 2
