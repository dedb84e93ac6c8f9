# SPDX-License-Identifier: Apache-2.0
"""Requests made in Python: as ``request``, and by a function under ``@task.veo``."""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, AirflowSkipException, TaskDeferred, task

from tests.support.inside import deserialize, serialize
from tests.support.tasks import Task
from tests.unit.operators.test_veo import PNG, operator, run_deferred
from veo_provider import compat
from veo_provider.api.request import VeoRequest
from veo_provider.decorators.veo import VeoDecoratedOperator
from veo_provider.exceptions import VeoValidationError
from veo_provider.operators.requesting import REQUEST_FIELDS
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.request import VideoRequest
from veo_provider.simulator import Simulator


def sent(gateway: Simulator) -> list[dict[str, Any]]:
    return [submit["request"] for submit in gateway.ledger()["submits"]]


def decorated(function: Callable[..., Any], **arguments: Any) -> VeoDecoratedOperator:
    return VeoDecoratedOperator(
        task_id="generate", python_callable=function, wait_for_completion=False, timeout=30, **arguments
    )


def test_the_fields_are_those_of_the_operator() -> None:
    assert tuple(one.name for one in fields(VideoRequest)) == REQUEST_FIELDS
    assert [one.name for one in fields(VeoRequest)] == [*REQUEST_FIELDS, "warnings"]
    assert set(REQUEST_FIELDS) < set(inspect.signature(VeoGenerateOperator.__init__).parameters)


@pytest.mark.parametrize(
    "request_",
    [
        VideoRequest(prompt="A dog", seed=7),
        {"prompt": "A dog", "seed": 7},
        '{"prompt": "A dog", "seed": 7}',
        {"prompt": "A dog", "seed": "7"},
    ],
    ids=["typed", "dict", "text", "rendered"],
)
def test_a_request_counts_before_the_arguments(request_: Any, gateway: Simulator) -> None:
    operator("A cat", seed=1, aspect_ratio="9:16", request=request_, wait_for_completion=False).execute(Task().context)
    (body,) = sent(gateway)
    assert (body["prompt"], body["seed"], body["aspectRatio"]) == ("A dog", 7, "9:16")


@pytest.mark.parametrize("nothing", ["", " ", {}, VideoRequest(), {"prompt": None}, {"prompt": " None "}])
def test_no_request_leaves_the_arguments(nothing: Any, gateway: Simulator) -> None:
    operator("A cat", request=nothing, wait_for_completion=False).execute(Task().context)
    assert sent(gateway)[0]["prompt"] == "A cat"


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        (["A dog"], "request is a list, not a VideoRequest"),
        (None, "request is given and came out as None"),
        (" None ", "request is given and came out as None"),
        ("A dog", "request is a str, not"),
        ("null", "request is a str, not"),
        ({"seed": 10**5000}, "seed: a value of type int is not"),
        ({"promt": "A dog", "seed": -1}, r"seed: -1 is not .*promt: no such parameter"),
    ],
)
def test_what_is_no_request_is_not_sent(wrong: Any, words: str, gateway: Simulator) -> None:
    with pytest.raises(VeoValidationError, match=words):
        operator("A cat", request=wrong).execute(Task().context)
    assert sent(gateway) == []


@pytest.mark.parametrize("kind", [VideoRequest, dict])
def test_a_request_is_rendered_and_its_images_are_hidden(kind: type[Any], gateway: Simulator) -> None:
    image = base64.b64encode(PNG).decode()
    made = operator(None, request=kind(prompt="A {{ noun }}", image=image, extra_parameters={"more": "{{ noun }}"}))
    made.wait_for_completion = False
    context: Any = {"noun": "dog"}
    made.render_template_fields(context)
    shown: Any = made.request
    assert shown["prompt"] == "A dog"
    assert image not in str(shown)
    made.execute(Task().context)
    (body,) = sent(gateway)
    assert (body["prompt"], body["more"]) == ("A dog", "dog")
    # The simulator's ledger keeps what the image was, and not its bytes.
    assert "png" in str(body["image"])


def test_a_prompt_out_of_an_xcom_is_no_template() -> None:
    given = VideoRequest(prompt="A {{ noun }}")
    made = operator(None, request=given)
    made._do_render_template_fields(made, made.template_fields, {}, made.get_template_env(), {id(given)})
    assert made.request == {"prompt": "A {{ noun }}"}


def test_a_field_that_is_none_leaves_the_argument(gateway: Simulator) -> None:
    image = base64.b64encode(PNG).decode()
    operator("A cat", image=image, request={"image": None}, wait_for_completion=False).execute(Task().context)
    assert "png" in str(sent(gateway)[0]["image"])


def test_an_output_of_a_task_inside_is_refused_when_the_dag_is_parsed() -> None:
    with DAG("d", schedule=None):
        other: Any = operator("A cat").output
        with pytest.raises(TypeError, match=r"VideoRequest\(image=\.\.\.\) is another task's output"):
            VideoRequest(prompt="A dog", image=other)
        with pytest.raises(TypeError, match=r"VideoRequest\(extra_parameters=\.\.\.\) is another task's output"):
            VideoRequest(prompt="A dog", extra_parameters={"more": [other]})
        made = operator(task_id="dict", request={"prompt": "A dog", "image": other})
    assert made.upstream_task_ids == {"generate"}


