# SPDX-License-Identifier: Apache-2.0
"""``generation_id``: what was submitted elsewhere is taken up, and nothing is bought."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_tries import NO_WAIT, ids, killed_at, record, run
from tests.unit.operators.test_veo import both, complete, operator, sync
from veo_provider.exceptions import VeoDeadlineError, VeoNotFoundError, VeoUnknownSubmitError, VeoValidationError
from veo_provider.ledger import stores
from veo_provider.ledger.record import Record, SubmitPhase
from veo_provider.simulator import Simulator


@both
async def test_adopting_submits_nothing(mode: str, gateway: Simulator) -> None:
    generation_id = operator("A cat", wait_for_completion=False).execute(Task().context)
    ti = Task()
    assert await complete(operator(None, generation_id=f" {generation_id} "), ti, mode) == generation_id
    assert gateway.ledger()["totals"]["submits"] == 1
    assert "request" not in ti.xcoms["veo_generation"]


@pytest.mark.parametrize("given", ["None", " None "])
def test_a_look_up_that_found_nothing_buys_nothing(given: str, gateway: Simulator) -> None:
    task = sync("A cat", generation_id="{{ found }}")
    task.generation_id = given
    with pytest.raises(VeoValidationError, match="generation_id"):
        task.execute(Task().context)
    task.generation_id = None
    with pytest.raises(VeoValidationError, match="generation_id"):
        task.execute(Task().context)
    assert gateway.ledger()["submits"] == []


def test_a_mapped_look_up_that_found_nothing_buys_nothing(gateway: Simulator) -> None:
    # A mapped operator gets the values it is expanded over as arguments.
    with pytest.raises(VeoValidationError, match="generation_id"):
        sync("A cat", generation_id=None).execute(Task().context)
    several: Any = ["a", "b"]
    with pytest.raises(VeoValidationError, match="takes one id, not a list of 2"):
        sync("A cat", generation_id=several).execute(Task().context)
    assert gateway.ledger()["submits"] == []


@pytest.mark.parametrize("given", ["..", "a\nb", "x" * 3000])
def test_an_id_that_cannot_be_asked_for(given: str, gateway: Simulator) -> None:
    with pytest.raises(VeoValidationError, match="generation_id"):
        sync("A cat", generation_id=given).execute(Task().context)
    assert gateway.ledger()["submits"] == []


def test_an_empty_id_submits(gateway: Simulator) -> None:
    task = operator("A cat", generation_id="{{ params.id }}", wait_for_completion=False)
    task.generation_id = ""
    task.execute(Task().context)
    assert gateway.ledger()["totals"]["submits"] == 1


def test_adopting_an_unknown_id(gateway: Simulator) -> None:
    with pytest.raises(VeoNotFoundError, match="task_nowhere"):
        sync(None, generation_id="task_nowhere").execute(Task().context)
    assert gateway.ledger()["totals"]["submits"] == 0


async def test_a_person_who_has_found_it_hands_its_id_over(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    [found] = ids(gateway)
    assert await run(ti.cleared(), generation_id=found) == found
    assert record(ti).phase is SubmitPhase.DONE
    # Later without the argument: the record knows it.
    assert await run(ti.cleared().retried()) == found
    assert len(ids(gateway)) == 1


async def test_an_id_that_nobody_knows_replaces_no_record(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    with pytest.raises(VeoNotFoundError, match="task_mistyped"):
        await run(ti.cleared(), deferrable=False, generation_id="task_mistyped")
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti.cleared().cleared())
    assert len(ids(gateway)) == 1


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
async def test_a_death_around_an_adoption(
    after: bool, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await run(Task(task_id="another"))
    with monkeypatch.context() as patch:
        killed_at(patch, "write", lambda _: True, after=after)
        with pytest.raises(KeyboardInterrupt):
            await run(ti, generation_id=found)
    # Nothing was sent, so no later try has to ask anybody.
    assert await run(ti.retried(), generation_id="" if after else found) == found
    assert ids(gateway) == [found]


async def test_an_adoption_replaces_nothing_that_another_process_writes(
    ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = await run(Task(task_id="another"))
    real = stores.TaskStateLedger.claim

    def overtaken(self: Any, written: Record, after: Record | None) -> bool:
        self.write(replace(written, nonce="theirs", generation_id="theirs"))
        return real(self, written, after)

    monkeypatch.setattr(stores.TaskStateLedger, "claim", overtaken)
    assert await run(ti, generation_id=found, **NO_WAIT) == found
    assert record(ti).generation_id == "theirs"


async def test_what_an_adoption_follows_stays_known(
    ti: Task, gateway: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    first = await run(ti)
    found = await run(Task(task_id="another"))
    assert await run(ti.cleared(), generation_id=found) == found
    files = sorted((tmp_path / "default" / "dag" / "run" / "generate" / "-1").iterdir())
    assert [file.name for file in files] == ["000001.json", "000002.json"]
    assert json.loads(files[1].read_text())["earlier"] == [first]
    assert json.loads(files[0].read_text())["generation_id"] == first


@pytest.mark.parametrize("answers", [True, False])
async def test_a_clear_with_its_own_id_has_been_answered(answers: bool, ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoDeadlineError):
        await run(ti, "A cat sim:never", timeout=0.3)
    [known] = ids(gateway)
    cleared = ti.cleared()
    if not answers:
        gateway.inject({"on": "poll", "kind": "status", "status": 502, "times": 1})
    with pytest.raises(VeoDeadlineError):
        await run(cleared, generation_id=known, timeout=0.3)
    # Airflow's own retry, of a DAG whose author has taken the argument out: nobody has cleared it again.
    with pytest.raises(VeoDeadlineError, match=known):
        await run(cleared.retried(), "A dog", timeout=0.3)
    assert ids(gateway) == [known]


async def test_an_adoption_whose_first_poll_fails_is_recorded_at_its_success(ti: Task, gateway: Simulator) -> None:
    found = await run(Task(task_id="another"))
    gateway.inject({"on": "poll", "kind": "status", "status": 502, "times": 1})
    assert await run(ti, generation_id=found) == found
    # Airflow has lost the success, and the author has taken the argument out.
    assert await run(ti.retried()) == found
    assert ids(gateway) == [found]


async def test_such_an_adoption_answers_an_unknown_submit(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    [found] = ids(gateway)
    gateway.inject({"on": "poll", "kind": "status", "status": 502, "times": 1})
    cleared = ti.cleared()
    assert await run(cleared, generation_id=found) == found
    assert await run(cleared.retried(), "A cat sim:lost_answer") == found
    assert ids(gateway) == [found]


async def test_such_an_adoption_answers_a_clear(ti: Task, gateway: Simulator) -> None:
    first = await run(ti)
    found = await run(Task(task_id="another"))
    gateway.inject({"on": "poll", "kind": "status", "status": 502, "times": 1})
    cleared = ti.cleared()
    assert await run(cleared, generation_id=found) == found
    assert await run(cleared.retried()) == found
    assert ids(gateway) == [first, found]


async def test_an_id_that_nobody_waits_for_replaces_no_record(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti, "A cat sim:lost_answer")
    await run(ti.cleared(), generation_id="task_mistyped", **NO_WAIT)
    with pytest.raises(VeoUnknownSubmitError):
        await run(ti.cleared().cleared())


async def test_a_clear_takes_an_adopted_generation_up(ti: Task, gateway: Simulator) -> None:
    with pytest.raises(VeoDeadlineError):
        await run(Task(task_id="another"), "A cat sim:never", timeout=0.3)
    [found] = ids(gateway)
    with pytest.raises(VeoDeadlineError, match="a clear of the task takes it up"):
        await run(ti, generation_id=found, timeout=0.3)
    with pytest.raises(VeoDeadlineError, match=found):
        await run(ti.cleared(), "A cat sim:never", timeout=0.3)
    assert ids(gateway) == [found]


@pytest.mark.parametrize("adopts", [False, True])
async def test_a_cleared_run_executes_a_try_twice(
    adopts: bool, ti: Task, gateway: Simulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clear of a finished run moves its start; what it had submitted is its own all the same."""
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    ti = replace(ti, run_started=datetime.now(UTC) - timedelta(seconds=1))
    with pytest.raises(VeoDeadlineError):
        await run(ti, "A cat sim:never", timeout=0.3)
    [known] = ids(gateway)
    cleared = replace(ti.cleared(), run_started=datetime.now(UTC))
    for again, given in ((cleared, known if adopts else ""), (cleared.executed_again(), "")):
        with pytest.raises(VeoDeadlineError, match=known):
            await run(again, "A cat sim:never", timeout=0.3, generation_id=given)
    assert ids(gateway) == [known]


async def test_a_ledger_that_fails_fails_no_adoption(gateway: Simulator) -> None:
    class Away(TaskState):
        def set(self, key: str, value: Any, **options: Any) -> None:
            raise ConnectionError("the API server is away")

    found = await run(Task(task_id="another"))
    assert await run(Task(task_state_store=Away()), generation_id=found) == found
