# SPDX-License-Identifier: Apache-2.0
"""A task instance that keeps its XComs in a dictionary: what an operator needs to be executed by hand."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


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
    xcoms: dict[str, Any] = field(default_factory=dict)

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value

    def xcom_pull(self, task_ids: str, key: str, map_indexes: int) -> Any:
        assert (task_ids, map_indexes) == (self.task_id, self.map_index), "another task's XCom"
        return self.xcoms.get(key)

    @property
    def context(self) -> Any:
        context = {"ti": self, "task_instance": self}
        return context if self.task_state_store is None else {**context, "task_state_store": self.task_state_store}
