# SPDX-License-Identifier: Apache-2.0
"""One of each of our tasks, mapped and unmapped, for somebody who watches them."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

FOLDER = "{{ var.value.veo_output }}/{{ run_id }}"

with DAG("e2e_watched", schedule=None, default_args={"retries": 2}, params={"prompt": Param(type="string")}):
    generate = VeoGenerateOperator(task_id="generate", prompt="{{ params.prompt }}", duration_seconds=4)
    VeoToS3Operator(
        task_id="store",
        generation_id=generate.output,
        s3_bucket="{{ var.value.veo_bucket }}",
        s3_key="watched/{{ run_id }}.mp4",
    )

    submit = VeoGenerateOperator(
        task_id="submit", prompt="{{ params.prompt }}", duration_seconds=4, wait_for_completion=False
    )
    VeoGenerationSensor(task_id="wait", generation_id=submit.output)

    mapped = VeoGenerateOperator.partial(task_id="mapped", duration_seconds=4).expand(prompt=["{{ params.prompt }}"])
    VeoToObjectStorageOperator.partial(task_id="store_mapped", dst=FOLDER + "/{{ ti.map_index }}.mp4").expand(
        generation_id=mapped.output
    )
