# SPDX-License-Identifier: Apache-2.0
"""The triggerer is killed while many generations wait: another goes on with them, and no deadline moves."""

from __future__ import annotations

import json
import time
import uuid
from datetime import datetime

import pytest

from tests.chaos.judge import Owner, label, owner_of
from tests.chaos.world import World
from tests.support.airflow_api import Run
from tests.support.processes import wait_until

DEADLINE_DAG = "chaos_deadline"
TIMEOUT = 60
"""Of the DAG whose generation never ends."""


def deadlines(world: World, run: Run) -> dict[Owner, float]:
    """What the triggers of a run hold in the database, by map index."""
    found = {}
    for map_index, kwargs in world.postgres.query(
        "SELECT ti.map_index, t.kwargs FROM task_instance ti JOIN trigger t ON t.id = ti.trigger_id"
        " WHERE ti.run_id = %s",
        run.run_id,
    ):
        found[(run.run_id, map_index)] = float(json.loads(kwargs)["deadline"])
    return found


@pytest.mark.parametrize(
    "two", [pytest.param(False, id="replaced"), pytest.param(True, marks=pytest.mark.full, id="one-of-two")]
)
def test_killed_while_all_wait(two: bool, world: World, full: bool) -> None:
    count = 50 if full else 12
    if two:
        world.airflow.second_triggerer()
    job = world.begin("triggerer", ["sim:never"] * count)
    wait_until("all to wait", lambda: world.task_states(job.run).count("deferred") == count, seconds=240)
    before = deadlines(world, job.run)
    assert len(before) == count

    def taken() -> list[int] | None:
        rows = world.postgres.query(
            "SELECT ti.map_index FROM task_instance ti JOIN trigger t ON t.id = ti.trigger_id"
            " WHERE ti.run_id = %s AND t.triggerer_id IS NOT NULL ORDER BY t.triggerer_id",
            job.run.run_id,
        )
        return [index for (index,) in rows] if len(rows) == count else None

    # The first is one of the elder triggerer's.
    index = wait_until("triggerers to take all of them", taken, seconds=240)[0]
    lost = (job.run.run_id, index)

    if two:
        world.airflow.kill("triggerer")
    else:
        world.airflow.replace("triggerer")
    bought = {
        owner: submit["generation_id"]
        for submit in world.simulator.ledger()["submits"]
        if (owner := owner_of(str(submit["request"].get("prompt")))) and owner[0] == job.run.run_id
    }
    world.simulator.end(bought.pop(lost))
    wait_until("it to come back", lambda: world.task_states(job.run).count("deferred") < count, seconds=240)
    assert deadlines(world, job.run) == {owner: before[owner] for owner in bought}

    for generation_id in bought.values():
        world.simulator.end(generation_id)
    world.watch([job], seconds=240)
    verdict = world.judge(f"triggerer killed, {'its twin goes on' if two else 'replaced'}", 1, world.evidence([job]))
    if two:
        world.airflow.kill("triggerer-2")
        world.airflow.start_component("triggerer")
    assert verdict.faults == []
    assert (verdict.billed, verdict.stored) == (count, count)


@pytest.mark.full
def test_a_deadline_does_not_move(world: World) -> None:
    run_id = f"deadline-{uuid.uuid4().hex[:6]}"
    run = world.api.trigger(DEADLINE_DAG, {"prompt": f"{label(run_id, 0)} a clip sim:never"}, run_id)
    wait_until("it to wait", lambda: world.task_states(run, "generate") == ["deferred"], seconds=240)
    time.sleep(TIMEOUT / 2)
    world.airflow.replace("triggerer")
    world.api.wait_for([run], seconds=3 * TIMEOUT)
    (submit,) = [
        submit
        for submit in world.simulator.ledger()["submits"]
        if owner_of(str(submit["request"].get("prompt"))) == (run.run_id, 0)
    ]
    (task,) = run.tasks
    assert task["state"] == "failed"
    took = datetime.fromisoformat(task["end_date"]).timestamp() - submit["time"]
    # A wait that had begun anew would have taken half of it more.
    assert TIMEOUT <= took < 1.4 * TIMEOUT
    error = world.errors(run, "generate", -1, 1)
    assert "VeoDeadlineError" in error
    assert submit["generation_id"] in error
