# SPDX-License-Identifier: Apache-2.0
"""Airflow's execution_timeout strikes once, anywhere: what was bought is known, what was never sent is no unknown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest
import requests
import urllib3.connection
from airflow.providers.common.compat.sdk import AirflowTaskTimeout

from tests.contract.test_contract import REQUEST
from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_tries import ids, record, run, unended
from tests.unit.operators.test_veo import operator
from veo_provider.exceptions import VeoConfigurationError, VeoConnectionNotFoundError, VeoDeadlineError, VeoError
from veo_provider.hooks import veo as hooks
from veo_provider.hooks.time_limit import LimitedSession, WatchedAdapter
from veo_provider.hooks.veo import VeoHook
from veo_provider.ledger.record import SubmitPhase
from veo_provider.operators import running
from veo_provider.operators.bookkeeping import Book
from veo_provider.operators.story import Story
from veo_provider.operators.submitting import Submitter
from veo_provider.simulator import Simulator


def _strikes(monkeypatch: pytest.MonkeyPatch, owner: Any, name: str, *, before: bool) -> None:
    """Let the time limit come at the first call of a function, before it or after it."""
    real: Callable[..., Any] = getattr(owner, name)
    pending = [AirflowTaskTimeout("execution_timeout")]

    def function(*args: Any, **kwargs: Any) -> Any:
        if pending and before:
            raise pending.pop()
        result = real(*args, **kwargs)
        if pending:
            raise pending.pop()
        return result

    monkeypatch.setattr(owner, name, function)


@pytest.mark.parametrize("policy", ["fail", "resubmit"])
@pytest.mark.parametrize(
    ("owner", "name", "before"),
    [
        (requests.Response, "close", False),
        (LimitedSession, "close", False),
        (hooks, "read_submit", False),
        (hooks, "read_submit", True),
        (Book, "_write", True),
        (Book, "_write", False),
        (Story, "begin", True),
    ],
)
async def test_what_was_bought_is_in_the_record(
    owner: Any, name: str, before: bool, policy: str, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _strikes(patch, owner, name, before=before)
        try:
            first = await run(ti, on_unknown_submit=policy)
        except VeoDeadlineError as error:
            first = str(error.generation_id)
    assert [first] == ids(gateway)
    assert record(ti).generation_id == first
    assert await run(ti.retried(), on_unknown_submit=policy) == first
    assert len(ids(gateway)) == 1


async def test_even_its_log_line_may_be_struck(ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    class Struck:
        def __init__(self, log: Any) -> None:
            self._log = log

        def __getattr__(self, name: str) -> Any:
            return getattr(self._log, name)

        def info(self, text: str, *values: Any) -> None:
            if text.startswith("Submitted"):
                raise AirflowTaskTimeout
            self._log.info(text, *values)

    with monkeypatch.context() as patch:
        patch.setattr(
            running, "Submitter", lambda hook, book, current, by, log: Submitter(hook, book, current, by, Struck(log))
        )
        with pytest.raises(VeoDeadlineError):
            await run(ti)
    assert [record(ti).generation_id] == ids(gateway)
    assert [await run(ti.retried())] == ids(gateway)


@pytest.mark.parametrize(
    ("owner", "name", "before"),
    [(TaskState, "set", False), (urllib3.connection.HTTPConnection, "_new_conn", True)],
    ids=["the intent is written", "connecting"],
)
async def test_what_never_began_is_no_unknown(
    owner: Any, name: str, before: bool, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        _strikes(patch, owner, name, before=before)
        with pytest.raises(AirflowTaskTimeout):
            await run(ti)
    assert record(ti).phase is SubmitPhase.REFUSED
    assert [await run(ti.retried())] == ids(gateway)


@pytest.mark.parametrize("what", ["submit", "poll"])
async def test_it_may_strike_while_a_pool_takes_a_connection_back(
    what: str, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a queue that was locked then, whatever touches the pool afterwards would wait for ever."""

    def strikes(self: Any, item: Any, *given: Any, **named: Any) -> None:
        if item is None:  # as a pool begins
            real(self, item, *given, **named)
            return
        if mutex := getattr(self, "mutex", None):
            mutex.acquire()
        struck.append(True)
        raise AirflowTaskTimeout("execution_timeout")

    adapter = WatchedAdapter()
    owner = adapter.poolmanager.pool_classes_by_scheme["http"].QueueCls
    struck: list[bool] = []
    real = owner.put
    monkeypatch.setattr(owner, "put", strikes)

    def work() -> None:
        hook = VeoHook()
        try:
            if what == "submit":
                hook.submit(REQUEST)
            else:
                hook.poll("task_7")
        except (AirflowTaskTimeout, VeoError):
            pass
        finally:
            hook.close()

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    await asyncio.to_thread(thread.join, 60)
    assert struck
    assert not thread.is_alive()
    assert len(ids(gateway)) == (1 if what == "submit" else 0)


async def test_a_connection_that_is_wrong_by_now_hides_no_id(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await unended(ti, gateway)
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", '{"conn_type": "veo", "extra": {"oops": 1}}')
    with pytest.raises(VeoConfigurationError, match=known):
        await run(ti.retried())
    with pytest.raises(VeoConfigurationError, match=known):
        operator("A cat").resume_execution("__fail__", {"error": "Trigger timeout"}, ti.context)
    # Airflow says this of a connection that it can't read just now.
    monkeypatch.delenv("AIRFLOW_CONN_VEO_DEFAULT")
    later = ti.retried()
    with pytest.raises(VeoConnectionNotFoundError, match=known):
        await run(later)
    assert later.xcoms["veo_generation"]["status"] == "submitted"
    with pytest.raises(VeoConnectionNotFoundError, match=known):
        operator("A cat").resume_execution("__fail__", {"error": "Trigger timeout"}, ti.context)


async def test_coming_back_closes_the_hook_and_names_the_generation(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = await unended(ti, gateway)
    closed: list[bool] = []
    monkeypatch.setattr(VeoHook, "close", lambda _: closed.append(True))
    with pytest.raises(VeoDeadlineError, match=known):
        operator("A cat").resume_execution("__fail__", {"error": "Trigger timeout"}, ti.context)
    assert closed
    _strikes(monkeypatch, VeoHook, "poll", before=True)
    with pytest.raises(VeoDeadlineError, match=f"execution_timeout.*{known}"):
        operator("A cat").resume_execution("__fail__", {"error": "Trigger timeout"}, ti.context)
