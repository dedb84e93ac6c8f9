# SPDX-License-Identifier: Apache-2.0
"""Many videos in one run, each generated and stored by tasks of its own; processes may die at named points."""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param, task, task_group

from tests.chaos.crash import install
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

install()

retries = {"retries": 3, "retry_delay": timedelta(seconds=2)}
params = {
    "prompts": Param([], type="array"),
    "bucket": Param("veo-videos", type="string"),
}

with DAG("chaos", schedule=None, params=params, default_args=retries, max_active_tasks=64):

    @task
    def prompts(params: dict[str, list[str]]) -> list[str]:
        return params["prompts"]

    @task_group
    def one(prompt: str) -> None:
        generate = VeoGenerateOperator(
            task_id="generate", prompt=prompt, duration_seconds=4, poll_interval=2.0, timeout=900.0
        )
        VeoToS3Operator(
            task_id="store",
            generation_id=generate.output,
            s3_bucket="{{ params.bucket }}",
            s3_key="chaos/{{ run_id }}/{{ ti.map_index }}.mp4",
        )

    one.expand(prompt=prompts())

with DAG("chaos_deadline", schedule=None, params={"prompt": Param("", type="string")}):
    # Never retried: it is looked at when its waiting ends, and a retry would wait anew.
    VeoGenerateOperator(
        task_id="generate", prompt="{{ params.prompt }}", duration_seconds=4, poll_interval=2.0, timeout=60.0
    )
