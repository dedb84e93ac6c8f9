# SPDX-License-Identifier: Apache-2.0
"""Retries, clears and lost submits: nothing is paid for twice, in each of the three ways to wait."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowFailException, TaskDeferred

from tests.support.processes import wait_until
from tests.support.tasks import Task
from tests.unit.operators.test_veo import PNG, operator, run_deferred
from veo_provider.exceptions import (
    VeoDeadlineError,
    VeoGenerationFailedError,
    VeoNotFoundError,
    VeoResubmitError,
    VeoTransientError,
    VeoUnknownSubmitError,
)
from veo_provider.ledger import stores
from veo_provider.ledger.record import Record, SubmitPhase
from veo_provider.ledger.stores import TASK_STATE_KEY
from veo_provider.simulator import Simulator

DEFERRED: dict[str, Any] = {}
SYNC: dict[str, Any] = {"deferrable": False}
NO_WAIT: dict[str, Any] = {"wait_for_completion": False}
waits = pytest.mark.parametrize("how", [DEFERRED, SYNC], ids=["deferred", "sync"])
every = pytest.mark.parametrize("how", [DEFERRED, SYNC, NO_WAIT], ids=["deferred", "sync", "no wait"])


async def run(ti: Task, prompt: str = "A cat", **arguments: Any) -> str:
    """Run one try to its end, as the worker and the triggerer would."""
    try:
        return operator(prompt, **arguments).execute(ti.context)
    except TaskDeferred as deferred:
        event = await run_deferred(deferred)
    return operator(prompt, **arguments).execute_complete(ti.context, event)


def record(ti: Task) -> Record:
    return Record.read(ti.task_state_store.get(TASK_STATE_KEY), "")


def ids(gateway: Simulator) -> list[str]:
    return [submit["generation_id"] for submit in gateway.ledger()["submits"] if submit["billed"]]


async def ended_while_asked(gateway: Simulator, generation_id: str, running: Coroutine[Any, Any, str]) -> str:
    """Run a try whose generation ends only after it was asked for twice more."""

    def polls() -> int:
        return int(gateway.ledger()["totals"]["polls"])

    before = polls()

    def end() -> None:
        wait_until("two polls", lambda: polls() >= before + 2, seconds=60, every=0.01)
        gateway.end(generation_id)

    # At once, in a thread: a try that waits by itself leaves the loop no turn.
    ended = asyncio.get_running_loop().run_in_executor(None, end)
    found = await running
    await ended
    assert polls() > before + 2
    return found


async def unended(ti: Task, gateway: Simulator, prompt: str = "A cat", **arguments: Any) -> str:
    """Let a task give up waiting, and return its generation, which never ends by itself."""
    before = ids(gateway)
    with pytest.raises(VeoDeadlineError):
        await run(ti, f"{prompt} sim:never", timeout=0.3, **arguments)
    assert ids(gateway)[:-1] == before
    return ids(gateway)[-1]


@every
async def test_a_success_that_airflow_lost_is_handed_back(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    first = await run(ti, **how)
    assert record(ti).phase is SubmitPhase.DONE
    again = ti.retried()
    assert await run(again, "a prompt of another day", **how) == first
    assert ids(gateway) == [first]
    assert again.xcoms["veo_generation"]["generation_id"] == first


@every
async def test_a_retry_says_of_its_generation_only_what_was_asked_for_then(
    how: dict[str, Any], ti: Task, gateway: Simulator
) -> None:
    await run(ti, "A cat", **how)
    same, other = ti.retried(), ti.retried().retried()
    await run(same, "A cat", **how)
    await run(other, "A dog", model="veo-3.0-generate-preview", **how)
    assert same.xcoms["veo_generation"]["request"] == ti.xcoms["veo_generation"]["request"]
    assert other.xcoms["veo_generation"]["request"] == {"model": "veo-3.1-fast-generate-preview"}
    assert other.xcoms["veo_generation"]["cost_usd"] == "unknown"


@waits
async def test_it_is_handed_back_even_if_the_gateway_has_forgotten_it(
    how: dict[str, Any], ti: Task, gateway: Simulator
) -> None:
    first = await run(ti, **how)
    gateway.inject({"on": "poll", "kind": "status", "status": 400, "body": {"code": "task_not_exist"}, "times": 9})
    assert await run(ti.retried(), **how) == first


async def test_what_was_handed_back_unfinished_is_waited_for(ti: Task, gateway: Simulator) -> None:
    first = await run(ti, "A cat sim:never", **NO_WAIT)
    again = ti.retried()
    assert await ended_while_asked(gateway, first, run(again)) == first
    assert again.xcoms["veo_generation"]["status"] == "succeeded"


@every
async def test_a_cleared_success_makes_a_new_one(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    first = await run(ti, **how)
    second = await run(ti.cleared(), **how)
    assert ids(gateway) == [first, second]
    assert record(ti).earlier == (first,)
    # What follows the clear are retries again.
    assert await run(ti.cleared().retried(), **how) == second


@every
async def test_a_clear_may_keep_the_video(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    first = await run(ti, **how)
    assert await run(ti.cleared(), "another prompt", on_clear="keep", **how) == first
    assert ids(gateway) == [first]


@waits
async def test_a_timeout_leaves_the_generation_to_the_retry(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    left = await unended(ti, gateway, **how)
    assert record(ti).phase is SubmitPhase.SUBMITTED
    again = ti.retried()
    assert await ended_while_asked(gateway, left, run(again, **how)) == left
    assert ids(gateway) == [left]
    assert again.xcoms["veo_generation"]["status"] == "succeeded"


@waits
async def test_a_failed_generation_is_followed_by_a_new_one(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoGenerationFailedError):
        await run(ti, "A cat sim:failed=high_load", **how)
    second = await run(ti.retried(), "A cat", **how)
    assert len(ids(gateway)) == 2
    assert ids(gateway)[1] == second


async def test_a_retry_never_buys_because_the_request_changed(
    ti: Task, gateway: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    left = await unended(ti, gateway, "It is noon")
    gateway.end(left)
    assert await run(ti.retried(), "It is one o'clock") == left
    assert ids(gateway) == [left]
    assert "the request has changed since" in capsys.readouterr().out


async def test_a_cleared_failure_takes_up_what_is_alive(ti: Task, gateway: Simulator) -> None:
    left = await unended(ti, gateway)
    gateway.end(left)
    cleared = ti.cleared()
    assert await run(cleared, "A cat sim:never") == left
    assert ids(gateway) == [left]
    assert record(ti).max_tries == cleared.max_tries


async def test_a_cleared_failure_with_another_request_is_new(
    ti: Task, gateway: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    left = await unended(ti, gateway)
    await run(ti.cleared(), "A dog")
    assert len(ids(gateway)) == 2
    # The log names the one that is left.
    assert f"generation {left} is left to itself" in capsys.readouterr().out


async def test_an_image_that_is_gone_does_not_stop_a_retry(ti: Task, gateway: Simulator, tmp_path: Path) -> None:
    (tmp_path / "first.png").write_bytes(PNG)
    image = f"file://{tmp_path}/first.png"
    left = await unended(ti, gateway, image=image)
    gateway.end(left)
    (tmp_path / "first.png").unlink()
    assert await run(ti.retried(), image=image) == left
    assert ids(gateway) == [left]


async def test_an_id_that_the_gateway_lost_is_no_reason_to_buy(ti: Task, gateway: Simulator) -> None:
    left = await unended(ti, gateway)
    ti.task_state_store.set(TASK_STATE_KEY, replace(record(ti), sent_at=1e9).as_dict())
    gateway.inject({"on": "poll", "kind": "status", "status": 400, "body": {"code": "task_not_exist"}, "times": 9})
    with pytest.raises(VeoNotFoundError, match=left):
        await run(ti.retried())
    assert ids(gateway) == [left]


# Unknown submits.


@every
async def test_an_unknown_submit_is_not_sent_again(how: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    prompt = "A cat sim:lost_answer"
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, prompt, **how)
    assert record(ti).phase is SubmitPhase.SUBMITTING
    for later in (ti.retried(), ti.cleared(), replace(ti.cleared(), try_number=9, max_tries=30)):
        with pytest.raises(VeoUnknownSubmitError) as caught:
            await run(later, "A cat", **how)
        assert isinstance(caught.value, AirflowFailException)
        for words in (gateway.url, "veo-3.1-fast-generate-preview", "UTC", "generation_id", "resubmit", "console"):
            assert words in str(caught.value)
    assert gateway.ledger()["totals"]["submits"] == 1


async def test_the_request_id_of_an_unknown_submit_is_kept(ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "submit", "kind": "status", "status": 502})
    with pytest.raises(VeoUnknownSubmitError) as caught:
        await run(ti)
    assert caught.value.request_id
    with pytest.raises(VeoUnknownSubmitError, match=caught.value.request_id):
        await run(ti.retried())


async def test_a_second_bill_may_be_accepted_by_the_next_try_only(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoResubmitError) as caught:
        await run(ti, "A cat sim:lost_answer", on_unknown_submit="resubmit")
    assert isinstance(caught.value, VeoTransientError)
    assert len(ids(gateway)) == 1
    assert ti.xcoms["veo_generation"]["status"] == "unknown"
    second = await run(ti.retried(), "A cat", on_unknown_submit="resubmit")
    assert ids(gateway)[1] == second


@pytest.mark.parametrize("fault", [{"kind": "status", "status": 500, "body": {"code": "insert_task_failed"}}])
async def test_a_certain_bill_may_be_accepted_too(fault: dict[str, Any], ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "submit", **fault})
    with pytest.raises(VeoResubmitError, match="was accepted and billed"):
        await run(ti, on_unknown_submit="resubmit")
    assert await run(ti.retried(), on_unknown_submit="resubmit")


def killed_at(monkeypatch: pytest.MonkeyPatch, name: str, when: Callable[[Record], bool], *, after: bool) -> None:
    """Let the process die, as far as a test can, while the ledger is written."""
    real = getattr(stores.TaskStateLedger, name)

    def dies(self: Any, written: Record) -> Any:
        if not when(written):
            return real(self, written)
        if after:
            real(self, written)
        # The dead don't tidy up.
        for each in ("read", "write"):
            monkeypatch.setattr(stores.TaskStateLedger, each, died)
        return died()

    def died(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stores.TaskStateLedger, name, dies)


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_death_around_the_intent(
    after: bool, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        killed_at(patch, "write", lambda written: written.phase is SubmitPhase.SUBMITTING, after=after)
        with pytest.raises(KeyboardInterrupt):
            await run(ti)
    assert ids(gateway) == []
    if after:
        # Nobody can know that nothing was sent.
        with pytest.raises(VeoUnknownSubmitError):
            await run(ti.retried())
    else:
        await run(ti.retried())


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_death_around_the_done_mark(
    after: bool, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        killed_at(patch, "write", lambda written: written.phase is SubmitPhase.DONE, after=after)
        with pytest.raises(KeyboardInterrupt):
            await run(ti)
    assert [await run(ti.retried())] == ids(gateway)
