# SPDX-License-Identifier: Apache-2.0
"""
### A person looks at the video before it is published

The video is stored first and approved afterwards: the gateway's link may expire within hours, the
decision may take days. Approve or reject under *Required Actions* in the UI; a rejection skips `publish`
and leaves the draft where it is.

Variable: `veo_output` (where the videos go).
"""

from __future__ import annotations

from datetime import timedelta

from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG, ObjectStoragePath, task

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

ROOT = "{{ var.value.get('veo_output', 'file:///tmp/veo') }}"
NAME = "{{ run_id }}.mp4"

# [START approval]
with DAG("veo_approval", schedule=None, default_args={"retries": 2}, doc_md=__doc__, tags=["veo"]):
    generate = VeoGenerateOperator(
        task_id="generate",
        prompt="A product shot: a ceramic cup turns slowly on a wooden table",
        duration_seconds=4,
    )
    draft = VeoToObjectStorageOperator(
        task_id="draft",
        generation_id=generate.output,
        dst=f"{ROOT}/drafts/{NAME}",
    )
    approve = ApprovalOperator(
        task_id="approve",
        subject="Publish this video?",
        body="{{ ti.xcom_pull(task_ids='draft') | join(', ') }}",
        response_timeout=timedelta(days=3),
        # Who hasn't answered in time isn't asked again.
        retries=0,
    )

    @task
    def publish(draft_uris: list[str], target_uri: str) -> str:
        target = ObjectStoragePath(target_uri)
        target.parent.mkdir(parents=True, exist_ok=True)
        ObjectStoragePath(draft_uris[0]).copy(target)
        return target_uri

    draft >> approve >> publish(draft.output, f"{ROOT}/published/{NAME}")
# [END approval]
