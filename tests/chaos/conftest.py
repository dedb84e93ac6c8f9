# SPDX-License-Identifier: Apache-2.0
"""One Airflow on PostgreSQL for all scenarios, and the table of what they did and what it cost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.conftest import BUCKET

if TYPE_CHECKING:
    from tests.chaos.world import World
    from tests.support.airflow_stack import AirflowStack
    from tests.support.postgres import Postgres
    from tests.support.s3 import S3Server

JOB_SECONDS = 12

POLLS = 2
"""``max_concurrent_polls`` of the cluster's connection: for each triggerer."""

_rows: list[tuple[str, ...]] = []
_notes: list[str] = []


@pytest.fixture(scope="session")
def full(request: pytest.FixtureRequest) -> bool:
    """Whether everything is run at its full size: ``--chaos=full``."""
    return bool(request.config.getoption("--chaos") == "full")


# Airflow's own intervals, shortened where it would only wait to notice a death.
INTERVALS = {
    # As delivered: the race between a short deferral and a late report must cost no video.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "15",
    # Not less: a scheduler on a busy machine would take itself for dead, and use the tasks' tries up.
    "AIRFLOW__SCHEDULER__SCHEDULER_HEALTH_CHECK_THRESHOLD": "60",
    "AIRFLOW__TRIGGERER__TRIGGERER_HEALTH_CHECK_THRESHOLD": "15",
}


@contextmanager
def playing(
    folder: Path,
    clip_cache: Path,
    s3: S3Server,
    make: Callable[..., AirflowStack],
    dag_ids: Sequence[str],
    **extras: Any,
) -> Iterator[World]:
    """Everything, running; ``make`` makes the Airflow of a database, an environment and folders of DAGs."""
    from tests.chaos.world import World
    from tests.support.gate import Gate
    from tests.support.gateway import veo_connection
    from tests.support.postgres import Postgres
    from tests.support.processes import ROOT
    from veo_provider.simulator import Simulator, SimulatorOptions

    control = folder / "control"
    control.mkdir()
    options = SimulatorOptions(job_seconds=JOB_SECONDS, cache_dir=clip_cache)
    with (
        Simulator(options) as simulator,
        Gate(simulator.url) as gate,
        Postgres(folder / "postgres.log") as postgres,
    ):
        env = {
            "AIRFLOW_CONN_VEO_DEFAULT": veo_connection(gate.url, simulator.api_key, **extras),
            "AIRFLOW_CONN_AWS_DEFAULT": s3.connection(),
            "PYTHONPATH": str(ROOT),
            "VEO_CHAOS": str(control),
            **INTERVALS,
        }
        with make(folder / "airflow", postgres, env=env, dag_folders=[Path(__file__).parent / "dags"]) as airflow:
            for dag_id in dag_ids:
                airflow.api.unpause(dag_id)
            yield World(airflow, postgres, simulator, gate, s3, BUCKET, control, _rows, _notes)


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory, clip_cache: Path, moto: S3Server) -> Iterator[World]:
    """Airflow on one machine: its tasks are children of the scheduler."""
    from tests.support.airflow_stack import AirflowStack

    def make(home: Path, postgres: Postgres, **more: Any) -> AirflowStack:
        return AirflowStack(home, database_url=postgres.url, **more)

    dag_ids = ("chaos", "chaos_deadline", "chaos_without_ledger")
    with playing(tmp_path_factory.mktemp("chaos"), clip_cache, moto, make, dag_ids) as world:
        yield world


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory, clip_cache: Path, moto: S3Server) -> Iterator[World]:
    """Airflow on many, with Celery."""
    from tests.support.airflow_cluster import AirflowCluster
    from tests.support.redis import Redis

    folder = tmp_path_factory.mktemp("cluster")
    with (
        Redis(folder / "redis.log") as redis,
        playing(
            folder, clip_cache, moto, partial(AirflowCluster, redis=redis), ["distributed"], max_concurrent_polls=POLLS
        ) as cluster,
    ):
        yield cluster


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what takes long, unless it is asked for."""
    if config.getoption("--chaos") == "full":
        return
    left_out = [item for item in items if item.get_closest_marker("full")]
    if left_out:
        items[:] = [item for item in items if not item.get_closest_marker("full")]
        config.hook.pytest_deselected(items=left_out)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the table."""
    if _rows:
        from tests.chaos.judge import table

        terminalreporter.section("what chaos did")
        terminalreporter.write_line("\n".join([table(_rows), *_notes]))
