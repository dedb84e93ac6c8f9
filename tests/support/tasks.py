# SPDX-License-Identifier: Apache-2.0
"""A task instance that keeps its XComs in a dictionary: what an operator needs to be executed by hand."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any


class TaskState:
    """Airflow's task_state_store as a dictionary, with its JSON."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.retentions: list[timedelta | None] = []

    def get(self, key: str, default: Any = None) -> Any:
        return json.loads(self.values[key]) if key in self.values else default

    def set(self, key: str, value: Any, *, retention: timedelta | None = None) -> None:
        self.retentions.append(retention)
        self.values[key] = json.dumps(value)


@dataclass
class Task:
    """A task instance, as far as our operators look at it."""

    task_id: str = "generate"
    dag_id: str = "dag"
    run_id: str = "run"
    map_index: int = -1
    try_number: int = 1
    max_tries: int = 0
    task_state_store: Any = None
    run_started: datetime | None = None
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index), "another task's XCom"
        return self.xcoms.get(key)

    @property
    def context(self) -> Any:
        context = {"ti": self, "task_instance": self, "dag_run": SimpleNamespace(start_date=self.run_started)}
        return context if self.task_state_store is None else {**context, "task_state_store": self.task_state_store}

    def retried(self) -> Task:
        """The same task in Airflow's next try, which finds no XComs."""
        return replace(self, try_number=self.try_number + 1, xcoms={})

    def executed_again(self) -> Task:
        """The same try once more, as after Airflow's stale executor event."""
        return replace(self, xcoms={})

    def cleared(self, retries: int = 2) -> Task:
        """The same task after a person has cleared it; ``retries`` as the DAG says."""
        return replace(self.retried(), max_tries=self.try_number + retries)
