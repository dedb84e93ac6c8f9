# SPDX-License-Identifier: Apache-2.0
"""One prompt to one S3 server; everything that differs between the end-to-end runs is a param."""

from __future__ import annotations

from airflow.sdk import DAG, Param

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

# A Param object holds its value: one for each.
params = {name: Param(type="string", minLength=1) for name in ("prompt", "aws_conn_id", "bucket", "key")}

with DAG("e2e_to_s3", schedule=None, default_args={"retries": 2}, params=params):
    generate = VeoGenerateOperator(
        task_id="generate",
        prompt="{{ params.prompt }}",
        duration_seconds=6,
        aspect_ratio="9:16",
    )
    VeoToS3Operator(
        task_id="store",
        generation_id=generate.output,
        s3_bucket="{{ params.bucket }}",
        s3_key="{{ params.key }}",
        aws_conn_id="{{ params.aws_conn_id }}",
        write_manifest=True,
        verify_media="fail",
    )
