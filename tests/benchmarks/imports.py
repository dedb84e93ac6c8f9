# SPDX-License-Identifier: Apache-2.0
"""What it costs to import an operator, as every parse of a DAG file does."""

from __future__ import annotations

import os
import subprocess
import sys
from statistics import median

from tests.benchmarks.report import spread, table

OPERATORS = {
    "airflow.sdk alone": "airflow.sdk",
    "ours: operator": "veo_provider.operators.veo",
    "ours: sensor": "veo_provider.sensors.veo",
    "ours: transfer to S3": "veo_provider.transfers.veo_to_s3",
    "ours: transfer to any store": "veo_provider.transfers.veo_to_object_storage",
    "http": "airflow.providers.http.operators.http",
    "openai": "airflow.providers.openai.operators.openai",
    "databricks": "airflow.providers.databricks.operators.databricks",
}
CODE = """
import airflow.sdk, resource, sys, time
from airflow.sdk import DAG, BaseOperator, BaseSensorOperator
def cpu():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
began = cpu()
import {module}
print((cpu() - began) * 1000)
"""


def milliseconds(module: str) -> float | None:
    """Return what a module's import takes once ``airflow.sdk`` is there; ``None`` if it isn't installed."""
    command = [sys.executable, "-c", CODE.format(module=module)]
    # Compiled once, as an installed package is; otherwise it is the compiler that is measured.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, check=False, capture_output=True, text=True, env=env)
    return float(done.stdout.split()[-1]) if done.returncode == 0 else None


def run(rounds: int) -> str:
    """Measure everybody in turn, and return the table."""
    seen: dict[str, list[float]] = {name: [] for name in OPERATORS}
    for module in OPERATORS.values():
        milliseconds(module)
    for _ in range(rounds):
        for name, module in OPERATORS.items():
            if (found := milliseconds(module)) is not None:
                seen[name].append(found)
    rows = [[name, spread(values, 1)] for name, values in sorted(seen.items(), key=lambda row: median(row[1] or [0]))]
    return table("Importing, over `airflow.sdk`", ["what", "CPU ms"], rows)
