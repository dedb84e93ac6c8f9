# SPDX-License-Identifier: Apache-2.0
"""What a person does in the UI, done over the REST API: clearing and marking tasks costs what the docs say."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.airflow_api import Run
from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import billed
from tests.support.processes import wait_until
from veo_provider.simulator import Simulator

LIMIT = 150


class Story:
    """One DAG run with its prompts, and what it cost."""

    def __init__(self, stack: AirflowStack, simulator: Simulator, dag_id: str, *prompts: str) -> None:
        self.stack, self.simulator = stack, simulator
        self.name = str(uuid.uuid4())
        stack.api.unpause(dag_id)
        self.run: Run = stack.api.trigger(dag_id, {"prompts": [f"{text} {self.name}" for text in prompts]})

    def wait(self) -> list[str | None]:
        self.stack.api.wait_for([self.run], seconds=LIMIT)
        assert self.run.ended, self.stack.api.why(self.run)
        return self.run.states("generate")

    def clear(self, *map_indexes: int) -> None:
        tasks: list[Any] = [["generate", index] for index in map_indexes] or ["generate"]
        self.stack.api.clear(self.run, task_ids=tasks, only_failed=False)

    def bought(self) -> list[str]:
        return [submit["generation_id"] for submit in billed(self.simulator.ledger(), self.name)]

    def ids(self) -> list[str]:
        count = len(self.run.states("generate"))
        return [self.stack.api.xcom(self.run, "generate", map_index=index) for index in range(count)]


@pytest.fixture
def story(stack: AirflowStack, stack_simulator: Simulator) -> Callable[..., Story]:
    return lambda dag_id, *prompts: Story(stack, stack_simulator, dag_id, *prompts)


def test_a_cleared_success_is_bought_again_for_its_map_index_alone(story: Callable[..., Story]) -> None:
    told = story("e2e_clears", "A door opens sim:seconds=0", "A door closes sim:seconds=0")
    assert told.wait() == ["success"] * 2
    first, second = told.ids()
    told.clear(1)
    assert told.wait() == ["success"] * 2
    assert told.ids()[0] == first
    assert told.ids()[1] != second
    assert len(told.bought()) == 3


def test_a_cleared_success_may_be_kept(story: Callable[..., Story]) -> None:
    told = story("e2e_clears_keep", "A lamp is lit sim:seconds=0")
    assert told.wait() == ["success"]
    [first] = told.ids()
    told.clear()
    assert told.wait() == ["success"]
    assert told.ids() == [first] == told.bought()


def test_a_timeout_that_is_cleared_goes_on_with_the_same_generation(story: Callable[..., Story]) -> None:
    told = story("e2e_clears_impatient", "A glacier moves sim:never")
    assert told.wait() == ["failed"]
    [bought] = told.bought()
    assert bought in told.stack.api.log(told.run, "generate", map_index=0)
    told.simulator.end(bought)
    for _ in range(3):
        told.clear()
        # Without retries a try that Airflow loses has to be cleared, too.
        if told.wait() == ["success"]:
            break
    assert told.ids() == [bought] == told.bought()


def test_an_unknown_submit_is_not_sent_again_by_a_clear(story: Callable[..., Story]) -> None:
    told = story("e2e_clears", "A letter is lost sim:lost_answer")
    assert told.wait() == ["failed"]
    assert told.run.tasks[-1]["try_number"] == 1, "it isn't retried"
    told.clear()
    assert told.wait() == ["failed"]
    assert len(told.bought()) == 1
    log = told.stack.api.log(told.run, "generate", try_number=2, map_index=0)
    assert "Nobody knows the generation" in log
    assert "on_unknown_submit" in log


def test_marking_a_deferred_task_failed_logs_its_generation_and_a_clear_takes_it_up(
    story: Callable[..., Story],
) -> None:
    told = story("e2e_clears", "A river flows sim:never")

    folder = told.stack.home / "logs" / f"dag_id={told.run.dag_id}" / f"run_id={told.run.run_id}"

    def triggerer_said(words: str) -> bool:
        return any(words in log.read_text() for log in folder.rglob("*.log.trigger.*.log"))

    # Not before: a trigger that hasn't been picked up yet has nothing to say.
    wait_until("the triggerer to poll", lambda: triggerer_said("Generation "), seconds=LIMIT)
    path = f"{told.run.path}/taskInstances/generate/0"
    told.stack.api.json("PATCH", path, json={"new_state": "failed"})
    assert told.wait() == ["failed"]
    [bought] = told.bought()
    words = f"No longer waiting for generation {bought}"
    wait_until("the triggerer to say that it goes on", lambda: triggerer_said(words), seconds=60)
    told.simulator.end(bought)
    told.clear()
    assert told.wait() == ["success"]
    assert told.ids() == [bought] == told.bought()
