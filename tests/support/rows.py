# SPDX-License-Identifier: Apache-2.0
"""Writes task instances and their XComs into an Airflow's database: ``python -m tests.support.rows``, JSON on stdin."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from typing import Any

from airflow.models.dag import DagModel
from airflow.models.dagbundle import DagBundleModel
from airflow.models.dagrun import DagRun
from airflow.models.taskinstance import TaskInstance
from airflow.models.xcom import XComModel
from airflow.utils.session import create_session
from sqlalchemy import insert


def write(rows: list[dict[str, Any]]) -> None:
    """
    Write task instances.

    :param rows: of each its ids, ``state``, ``xcoms`` by key, and ``at``: epoch seconds. Airflow's server keeps an XCom
        as a text of JSON, and so do we, unless it is ``native``.
    """
    with create_session() as session:
        session.execute(insert(DagBundleModel).values(name="rows", active=True))
        runs: dict[tuple[str, str], int] = {}
        for dag_id in {row["dag_id"] for row in rows}:
            values = {"max_active_tasks": 1, "max_consecutive_failed_dag_runs": 0, "has_task_concurrency_limits": False}
            session.execute(insert(DagModel).values(dag_id=dag_id, bundle_name="rows", **values))
        for row in rows:
            run = row["dag_id"], row["run_id"]
            if run not in runs:
                runs[run] = len(runs) + 1
                keys = {"id": runs[run], "dag_id": run[0], "run_id": run[1]}
                now = datetime.now(UTC)
                session.execute(insert(DagRun).values(**keys, run_type="manual", state="success", run_after=now))
            keys = {**dict(zip(("dag_id", "run_id"), run, strict=True)), "task_id": row["task_id"]}
            keys["map_index"] = row.get("map_index", -1)
            session.execute(insert(TaskInstance).values(**keys, pool="default_pool", state=row["state"]))
            at = datetime.fromtimestamp(row["at"], UTC)
            for key, value in row["xcoms"].items():
                kept = value if row.get("native") else json.dumps(value)
                xcom = {**keys, "dag_run_id": runs[run], "key": key, "value": kept, "timestamp": at}
                session.execute(insert(XComModel).values(**xcom))


if __name__ == "__main__":
    write(json.load(sys.stdin))
