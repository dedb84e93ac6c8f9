# SPDX-License-Identifier: Apache-2.0
"""What is killed: the DAG of all scenarios, and one whose generation never ends."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from tests.chaos.crash import install
from tests.chaos.videos import videos_dag
from veo_provider.operators.veo import VeoGenerateOperator

install()

chaos = videos_dag("chaos")

with DAG("chaos_deadline", schedule=None, params={"prompt": Param("", type="string")}):
    # Never retried: it is looked at when its waiting ends, and a retry would wait anew.
    VeoGenerateOperator(
        task_id="generate", prompt="{{ params.prompt }}", duration_seconds=4, poll_interval=2.0, timeout=60.0
    )
