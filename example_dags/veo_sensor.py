# SPDX-License-Identifier: Apache-2.0
"""
### Wait for a generation that somebody else has submitted

A web application, a notebook or another DAG (`wait_for_completion=False`) submitted it; this DAG gets
the id, waits without a worker slot, and stores the video. Nothing here is billed, so retries are safe.

Variable: `veo_output` (where the videos go).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.sdk import DAG, Param

from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

# [START sensor]
with DAG(
    "veo_sensor",
    schedule=None,
    params={"generation_id": Param(type="string", minLength=1)},
    default_args={"retries": 2, "retry_delay": timedelta(minutes=1)},
    doc_md=__doc__,
    tags=["veo"],
):
    wait = VeoGenerationSensor(task_id="wait", generation_id="{{ params.generation_id }}")

    store = VeoToObjectStorageOperator(
        task_id="store",
        generation_id="{{ params.generation_id }}",
        dst="{{ var.value.get('veo_output', 'file:///tmp/veo') }}/{{ run_id }}/awaited.mp4",
    )

    wait >> store
# [END sensor]
