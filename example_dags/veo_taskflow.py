# SPDX-License-Identifier: Apache-2.0
"""
### Requests that are made in Python

A function writes a prompt, and a list of requests is mapped over. What is made goes below the variable `veo_output`.
"""

from __future__ import annotations

from airflow.sdk import Param, dag, task

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.request import VideoRequest
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

OUTPUT = "{{ var.value.get('veo_output', 'file:///tmp/veo') }}/{{ run_id }}"


# [START taskflow]
# The arguments are the operator's; what the function returns counts before them.
@task.veo(duration_seconds=4)
def opening(product: str, ds: str) -> str:
    return f"A slow pan over {product} on a table, morning light. A calendar shows {ds}"


@task
def closings(product: str) -> list[VideoRequest]:
    return [
        VideoRequest(prompt=f"{product} from above, then the lights go out", aspect_ratio=ratio, seed=1)
        for ratio in ("16:9", "9:16")
    ]


@dag(
    schedule=None,
    default_args={"retries": 2},
    params={"product": Param("a brass lamp", type="string")},
    doc_md=__doc__,
    tags=["veo"],
)
def veo_taskflow() -> None:
    product = "{{ params.product }}"
    VeoToObjectStorageOperator(task_id="store_opening", generation_id=opening(product), dst=f"{OUTPUT}/opening.mp4")

    closing = VeoGenerateOperator.partial(task_id="closing", duration_seconds=4).expand(request=closings(product))
    VeoToObjectStorageOperator.partial(
        task_id="store_closing", dst=f"{OUTPUT}/closing-{{{{ ti.map_index }}}}.mp4"
    ).expand(generation_id=closing.output)


veo_taskflow()
# [END taskflow]
