# SPDX-License-Identifier: Apache-2.0
"""How often a generation is asked for, and how late its end is known: on a clock that only sleeping moves."""

from __future__ import annotations

import random
from collections.abc import Iterator

from tests.benchmarks.report import spread, table
from veo_provider.api.generation import Generation, Phase, Video
from veo_provider.api.pace import Pace
from veo_provider.api.waiting import DEFAULT_INTERVAL, FIRST_POLL_DELAY, Outcome, Sleep, WaitPlan, waiting

RUNNING = Generation("g", Phase.RUNNING, "in_progress")
DONE = Generation("g", Phase.SUCCEEDED, "succeeded", videos=(Video(url="https://h/v.mp4"),))
LEARNING = 20


def _quiet(message: str, *, warning: bool = False) -> None:
    """Say nothing."""


def wait(seconds: float, pace: Pace, model: str | None, rng: random.Random) -> tuple[int, float]:
    """Wait for a generation that takes so long; return the polls, and how late its end was seen."""
    now = 0.0
    plan = WaitPlan("g", 1200, DEFAULT_INTERVAL, FIRST_POLL_DELAY, 1e-9, model)
    flow = waiting(plan, lambda: now, rng.random, _quiet, pace)
    step: object = next(flow)
    polls = 0
    while not isinstance(step, Outcome):
        if isinstance(step, Sleep):
            now += step.seconds
            step = next(flow)
        else:
            polls += 1
            step = flow.send(DONE if now >= seconds else RUNNING)
    return polls, now - seconds


def fixed(seconds: float) -> tuple[int, float]:
    """Poll every five seconds from the submit on."""
    polls = int(-(-seconds // DEFAULT_INTERVAL))
    return polls, polls * DEFAULT_INTERVAL - seconds


def _rows(count: int) -> Iterator[list[str]]:
    for usual in (30, 60, 120, 300):
        rng = random.Random(usual)
        lengths = [usual * rng.uniform(0.9, 1.1) for _ in range(count)]
        pace = Pace()
        learned = [wait(length, pace, "m", rng) for length in lengths][LEARNING:]
        for name, seen in (
            ("fixed, every 5 s", [fixed(length) for length in lengths]),
            ("ours, poll_interval=5", [wait(length, Pace(), None, rng) for length in lengths]),
            ("ours, by default", learned),
        ):
            late = sorted(late for _, late in seen)
            yield [
                f"{usual} s, give or take a tenth",
                name,
                spread((polls for polls, _ in seen), 0),
                f"{late[int(len(late) * 0.95)]:.1f}",
            ]


def run(count: int) -> str:
    """Return the table of ``count`` generations a row."""
    head = ["a generation takes", "asked", "polls", "known late, p95, s"]
    return table(f"Polls, after {LEARNING} generations of the model were seen to end", head, _rows(count))
