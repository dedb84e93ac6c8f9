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

    ``database_url`` takes any database that Airflow knows; without it there is one sqlite file. Single components
    can be killed, replaced, and started a second time under another name.
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
        self._started_as: dict[str, tuple[str, Mapping[str, str]]] = {}

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

    def start_component(
        self, component: str, *, name: str | None = None, env: Mapping[str, str] | None = None
    ) -> ManagedProcess:
        """Start what follows `airflow`; a second one of its kind needs a name, and a port for its logs in ``env``."""
        name = name or component
        process = ManagedProcess(
            name,
            [program("airflow"), *component.split()],
            log=self.process_logs / f"{name}.log",
            env=self.env | dict(env or {}),
            cwd=self.home,
        )
        self.processes[name] = process
        self._started_as[name] = (component, env or {})
        return process

    def second_triggerer(self, name: str = "triggerer-2") -> ManagedProcess:
        """Start another triggerer; on sqlite both would run the same triggers."""
        own = {"AIRFLOW__LOGGING__TRIGGER_LOG_SERVER_PORT": str(free_port())}
        return self.start_component("triggerer", name=name, env=own)

    def kill(self, name: str) -> None:
        """End a component with SIGKILL, and all that it started: tasks are children of the scheduler."""
        self.processes.pop(name).kill()

    def replace(self, name: str) -> ManagedProcess:
        """Kill a component and start it anew."""
        self.kill(name)
        return self._again(name)

    def revive(self) -> list[str]:
        """Start what has ended by itself, as an init system would; return the names."""
        ended = [name for name, process in self.processes.items() if not process.running]
        for name in ended:
            self.processes.pop(name).stop()
            self._again(name)
        return ended

    def _again(self, name: str) -> ManagedProcess:
        component, env = self._started_as[name]
        return self.start_component(component, name=name, env=env)

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
