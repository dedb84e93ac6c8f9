# SPDX-License-Identifier: Apache-2.0
"""The generate operator, executed by hand against a simulated gateway over real sockets."""

from __future__ import annotations

import base64
import json
import time
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowFailException, AirflowSkipException, TaskDeferred

from tests.support.tasks import Task
from veo_provider.exceptions import (
    VeoAuthenticationError,
    VeoConnectionNotFoundError,
    VeoContentPolicyError,
    VeoDeadlineError,
    VeoGenerationFailedError,
    VeoProtocolError,
    VeoUnknownSubmitError,
    VeoValidationError,
)
from veo_provider.hooks.veo import VeoHook
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.simulator import Simulator
from veo_provider.triggers.veo import VeoGenerationTrigger

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 40


def operator(prompt: str | None = "A cat", **arguments: Any) -> VeoGenerateOperator:
    defaults: dict[str, Any] = {"task_id": "generate", "poll_interval": 0.1, "timeout": 30}
    return VeoGenerateOperator(prompt=prompt, **defaults | arguments)


def sync(prompt: str | None = "A cat", **arguments: Any) -> VeoGenerateOperator:
    return operator(prompt, deferrable=False, **arguments)


async def run_deferred(deferred: TaskDeferred) -> Any:
    """Do what the triggerer does: make the trigger anew from its serialized form, and take its event."""
    path, kwargs = deferred.trigger.serialize()
    assert path == "veo_provider.triggers.veo.VeoGenerationTrigger"
    trigger = VeoGenerationTrigger(**json.loads(json.dumps(kwargs)))
    events = [event.payload async for event in trigger.run()]
    assert len(events) == 1
    assert len(json.dumps(events[0])) < 1500
    return json.loads(json.dumps(events[0]))


async def complete(task: VeoGenerateOperator, ti: Task, mode: str) -> str:
    """Run a task to its end in one of the two modes."""
    task.deferrable = mode == "deferred"
    try:
        return task.execute(ti.context)
    except TaskDeferred as deferred:
        assert mode == "deferred"
        event = await run_deferred(deferred)
    # The worker that resumes has a new operator, which knows nothing but its arguments.
    fresh = operator(on_filtered=task.on_filtered)
    return fresh.execute_complete(ti.context, event)


both = pytest.mark.parametrize("mode", ["deferred", "sync"])


