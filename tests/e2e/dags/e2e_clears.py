# SPDX-License-Identifier: Apache-2.0
"""Tasks to be cleared and marked by a person, with what a person would set on them."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task

from veo_provider.operators.veo import VeoGenerateOperator

SETTINGS: dict[str, dict[str, Any]] = {
    "e2e_clears": {"retries": 2, "retry_delay": timedelta(seconds=1)},
    "e2e_clears_keep": {"retries": 2, "retry_delay": timedelta(seconds=1), "on_clear": "keep"},
    "e2e_clears_impatient": {"retries": 0, "timeout": 12},
}

for dag_id, settings in SETTINGS.items():
    with DAG(dag_id, schedule=None, params={"prompts": Param([], type="array")}):

        @task(retries=2)
        def prompts(params: dict[str, list[str]]) -> list[str]:
            return params["prompts"]

        VeoGenerateOperator.partial(task_id="generate", duration_seconds=4, **settings).expand(prompt=prompts())
