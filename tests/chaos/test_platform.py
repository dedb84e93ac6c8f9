# SPDX-License-Identifier: Apache-2.0
"""Parts of Airflow die and come back while videos are submitted, waited for and stored."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.world import Event, World

PARTS: dict[str, Callable[[World], object]] = {
    "scheduler": lambda world: world.airflow.replace("scheduler"),
    "API server": lambda world: world.airflow.replace("api-server"),
    "PostgreSQL": lambda world: world.crash_postgres(),
    "DAG processor": lambda world: world.airflow.replace("dag-processor"),
}
WHEN = (6, 12, 24, 36)
"""Seconds: while some submit, and while others wait, come back, or are stored."""


@pytest.mark.full
@pytest.mark.parametrize("part", PARTS)
def test_killed_and_restarted(part: str, world: World) -> None:
    count = 24
    job = world.begin("platform", ["sim:seconds=12"] * count)
    world.watch([job], seconds=600, events=[Event(at, part, lambda: PARTS[part](world)) for at in WHEN])
    verdict = world.judge(f"{part} killed and restarted", len(WHEN), world.evidence([job]))
    assert verdict.faults == []
    # Tasks die with the scheduler, wherever they are just then.
    assert verdict.stored + len(verdict.unknown) + len(verdict.named) == count