@both
async def test_a_video(mode: str, gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    ti = Task()
    generation_id = await complete(operator("A cat", duration_seconds="4", seed="0"), ti, mode)
    ledger = gateway.ledger()
    assert [submit["generation_id"] for submit in ledger["submits"]] == [generation_id]
    assert ledger["submits"][0]["request"]["durationSeconds"] == 4
    assert not ledger["submits"][0]["ignored_fields"]
    facts = ti.xcoms["veo_generation"]
    assert facts["generation_id"] == generation_id
    assert (facts["status"], facts["reason"], facts["videos"]) == ("succeeded", None, 1)
    assert facts["request"]["prompt"] == "A cat"
    assert facts["base_url"] == gateway.url
    assert gateway.result_url not in json.dumps(ti.xcoms)
    log = capsys.readouterr().out
    assert f"Submitted generation {generation_id} to {gateway.url}" in log
    assert f"Generation {generation_id} was seen as" in log
    assert f"Generation {generation_id} is done after" in log
    assert gateway.api_key not in log


@both
async def test_a_failure_is_the_real_exception_with_its_id(mode: str, gateway: Simulator) -> None:
    ti = Task()
    with pytest.raises(VeoGenerationFailedError) as caught:
        await complete(operator("A cat sim:failed=high_load"), ti, mode)
    generation_id = gateway.ledger()["submits"][0]["generation_id"]
    assert generation_id in str(caught.value)
    assert caught.value.generation_id == generation_id
    facts = ti.xcoms["veo_generation"]
    assert (facts["status"], facts["reason"]) == ("failed", "generation_failed")


@both
async def test_a_filtered_video_is_no_success(mode: str, gateway: Simulator) -> None:
    with pytest.raises(VeoContentPolicyError) as caught:
        await complete(operator("A cat sim:filtered"), Task(), mode)
    assert isinstance(caught.value, AirflowFailException)
    assert gateway.ledger()["submits"][0]["generation_id"] in str(caught.value)


@both
async def test_a_filtered_video_may_skip(mode: str, gateway: Simulator) -> None:
    ti = Task()
    with pytest.raises(AirflowSkipException, match="safety filter"):
        await complete(operator("A cat sim:filtered", on_filtered="skip"), ti, mode)
    assert ti.xcoms["veo_generation"]["reason"] == "content_policy"


@both
async def test_some_samples_filtered(mode: str, gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    ti = Task()
    await complete(operator("A cat sim:filter_samples=1", sample_count=3), ti, mode)
    facts = ti.xcoms["veo_generation"]
    assert (facts["videos"], facts["filtered"]) == (2, 1)
    assert "removed by a safety filter" in capsys.readouterr().out


@both
async def test_the_deadline_leaves_the_generation_and_says_so(mode: str, gateway: Simulator) -> None:
    with pytest.raises(VeoDeadlineError) as caught:
        await complete(operator("A cat sim:never", timeout=0.5), Task(), mode)
    assert gateway.ledger()["submits"][0]["generation_id"] in str(caught.value)
    assert "takes it up again" in str(caught.value)


async def test_deferral_keeps_its_deadline_and_airflows_comes_later(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = operator("A cat sim:seconds=5", timeout=100)
    now = time.time()
    with monkeypatch.context() as patch:
        patch.setattr(time, "time", lambda: now)
        with pytest.raises(TaskDeferred) as caught:
            task.execute(Task().context)
    kwargs = caught.value.trigger.serialize()[1]
    assert 99 <= kwargs["deadline"] - kwargs["submitted_at"] <= 101
    assert caught.value.timeout.total_seconds() > 100 + task.hook.connection.call_timeout
    assert caught.value.method_name == "execute_complete"
    assert gateway.api_key not in json.dumps(kwargs)
    # Whoever sets an interval gets it; else the triggerer may know better.
    assert (kwargs["poll_interval"], kwargs["model"]) == (0.1, None)
    with pytest.raises(TaskDeferred) as caught:
        operator("A cat sim:seconds=5", poll_interval=None).execute(Task().context)
    kwargs = caught.value.trigger.serialize()[1]
    assert (kwargs["poll_interval"], kwargs["model"]) == (5.0, "veo-3.1-fast-generate-preview")


async def test_what_is_final_at_once_is_not_deferred(gateway: Simulator) -> None:
    ti = Task()
    generation_id = operator("A cat sim:seconds=0").execute(ti.context)
    assert gateway.ledger()["submits"][0]["generation_id"] == generation_id


def test_not_waiting(gateway: Simulator) -> None:
    ti = Task()
    generation_id = operator("A cat sim:never", wait_for_completion=False).execute(ti.context)
    assert ti.xcoms["veo_generation"]["generation_id"] == generation_id
    assert gateway.ledger()["totals"]["polls"] == 0


def test_the_facts_are_there_while_the_worker_waits(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(VeoHook, "wait", killed)
    ti = Task()
    with pytest.raises(KeyboardInterrupt):
        sync("A cat").execute(ti.context)
    assert ti.xcoms["veo_generation"]["generation_id"] == gateway.ledger()["submits"][0]["generation_id"]


def test_only_the_prompt_is_read_from_a_file(tmp_path: Path) -> None:
    (tmp_path / "cat.prompt").write_text("A cat")
    with DAG("files", schedule=None, template_searchpath=[str(tmp_path)]):
        task = operator("cat.prompt", model="cat.prompt")
    task.resolve_template_files()
    assert (task.prompt, task.model) == ("A cat", "cat.prompt")
    assert task.template_fields == VeoGenerateOperator.template_fields


def test_a_missing_connection_may_come_back_and_pushes_the_facts() -> None:
    ti = Task()
    with pytest.raises(VeoConnectionNotFoundError, match="nowhere") as caught:
        sync("A cat", veo_conn_id="nowhere").execute(ti.context)
    # Airflow says the same while its API server is away: as any other provider's, such a task is retried.
    assert not isinstance(caught.value, AirflowFailException)
    assert ti.xcoms["veo_generation"]["reason"] == "configuration"


def test_nothing_is_sent_of_a_wrong_request(gateway: Simulator) -> None:
    ti = Task()
    with pytest.raises(VeoValidationError) as caught:
        sync(" ", duration_seconds=5, aspect_ratio="4:3", image="/etc/passwd").execute(ti.context)
    for word in ("prompt", "4, 6, 8", "16:9, 9:16", "bare path"):
        assert word in str(caught.value)
    assert isinstance(caught.value, ValueError)
    assert gateway.ledger()["submits"] == []
    assert ti.xcoms["veo_generation"]["reason"] == "invalid_request"


@pytest.mark.parametrize(
    "arguments",
    [{"poll_interval": 0}, {"timeout": -1}, {"timeout": float("inf")}, {"timeout": 1e15}, {"on_filtered": "ignore"}],
)
def test_a_wrong_setting_fails_when_the_dag_is_read(arguments: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(arguments))):
        operator(**arguments)


def test_warnings_are_in_the_log(gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    sync("A cat", generate_audio=False).execute(Task().context)
    assert "ignores generate_audio" in capsys.readouterr().out


def test_a_lost_answer_is_not_sent_again(gateway: Simulator) -> None:
    ti = Task()
    with pytest.raises(VeoUnknownSubmitError) as caught:
        sync("A cat sim:lost_answer").execute(ti.context)
    assert gateway.ledger()["totals"]["submits"] == 1
    assert isinstance(caught.value, AirflowFailException)
    assert ti.xcoms["veo_generation"]["reason"] == "unknown_submit"
    assert ti.xcoms["veo_generation"]["request"]["prompt"].startswith("A cat")


def test_polls_that_fail_are_waited_through_and_never_submit(gateway: Simulator) -> None:
    gateway.inject({"on": "poll", "kind": "status", "status": 502, "times": 2})
    gateway.inject({"on": "poll", "kind": "html", "times": 1})
    sync("A cat").execute(Task().context)
    assert gateway.ledger()["totals"]["submits"] == 1


def test_no_key(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", json.dumps({"conn_type": "veo", "host": gateway.url}))
    with pytest.raises(VeoAuthenticationError, match="no API key"):
        sync().execute(Task().context)


def test_a_foreign_event_is_refused() -> None:
    ti = Task(xcoms={"veo_generation": {"generation_id": "mine"}})
    with pytest.raises(VeoProtocolError, match="theirs"):
        operator().execute_complete(ti.context, {"outcome": "succeeded", "generation_id": "theirs"})
    for event in (
        {"status": "success"},
        {"generation_id": "mine", "reason": "of a later version"},
        {"generation_id": "mine", "outcome": "succeeded", "history": None},
        {"generation_id": "mine", "outcome": "succeeded", "videos": "1"},
    ):
        with pytest.raises(VeoProtocolError, match="mine") as caught:
            operator().execute_complete(ti.context, event)
        assert isinstance(caught.value, AirflowFailException)


def test_an_xcom_that_fails_does_not_fail_a_task_that_has_paid(
    gateway: Simulator, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(Task, "xcom_push", broken)
    assert operator(wait_for_completion=False).execute(Task().context)
    monkeypatch.setattr(Task, "xcom_pull", broken)
    assert operator().execute_complete(Task().context, {"outcome": "succeeded", "generation_id": "g"}) == "g"
    log = capsys.readouterr().out
    assert "couldn't be pushed" in log
    assert "couldn't be read" in log


def test_fewer_videos_than_asked_for_are_a_warning(capsys: pytest.CaptureFixture[str]) -> None:
    ti = Task(xcoms={"veo_generation": {"generation_id": "g", "request": {"sample_count": 3}}})
    event = {"outcome": "succeeded", "generation_id": "g", "message": "2 videos", "videos": 2}
    operator().execute_complete(ti.context, event)
    assert "2 videos of the 3 asked for" in capsys.readouterr().out


def test_each_mapped_task_has_its_own_facts() -> None:
    ti = Task(map_index=3, xcoms={"veo_generation": {"generation_id": "g"}})
    assert operator().execute_complete(ti.context, {"outcome": "succeeded", "generation_id": "g"}) == "g"


def test_killing_says_that_the_generation_goes_on(gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    task = operator(wait_for_completion=False)
    task.on_kill()
    assert "goes on" not in capsys.readouterr().out
    generation_id = task.execute(Task().context)
    task.on_kill()
    assert f"Generation {generation_id} goes on" in capsys.readouterr().out


def test_frames_from_storage(gateway: Simulator, tmp_path: Path) -> None:
    (tmp_path / "first.png").write_bytes(PNG)
    (tmp_path / "last.jpg").write_bytes(b"\xff\xd8\xff" + b"\0" * 40)
    frames = {"image": f"file://{tmp_path}/first.png", "last_frame_image": f"file://{tmp_path}/last.jpg"}
    task = operator("A cat sim:seconds=0", model="veo-3.1-generate-preview", wait_for_completion=False, **frames)
    ti = Task()
    task.execute(ti.context)
    sent = gateway.ledger()["submits"][0]["request"]
    assert (sent["image"]["mime"], sent["image"]["bytes"]) == ("image/png", len(PNG))
    assert sent["lastFrameImage"]["mime"] == "image/jpeg"
    assert ti.xcoms["veo_generation"]["request"]["image"].startswith("data:image/png;base64,... (")


def test_frames_that_are_none(gateway: Simulator, tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("password")
    arguments = {"image": f"file://{tmp_path}/secret.txt", "last_frame_image": f"file://{tmp_path}/nowhere.png"}
    with pytest.raises(VeoValidationError) as caught:
        sync("A cat", **arguments).execute(Task().context)
    assert "neither JPEG nor PNG" in str(caught.value)
    assert "can't be read" in str(caught.value)
    assert gateway.ledger()["submits"] == []


def test_rendering(tmp_path: Path) -> None:
    (tmp_path / "cat.prompt").write_text("A cat on {{ ds }}")
    inline = "data:image/png;base64," + base64.b64encode(PNG * 200).decode()
    parameters = {"negativePrompt": "{{ ds }}; no?", "file": "x.prompt", "references": [{"uri": "s3://b/k?sig=secret"}]}
    task = operator(
        "cat.prompt",
        model="{{ model }}",
        duration_seconds="{{ seconds }}",
        image="{{ picture }}",
        last_frame_image="https://h/b.png?sig=secret",
        extra_parameters=parameters,
        veo_conn_id="{{ conn }}",
    )
    from jinja2 import FileSystemLoader

    from tests.support.inside import SandboxedEnvironment

    values: Any = {"ds": "2026-11-23", "model": "veo-4", "seconds": "6", "picture": inline, "conn": "other"}
    task.render_template_fields(values, SandboxedEnvironment(loader=FileSystemLoader(tmp_path)))
    assert task.prompt == "A cat on 2026-11-23"
    assert (task.model, task.duration_seconds, task.veo_conn_id) == ("veo-4", "6", "other")
    sent = {"negativePrompt": "2026-11-23; no?", "file": "x.prompt", "references": [{"uri": "s3://b/k?sig=secret"}]}
    shown = {**sent, "references": [{"uri": "s3://b/k?..."}]}
    assert task.extra_parameters == shown
    assert task.image is not None
    assert len(task.image) < 120
    assert task.hidden == {"image": inline, "last_frame_image": "https://h/b.png?sig=secret", "extra_parameters": sent}
    assert task.last_frame_image == "https://h/b.png?..."


@pytest.mark.parametrize("flag", ["deferrable", "wait_for_completion", "reuse"])
def test_a_flag_must_be_one(flag: str) -> None:
    with pytest.raises(VeoValidationError, match=f"{flag}: 'False' is neither True nor False"):
        operator(**{flag: "False"})
