# SPDX-License-Identifier: Apache-2.0
"""A DAG run triggered over the REST API, deferred to a real triggerer, its video in S3 over HTTP."""

from __future__ import annotations

import base64
import hashlib
import json
import sqlite3
import uuid
from contextlib import closing
from urllib.parse import urlencode

import pytest

from tests.conftest import BUCKET
from tests.support.airflow_api import Run
from tests.support.airflow_home import secret_bytes_in
from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import billed
from tests.support.media import probe
from tests.support.s3 import S3Server
from tests.support.statsd import StatsD
from veo_provider.simulator import Simulator

DAG_ID = "e2e_to_s3"
LIMIT = 240
PROMPTS = {
    "moto": "A ferry leaves",
    "seaweedfs": "A train arrives",
    "inline-moto": "A balloon rises sim:inline",
    "inline-seaweedfs": "A crane turns sim:inline",
    "filtered": "Something that is refused sim:filtered",
}
STORED = [name for name in PROMPTS if name != "filtered"]


@pytest.fixture(scope="module")
def prompts() -> dict[str, str]:
    """By the name of its run; no other run in this Airflow has the same."""
    return {name: f"{text} {uuid.uuid4()}" for name, text in PROMPTS.items()}


@pytest.fixture(scope="module")
def runs(stack: AirflowStack, prompts: dict[str, str]) -> dict[str, Run]:
    """All of them at once: most of their time is waiting."""
    stack.api.unpause(DAG_ID)
    started = {
        name: stack.api.trigger(
            DAG_ID,
            {
                "prompt": prompt,
                "aws_conn_id": "aws_seaweedfs" if name.endswith("seaweedfs") else "aws_default",
                "bucket": BUCKET,
                "key": f"e2e/{name}.mp4",
            },
        )
        for name, prompt in prompts.items()
    }
    stack.api.wait_for(started.values(), seconds=LIMIT)
    assert [line for name in STORED for line in stack.api.our_errors(started[name])] == []
    return started


