# SPDX-License-Identifier: Apache-2.0
"""
Where the key must not be, as far as one process shows it; what answers echo is in test_hostile_answers.py.

What a whole Airflow writes and serves is in ``tests/e2e/test_main_path.py``.
"""

from __future__ import annotations

import asyncio
import copy
import json
import logging
import pickle
import pprint
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from airflow.providers.common.compat.sdk import TaskDeferred
from airflow.serialization.helpers import serialize_template_field

from tests.support.tasks import Task, TaskState
from veo_provider.api.calls import poll_call
from veo_provider.exceptions import VeoError
from veo_provider.hooks.http_async import AsyncHttp
from veo_provider.hooks.link_rules import LinkRules
from veo_provider.hooks.sharing import shared_connection
from veo_provider.hooks.veo import VeoAsyncHook, VeoHook
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.raising import error_for
from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.simulator import Simulator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.triggers.veo import VeoGenerationTrigger

SHOWN: dict[str, Callable[[Any], str]] = {
    "repr": repr,
    "str": str,
    "format": lambda thing: f"{thing}",
    "pprint": pprint.pformat,
    "json": lambda thing: json.dumps(thing, default=str),
}


@pytest.fixture
def key(gateway: Simulator) -> str:
    return gateway.api_key


@pytest.fixture
def hook(gateway: Simulator) -> Iterator[VeoHook]:
    """A hook that has been used."""
    hook = VeoHook()
    assert hook.test_connection()[0]
    yield hook
    hook.close()


def _async_hook() -> VeoAsyncHook:
    async def used() -> VeoAsyncHook:
        async with VeoAsyncHook() as hook:
            await hook.poll("task_unknown")
            return hook

    return asyncio.run(used())


def _shared() -> Any:
    async def used() -> Any:
        return shared_connection("veo_default")

    return asyncio.run(used())


THINGS: dict[str, Callable[[VeoHook], Any]] = {
    "hook": lambda hook: hook,
    "connection": lambda hook: hook.connection,
    "HTTP": lambda hook: hook.get_conn(),
    "asynchronous HTTP": lambda hook: AsyncHttp(hook.connection),
    "asynchronous hook": lambda hook: _async_hook(),
    "shared connection": lambda hook: _shared(),
    "link rules": lambda hook: LinkRules.of(hook.connection),
}


@pytest.mark.parametrize("way", SHOWN)
@pytest.mark.parametrize("thing", THINGS)
def test_what_is_shown(thing: str, way: str, hook: VeoHook, key: str) -> None:
    assert key not in SHOWN[way](THINGS[thing](hook))


