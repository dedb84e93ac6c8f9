# SPDX-License-Identifier: Apache-2.0
"""The OpenLineage events that a real Airflow emits of a DAG of ours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.support.airflow_home import EXAMPLES, DagTestResult, run_dag_test
from tests.support.media import png
from veo_provider.simulator import Simulator


@pytest.fixture
def told(
    environment: Callable[..., dict[str, str]], simulator: Simulator, tmp_path: Path
) -> tuple[DagTestResult, list[dict[str, Any]]]:
    """One run, and its tasks' events."""
    events = tmp_path / "events.jsonl"
    frames = tmp_path / "frames"
    frames.mkdir()
    for name in ("first", "last"):
        (frames / f"{name}.png").write_bytes(png(90, 160, grey=40))
    env = environment(veo_output=f"file://{tmp_path}/videos", veo_frames=f"file://{frames}")
    transport = {"type": "file", "log_file_path": str(events), "append": True}
    env["AIRFLOW__OPENLINEAGE__TRANSPORT"] = json.dumps(transport)
    result = run_dag_test(EXAMPLES / "veo_image_to_video.py", env)
    assert result.dag_state == "success", result.output
    assert simulator.api_key not in events.read_text()
    return result, [json.loads(line) for line in events.read_text().splitlines()]


def test_frames_go_in_and_videos_come_out(told: tuple[DagTestResult, list[dict[str, Any]]], tmp_path: Path) -> None:
    result, events = told
    by_task = {event["job"]["name"].rpartition(".")[2]: event for event in events if event["eventType"] == "COMPLETE"}
    frames = [("file", f"{tmp_path}/frames/{name}.png") for name in ("first", "last")]
    assert [(data["namespace"], data["name"]) for data in by_task["generate"]["inputs"]] == frames
    assert by_task["generate"]["outputs"] == []
    (video,) = result.xcom("store", "veo_videos")
    (output,) = by_task["store"]["outputs"]
    assert (output["namespace"], output["name"]) == ("file", video["uri"].removeprefix("file://"))
    statistics = output["outputFacets"]["outputStatistics"]
    assert (statistics["size"], statistics["fileCount"]) == (video["size"], 1)
