# SPDX-License-Identifier: Apache-2.0
"""The few calls of Airflow's REST API that the tests and the demo make."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import requests

from tests.support.processes import wait_until

END_STATES = frozenset({"success", "failed"})
PATIENCE = 120.0
"""Seconds for which a server that is down or fails by itself is asked again."""


@dataclass
class Run:
    """A DAG run as last looked at, and every state in which its task instances were ever seen."""

    dag_id: str
    run_id: str
    state: str = "queued"
    tasks: list[dict[str, Any]] = field(default_factory=list)
    seen: set[tuple[str, int, str]] = field(default_factory=set)

    @property
    def path(self) -> str:
        return f"/dags/{self.dag_id}/dagRuns/{quote(self.run_id, safe='')}"

    @property
    def ended(self) -> bool:
        return self.state in END_STATES

    def states(self, task_id: str) -> list[str | None]:
        """The states of a task's instances by map index."""
        mine = [task for task in self.tasks if task["task_id"] == task_id]
        return [task["state"] for task in sorted(mine, key=lambda task: int(task["map_index"]))]

    def tries(self, task_id: str) -> int:
        """How often an unmapped task was tried: on a busy machine Airflow may lose a try."""
        (mine,) = [task for task in self.tasks if task["task_id"] == task_id]
        return int(mine["try_number"])


