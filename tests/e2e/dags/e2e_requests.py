# SPDX-License-Identifier: Apache-2.0
"""Requests made in Python: by a function, mapped over a function, mapped over requests of a task and of the file."""

from __future__ import annotations

from airflow.sdk import dag, task

from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.request import VideoRequest


@dag(schedule=None, default_args={"retries": 2})
def e2e_requests() -> None:
    @task.veo(model="veo-3.0-fast-generate-001", duration_seconds=4)
    def by_a_function(subject: str, params: dict[str, str]) -> dict[str, object]:
        """Its annotation makes Airflow expect a dict of XComs."""
        return {"prompt": f"{subject} {params['mark']} {{{{ ds }}}}", "aspect_ratio": "9:16"}

    @task.veo
    def mapped(subject: str, dag_run: object) -> VideoRequest:
        return VideoRequest(prompt=f"{subject} {dag_run.conf['mark']}", duration_seconds=4)  # type: ignore[attr-defined]

    @task
    def requests(params: dict[str, str]) -> list[VideoRequest]:
        return [VideoRequest(prompt=f"{subject} {params['mark']} {{{{ ds }}}}") for subject in ("A third", "A fourth")]

    by_a_function("A first")
    mapped.expand(subject=["A second"])
    VeoGenerateOperator.partial(task_id="of_a_task", duration_seconds=4).expand(request=requests())
    VeoGenerateOperator.partial(task_id="of_the_file", duration_seconds=6, generate_audio=False).expand(
        request=[
            VideoRequest(prompt="A fifth {{ params.mark }}", seed=5),
            {"prompt": "A sixth {{ params.mark }}", "duration_seconds": 4},
        ]
    )


e2e_requests()
