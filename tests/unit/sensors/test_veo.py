# SPDX-License-Identifier: Apache-2.0
"""The sensor, executed by hand against a simulated gateway over real sockets."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import (
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
    PokeReturnValue,
    TaskDeferred,
)

from tests.support.tasks import Task
from veo_provider import compat
from veo_provider.api import waiting
from veo_provider.api import waiting as module
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoConnectionNotFoundError,
    VeoContentPolicyError,
    VeoDeadlineError,
    VeoNotFoundError,
    VeoProtocolError,
    VeoTransientError,
    VeoValidationError,
)
from veo_provider.hooks.veo import VeoHook
from veo_provider.operators.story import Story
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.simulator import Simulator
from veo_provider.triggers.veo import VeoGenerationTrigger


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FIRST_POLL_DELAY", 0.0)
    monkeypatch.setattr(waiting, "NOT_FOUND_GRACE", 0.0)


in_3 = pytest.mark.skipif(compat.AIRFLOW < (3, 0), reason="Airflow 2 asks its database when a sensor was first put off")


class RescheduledTask(Task):
    """A task that is asked when it was first put off."""

    def get_first_reschedule_date(self, _: Any) -> datetime:
        return datetime.now(UTC) - timedelta(seconds=1)


def submit(prompt: str) -> str:
    return VeoGenerateOperator(task_id="submit", prompt=prompt, wait_for_completion=False).execute(Task().context)


def sensor(generation_id: str, **arguments: Any) -> VeoGenerationSensor:
    defaults: dict[str, Any] = {"task_id": "generate", "poke_interval": 0.1, "timeout": 20}
    return VeoGenerationSensor(generation_id=generation_id, **defaults | arguments)


async def complete(task: VeoGenerationSensor, ti: Task, mode: str) -> Any:
    task.deferrable = mode == "deferred"
    try:
        return task.execute(ti.context)
    except TaskDeferred as deferred:
        _, kwargs = deferred.trigger.serialize()
        trigger = VeoGenerationTrigger(**json.loads(json.dumps(kwargs)))
        [event] = [event.payload async for event in trigger.run()]
        method = str(deferred.method_name)
    # As Airflow resumes it, which is where soft_fail is looked at.
    return task.resume_execution(method, {"event": event}, ti.context)


both = pytest.mark.parametrize("mode", ["deferred", "poke"])


@both
async def test_it_waits_and_returns_the_id(mode: str, gateway: Simulator) -> None:
    generation_id = submit("A cat sim:seconds=0.5")
    ti = Task()
    assert await complete(sensor(generation_id), ti, mode) == generation_id
    assert ti.xcoms["veo_generation"]["status"] == "succeeded"
    assert gateway.ledger()["totals"]["submits"] == 1


@both
async def test_what_has_ended_ends_at_once(mode: str, gateway: Simulator) -> None:
    generation_id = submit("A cat sim:seconds=0")
    assert sensor(generation_id, deferrable=mode == "deferred").execute(Task().context) == generation_id


@both
async def test_a_failure(mode: str, gateway: Simulator) -> None:
    with pytest.raises(VeoContentPolicyError):
        await complete(sensor(submit("A cat sim:filtered")), Task(), mode)


@both
async def test_a_filtered_one_may_skip(mode: str, gateway: Simulator) -> None:
    with pytest.raises(AirflowSkipException):
        await complete(sensor(submit("A cat sim:filtered"), on_filtered="skip"), Task(), mode)


@both
@pytest.mark.parametrize("prompt", ["A cat sim:filtered sim:seconds=0", "A cat sim:filtered", "A cat sim:never"])
async def test_soft_fail_skips(prompt: str, mode: str, gateway: Simulator) -> None:
    with pytest.raises(AirflowSkipException):
        await complete(sensor(submit(prompt), soft_fail=True, timeout=1), Task(), mode)


@both
async def test_the_timeout_is_a_sensors(mode: str, gateway: Simulator) -> None:
    with pytest.raises(AirflowSensorTimeout):
        await complete(sensor(submit("A cat sim:never"), timeout=0.5), Task(), mode)


@both
async def test_an_unknown_id(mode: str, gateway: Simulator) -> None:
    with pytest.raises(VeoNotFoundError, match="nowhere"):
        await complete(sensor("nowhere"), Task(), mode)


@both
async def test_an_unknown_id_has_a_grace(mode: str, gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "NOT_FOUND_GRACE", 60.0)
    # The task before may have submitted it a moment ago, and the gateway's database may lag.
    generation_id = submit("A cat sim:seconds=0")
    gateway.inject({"on": "poll", "kind": "status", "status": 400, "body": {"code": "task_not_exist"}, "times": 2})
    assert await complete(sensor(generation_id), Task(), mode) == generation_id


@both
async def test_transient_problems_are_waited_through(mode: str, gateway: Simulator) -> None:
    generation_id = submit("A cat sim:seconds=0.2")
    gateway.inject({"on": "poll", "kind": "status", "status": 503, "times": 2})
    assert await complete(sensor(generation_id), Task(), mode) == generation_id


def test_reschedule_mode_pokes(gateway: Simulator) -> None:
    task = sensor(submit("A cat sim:never"), mode="reschedule", deferrable=False)
    assert not task.poke(Task().context)
    assert not sensor("nowhere", mode="reschedule", deferrable=False).poke(Task().context)
    done = sensor(submit("A cat sim:seconds=0"), mode="reschedule", deferrable=False).poke(Task().context)
    assert isinstance(done, PokeReturnValue)
    assert done.is_done


@in_3
@pytest.mark.parametrize("silent", [False, True])
def test_a_final_failure_ends_a_rescheduled_sensor(silent: bool, gateway: Simulator) -> None:
    task = sensor(submit("A sim:filtered sim:seconds=0"), mode="reschedule", deferrable=False, silent_fail=silent)
    with pytest.raises(VeoContentPolicyError):
        task.execute(RescheduledTask().context)


@in_3
def test_a_rescheduled_sensor_succeeds_and_times_out_with_its_id(gateway: Simulator) -> None:
    generation_id = submit("A cat sim:seconds=0")
    ti = RescheduledTask()
    assert sensor(generation_id, mode="reschedule", deferrable=False).execute(ti.context) == generation_id
    assert ti.xcoms["veo_generation"]["status"] == "succeeded"
    never = submit("A cat sim:never")
    with pytest.raises(AirflowSensorTimeout, match=never):
        sensor(never, mode="reschedule", deferrable=False, timeout=0.001).execute(RescheduledTask().context)


@pytest.mark.parametrize("error", ["Trigger failure", "Trigger timeout"])
def test_a_failed_trigger_loses_no_video(error: str, gateway: Simulator) -> None:
    generation_id = submit("A cat sim:seconds=0")
    assert sensor(generation_id).resume_execution("__fail__", {"error": error}, Task().context) == generation_id


def test_a_failed_trigger_names_the_generation(gateway: Simulator) -> None:
    generation_id = submit("A cat sim:never")
    with pytest.raises(VeoTransientError, match=generation_id):
        sensor(generation_id).resume_execution("__fail__", {"error": "Trigger failure"}, Task().context)
    with pytest.raises(AirflowSensorTimeout, match=generation_id):
        sensor(generation_id).resume_execution("__fail__", {"error": "Trigger timeout"}, Task().context)
    with pytest.raises(AirflowSkipException):
        sensor(generation_id, soft_fail=True).resume_execution("__fail__", {"error": "x"}, Task().context)


@pytest.mark.parametrize("method", ["execute", "resume_execution"])
def test_a_connection_that_is_wrong_by_now_hides_no_id(method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", '{"conn_type": "veo", "extra": {"oops": 1}}')
    arguments: tuple[Any, ...] = (Task().context,)
    if method == "resume_execution":
        arguments = ("__fail__", {"error": "Trigger timeout"}, *arguments)
    with pytest.raises(VeoConfigurationError, match="task_7"):
        getattr(sensor("task_7"), method)(*arguments)
    with pytest.raises(AirflowSkipException, match="task_7"):
        getattr(sensor("task_7", soft_fail=True), method)(*arguments)


def test_a_time_limit_while_waiting_names_the_generation(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr(VeoHook, "wait", late)
    generation_id = submit("A cat sim:never")
    with pytest.raises(VeoDeadlineError, match=generation_id):
        sensor(generation_id, deferrable=False).execute(Task().context)
    with pytest.raises(AirflowSkipException, match=generation_id):
        sensor(generation_id, deferrable=False, soft_fail=True).execute(Task().context)


@both
async def test_a_link_that_never_comes_ends_it(mode: str, gateway: Simulator) -> None:
    with pytest.raises(VeoProtocolError, match="names no video"):
        await complete(sensor(submit("A cat sim:late_url=99 sim:seconds=0")), Task(), mode)


@pytest.mark.parametrize("given", ["", None, "  ", "None", "..", "a\nb", "x" * 3000, ["a", "b"]])
def test_no_id(given: Any) -> None:
    with pytest.raises(VeoValidationError, match="generation_id"):
        sensor(given).execute(Task().context)
    with pytest.raises(AirflowSkipException):
        sensor(given, soft_fail=True).execute(Task().context)


@pytest.mark.parametrize("arguments", [{"poke_interval": 0}, {"on_filtered": "x"}, {"deferrable": "False"}])
def test_a_wrong_setting_fails_when_the_dag_is_read(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        sensor("g", **arguments)


@pytest.mark.parametrize("event", [{"version": 99}, {}])
def test_an_event_that_cannot_be_read_names_the_generation(event: dict[str, Any]) -> None:
    task = sensor("task_7")
    with pytest.raises(VeoProtocolError, match="task_7"):
        task.execute_complete(Task().context, event)
    with pytest.raises(AirflowSkipException, match="task_7"):
        sensor("task_7", soft_fail=True).execute_complete(Task().context, event)


def _away(*_: object) -> None:
    raise AirflowNotFoundException("isn't defined")


def test_soft_fail_skips_no_video_whose_connection_is_away(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id = submit("A cat")
    monkeypatch.setattr(VeoHook, "get_connection", _away)
    with pytest.raises(VeoConnectionNotFoundError, match=generation_id):
        sensor(generation_id, soft_fail=True).execute(Task().context)
    with pytest.raises(AirflowSkipException, match=generation_id):
        sensor(generation_id, never_fail=True).execute(Task().context)


def test_a_poke_waits_for_a_connection_that_is_away(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    generation_id = submit("A cat")
    asked = sensor(generation_id, deferrable=False, mode="reschedule")
    with monkeypatch.context() as patch:
        patch.setattr(VeoHook, "get_connection", _away)
        assert asked.poke(Task().context) is False
    assert isinstance(_ended(asked), PokeReturnValue)


@in_3
def test_a_poke_does_not_wait_for_a_connection_that_is_wrong(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_VEO_WRONG", json.dumps({"conn_type": "veo", "host": "ftp://x"}))
    asked = sensor("task_7", deferrable=False, mode="reschedule", veo_conn_id="veo_wrong")
    with pytest.raises(VeoConfigurationError):
        asked.poke(Task().context)
    for skips in ("soft_fail", "never_fail"):
        asked = sensor("task_7", deferrable=False, mode="reschedule", veo_conn_id="veo_wrong", **{skips: True})
        with pytest.raises(AirflowSkipException, match=r"task_7 couldn't be asked for at last: Connection 'veo_wrong'"):
            asked.execute(RescheduledTask().context)


@in_3
@pytest.mark.parametrize("soft", [False, True])
@pytest.mark.parametrize("away", [False, True])
def test_a_rescheduled_sensor_says_at_its_timeout_what_it_waited_for(
    soft: bool, away: bool, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = sensor(submit("A sim:never"), deferrable=False, mode="reschedule", timeout=0.0001, soft_fail=soft)
    if away:
        monkeypatch.setattr(VeoHook, "get_connection", _away)
    with pytest.raises(AirflowSkipException if soft else AirflowSensorTimeout) as caught:
        task.execute(RescheduledTask().context)
    last = "couldn't be asked for at last: Airflow has no connection" if away else "goes on"
    assert f"Generation {task.generation_id} {last}" in str(caught.value)


def test_a_time_limit_on_the_way_back_names_the_generation(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr(Story, "read", late)
    with pytest.raises(VeoDeadlineError, match="task_7"):
        sensor("task_7").execute_complete(Task().context, {})


def _ended(asked: VeoGenerationSensor) -> Any:
    while (seen := asked.poke(Task().context)) is False:
        time.sleep(0.05)
    return seen


def test_coming_back_closes_the_hook_and_names_the_generation(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[bool] = []
    monkeypatch.setattr(VeoHook, "close", lambda _: closed.append(True))
    failure = {"error": "Trigger timeout"}
    with pytest.raises(AirflowSensorTimeout, match="task_7"):
        sensor("task_7", timeout=1).resume_execution("__fail__", failure, Task().context)
    assert closed

    def late(*_: object) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr(VeoHook, "poll", late)
    with pytest.raises(VeoDeadlineError, match="task_7"):
        sensor("task_7").resume_execution("__fail__", failure, Task().context)