class AirflowApi:
    """A client of one API server, with a token."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self._session = requests.Session()
        # A proxy or a netrc of the machine has no say here.
        self._session.trust_env = False

    def request(self, method: str, path: str, **kwargs: Any) -> requests.Response:
        return self._session.request(method, self.base_url + path, timeout=30, **kwargs)

    def json(self, method: str, path: str, **kwargs: Any) -> Any:
        # Of a lost answer nobody knows what was done: who posts would do it twice. What fails is rolled back.
        return _done(self.ask(method, f"/api/v2{path}", again=method != "POST", **kwargs)).json()

    def ask(self, method: str, path: str, *, again: bool = True, **kwargs: Any) -> requests.Response:
        """Ask until there is an answer that isn't a failure of the server's own; ``again``: also after a lost one."""
        deadline = time.monotonic() + PATIENCE
        while True:
            late = time.monotonic() > deadline
            try:
                answer = self.request(method, path, **kwargs)
                if answer.status_code < 500 or late:
                    return answer
            except requests.RequestException:
                if late or not again:
                    raise
            time.sleep(0.5)

    def log_in(self) -> None:
        answer = self.ask("GET", "/auth/token")
        answer.raise_for_status()
        self._session.headers["Authorization"] = f"Bearer {answer.json()['access_token']}"

    def unhealthy(self) -> list[str]:
        """Name the components that don't report themselves healthy."""
        try:
            answer = self.request("GET", "/api/v2/monitor/health")
        except requests.RequestException:
            return ["api-server"]
        if not answer.ok:
            return ["api-server"]
        parts = ("metadatabase", "scheduler", "triggerer", "dag_processor")
        return [part for part in parts if (answer.json().get(part) or {}).get("status") != "healthy"]

    def unpause(self, dag_id: str, seconds: float = 120) -> None:
        """Wait until a DAG has been parsed, and let the scheduler have it."""

        def parsed() -> bool:
            if errors := self.json("GET", "/importErrors")["import_errors"]:
                raise RuntimeError("\n".join(f"{error['filename']}: {error['stack_trace']}" for error in errors))
            return self.ask("GET", f"/api/v2/dags/{dag_id}").status_code == 200

        wait_until(f"DAG {dag_id} to be parsed", parsed, seconds=seconds)
        self.json("PATCH", f"/dags/{dag_id}", json={"is_paused": False})

    def trigger(self, dag_id: str, conf: dict[str, Any] | None = None, run_id: str | None = None) -> Run:
        # As Airflow's own are, with their colons and their plus.
        run = Run(dag_id, run_id or f"manual__{datetime.now(UTC).isoformat()}")
        body = {"logical_date": None, "dag_run_id": run.run_id, "conf": conf or {}}
        answer = self.ask("POST", f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        # It has a run id of its own: 409 is a run that was made though the answer was lost.
        if answer.status_code != 409:
            _done(answer)
        return run

    def wait_for_a_run(self, dag_id: str, *, seconds: float) -> Run:
        """Wait for a run that the scheduler makes by itself."""

        def first() -> Run | None:
            runs = self.json("GET", f"/dags/{dag_id}/dagRuns")["dag_runs"]
            return Run(dag_id, runs[0]["dag_run_id"]) if runs else None

        return wait_until(f"the scheduler to make a run of {dag_id}", first, seconds=seconds)

    def look(self, run: Run) -> None:
        # The run before its tasks: when it has ended, the tasks read next are final too.
        run.state = self.json("GET", run.path)["state"]
        run.tasks = self.json("GET", f"{run.path}/taskInstances")["task_instances"]
        run.seen |= {(task["task_id"], task["map_index"], task["state"] or "waiting") for task in run.tasks}

    def wait_for(
        self,
        runs: Iterable[Run],
        *,
        seconds: float,
        on_look: Callable[[Run], None] = lambda run: None,
    ) -> None:
        """Watch runs until each has ended; after ``seconds`` leave them as they are, to be asserted on."""
        deadline = time.monotonic() + seconds
        going = list(runs)
        while going and time.monotonic() < deadline:
            for run in going:
                self.look(run)
                on_look(run)
            going = [run for run in going if not run.ended]
            time.sleep(0.5)

    def clear(self, run: Run, **what: Any) -> None:
        """Clear tasks, as a person does; what narrows it are the API's own names."""
        body = {"dry_run": False, "dag_run_id": run.run_id, "reset_dag_runs": True} | what
        self.json("POST", f"/dags/{run.dag_id}/clearTaskInstances", json=body)
        run.state = "queued"

    def xcom(self, run: Run, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        path = f"{run.path}/taskInstances/{task_id}/xcomEntries/{key}"
        return self.json("GET", path, params={"map_index": map_index, "deserialize": "true"})["value"]

    def log(self, run: Run, task_id: str, try_number: int = 1, map_index: int = -1) -> str:
        """One try's log as the UI shows it, the trigger's lines included."""
        path = f"{run.path}/taskInstances/{task_id}/logs/{try_number}"
        params: dict[str, str | int] = {"map_index": map_index, "full_content": "true"}
        content = self.json("GET", path, params=params)["content"]
        return "\n".join(" ".join([str(line.get("timestamp", ""))[:19], _text(line)]) for line in content)

    def our_errors(self, run: Run) -> list[str]:
        """What tries that failed say of an error of ours; one that Airflow lost says nothing of one, or has no log."""
        said: list[str] = []
        for task in run.tasks:
            for number in range(1, int(task["try_number"]) + (task["state"] == "failed")):
                with suppress(RuntimeError):
                    said += self.log(run, task["task_id"], number, task["map_index"]).splitlines()
        return [line for line in said if re.search(r"\bVeo\w*Error\b|veo_provider.*Error", line)]

    def why(self, run: Run) -> str:
        """What a person would look at if a run did not end well: its tasks, and the logs of the failed ones."""
        parts = [f"{run.dag_id} {run.run_id} is {run.state}"]
        for task in run.tasks:
            parts.append(f"{task['task_id']}[{task['map_index']}]: {task['state']}")
            if task["state"] == "failed":
                log = self.log(run, task["task_id"], task["try_number"], task["map_index"])
                parts += log.splitlines()[-20:]
        return "\n".join(parts)


def _done(answer: requests.Response) -> requests.Response:
    if not answer.ok:
        asked = f"{answer.request.method} {answer.request.path_url}"
        raise RuntimeError(f"{asked}: HTTP {answer.status_code} {answer.text[:2000]}")
    return answer


def _text(line: dict[str, Any]) -> str:
    """A structured log line as text: the message, and the traceback in full."""
    detail = line.get("error_detail") or []
    return "\n".join([str(line["event"]), *(f"{e.get('exc_type')}: {e.get('exc_value')}" for e in detail)])