def test_an_argument_takes_nothing_out_of_the_context(ti: Task, gateway: Simulator) -> None:
    def prompt(run_id: str) -> str:
        return f"A dog in {run_id}"

    context = ti.context | {"run_id": "the run"}
    decorated(prompt, op_kwargs={"run_id": "the park"}).execute(context)
    assert sent(gateway)[0]["prompt"] == "A dog in the park"
    assert context["run_id"] == "the run"


@pytest.mark.skipif(not compat.CLASSES_IN_XCOMS, reason="this Airflow's configuration has to allow the class")
def test_xcoms_carry_a_request() -> None:
    given = VideoRequest(prompt="A dog", extra_parameters={"a": 1})
    there: Any = serialize(given)
    assert deserialize(there) == given


@pytest.mark.parametrize(
    "made",
    ["A {{ dog }}", {"prompt": "A {{ dog }}", "duration_seconds": 4}, VideoRequest(prompt="A {{ dog }}", seed=1)],
    ids=["prompt", "dict", "typed"],
)
def test_a_function_makes_the_request(made: Any, gateway: Simulator) -> None:
    task = decorated(lambda: made, model="veo-3.0-generate-preview", duration_seconds=6)
    task.render_template_fields({})
    assert task.execute(Task().context) == gateway.ledger()["submits"][0]["generation_id"]
    (body,) = sent(gateway)
    assert (body["prompt"], body["model"]) == ("A {{ dog }}", "veo-3.0-generate-preview")
    assert body["durationSeconds"] == (4 if isinstance(made, dict) else 6)


def test_a_function_gets_its_arguments_and_the_context(gateway: Simulator) -> None:
    def prompt(noun: str, verb: str, ti: Any = None) -> str:
        return f"A {noun} {verb}, map index {ti.map_index}"

    decorated(prompt, op_args=["dog"], op_kwargs={"verb": "runs"}).execute(Task().context)
    assert sent(gateway)[0]["prompt"] == "A dog runs, map index -1"


def test_a_functions_arguments_are_shown_without_secrets(gateway: Simulator) -> None:
    seen: list[str] = []

    def prompt(*links: str, more: str) -> str:
        seen.extend([*links, more])
        return "A dog"

    link = "https://store.example/dog.png?X-Amz-Signature={{ word }}"
    task = decorated(prompt, op_args=[link], op_kwargs={"more": link})
    context: Any = {"word": "s3cret"}
    task.render_template_fields(context)
    assert "s3cret" not in str([task.op_args, task.op_kwargs])
    assert "store.example/dog.png" in str(task.op_args)
    task.execute(Task().context)
    assert seen == ["https://store.example/dog.png?X-Amz-Signature=s3cret"] * 2


@pytest.mark.parametrize("wrong", [None, 7, ["A dog"], b"A dog"])
def test_what_a_function_must_not_return(wrong: Any, gateway: Simulator) -> None:
    with pytest.raises(VeoValidationError, match=f"returned a {type(wrong).__name__}, not a prompt"):
        decorated(lambda: wrong).execute(Task().context)
    assert sent(gateway) == []


@pytest.mark.parametrize("error", [ValueError("no idea"), AirflowSkipException("not today")])
def test_a_function_that_raises_sends_nothing(error: Exception, gateway: Simulator) -> None:
    def prompt() -> str:
        raise error

    with pytest.raises(type(error), match=str(error)):
        decorated(prompt).execute(Task().context)
    assert sent(gateway) == []


def test_a_function_that_fails_in_a_retry_loses_no_video(
    ti: Task, gateway: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    calls = []

    def prompt() -> str:
        calls.append("called")
        if len(calls) > 1:
            raise ValueError("the quota of the language model is used up")
        return "A cat"

    paid = decorated(prompt).execute(ti.context)
    assert decorated(prompt).execute(ti.retried().context) == paid
    assert len(sent(gateway)) == 1
    assert "No request was made this time (ValueError: the quota" in capsys.readouterr().out


async def test_the_pace_is_of_the_model_that_was_asked_for(gateway: Simulator) -> None:
    with pytest.raises(TaskDeferred) as deferred:
        operator("A cat", poll_interval=None, request={"model": "veo-3.0-generate-preview"}).execute(Task().context)
    _, kwargs = deferred.value.trigger.serialize()
    assert kwargs["model"] == "veo-3.0-generate-preview"
    deferred.value.trigger.poll_interval, deferred.value.trigger.first_poll_at = 0.1, 0.0
    assert (await run_deferred(deferred.value))["generation_id"]


def test_a_function_that_says_it_returns_a_dict_has_one_xcom() -> None:
    with DAG("d", schedule=None):

        @task.veo
        def request() -> dict[str, str]:
            return {"prompt": "A dog"}

        output: Any = request()
        made = output.operator
    assert isinstance(made, VeoDecoratedOperator)
    assert made.multiple_outputs is False
    assert made.task_id == "request"