def test_a_pickled_hook_looks_its_connection_up_anew(hook: VeoHook, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pickled = pickle.dumps(hook)
    assert key.encode() not in pickled
    monkeypatch.setattr(hook, "veo_conn_id", "another")
    again = pickle.loads(pickled)
    assert again.connection == hook.connection
    assert again.test_connection()[0]
    again.close()
    copied = copy.deepcopy(hook)
    assert (copied.veo_conn_id, "connection" in vars(copied)) == ("another", False)


@pytest.mark.parametrize("thing", ["connection", "HTTP", "asynchronous HTTP", "link rules"])
def test_what_holds_the_key_is_not_pickled(thing: str, hook: VeoHook) -> None:
    with pytest.raises(TypeError, match="holds the API key"):
        pickle.dumps(THINGS[thing](hook))


def test_a_connection_can_be_copied(hook: VeoHook) -> None:
    assert copy.copy(hook.connection) == copy.deepcopy(hook.connection) == hook.connection


def _told(error: BaseException) -> str:
    """All that an exception, and those that it came of, may tell anybody."""
    parts = ["".join(traceback.format_exception(error))]
    seen: BaseException | None = error
    while seen is not None:
        parts += [str(seen), repr(seen), repr(seen.args), repr(vars(seen))]
        seen = seen.__cause__ or seen.__context__
    if isinstance(error, VeoError):
        parts.append(pickle.dumps(error).decode("latin-1"))
    return "\n".join(parts)


ENDS = [
    "sim:submit_error=invalid_api_key", "sim:submit_error=no_channel", "sim:lost_answer", "sim:truncated_answer",
    "sim:failed", "sim:filtered", "sim:expired", "sim:unknown",
]  # fmt: skip


@pytest.mark.parametrize("end", ENDS)
def test_an_exception(end: str, gateway: Simulator, key: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    task, ti = _operator(f"A cat {end}", deferrable=False), Task(task_state_store=TaskState())
    with pytest.raises(VeoError) as caught:
        task.execute(ti.context)
    _nowhere(key, _told(caught.value), caplog, ti)


def test_an_exception_of_a_dead_gateway(hook: VeoHook, key: str, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with Simulator() as dead:
        pass
    object.__setattr__(hook.connection, "base_url", dead.url)
    with pytest.raises(VeoError) as caught:
        hook._http.open_inline(poll_call("abc"), 0, "video/mp4", 100, error_for)
    _nowhere(key, _told(caught.value), caplog)


def _operator(prompt: str, **arguments: Any) -> VeoGenerateOperator:
    return VeoGenerateOperator(task_id="generate", prompt=prompt, poll_interval=0.1, timeout=30, **arguments)


def _nowhere(key: str, text: str, caplog: pytest.LogCaptureFixture, *tasks: Task) -> None:
    """Look at what was told, kept and logged."""
    for ti in tasks:
        text += json.dumps([ti.xcoms, ti.task_state_store and ti.task_state_store.values])
    assert key not in text
    assert not [record for record in caplog.records if key in f"{record.getMessage()} {vars(record)}"]


def _rendered(task: Any) -> str:
    """What Airflow stores of a task's fields, and of the task in the DAG."""
    fields = [serialize_template_field(getattr(task, name), name) for name in task.template_fields]
    return json.dumps(fields, default=str) + repr(vars(task))


@pytest.mark.parametrize("way", ["sim:link", "sim:content", "sim:content_redirect", "sim:inline"])
def test_a_generation_from_submit_to_store(
    way: str, gateway: Simulator, key: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """XComs, the record, trigger arguments, the event, rendered fields, the stored files, the log at level DEBUG."""
    caplog.set_level(logging.DEBUG)
    task, ti = _operator(f"A cat {way}"), Task(task_state_store=TaskState())
    with pytest.raises(TaskDeferred) as deferred:
        task.execute(ti.context)
    path, arguments = deferred.value.trigger.serialize()
    event = asyncio.run(_event(arguments))
    generation_id = task.execute_complete(ti.context, event)
    sensor = VeoGenerationSensor(task_id="wait", generation_id=generation_id, deferrable=False)
    sensor.execute(Task(task_id="wait").context)
    store, storing = _transfer(generation_id, tmp_path), Task(task_id="store")
    store.execute(storing.context)
    told = json.dumps([path, arguments, event, deferred.value.kwargs])
    told += "".join(map(_rendered, (task, sensor, store))) + repr(deferred.value)
    files = [file for file in tmp_path.rglob("*") if file.is_file()]
    # The video, its marks, its manifest and its poster.
    assert len(files) == 4
    told += "".join(file.read_bytes().decode("latin-1") for file in files)
    _nowhere(key, told, caplog, ti, storing)
    # Nor is a link's signature, which opens the video to whoever reads it.
    signatures = [urlsplit(video.url or "").query for video in VeoHook().get_finished(generation_id).videos]
    assert all(signatures) is (way == "sim:link")
    for signature in filter(None, signatures):
        _nowhere(signature.partition("&")[0], told, caplog, ti, storing)
    # The log is one that would show it: it has what every other library says at this level.
    assert any(record.levelno == logging.DEBUG for record in caplog.records)


async def _event(arguments: dict[str, Any]) -> Any:
    async for event in VeoGenerationTrigger(**json.loads(json.dumps(arguments))).run():
        return json.loads(json.dumps(event.payload))
    raise AssertionError("no event")


def _transfer(generation_id: str, folder: Path) -> VeoToObjectStorageOperator:
    return VeoToObjectStorageOperator(
        task_id="store", generation_id=generation_id, dst=f"file://{folder}/v.mp4", write_manifest=True
    )


def test_what_urllib3_logs_of_others_is_left(
    gateway: Simulator, hook: VeoHook, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    hook.test_connection()
    assert not [record for record in caplog.records if record.name.startswith("urllib3")]
    requests.get(gateway.url, timeout=10)
    assert [record for record in caplog.records if record.name.startswith("urllib3")]
