# SPDX-License-Identifier: Apache-2.0
"""What can be read of a task that waits: pushed or recorded before it is put off."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import TaskDeferred

from tests.support.tasks import Task
from veo_provider.ledger.stores import TASK_STATE_KEY
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.simulator import Simulator

PROMPT = "A cat sim:seconds=60 sim:status_word=pondering"


def defer(task: VeoGenerateOperator | VeoGenerationSensor, ti: Task) -> dict[str, Any]:
    with pytest.raises(TaskDeferred):
        task.execute(ti.context)
    facts: dict[str, Any] = ti.xcoms["veo_generation"]
    return facts


def generate(**arguments: Any) -> VeoGenerateOperator:
    return VeoGenerateOperator(task_id="generate", prompt=PROMPT, **arguments)


def test_the_gateways_word_and_its_time(ti: Task, gateway: Simulator) -> None:
    facts = defer(generate(), ti)
    assert (facts["status"], facts["reason"]) == ("pondering", None)
    assert facts["generation_id"] == gateway.ledger()["submits"][0]["generation_id"]
    assert datetime.fromisoformat(facts["submitted_at"]) <= datetime.fromisoformat(facts["status_at"])


def test_a_retry_that_takes_it_up_says_how_far_it_is(ti: Task, gateway: Simulator) -> None:
    defer(generate(), ti)
    assert defer(generate(), ti.retried())["status"] == "pondering"


def test_a_poll_that_failed_says_nothing_new(ti: Task, gateway: Simulator) -> None:
    gateway.inject({"on": "poll", "kind": "status", "status": 502})
    facts = defer(generate(), ti)
    assert facts["status"] == "submitted"
    assert facts["status_at"] == facts["submitted_at"]


def test_a_sensor_says_it_too(ti: Task, gateway: Simulator) -> None:
    generation_id = generate(wait_for_completion=False).execute(ti.context)
    facts = defer(VeoGenerationSensor(task_id="wait", generation_id=generation_id, timeout=60), Task(task_id="wait"))
    assert (facts["generation_id"], facts["status"]) == (generation_id, "pondering")
    assert "status_at" in facts


def test_the_record_says_when_for_people(ti: Task, gateway: Simulator) -> None:
    facts = defer(generate(), ti)
    record = ti.task_state_store.get(TASK_STATE_KEY)
    assert record["generation_id"] == facts["generation_id"]
    assert (record["phase"], record["sent_at_utc"]) == ("submitted", facts["submitted_at"])
