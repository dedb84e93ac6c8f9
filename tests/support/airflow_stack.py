# SPDX-License-Identifier: Apache-2.0
"""A real Airflow: API server, scheduler, triggerer and DAG processor as four processes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

from tests.support.airflow_api import AirflowApi
from tests.support.airflow_home import EXAMPLES, airflow_environment, migrate, new_home
from tests.support.processes import ManagedProcess, free_port, program, wait_until

# The API server first: the others talk to it from the start.
COMPONENTS = ("api-server", "scheduler", "dag-processor", "triggerer")


class AirflowStack:
    """One Airflow deployment in one folder, with its REST API in ``api`` once started.

    ``database_url`` takes any database that Airflow knows; without it there is one sqlite file.
    """

    def __init__(
        self,
        home: Path,
        *,
        dag_folders: Sequence[Path] = (EXAMPLES,),
        env: Mapping[str, str] | None = None,
        database_url: str | None = None,
        template: Path | None = None,
    ) -> None:
        self.home = home
        self.process_logs = home / "processes"
        self._template = template
        self.url = f"http://127.0.0.1:{free_port()}"
        self.api = AirflowApi(self.url)
        own = {
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__PORT": self.url.rpartition(":")[2],
            "AIRFLOW__API__WORKERS": "1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{self.url}/execution/",
            "AIRFLOW__LOGGING__WORKER_LOG_SERVER_PORT": str(free_port()),
            "AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port()),
        }
        self.env = airflow_environment(home, dag_folders, own | dict(env or {}), database_url)
        self.processes: dict[str, ManagedProcess] = {}

    def start(self) -> None:
        new_home(self.home, self._template)
        if self._template is None:
            migrate(self.env)
        try:
            for component in COMPONENTS:
                self.start_component(component)
            wait_until("a healthy Airflow", self._healthy, seconds=180)
            self.api.log_in()
        except BaseException:
            self.stop()
            raise

    def start_component(self, component: str) -> ManagedProcess:
        process = ManagedProcess(
            component,
            [program("airflow"), component],
            log=self.process_logs / f"{component}.log",
            env=self.env,
            cwd=self.home,
        )
        self.processes[component] = process
        return process

    def _healthy(self) -> bool:
        for process in self.processes.values():
            process.check()
        return not self.api.unhealthy()

    def stop(self) -> None:
        for process in self.processes.values():
            process.begin_stop()
        for process in self.processes.values():
            process.stop()
        self.processes.clear()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        # A second Ctrl-C must not leave half of them behind: the leashes are loose by then.
        with contextlib.suppress(KeyboardInterrupt):
            self.stop()
