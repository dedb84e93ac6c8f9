# SPDX-License-Identifier: Apache-2.0
"""What somebody can read of a task over the REST API, as the UI does: while it is deferred, and afterwards."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.support.airflow_api import Run
from tests.support.airflow_stack import AirflowStack
from tests.support.processes import wait_until
from veo_provider.simulator import Simulator

DAG_ID = "e2e_watched"
LIMIT = 240
# Until all have been looked at between the first poll and the end.
PROMPT = "A clock ticks sim:never"
WAITING = [("generate", -1), ("wait", -1), ("mapped", 0)]
TRANSFERS = [("store", -1, "generate"), ("store_mapped", 0, "mapped")]
"""And which task made what they have stored."""


class Watcher:
    """Reads about one task instance."""

    def __init__(self, stack: AirflowStack, run: Run, task_id: str, map_index: int) -> None:
        self.stack, self.run, self.task_id, self.map_index = stack, run, task_id, map_index

    def read(self, what: str = "") -> Any:
        path = f"{self.run.path}/taskInstances/{self.task_id}"
        if not what:
            return self.stack.api.json("GET", f"{path}/{self.map_index}")
        return self.stack.api.json("GET", f"{path}/{what}", params={"map_index": self.map_index})

    def snapshot(self) -> dict[str, Any]:
        """All of it; the state is looked at last, so that it held before."""
        seen: dict[str, Any] = {
            "facts": self.stack.api.xcom(self.run, self.task_id, "veo_generation", self.map_index),
            "record": {entry["key"]: entry for entry in self.read("state-store")["task_state_store"]},
            "links": self.read("links")["extra_links"],
            "log": self.stack.api.log(self.run, self.task_id, self.read()["try_number"], self.map_index),
        }
        return seen | {"state": self.read()["state"]}


@pytest.fixture(scope="module")
def run(stack: AirflowStack) -> Run:
    stack.api.unpause(DAG_ID)
    return stack.api.trigger(DAG_ID, {"prompt": PROMPT})


@pytest.fixture(scope="module")
def deferred(stack: AirflowStack, run: Run) -> dict[str, dict[str, Any]]:
    """By task id, what could be read once the triggerer had seen something new."""
    seen = {}
    for task_id, map_index in WAITING:
        watcher = Watcher(stack, run, task_id, map_index)

        def news(watcher: Watcher = watcher) -> dict[str, Any] | None:
            if watcher.read()["state"] != "deferred":
                return None
            snapshot = watcher.snapshot()
            return snapshot if " is in_progress" in snapshot["log"] else None

        seen[task_id] = wait_until(f"news of {task_id}", news, seconds=LIMIT)
    return seen


@pytest.fixture(scope="module")
def ended(stack: AirflowStack, run: Run, deferred: dict[str, dict[str, Any]], stack_simulator: Simulator) -> Run:
    for seen in deferred.values():
        stack_simulator.end(seen["facts"]["generation_id"])
    stack.api.wait_for([run], seconds=LIMIT)
    assert run.state == "success", stack.api.why(run)
    assert stack.api.our_errors(run) == []
    return run


@pytest.mark.parametrize("task_id", [task_id for task_id, _ in WAITING])
def test_id_status_and_change_are_readable_while_deferred(task_id: str, deferred: dict[str, dict[str, Any]]) -> None:
    seen = deferred[task_id]
    assert seen["state"] == "deferred"
    facts = seen["facts"]
    generation_id = facts["generation_id"]
    # The gateway's word just before the deferral; what changes later is in the trigger's log.
    assert facts["status"] in ("queued", "in_progress")
    datetime.fromisoformat(facts["status_at"])
    line = next(line for line in seen["log"].splitlines() if f"Generation {generation_id} is in_progress" in line)
    datetime.fromisoformat(line.split()[0])


@pytest.mark.parametrize("task_id", ["generate", "mapped"])
def test_the_task_state_is_readable_while_deferred(
    task_id: str, deferred: dict[str, dict[str, Any]], stack_simulator: Simulator
) -> None:
    entry = deferred[task_id]["record"]["veo_submit"]
    assert entry["value"]["generation_id"] == deferred[task_id]["facts"]["generation_id"]
    assert entry["value"]["phase"] == "submitted"
    sent, noted = (datetime.fromisoformat(text) for text in (entry["value"]["sent_at_utc"], entry["updated_at"]))
    assert 0 <= (noted - sent).total_seconds() < 60
    assert stack_simulator.api_key not in str(deferred[task_id])


@pytest.mark.parametrize(("task_id", "map_index"), WAITING)
def test_links_lead_to_the_console_and_to_the_tasks_own_page(
    task_id: str,
    map_index: int,
    deferred: dict[str, dict[str, Any]],
    ended: Run,
    stack: AirflowStack,
    stack_simulator: Simulator,
) -> None:
    links = Watcher(stack, ended, task_id, map_index).read("links")["extra_links"]
    assert links == deferred[task_id]["links"]
    assert links["Gateway console"] == stack_simulator.url
    assert shown_by(links["Veo videos"], stack, ended, task_id, map_index) == (task_id, map_index)


@pytest.mark.parametrize(("task_id", "map_index", "made_by"), TRANSFERS)
def test_a_transfers_link_leads_to_its_own_page(
    task_id: str, map_index: int, made_by: str, ended: Run, stack: AirflowStack
) -> None:
    links = Watcher(stack, ended, task_id, map_index).read("links")["extra_links"]
    assert set(links) == {"Veo videos"}
    assert shown_by(links["Veo videos"], stack, ended, task_id, map_index) == (made_by, map_index)


def shown_by(link: str, stack: AirflowStack, run: Run, task_id: str, map_index: int) -> tuple[str, int]:
    """The link leads to the page; return the task that has made the one generation which that shows."""
    assert link.startswith(f"{stack.url}/veo/?")
    query = {name: values[0] for name, values in parse_qs(urlsplit(link).query).items()}
    assert query == {"dag_id": DAG_ID, "run_id": run.run_id, "task_id": task_id, "map_index": str(map_index)}
    assert stack.api.ask("GET", link.removeprefix(stack.url)).status_code == 200
    (shown,) = stack.api.ask("GET", "/veo/api/generations", params=query).json()["generations"]
    return shown["task_id"], shown["map_index"]
