# SPDX-License-Identifier: Apache-2.0
"""
### A day's videos from a table of prompts

Every day: read the table, make and store one clip a row, and write a manifest of what was stored.

Each row is its own chain of tasks (a mapped task group): a refused prompt skips its own row and no
other, and a failed row can be cleared alone. The pool limits how many generations run at once:

    airflow pools set veo 4 "Veo generations in flight" --include-deferred

Variables: `veo_bucket` (required), `veo_prompts` (the table's URI; by default the one beside this file).
"""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pendulum
from airflow.providers.amazon.aws.hooks.s3 import S3Hook
from airflow.sdk import ObjectStoragePath, TriggerRule, Variable, dag, task, task_group

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

TABLE = f"file://{Path(__file__).with_name('veo_prompts.csv')}"
BUCKET = "{{ var.value.veo_bucket }}"


# [START content_pipeline]
@task
def read_prompts(ds: str) -> list[dict[str, str]]:
    with ObjectStoragePath(Variable.get("veo_prompts", default=TABLE)).open("r") as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        row["s3_key"] = f"videos/{ds}/{row.pop('name')}.mp4"
    return rows


@task
def entry(videos: list[dict[str, Any]], facts: dict[str, Any]) -> dict[str, Any]:
    return {"prompt": facts["request"]["prompt"], "cost_usd": facts["cost_usd"], "videos": videos}


@task_group
def clip(prompt: str, duration_seconds: str, aspect_ratio: str, s3_key: str) -> Any:
    generate = VeoGenerateOperator(
        task_id="generate",
        prompt=prompt,
        duration_seconds=duration_seconds,
        aspect_ratio=aspect_ratio,
        on_filtered="skip",
        pool="veo",
        map_index_template="{{ task.prompt | truncate(40) }}",
    )
    store = VeoToS3Operator(
        task_id="store",
        generation_id=generate.output,
        s3_bucket=BUCKET,
        s3_key=s3_key,
        map_index_template="{{ task.s3_key }}",
    )
    return entry(store.output["veo_videos"], generate.output["veo_generation"])


# Skipped rows are fine. A failed one holds the manifest back until it has been cleared.
@task(trigger_rule=TriggerRule.NONE_FAILED)
def write_manifest(clips: list[dict[str, Any]], bucket: str, ds: str) -> str:
    key = f"videos/{ds}/manifest.json"
    S3Hook().load_string(json.dumps({"date": ds, "clips": list(clips)}), key, bucket, replace=True)
    return f"s3://{bucket}/{key}"


@dag(
    schedule="@daily",
    start_date=pendulum.datetime(2026, 1, 1, tz="UTC"),
    catchup=False,
    max_active_runs=1,
    default_args={"retries": 2},
    doc_md=__doc__,
    tags=["veo"],
)
def veo_content_pipeline() -> None:
    clips = clip.expand_kwargs(read_prompts(ds="{{ ds }}"))
    write_manifest(clips, bucket=BUCKET, ds="{{ ds }}")


veo_content_pipeline()
# [END content_pipeline]
