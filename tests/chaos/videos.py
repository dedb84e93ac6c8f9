# SPDX-License-Identifier: Apache-2.0
"""The DAG of all scenarios: many videos in one run, each generated and stored by tasks of its own."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, Param, task, task_group

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator


def videos_dag(dag_id: str, **generating: Any) -> DAG:
    """Make it; the prompts come with the run. ``generating``: more arguments of the task that generates."""
    # What has been paid for comes home before more is bought.
    tasks = {"retries": 3, "retry_delay": timedelta(seconds=2), "weight_rule": "upstream"}
    params = {"prompts": Param([], type="array"), "bucket": Param("veo-videos", type="string")}

    with DAG(dag_id, schedule=None, params=params, default_args=tasks, max_active_tasks=64) as dag:

        @task
        def prompts(params: dict[str, list[str]]) -> list[str]:
            return params["prompts"]

        @task_group
        def one(prompt: str) -> None:
            generate = VeoGenerateOperator(
                task_id="generate",
                prompt=prompt,
                duration_seconds=4,
                **{"poll_interval": 2.0, "timeout": 900.0} | generating,
            )
            VeoToS3Operator(
                task_id="store",
                generation_id=generate.output,
                s3_bucket="{{ params.bucket }}",
                s3_key="chaos/{{ run_id }}/{{ ti.map_index }}.mp4",
            )

        one.expand(prompt=prompts())
    return dag
