# SPDX-License-Identifier: Apache-2.0
"""
### From two pictures to a video between them

The worker reads both frames from storage, checks that they are JPEG or PNG and at most 20 MB, and
sends them along; nothing has to be public. A last frame needs a model of the 3.1 series and a first one.

Variables: `veo_frames` (folder with `first.png` and `last.png`, as a URI), `veo_output` (where videos go).
"""

from __future__ import annotations

from airflow.sdk import DAG

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

# [START image_to_video]
with DAG("veo_image_to_video", schedule=None, default_args={"retries": 2}, doc_md=__doc__, tags=["veo"]):
    generate = VeoGenerateOperator(
        task_id="generate",
        prompt="The camera glides slowly from the first view to the last",
        model="veo-3.1-generate-preview",
        image="{{ var.value.veo_frames }}/first.png",
        last_frame_image="{{ var.value.veo_frames }}/last.png",
        duration_seconds=8,
        aspect_ratio="9:16",
        generate_audio=False,
    )

    VeoToObjectStorageOperator(
        task_id="store",
        generation_id=generate.output,
        dst="{{ var.value.get('veo_output', 'file:///tmp/veo') }}/{{ run_id }}/between.mp4",
    )
# [END image_to_video]
