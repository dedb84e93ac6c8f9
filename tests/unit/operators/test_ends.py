# SPDX-License-Identifier: Apache-2.0
"""Where Airflow itself ends a task: its time limits, a failed trigger, a kill."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import airflow
import pytest
from airflow.providers.common.compat.sdk import AirflowSkipException, AirflowTaskTimeout, TaskDeferred
from airflow.providers.common.compat.sdk import timeout as execution_timeout

from tests.support.raw_server import Reply, raw_server
from tests.support.tasks import Task
from tests.unit.operators.test_veo import operator, sync
from veo_provider import compat
from veo_provider.exceptions import (
    VeoContentPolicyError,
    VeoDeadlineError,
    VeoNetworkError,
    VeoTransientError,
    VeoUnknownSubmitError,
)
from veo_provider.hooks.http_sync import SyncHttp
from veo_provider.hooks.veo import VeoHook
from veo_provider.simulator import Simulator


@contextmanager
def _ended_once(there: Callable[[], object]) -> Iterator[None]:
    """Airflow's own time limit, which is over as soon as something is there."""

    over = threading.Event()

    def ring() -> None:
        while not over.wait(0.01):
            if there():
                os.kill(os.getpid(), signal.SIGALRM)
                return

    thread = threading.Thread(target=ring)
    with execution_timeout(250):
        thread.start()
        try:
            yield
        finally:
            over.set()
            thread.join()


def test_the_words_are_airflows() -> None:
    folder = Path(airflow.__file__).parent
    # Written out where they are used in 2.11.
    texts = [(folder / place).read_text() for place in ("models/trigger.py", "jobs/scheduler_job_runner.py")]
    assert f'"{compat.TRIGGER_FAILED}"' in texts[0]
    assert [words for words in compat.TRIGGER_TIMEOUTS for text in texts if f'"{words}"' in text]


def test_a_time_limit_during_the_submit_is_an_unknown_submit(monkeypatch: pytest.MonkeyPatch) -> None:
    ti = Task()
    with raw_server() as server:
        server.answer(Reply(stall=60))
        monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", f'{{"conn_type":"veo","host":"{server.url}","password":"k"}}')
        task = sync()
        with pytest.raises(VeoUnknownSubmitError, match="AirflowTaskTimeout"), _ended_once(lambda: server.requests):
            task.execute(ti.context)
        assert [request.method for request in server.requests] == ["POST"]
    assert ti.xcoms["veo_generation"]["reason"] == "unknown_submit"
    assert ti.xcoms["veo_generation"]["status"] == "unknown"


def test_a_time_limit_before_the_submit_is_airflows_own(monkeypatch: pytest.MonkeyPatch, gateway: Simulator) -> None:
    def slow(*_: object) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr(SyncHttp, "_request", slow)
    with pytest.raises(AirflowTaskTimeout):
        sync().execute(Task().context)
    assert gateway.ledger()["submits"] == []


def test_a_time_limit_while_the_answer_is_read_is_an_unknown_submit(
    monkeypatch: pytest.MonkeyPatch, gateway: Simulator
) -> None:
    def slow(*_: object) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr("veo_provider.hooks.veo.read_submit", slow)
    with pytest.raises(VeoUnknownSubmitError, match="AirflowTaskTimeout"):
        sync().execute(Task().context)


def test_a_time_limit_while_waiting_names_the_generation(gateway: Simulator) -> None:
    ti = Task()
    # When it has said all that it says: Airflow's limit logs, too, and hangs if it meets a line of the log.
    with pytest.raises(VeoDeadlineError) as caught, _ended_once(lambda: gateway.ledger()["totals"]["polls"] > 10):
        sync("A cat sim:never").execute(ti.context)
    generation_id = gateway.ledger()["submits"][0]["generation_id"]
    assert f"generation {generation_id}" in str(caught.value)
    assert ti.xcoms["veo_generation"]["reason"] == "deadline"


def test_killing_in_the_middle_of_a_submit_says_so(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    task = sync()

    def killed(*_: object) -> Any:
        task.on_kill()
        raise KeyboardInterrupt

    monkeypatch.setattr(VeoHook, "submit", killed)
    with pytest.raises(KeyboardInterrupt):
        task.execute(Task().context)
    assert "may have been accepted and billed" in capsys.readouterr().out


def _deferred(ti: Task | None = None, prompt: str = "A cat sim:never") -> Task:
    ti = ti or Task()
    with pytest.raises(TaskDeferred):
        operator(prompt).execute(ti.context)
    return ti


def _end(gateway: Simulator) -> str:
    generation_id: str = gateway.ledger()["submits"][0]["generation_id"]
    gateway.end(generation_id)
    return generation_id


def _resume(ti: Task, error: str, **arguments: Any) -> Any:
    return operator(**arguments).resume_execution(compat.TRIGGER_FAILED, {"error": error}, ti.context)


@pytest.mark.parametrize("error", ["Trigger failure", "Trigger timeout"])
def test_a_failed_trigger_loses_no_video(error: str, gateway: Simulator) -> None:
    ti = _deferred()
    generation_id = _end(gateway)
    assert _resume(ti, error) == generation_id
    assert ti.xcoms["veo_generation"]["status"] == "succeeded"


@pytest.mark.parametrize(
    ("error", "kind"), [("Trigger failure", VeoTransientError), ("Trigger timeout", VeoDeadlineError)]
)
def test_a_failed_trigger_names_the_generation(error: str, kind: type[Exception], gateway: Simulator) -> None:
    ti = _deferred()
    with pytest.raises(kind) as caught:
        _resume(ti, error)
    assert gateway.ledger()["submits"][0]["generation_id"] in str(caught.value)
    assert error in str(caught.value)


def test_a_failed_trigger_and_a_filtered_video(gateway: Simulator) -> None:
    ti = _deferred(prompt="A cat sim:filtered sim:never")
    _end(gateway)
    with pytest.raises(VeoContentPolicyError):
        _resume(ti, "Trigger failure")
    with pytest.raises(AirflowSkipException):
        _resume(ti, "Trigger failure", on_filtered="skip")


def test_a_failed_trigger_while_the_gateway_is_away(gateway: Simulator) -> None:
    ti = _deferred()
    generation_id = gateway.ledger()["submits"][0]["generation_id"]
    gateway.inject({"on": "poll", "kind": "reset", "times": 1})
    with pytest.raises(VeoTransientError, match=generation_id):
        _resume(ti, "Trigger failure")


def test_a_failed_trigger_knows_its_generation_from_the_record(gateway: Simulator, ti: Task) -> None:
    _deferred(ti)
    generation_id = _end(gateway)
    ti.xcoms.clear()
    assert _resume(ti, "Trigger failure") == generation_id


def test_a_failed_trigger_without_a_known_generation_is_airflows() -> None:
    with pytest.raises(Exception, match="Trigger failure") as caught:
        _resume(Task(), "Trigger failure")
    assert not isinstance(caught.value, VeoNetworkError)
