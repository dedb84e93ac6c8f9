# SPDX-License-Identifier: Apache-2.0
"""Every parse of a DAG file imports the operators: what only a running task needs must not come along."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = (
    "aiohttp",
    "airflow.models",
    "airflow.triggers.base",
    "boto3",
    "botocore",
    "fsspec",
    "requests",
    "s3fs",
    "sqlalchemy",
    "urllib3",
    "veo_provider.hooks.veo",
    "veo_provider.ledger",
)
# Of ours: dataclasses and patterns take milliseconds to be made.
AT_RUN_TIME = ("veo_provider.api.waiting", "veo_provider.api.request", "veo_provider.operators.running")

MODULES = {
    "veo_provider.operators.veo": (*HEAVY, *AT_RUN_TIME),
    "veo_provider.decorators.veo": (*HEAVY, *AT_RUN_TIME),
    "veo_provider.sensors.veo": (*HEAVY, *AT_RUN_TIME),
    # What a worker asks with; the triggerer's hook is another file.
    "veo_provider.hooks.veo": ("aiohttp", "yarl", "veo_provider.hooks.sharing"),
    "veo_provider.transfers.veo_to_s3": HEAVY,
    "veo_provider.transfers.veo_to_object_storage": HEAVY,
}
CODE = """
import sys
import airflow.sdk
from airflow.sdk import DAG, Asset, BaseOperator, BaseSensorOperator, ObjectStoragePath
before = set(sys.modules)
import {module}
print(*(set(sys.modules) - before))
"""


@pytest.mark.parametrize("module", MODULES)
def test_an_operator_brings_nothing_heavy(module: str) -> None:
    code = CODE.format(module=module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    brought = done.stdout.split()
    assert module in brought
    assert [name for name in MODULES[module] if name in brought] == []
