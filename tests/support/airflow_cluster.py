# SPDX-License-Identifier: Apache-2.0
"""
Airflow on many: CeleryExecutor on Redis and PostgreSQL, two workers, two triggerers, all real processes here.

``python -m tests.support.airflow_cluster`` starts one with the example DAGs and a simulated gateway, to look at.
"""

from __future__ import annotations

import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from tests.support.airflow_home import EXAMPLES
from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import veo_connection
from tests.support.postgres import Postgres
from tests.support.processes import ManagedProcess, free_port, wait_until
from tests.support.redis import Redis
from veo_provider.simulator import Simulator, SimulatorOptions

WORKERS = ("worker-1", "worker-2")
TRIGGERERS = ("triggerer", "triggerer-2")


class AirflowCluster(AirflowStack):
    """
    A deployment whose tasks run on workers of their own.

    :param home: its folder.
    :param postgres: the metadata database, and Celery's results.
    :param redis: Celery's broker.
    :param concurrency: how many tasks each worker runs at a time.
    """

    def __init__(
        self,
        home: Path,
        postgres: Postgres,
        redis: Redis,
        *,
        concurrency: int = 4,
        dag_folders: Sequence[Path] = (EXAMPLES,),
        env: Mapping[str, str] | None = None,
    ) -> None:
        own = {
            "AIRFLOW__CORE__EXECUTOR": "CeleryExecutor",
            "AIRFLOW__CELERY__BROKER_URL": redis.url,
            "AIRFLOW__CELERY__RESULT_BACKEND": f"db+{postgres.url}",
            "AIRFLOW__CORE__PARALLELISM": str(2 * concurrency * len(WORKERS)),
            # A worker that dies between taking a task and starting it leaves it queued, by default for ten minutes.
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT": "60",
            "AIRFLOW__SCHEDULER__TASK_QUEUED_TIMEOUT_CHECK_INTERVAL": "10",
        }
        super().__init__(home, dag_folders=dag_folders, env=own | dict(env or {}), database_url=postgres.url)
        self._concurrency = concurrency

    def start(self) -> None:
        super().start()
        try:
            self.second_triggerer(TRIGGERERS[1])
            for name in WORKERS:
                self._start_worker(name)
            for name in WORKERS:
                wait_until(f"{name} to be ready", lambda name=name: self._ready(name), seconds=120)  # type: ignore[misc]
        except BaseException:
            self.stop()
            raise

    def _start_worker(self, name: str) -> ManagedProcess:
        words = f"celery worker -c {self._concurrency} -H {name}@%h --without-mingle --without-gossip"
        # Each serves the logs of its tasks.
        return self.start_component(
            words, name=name, env={"AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port())}
        )

    def _ready(self, name: str) -> bool:
        process = self.processes[name]
        process.check()
        return f"{name}@" in process.tail(200) and " ready." in process.tail(200)


def main() -> None:
    """Start one, and stop it on Ctrl-C."""
    with (
        tempfile.TemporaryDirectory(prefix="veo-cluster-") as folder,
        Simulator(SimulatorOptions(job_seconds=15)) as simulator,
        Postgres(Path(folder) / "postgres.log") as postgres,
        Redis(Path(folder) / "redis.log") as redis,
    ):
        env = {"AIRFLOW_CONN_VEO_DEFAULT": veo_connection(simulator.url, simulator.api_key)}
        with AirflowCluster(Path(folder) / "airflow", postgres, redis, env=env) as airflow:
            sys.stdout.write(f"{airflow.url} (gateway {simulator.url}, logs {airflow.process_logs}); Ctrl-C stops it\n")
            sys.stdout.flush()
            threading.Event().wait()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.stdout.write("stopped\n")
