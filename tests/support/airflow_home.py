# SPDX-License-Identifier: Apache-2.0
"""An AIRFLOW_HOME of its own for each test: its settings, a migrated database, `airflow dags test`."""

from __future__ import annotations

import base64
import json
import os
import secrets
import shutil
import sqlite3
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

from tests.support.processes import ROOT, clean_environment, program

EXAMPLES = ROOT / "example_dags"
AIRFLOW_2 = metadata.version("apache-airflow").startswith("2.")


def airflow_environment(
    home: Path,
    dag_folders: Sequence[Path] = (EXAMPLES,),
    extra: Mapping[str, str] | None = None,
    database_url: str | None = None,
) -> dict[str, str]:
    """What every Airflow process of one home is started with."""
    bundles = [
        {
            # Not the folder's name: example_dags is reserved.
            "name": f"bundle-{number}",
            "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
            "kwargs": {"path": str(folder)},
        }
        for number, folder in enumerate(dag_folders)
    ]
    sections: dict[str, dict[str, str]] = {
        "core": {
            "load_examples": "False",
            "executor": "LocalExecutor",
            "parallelism": "8",
            "fernet_key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "simple_auth_manager_all_admins": "True",
            "dagbag_import_timeout": "120",
            # On a busy machine Airflow may lose a try (apache/airflow 71580), and 3.0 any task's first one.
            "default_task_retry_delay": "5",
        },
        "database": {"sql_alchemy_conn": database_url or f"sqlite:///{home / 'airflow.db'}"},
        "dag_processor": {
            "dag_bundle_config_list": json.dumps(bundles),
            "refresh_interval": "5",
            "min_file_process_interval": "5",
            "dag_file_processor_timeout": "180",
        },
        "api_auth": {"jwt_secret": secrets.token_urlsafe(32)},
        "api": {"secret_key": secrets.token_urlsafe(32)},
        # Less time in which Airflow may fail a try whose trigger was quick (apache/airflow 71580).
        "workers": {"min_heartbeat_interval": "1"},
        "scheduler": {"trigger_timeout_check_interval": "2"},
        "logging": {"colored_console_log": "False"},
        "usage_data_collection": {"enabled": "False"},
    }
    environment = {"AIRFLOW_HOME": str(home)}
    for section, options in sections.items():
        for option, value in options.items():
            environment[f"AIRFLOW__{section}__{option}".upper()] = value
    return clean_environment(environment | dict(extra or {}))


def migrate(environment: Mapping[str, str]) -> None:
    """Create the metadata database."""
    done = subprocess.run(
        [program("airflow"), "db", "migrate"],
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if done.returncode:
        raise RuntimeError(f"`airflow db migrate` failed:\n{done.stdout[-4000:]}")


def new_home(home: Path, template: Path | None = None) -> None:
    """An empty home, with the migrated sqlite database of ``template`` if there is one."""
    home.mkdir(parents=True, exist_ok=True)
    if template is not None:
        shutil.copy(template / "airflow.db", home / "airflow.db")


@dataclass
class DagTestResult:
    """What one `airflow dags test` left behind."""

    home: Path
    output: str
    dag_state: str
    task_states: dict[str, list[str]] = field(default_factory=dict)
    xcoms: dict[tuple[str, int, str], Any] = field(default_factory=dict)

    def xcom(self, task_id: str, key: str = "return_value", map_index: int = -1) -> Any:
        return self.xcoms[(task_id, map_index, key)]


def run_dag_test(
    dag_file: Path,
    environment: Mapping[str, str],
    *,
    conf: Mapping[str, Any] | None = None,
    logical_date: str = "2026-01-02",
    seconds: float = 180,
) -> DagTestResult:
    """Run one DAG file (DAG id = file name) in a process of its own, triggers included."""
    command = [program("airflow"), "dags", "test", dag_file.stem, logical_date]
    command += ["--subdir" if AIRFLOW_2 else "--dagfile-path", str(dag_file)]
    if conf is not None:
        command += ["--conf", json.dumps(conf)]
    done = subprocess.run(
        command,
        env=dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=seconds,
        cwd=ROOT,
    )
    home = Path(environment["AIRFLOW_HOME"])
    (home / "dag-test.log").write_text(done.stdout)
    return _read_result(home, dag_file.stem, done.stdout)


def _read_result(home: Path, dag_id: str, output: str) -> DagTestResult:
    database = sqlite3.connect(home / "airflow.db")
    try:
        run = database.execute("SELECT state FROM dag_run WHERE dag_id = ?", (dag_id,)).fetchone()
        result = DagTestResult(home, output, run[0] if run else "never started")
        for task_id, state in database.execute(
            "SELECT task_id, state FROM task_instance WHERE dag_id = ? ORDER BY task_id, map_index",
            (dag_id,),
        ):
            result.task_states.setdefault(task_id, []).append(state)
        for task_id, map_index, key, value in database.execute(
            "SELECT task_id, map_index, key, value FROM xcom WHERE dag_id = ?", (dag_id,)
        ):
            result.xcoms[(task_id, map_index, key)] = json.loads(value)
    finally:
        database.close()
    return result


def secret_bytes_in(folder: Path, secret: str) -> list[str]:
    """The files below ``folder`` that hold ``secret`` anywhere, databases and logs alike."""
    needle = secret.encode()
    return [
        os.path.relpath(path, folder)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink() and needle in path.read_bytes()
    ]
