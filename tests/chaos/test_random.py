# SPDX-License-Identifier: Apache-2.0
"""Many videos, and every few seconds another fault of a random kind. ``--chaos-seed`` repeats a plan."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.chaos import crash
from tests.chaos.world import Event, World

RUNS, VIDEOS = 4, 50
APART = 75.0
"""Seconds between the starts of two runs."""
EVERY = (4.0, 9.0)
"""Seconds from one fault to the next."""
FOR_SECONDS = 420.0
LIMIT = 2400.0
OUTAGE = 12.0
KNOWABLE = [point for point in crash.POINTS if point not in crash.UNKNOWABLE]

# What happens, and how often of a hundred.
KINDS = {
    "task killed": 30,
    "task killed while it submits": 6,
    "supervisor killed": 6,
    "triggerer killed": 6,
    "scheduler killed": 3,
    "API server killed": 3,
    "PostgreSQL killed": 3,
    "DAG processor killed": 3,
    "polls fail": 12,
    "answer to a submit lost": 4,
    "submit refused": 8,
    "download broken": 10,
    "gateway away": 6,
}
POLL_FAULTS: list[dict[str, Any]] = [
    {"kind": "error", "name": "rate_limited", "headers": {"Retry-After": "1"}},
    {"kind": "html", "status": 502},
    {"kind": "garbage"},
    {"kind": "reset"},
    {"kind": "stall", "seconds": 8},
]
SUBMIT_REFUSALS: list[dict[str, Any]] = [
    {"kind": "error", "name": "rate_limited", "headers": {"Retry-After": "1"}},
    {"kind": "error", "name": "saturated"},
]
LOST_ANSWERS: list[dict[str, Any]] = [{"kind": "lost_answer"}, {"kind": "truncated_answer"}, {"kind": "reset"}]
DOWNLOAD_FAULTS: list[dict[str, Any]] = [
    {"kind": "reset", "after_bytes": 20_000},
    {"kind": "truncate"},
    {"kind": "status", "status": 503},
]


def plan(seed: int, world: World, happened: Counter[str]) -> list[Event]:
    """All faults of the scenario and their times; the same for the same seed."""
    chance = random.Random(seed)
    events: list[Event] = []
    at, number = 15.0, 0
    while at < FOR_SECONDS:
        number += 1
        kind = chance.choices(list(KINDS), list(KINDS.values()))[0]
        do = _act(kind, number, chance, world)
        events.append(Event(at, kind, partial(_counted, do, kind, happened)))
        if kind == "gateway away":
            events.append(Event(at + OUTAGE, "gateway back", world.gate.open, must=True))
        at += chance.uniform(*EVERY)
    return events


def _counted(do: Callable[[], object], kind: str, happened: Counter[str]) -> None:
    happened[kind] += 1
    do()


def _act(kind: str, number: int, chance: random.Random, world: World) -> Callable[[], object]:
    def armed(points: list[str], whom: str) -> Callable[[], object]:
        return partial(crash.arm, world.control, chance.choice(points), f"any-{number}", whom)

    def faulty(on: str, faults: list[dict[str, Any]], times: int) -> Callable[[], object]:
        return partial(world.simulator.inject, {"on": on, "times": times, **chance.choice(faults)})

    acts: dict[str, Callable[[], Callable[[], object]]] = {
        "task killed": lambda: armed(KNOWABLE, "task"),
        "task killed while it submits": lambda: armed(list(crash.UNKNOWABLE), "task"),
        "supervisor killed": lambda: armed(KNOWABLE, chance.choice(["supervisor", "both"])),
        "triggerer killed": lambda: partial(world.airflow.replace, "triggerer"),
        "scheduler killed": lambda: partial(world.airflow.replace, "scheduler"),
        "API server killed": lambda: partial(world.airflow.replace, "api-server"),
        "PostgreSQL killed": lambda: world.crash_postgres,
        "DAG processor killed": lambda: partial(world.airflow.replace, "dag-processor"),
        "polls fail": lambda: faulty("poll", POLL_FAULTS, 8),
        "answer to a submit lost": lambda: faulty("submit", LOST_ANSWERS, 1),
        "submit refused": lambda: faulty("submit", SUBMIT_REFUSALS, 2),
        "download broken": lambda: faulty("download", DOWNLOAD_FAULTS, 2),
        "gateway away": lambda: world.gate.shut,
    }
    return acts[kind]()


@pytest.mark.full
def test_random_faults(world: World, request: pytest.FixtureRequest) -> None:
    seed = request.config.getoption("--chaos-seed")
    seed = random.randrange(10**6) if seed is None else seed
    world.notes.append(f"random faults: --chaos-seed={seed}")
    chance = random.Random(seed)
    scripts = [
        [f"sim:seconds={chance.randint(2, 20)}" + " sim:size_mb=30" * (chance.random() < 0.1) for _ in range(VIDEOS)]
        for _ in range(RUNS)
    ]
    happened: Counter[str] = Counter()
    already = set(crash.fired(world.control))
    jobs = [world.begin("random", scripts[0])]
    more = [
        Event(APART * number, "another run", partial(_begin, world, script, jobs), must=True)
        for number, script in enumerate(scripts)
        if number
    ]
    try:
        world.watch(jobs, seconds=LIMIT, events=[*plan(seed, world, happened), *more])
    finally:
        world.gate.open()
        world.simulator.clear_faults()
        unmet = crash.disarm(world.control)
    world.notes += [f"  {kind}: {count}" for kind, count in happened.most_common()]
    points = Counter(name.partition("@")[0] for name in set(crash.fired(world.control)) - already)
    world.notes.append(f"  killed at: {dict(points.most_common())}; not met: {len(unmet)}")
    world.notes.append(f"  started again because it had ended by itself: {dict(Counter(world.revived))}")
    evidence = world.evidence(jobs)
    verdict = world.judge(f"random, seed {seed}", sum(happened.values()), evidence)
    assert verdict.videos == RUNS * VIDEOS
    assert verdict.faults == []
    assert verdict.unpaid == []
    assert verdict.stored + len(verdict.unknown) + len(verdict.named) == verdict.videos


def _begin(world: World, script: list[str], jobs: list[Any]) -> None:
    jobs.append(world.begin("random", script))
