# SPDX-License-Identifier: Apache-2.0
"""When to ask: fewer polls before a model's usual time, and no later news."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from tests.benchmarks.polls import wait
from tests.unit.api.test_waiting import DONE, START, Run
from veo_provider.api.generation import Generation, Phase
from veo_provider.api.pace import CAUTION, MAX_MODELS, REMEMBERED, Pace
from veo_provider.api.waiting import DEFAULT_INTERVAL, Outcome, Sleep, WaitPlan, waiting


def minute_long(rng: random.Random) -> Iterator[float]:
    while True:
        yield rng.uniform(55, 65)


@pytest.mark.parametrize("seed", range(5))
def test_a_minute_takes_at_most_half_of_the_polls_and_is_known_as_soon(seed: int) -> None:
    rng = random.Random(seed)
    pace = Pace()
    seen = [wait(seconds, pace, "m", rng) for seconds, _ in zip(minute_long(rng), range(200), strict=False)]
    learned = seen[10:]
    polls = sorted(polls for polls, _ in learned)
    late = sorted(late for _, late in learned)
    # Polled every 5 s from the submit on it would be 12 or 13.
    assert sum(polls) / len(polls) <= 6
    assert late[int(len(late) * 0.95)] <= DEFAULT_INTERVAL
    assert max(late) <= DEFAULT_INTERVAL


def test_nothing_is_known_at_first() -> None:
    assert Pace().usual("m") == 0
    assert Pace().usual(None) == 0
    polls, late = wait(60, Pace(), "m", random.Random(1))
    assert polls > 10
    assert late <= DEFAULT_INTERVAL


def test_an_interval_of_ones_own_is_kept() -> None:
    pace, rng = Pace(), random.Random(1)
    wait(60, pace, "m", rng)
    assert wait(60, pace, None, rng)[0] > 10


def test_it_follows_a_model_that_becomes_faster_or_slower() -> None:
    pace, rng = Pace(), random.Random(1)
    for _ in range(REMEMBERED):
        wait(100, pace, "m", rng)
    assert 80 < pace.usual("m") < 100
    for _ in range(30):
        wait(30, pace, "m", rng)
    assert pace.usual("m") < 36
    for _ in range(REMEMBERED):
        wait(100, pace, "m", rng)
    assert 80 < pace.usual("m") < 100


def test_an_early_failure_is_known_within_half_a_minute() -> None:
    pace = Pace()
    pace.note("m", 300)
    _, late = wait(40, pace, "m", random.Random(1))
    assert late <= 30


def test_what_started_late_teaches_nothing() -> None:
    """A triggerer that was down for an hour has learned nothing about how long a generation takes."""
    pace, run = Pace(), Run(now=START + 3600)
    plan = WaitPlan("g", START + 7200, 5.0, START + 10, START, "m")
    flow = waiting(plan, lambda: run.now, lambda: 0.5, run.tell, pace)
    assert isinstance(next(flow), Sleep)
    next(flow)
    assert isinstance(flow.send(DONE), Outcome)
    assert pace.usual("m") == 0


def test_it_remembers_no_end_of_models() -> None:
    pace = Pace()
    for number in range(MAX_MODELS + 10):
        pace.note(f"m{number}", 10)
    assert pace.usual("m0") == CAUTION * 10
    assert pace.usual(f"m{MAX_MODELS + 5}") == 0


def test_a_link_that_lags_is_not_waited_for_like_an_end() -> None:
    pace, run = Pace(), Run()
    pace.note("m", 300)
    flow = waiting(
        WaitPlan("g", START + 1200, 5.0, START + 10, START, "m"), lambda: run.now, lambda: 0.5, run.tell, pace
    )
    next(flow)
    next(flow)
    step = flow.send(Generation("g", Phase.SUCCEEDED, "succeeded"))
    assert isinstance(step, Sleep)
    assert step.seconds <= 5