@pytest.mark.parametrize("name", STORED)
def test_stored(
    name: str,
    stack: AirflowStack,
    runs: dict[str, Run],
    prompts: dict[str, str],
    stack_simulator: Simulator,
    moto: S3Server,
    seaweedfs: S3Server,
) -> None:
    run = runs[name]
    assert run.state == "success", stack.api.why(run)
    assert ("generate", -1, "deferred") in run.seen

    key = f"e2e/{name}.mp4"
    assert stack.api.xcom(run, "store") == [f"s3://{BUCKET}/{key}"]
    server = seaweedfs if name.endswith("seaweedfs") else moto
    data = server.read(BUCKET, key)
    video = probe(data)
    assert (video.width, video.height, round(video.seconds, 1)) == (720, 1280, 6.0)
    (facts,) = stack.api.xcom(run, "store", "veo_videos")
    assert (facts["size"], facts["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    manifest = json.loads(server.read(BUCKET, f"{key}.manifest.json"))
    assert (manifest["request"]["prompt"], manifest["sha256"]) == (prompts[name], facts["sha256"])
    assert manifest["request"]["aspect_ratio"] == "9:16"
    assert server.client.head_object(Bucket=BUCKET, Key=key)["ContentType"] == "video/mp4"

    (submit,) = billed(stack_simulator.ledger(), prompts[name])
    assert submit["generation_id"] == stack.api.xcom(run, "generate")


@pytest.mark.parametrize("name", STORED)
def test_polled_by_the_triggerer(name: str, stack: AirflowStack, runs: dict[str, Run]) -> None:
    """A triggerer writes a log of its own beside the worker's; without a deferral there is none."""
    run = runs[name]
    folder = stack.home / "logs" / f"dag_id={DAG_ID}" / f"run_id={run.run_id}" / "task_id=generate"
    trigger_logs = list(folder.glob("attempt=*.log.trigger.*.log"))
    assert trigger_logs
    assert any(stack.api.xcom(run, "generate") in log.read_text() for log in trigger_logs)


def test_the_worker_tells_the_story(stack: AirflowStack, runs: dict[str, Run]) -> None:
    """Trigger logs can be lost: the id and the end stand in the worker's own log."""
    run = runs["moto"]
    folder = stack.home / "logs" / f"dag_id={DAG_ID}" / f"run_id={run.run_id}" / "task_id=generate"
    own = (folder / f"attempt={run.tries('generate')}.log").read_text()
    assert own.count(stack.api.xcom(run, "generate")) >= 2


def test_a_generation_starts_two_worker_processes(stack: AirflowStack, runs: dict[str, Run]) -> None:
    # Those of which Airflow lost no try.
    single = [run for name, run in runs.items() if name in STORED and run.tries("generate") == 1]
    folders = [stack.home / "logs" / f"dag_id={DAG_ID}" / f"run_id={run.run_id}" / "task_id=generate" for run in single]
    starts = [(folder / "attempt=1.log").read_text().count("Worker startup parse complete") for folder in folders]
    assert set(starts) == {2}


def test_metrics(runs: dict[str, Run], statsd: StatsD) -> None:
    """Other tests of the same Airflow are counted too."""
    assert all(run.ended for run in runs.values())
    assert statsd.total("airflow.veo.submitted") >= len(PROMPTS)
    assert statsd.total("airflow.veo.succeeded") >= len(STORED)
    assert statsd.total("airflow.veo.video_seconds") >= 6 * len(STORED)
    assert statsd.total("airflow.veo.failed.content_policy") >= 1
    assert statsd.total("airflow.veo.polls") >= len(PROMPTS)
    assert statsd.total("airflow.veo.stored") >= len(STORED)
    assert statsd.total("airflow.veo.stored_bytes") > 1000 * statsd.total("airflow.veo.stored")
    # Milliseconds: the simulator takes 13 s.
    assert statsd.total("airflow.veo.wait") >= 13_000 * len(STORED)


def test_filtered(
    stack: AirflowStack, runs: dict[str, Run], prompts: dict[str, str], stack_simulator: Simulator
) -> None:
    run = runs["filtered"]
    assert run.state == "failed"
    assert run.states("generate") == ["failed"]
    assert run.states("store") == ["upstream_failed"]
    (submit,) = billed(stack_simulator.ledger(), prompts["filtered"])
    log = stack.api.log(run, "generate", run.tries("generate"))
    assert submit["generation_id"] in log
    assert "VeoContentPolicyError" in log
    # What isn't found in the others is found where it is.
    assert any("VeoContentPolicyError" in line for line in stack.api.our_errors(run))


def test_the_key_is_nowhere(stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator) -> None:
    """Not in a log, an XCom, a rendered template or anything else in the metadata database."""
    assert all(run.ended for run in runs.values())
    # The search does find what is in the database and in the logs.
    generation_id = stack.api.xcom(runs["moto"], "generate")
    found = secret_bytes_in(stack.home, generation_id)
    assert any(name.startswith("airflow.db") for name in found)
    assert any(name.startswith("logs/") for name in found)

    assert secret_bytes_in(stack.home, stack_simulator.api_key) == []


def test_the_key_is_in_no_row_of_the_database(
    stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator
) -> None:
    """Row by row: in the file's own bytes a long value is cut into pages."""
    assert all(run.ended for run in runs.values())
    key = stack_simulator.api_key
    with closing(sqlite3.connect(f"file:{stack.home / 'airflow.db'}?mode=ro", uri=True)) as database:
        dump = "\n".join(database.iterdump())
    assert stack.api.xcom(runs["moto"], "generate") in dump
    for spelling in (key, key.encode().hex(), base64.b64encode(key.encode()).decode().rstrip("=")):
        assert spelling.lower() not in dump.lower()


def test_the_key_is_in_nothing_that_is_served(
    stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator
) -> None:
    """Neither by the page's API nor by Airflow's own: tasks with their rendered fields, XComs, logs, events."""
    paths = ["/veo/", "/veo/api/generations?limit=100"]
    paths += [
        f"/api/v2/{name}" for name in ("eventLogs", "assets/events", "assets", "connections", "dagSources/e2e_to_s3")
    ]
    for run in runs.values():
        tasks = f"/api/v2{run.path}/taskInstances"
        video = urlencode({"dag_id": run.dag_id, "run_id": run.run_id, "task_id": "store", "index": 0})
        paths += [tasks, f"/veo/api/generations?dag_id={run.dag_id}", f"/veo/api/video?{video}"]
        for task_id in ("generate", "store"):
            paths += [f"{tasks}/{task_id}", f"{tasks}/{task_id}/logs/1", f"{tasks}/{task_id}/xcomEntries"]
            paths += [f"{tasks}/{task_id}/xcomEntries/{name}" for name in ("veo_generation", "veo_videos")]
    answers = {path: stack.api.request("GET", path, allow_redirects=False) for path in paths}
    served = {path: f"{answer.headers} {answer.text}" for path, answer in answers.items() if answer.status_code < 400}
    # The answers are those that would show it.
    generation_id = stack.api.xcom(runs["moto"], "generate")
    assert sum(generation_id in text for text in served.values()) > 5
    assert any("rendered_fields" in text for text in served.values())
    assert not [path for path, text in served.items() if stack_simulator.api_key in text]


def test_the_key_went_nowhere_else(stack: AirflowStack, runs: dict[str, Run], stack_simulator: Simulator) -> None:
    assert all(run.ended for run in runs.values())
    totals = stack_simulator.ledger()["totals"]
    assert totals["downloads"] > 0
    assert totals["leaked_keys"] == 0
