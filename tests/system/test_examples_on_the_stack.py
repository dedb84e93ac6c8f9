# SPDX-License-Identifier: Apache-2.0
"""The example DAGs that need a scheduler, a person or assets, on the whole Airflow."""

from __future__ import annotations

import json
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.conftest import BUCKET
from tests.support.airflow_api import Run
from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import billed
from tests.support.media import probe
from tests.support.processes import wait_until
from tests.support.s3 import S3Server
from veo_provider.simulator import Simulator

LIMIT = 240
PIPELINE = "veo_content_pipeline"


@pytest.fixture(scope="module")
def runs(stack: AirflowStack) -> dict[str, Run]:
    """All of them at once: most of their time is waiting."""
    api = stack.api
    pool = {"name": "veo", "slots": 2, "include_deferred": True}
    api.json("POST", "/pools", json=pool)
    for dag_id in (PIPELINE, "veo_asset_chain", "veo_asset_chain_consumer", "veo_approval"):
        api.unpause(dag_id)
    started = {
        "chain": api.trigger("veo_asset_chain"),
        "approved": api.trigger("veo_approval"),
        "rejected": api.trigger("veo_approval"),
        # Not triggered: this one has a schedule.
        "pipeline": api.wait_for_a_run(PIPELINE, seconds=LIMIT),
    }
    for name in ("approved", "rejected"):
        wait_for_the_question(stack, started[name])
    # A moment after the scheduler has read that its process has ended; people take longer.
    time.sleep(2)
    answer(stack, started["approved"], "Approve")
    answer(stack, started["rejected"], "Reject")
    api.wait_for(started.values(), seconds=LIMIT)
    return started


def wait_for_the_question(stack: AirflowStack, run: Run) -> None:
    def waiting() -> bool:
        stack.api.look(run)
        return run.ended or run.states("approve") == ["awaiting_input"]

    wait_until("a request for approval", waiting, seconds=LIMIT)
    assert not run.ended, stack.api.why(run)

    # Airflow fails a task that goes on before the end of its first process has been reported (apache/airflow 71580).
    def reported() -> bool:
        lines = stack.processes["scheduler"].log.read_text(errors="replace").splitlines()
        words = ("Received executor event", "task_id='approve'", run.run_id)
        return any(all(word in line for word in words) for line in lines)

    wait_until("the scheduler to read that its process has ended", reported, seconds=LIMIT)


def answer(stack: AirflowStack, run: Run, choice: str) -> None:
    """What a person does under *Required Actions*."""
    path = f"{run.path}/taskInstances/approve/-1/hitlDetails"
    stack.api.json("PATCH", path, json={"chosen_options": [choice]})


def test_content_pipeline(
    stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator, moto: S3Server
) -> None:
    run = runs["pipeline"]
    assert run.state == "success", stack.api.why(run)
    assert run.run_id.startswith("scheduled__")
    assert run.states("clip.generate") == ["success", "skipped", "success"]
    assert run.states("clip.store") == ["success", "skipped", "success"]

    day = run.run_id.removeprefix("scheduled__")[:10]
    folder = f"videos/{day}"
    names = ("manifest.json", "tall.mp4", "tall.mp4.poster.jpg", "wide.mp4", "wide.mp4.poster.jpg")
    assert moto.keys(BUCKET, folder) == [f"{folder}/{name}" for name in names]
    wide = probe(moto.read(BUCKET, f"{folder}/wide.mp4"))
    assert (wide.width, wide.height, round(wide.seconds, 1)) == (1280, 720, 8.0)
    tall = probe(moto.read(BUCKET, f"{folder}/tall.mp4"))
    assert (tall.width, tall.height, round(tall.seconds, 1)) == (720, 1280, 4.0)

    manifest = json.loads(moto.read(BUCKET, f"{folder}/manifest.json"))
    assert manifest["date"] == day
    stored = [(clip["cost_usd"], video["uri"], video["size"]) for clip in manifest["clips"] for video in clip["videos"]]
    assert stored == [
        ("unknown", f"s3://{BUCKET}/{folder}/wide.mp4", wide.size),
        ("unknown", f"s3://{BUCKET}/{folder}/tall.mp4", tall.size),
    ]
    # The refused one too: the gateway takes its money first and looks afterwards.
    assert len(billed(stack_simulator.ledger(), "a test of the pipeline")) == 3
    labels = {task["rendered_map_index"] for task in run.tasks if task["task_id"] == "clip.generate"}
    assert labels == {
        "Wide: a test of the pipeline",
        "Refused: a test of the pipeline sim:filtered",
        "Tall: a test of the pipeline",
    }


def test_asset_chain(stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator, moto: S3Server) -> None:
    chain = runs["chain"]
    assert chain.state == "success", stack.api.why(chain)
    consumer = stack.api.wait_for_a_run("veo_asset_chain_consumer", seconds=LIMIT)
    stack.api.wait_for([consumer], seconds=LIMIT)
    assert consumer.state == "success", stack.api.why(consumer)

    videos = stack.api.xcom(consumer, "list_new_videos")
    # An event is for whoever consumes it, and names no connection.
    pushed = stack.api.xcom(chain, "store", "veo_videos")
    assert videos == [{name: value for name, value in video.items() if name != "conn_id"} for video in pushed]
    stored = stack.api.xcom(chain, "store")
    assert [video["uri"] for video in videos] == stored
    assert len(stored) == 2
    for uri in stored:
        parts = urlsplit(uri)
        assert round(probe(moto.read(parts.netloc, parts.path.lstrip("/"))).seconds, 1) == 8.0
    assert len(billed(stack_simulator.ledger(), "over a mountain ridge")) == 1, "two samples, one submit"


def test_approval(stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator) -> None:
    approved, rejected = runs["approved"], runs["rejected"]
    assert approved.state == "success", stack.api.why(approved)
    published = stack.api.xcom(approved, "publish")
    assert "/published/" in published
    assert round(probe(Path(urlsplit(published).path).read_bytes()).seconds, 1) == 4.0

    assert rejected.state == "success", stack.api.why(rejected)
    assert rejected.states("publish") == ["skipped"]
    (draft,) = stack.api.xcom(rejected, "draft")
    path = Path(urlsplit(draft).path)
    assert probe(path.read_bytes()).width == 1280
    assert not (path.parents[1] / "published" / path.name).exists()
    assert len(billed(stack_simulator.ledger(), "a ceramic cup")) == 2
