# SPDX-License-Identifier: Apache-2.0
"""Three videos of one generation, and one of each of two, on their way to S3 and to a folder."""

from __future__ import annotations

import os

from airflow.sdk import DAG, Asset, AssetAlias, task

from veo_provider.hooks.veo import VeoHook
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

with DAG("veo_transfers", schedule=None):

    @task
    def generations() -> list[str]:
        hook = VeoHook()
        ids: list[str] = os.environ["GENERATIONS"].split(",")
        return [hook.get_finished(generation_id).generation_id for generation_id in ids]

    ids = generations()
    ids >> VeoToS3Operator(
        task_id="to_s3",
        generation_id="{{ ti.xcom_pull(task_ids='generations')[0] }}",
        s3_key="s3://films/{{ dag.dag_id }}/{{ run_id }}/clip.mp4",
        metadata={"day": "{{ ds }}"},
        asset="s3://films/{{ dag.dag_id }}",
        outlets=[AssetAlias("films"), Asset("all-films")],
    )
    (
        VeoToObjectStorageOperator.partial(
            task_id="to_folder",
            dst=os.environ["FOLDER"] + "/{{ ti.map_index }}.mp4",
            asset="folder",
            outlets=[AssetAlias("copies")],
        ).expand(generation_id=ids)
    )
    ids >> VeoToS3Operator(
        task_id="by_asset",
        generation_id="{{ ti.xcom_pull(task_ids='generations')[1] }}",
        s3_key="exact/clip.mp4",
        s3_bucket="films",
        asset=Asset("named", uri="s3://films/named"),
        outlets=[AssetAlias("named-films")],
    )
