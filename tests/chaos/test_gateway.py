# SPDX-License-Identifier: Apache-2.0
"""The gateway, or the way to it, behaves badly: polls fail in every manner, answers are lost, nobody is there."""

from __future__ import annotations

from typing import Any

import pytest

from tests.chaos.world import Event, World

# Together three polls of ten.
BAD_POLLS: list[dict[str, Any]] = [
    {"kind": "error", "name": "rate_limited", "headers": {"Retry-After": "2"}},
    {"kind": "status", "status": 500},
    {"kind": "html", "status": 502},
    {"kind": "empty", "status": 504},
    {"kind": "garbage"},
    {"kind": "reset"},
    {"kind": "truncate"},
    {"kind": "stall", "seconds": 8},
]
BAD_SHARE = 1 - 0.7 ** (1 / len(BAD_POLLS))


def test_bad_polls(world: World, full: bool) -> None:
    count = 40 if full else 12
    world.simulator.inject([{"on": "poll", "times": None, "share": BAD_SHARE, **fault} for fault in BAD_POLLS])
    try:
        # After its deferral each is polled every two seconds or so.
        job = world.begin("polls", ["sim:seconds=20"] * count)
        world.watch([job], seconds=420)
    finally:
        world.simulator.clear_faults()
    evidence = world.evidence([job])
    ids = {submit["generation_id"] for submit in evidence.submits}
    generations = world.simulator.ledger()["generations"]
    polls = [poll for generation_id in ids for poll in generations[generation_id]["history"]]
    bad = sum(poll["fault"] is not None for poll in polls)
    verdict = world.judge(f"bad polls, {bad} of {len(polls)}", bad, evidence)
    assert bad > len(polls) / 8
    assert verdict.faults == []
    assert (verdict.billed, verdict.stored) == (count, count)


def test_short_generations(world: World, full: bool) -> None:
    """The race between a deferral and its report (apache/airflow 71580) costs at most a try."""
    count = 40 if full else 12
    job = world.begin("short", [f"sim:seconds={1 + index % 8}" for index in range(count)])
    world.watch([job], seconds=420)
    verdict = world.judge("generations of 1-8 s", count, world.evidence([job]))
    assert verdict.faults == []
    assert (verdict.billed, verdict.stored) == (count, count)


@pytest.mark.full
def test_lost_answers(world: World) -> None:
    """A submit whose answer is lost may have been billed: it isn't sent again, and the task says so."""
    ways = ["sim:lost_answer", "sim:truncated_answer", "sim:submit_shape=S5", ""]
    job = world.begin("answers", ways * 5)
    world.watch([job], seconds=300)
    verdict = world.judge("answers to submits lost", 15, world.evidence([job]))
    assert verdict.faults == []
    assert (verdict.billed, verdict.stored, len(verdict.unknown)) == (20, 5, 15)


@pytest.mark.full
@pytest.mark.parametrize("seconds", [30, 300])
def test_outage(seconds: int, world: World) -> None:
    """Nobody answers at the gateway's address, while some wait and others are about to submit."""
    waiting = world.begin("outage", ["sim:seconds=15"] * 20)
    events = [Event(15, "shut", world.gate.shut), Event(15 + seconds, "open", world.gate.open, must=True)]
    world.watch([waiting], seconds=600 + seconds, events=events)
    verdict = world.judge(f"gateway away for {seconds} s", 1, world.evidence([waiting]))
    assert verdict.faults == []
    assert verdict.billed == verdict.stored + len(verdict.unknown) + len(verdict.named)
    assert verdict.stored > 10
