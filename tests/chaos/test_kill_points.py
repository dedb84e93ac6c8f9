# SPDX-License-Identifier: Apache-2.0
"""A task's process is killed at each point of its life: its video is stored, paid for once, or the error says why."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from tests.chaos import crash
from tests.chaos.judge import Evidence, Owner, judge
from tests.chaos.world import Job, World

LIMIT = 420
ROUNDS = 3
# What the gateway has billed where nobody can know it.
BILLED = {"after the intent": 0, "half sent": 0, "sent, unanswered": 1, "answered, id unwritten": 1}


@dataclass
class Killed:
    """What is left of runs in which each video's task died at another point."""

    rounds: list[Evidence] = field(default_factory=list)
    met: dict[str, tuple[Owner, Evidence]] = field(default_factory=dict)


def kill_at(points: list[str], world: World, killed: Killed, beside: list[Job]) -> None:
    """Run one video for each point, and let what runs beside it end too."""
    directives = ["sim:size_mb=30" if point == "inside the upload" else "" for point in points]
    job = world.begin("kill", directives, {index: (point, "task") for index, point in enumerate(points)})
    world.watch([job, *beside], seconds=LIMIT)
    crash.disarm(world.control)
    evidence = world.evidence([job])
    killed.rounds.append(evidence)
    fired = {name.partition("@")[0] for name in crash.fired(world.control) if job.run.run_id in name}
    killed.met |= {point: (job.owners[index], evidence) for index, point in enumerate(points) if point in fired}


@pytest.fixture(scope="module")
def killed(world: World, without_ledger: Job) -> Killed:
    killed = Killed()
    for _ in range(ROUNDS):
        # On a busy machine Airflow fails a try by itself now and then, whose retry may not pass a point.
        if missing := [point for point in crash.POINTS if point not in killed.met]:
            kill_at(missing, world, killed, [without_ledger])
    return killed


@pytest.fixture(scope="module")
def without_ledger(world: World) -> Job:
    """A run of one video whose ledger forgets."""
    return world.begin("control", [""], {0: ("before the deferral", "task")}, dag_id="chaos_without_ledger")


def test_nothing_is_lost_or_paid_twice(killed: Killed) -> None:
    assert [fault for evidence in killed.rounds for fault in judge(evidence).faults] == []


@pytest.mark.parametrize("point", crash.POINTS)
def test_killed(point: str, world: World, killed: Killed) -> None:
    assert point in killed.met, "nobody came by"
    owner, evidence = killed.met[point]
    verdict = world.judge(f"task killed: {point}", 1, evidence.of(owner))
    assert verdict.faults == []
    if point in BILLED:
        assert verdict.unknown == [owner]
        assert verdict.billed == BILLED[point]
    else:
        assert (verdict.stored, verdict.billed) == (1, 1)


def test_without_a_ledger_it_is_paid_twice(world: World, killed: Killed, without_ledger: Job) -> None:
    """The control: a judge that never saw a double payment in a real Airflow would prove nothing."""
    verdict = world.judge("(control) killed, no ledger", 1, world.evidence([without_ledger]))
    assert len(verdict.paid_twice) == 1
    assert len(verdict.lost) == 1
    assert (verdict.billed, verdict.stored) == (2, 1)
