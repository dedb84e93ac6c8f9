# SPDX-License-Identifier: Apache-2.0
"""
### A DAG that starts when videos have been stored

The first DAG has an asset among the outlets of its transfer. When the videos are stored there is an
event for that asset, with the facts about them as its extra. The second DAG is scheduled by the asset:
it knows neither the first one's name nor its schedule, only that there are new videos.

Variables: `veo_bucket` (required).
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import DAG, Asset, task

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

# [START asset_chain]
clips = Asset("veo_ridge_clips")

with DAG("veo_asset_chain", schedule=None, default_args={"retries": 2}, doc_md=__doc__, tags=["veo"]):
    generate = VeoGenerateOperator(
        task_id="generate",
        prompt="Clouds pass over a mountain ridge, time lapse",
        sample_count=2,
    )
    VeoToS3Operator(
        task_id="store",
        generation_id=generate.output,
        s3_bucket="{{ var.value.veo_bucket }}",
        s3_key="ridge/{{ run_id }}/take-{index}.mp4",
        outlets=[clips],
    )


with DAG("veo_asset_chain_consumer", schedule=[clips], tags=["veo"]):

    @task
    def list_new_videos(triggering_asset_events: Any) -> list[dict[str, Any]]:
        events = triggering_asset_events[clips]
        return [video for event in events for video in event.extra["veo_videos"]]

    list_new_videos()
# [END asset_chain]
