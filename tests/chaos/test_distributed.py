# SPDX-License-Identifier: Apache-2.0
"""Many videos on two workers and two triggerers, of which one each is killed: paid once, and never too many at once."""

from __future__ import annotations

import random
import re
from collections.abc import Iterable
from functools import partial
from statistics import median

import pytest

from tests.chaos.conftest import POLLS
from tests.chaos.judge import owner_of
from tests.chaos.world import Event, Job, World
from tests.support.airflow_cluster import TRIGGERERS, WORKERS
from tests.support.processes import wait_until

POOL, IN_FLIGHT = 24, 16
"""Slots of the pool, and ``max_active_tis_per_dag`` of the generating task."""

POLL_SECONDS = 1.5
"""How long the gateway takes to answer a poll: long enough that they queue up for the limit."""

WORKER_SLOTS = 4


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """Return how many of these spans of time overlap at most."""
    steps = sorted((at, step) for begin, end in spans for at, step in ((begin, 1), (end, -1)))
    now, most = 0, 0
    for _, step in steps:
        now += step
        most = max(most, now)
    return most


@pytest.mark.parametrize(("spans", "most"), [([], 0), ([(0, 1), (1, 2)], 1), ([(0, 3), (1, 2), (2, 4)], 2)])
def test_the_counting(spans: list[tuple[float, float]], most: int) -> None:
    assert most_at_once(spans) == most


def generating(cluster: World, job: Job) -> dict[str, tuple[float, float]]:
    """Return when each generation of a job ran at the gateway, by its id."""
    spans = {}
    for submit in cluster.simulator.ledger()["submits"]:
        prompt = str(submit["request"].get("prompt"))
        if submit["billed"] and owner_of(prompt) in job.owners:
            seconds = re.search(r"sim:seconds=(\d+)", prompt)
            assert seconds
            spans[submit["generation_id"]] = (submit["time"], submit["time"] + int(seconds[1]))
    return spans


@pytest.mark.parametrize("victims", [(), (WORKERS[0], TRIGGERERS[0])], ids=["nothing dies", "a worker, a triggerer"])
def test_many_on_many(victims: tuple[str, ...], cluster: World, full: bool) -> None:
    count = 300 if full else 24
    if full and not victims:
        pytest.skip("the whole form has its victims")
    pool = {"name": "veo", "slots": POOL, "include_deferred": True}
    if "veo" not in [known["name"] for known in cluster.api.json("GET", "/pools")["pools"]]:
        cluster.api.json("POST", "/pools", json=pool)
    chance = random.Random(300)
    script = [f"sim:seconds={chance.randint(12, 25)}" for _ in range(count)]
    slow = {"on": "poll", "kind": "delay", "seconds": POLL_SECONDS, "times": None}
    cluster.simulator.inject(slow)
    job = cluster.begin("distributed", script, dag_id="distributed")
    middle = 240.0 if full else 20.0
    acts = {WORKERS[0]: kill_at_work, TRIGGERERS[0]: kill_while_it_waits}
    events = [
        Event(middle + 10 * number, f"{name} killed", partial(acts[name], cluster, name), must=True)
        for number, name in enumerate(victims)
    ]
    try:
        cluster.watch([job], seconds=3000 if full else 600, events=events)
    finally:
        cluster.simulator.clear_faults()

    verdict = cluster.judge(
        f"{count} on 2 workers, {' and '.join(victims) or 'nothing'} killed", len(victims), cluster.evidence([job])
    )
    spans = generating(cluster, job)
    polls = waiting_polls(cluster, spans)
    taken = max(end for _, end in spans.values()) - min(begin for begin, _ in spans.values())
    late = lateness(cluster, job)
    cluster.notes.append(
        f"  {count} videos, {taken:.0f} s from the first submit to the last end; generations at once: "
        f"{most_at_once(spans.values())} (limit {IN_FLIGHT}); polls by the triggerers: {len(polls)}, at once: "
        f"{most_at_once(polls)} (limit {POLLS} each); from the end to the download: median {median(late):.0f} s, "
        f"longest {max(late):.0f} s"
    )
    assert verdict.faults == []
    # Nobody knows of a submit in whose middle its worker was killed; it isn't repeated.
    assert len(verdict.unknown) <= (WORKER_SLOTS if victims else 0)
    assert verdict.stored == count - len(verdict.unknown)
    # A killed task waits for its retry without a slot, while its generation runs on.
    assert most_at_once(spans.values()) <= IN_FLIGHT + (WORKER_SLOTS if victims else 0)
    # Those of a killed triggerer are still being answered when its heir begins.
    limit = POLLS * (len(TRIGGERERS) + len(set(victims) & set(TRIGGERERS)))
    assert POLLS < most_at_once(polls) <= limit
    at_once = cluster.simulator.ledger()["totals"]["max_polls_in_flight"]
    assert at_once <= limit + WORKER_SLOTS * len(WORKERS)
    holders = held_by(cluster, job)
    assert len(holders) >= len(TRIGGERERS), holders


def waiting_polls(cluster: World, ids: Iterable[str]) -> list[tuple[float, float]]:
    """Return when each poll of a triggerer was on its way; workers ask through another library."""
    generations = cluster.simulator.ledger()["generations"]
    return [
        (poll["time"], poll["time"] + poll["seconds"])
        for generation_id in ids
        for poll in generations.get(generation_id, {"history": ()})["history"]
        if "aiohttp" in poll["client"]
    ]


def lateness(cluster: World, job: Job) -> list[float]:
    """Return how many seconds after their ends the generations were fetched: what their links must outlive."""
    ends = {generation_id: end for generation_id, (_, end) in generating(cluster, job).items()}
    fetched: dict[str, float] = {}
    for download in cluster.simulator.ledger()["downloads"]:
        if download["generation_id"] in ends:
            fetched.setdefault(download["generation_id"], download["time"])
    return [at - ends[generation_id] for generation_id, at in fetched.items()]


def kill_at_work(cluster: World, name: str) -> None:
    """Kill a worker while it has a task, with the task; another worker is started in its place."""

    def working() -> bool:
        log = cluster.airflow.processes[name].log.read_text()
        return log.count("] received") > len(re.findall(r"\] (?:succeeded in|raised)", log))

    wait_until(f"a task on {name}", working, seconds=120, every=0.05)
    cluster.airflow.replace(name)


def kill_while_it_waits(cluster: World, name: str) -> None:
    """Kill a triggerer that has triggers; another is started in its place."""
    wait_until(
        "triggers", lambda: cluster.postgres.query("SELECT 1 FROM trigger WHERE triggerer_id IS NOT NULL"), seconds=120
    )
    cluster.airflow.replace(name)


def held_by(cluster: World, job: Job) -> set[str]:
    """Return which triggerers have polled for a job: each writes logs of its own."""
    logs = (cluster.airflow.home / "logs").rglob(f"*{job.run.run_id}*/**/*.log.trigger.*.log")
    return {path.name.split(".")[-2] for path in logs}
