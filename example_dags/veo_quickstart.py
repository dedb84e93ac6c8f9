# SPDX-License-Identifier: Apache-2.0
"""
### Quickstart: from a prompt to a stored video

`generate` buys one video and waits for it on the triggerer, without a worker slot; `store` copies it
to your own storage, where it stays when the gateway's link has expired.

Needs a connection `veo_default` with your API key. The Variable `veo_output` says where the videos go:
a folder as a URI, such as `file:///data/videos` or `s3://my-bucket/videos`.
"""

from __future__ import annotations

# On Airflow 3, airflow.sdk has them too.
from airflow.providers.common.compat.sdk import DAG, Param

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

# [START quickstart]
with DAG(
    "veo_quickstart",
    schedule=None,
    default_args={"retries": 2},
    params={"prompt": Param("A paper boat sails down a rainy street, close to the water", type="string")},
    doc_md=__doc__,
    tags=["veo"],
):
    generate = VeoGenerateOperator(
        task_id="generate",
        prompt="{{ params.prompt }}",
        duration_seconds=4,
    )

    VeoToObjectStorageOperator(
        task_id="store",
        generation_id=generate.output,
        dst="{{ var.value.get('veo_output', 'file:///tmp/veo') }}/{{ run_id }}/clip.mp4",
    )
# [END quickstart]
