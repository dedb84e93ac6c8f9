# SPDX-License-Identifier: Apache-2.0
"""A task's process is killed at each point of its life: its video is stored, paid for once, or the error says why."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from tests.chaos import crash
from tests.chaos.judge import Evidence, judge
from tests.chaos.world import Job, World

LIMIT = 420
# What the gateway has billed where nobody can know it.
BILLED = {"after the intent": 0, "half sent": 0, "sent, unanswered": 1, "answered, id unwritten": 1}


@dataclass
class Killed:
    """What is left of a run in which each video's task died at another point."""

    job: Job
    evidence: Evidence
    met: set[str]
    without_ledger: Evidence
    """Of a run of one video whose ledger forgets."""


@pytest.fixture(scope="module")
def killed(world: World) -> Killed:
    points = list(crash.POINTS)
    directives = ["sim:size_mb=30" if point == "inside the upload" else "" for point in points]
    job = world.begin("kill", directives, {index: (point, "task") for index, point in enumerate(points)})
    control = world.begin("control", [""], {0: ("before the deferral", "task")}, dag_id="chaos_without_ledger")
    world.watch([job, control], seconds=LIMIT)
    met = {name.partition("@")[0] for name in crash.fired(world.control) if job.run.run_id in name}
    crash.disarm(world.control)
    return Killed(job, world.evidence([job]), met, world.evidence([control]))


def test_nothing_was_paid_for_by_nobody(killed: Killed) -> None:
    assert judge(killed.evidence).faults == []


@pytest.mark.parametrize("point", crash.POINTS)
def test_killed(point: str, world: World, killed: Killed) -> None:
    owner = killed.job.owners[list(crash.POINTS).index(point)]
    verdict = world.judge(f"task killed: {point}", int(point in killed.met), killed.evidence.of(owner))
    assert point in killed.met, "nobody came by"
    assert verdict.faults == []
    if point in BILLED:
        assert verdict.unknown == [owner]
        assert verdict.billed == BILLED[point]
    else:
        assert (verdict.stored, verdict.billed) == (1, 1)


def test_without_a_ledger_it_is_paid_twice(world: World, killed: Killed) -> None:
    """The control: a judge that never saw a double payment in a real Airflow would prove nothing."""
    verdict = world.judge("(control) killed, no ledger", 1, killed.without_ledger)
    assert len(verdict.paid_twice) == 1
    assert len(verdict.lost) == 1
    assert (verdict.billed, verdict.stored) == (2, 1)
