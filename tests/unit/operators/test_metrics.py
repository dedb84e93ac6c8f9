# SPDX-License-Identifier: Apache-2.0
"""What is counted, and that counting fails no task."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.inside import NoStatsLogger, metrics_into
from tests.support.tasks import Task
from tests.unit.operators.test_cost import MODEL
from tests.unit.operators.test_tries import run
from tests.unit.operators.test_veo import sync
from tests.unit.transfers.fakes import FakeHook
from tests.unit.transfers.fakes import run as store
from veo_provider.exceptions import VeoContentPolicyError, VeoValidationError
from veo_provider.operators.metrics import COUNTED, Metrics
from veo_provider.sensors.veo import VeoGenerationSensor
from veo_provider.simulator import Simulator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator


class Counts:
    """A backend of Airflow's metrics."""

    def __init__(self, failing: bool = False) -> None:
        self.seen: dict[str, Any] = {}
        self.tags: dict[str, Any] = {}
        self.failing = failing

    def incr(self, stat: str, count: int = 1, rate: float = 1, *, tags: Any = None) -> None:
        if self.failing:
            raise OSError("no route to the metrics")
        # Other providers count too.
        if stat.startswith("veo."):
            self.seen[stat] = self.seen.get(stat, 0) + count
            self.tags[stat] = tags

    def timing(self, stat: str, dt: Any, *, tags: Any = None) -> None:
        if self.failing:
            raise OSError("no route to the metrics")
        self.seen[stat] = dt.total_seconds()


@pytest.fixture
def counts(request: pytest.FixtureRequest) -> Iterator[Counts]:
    backend: Any = type("Backend", (Counts, NoStatsLogger), {})(failing=getattr(request, "param", False))
    with metrics_into(backend):
        yield backend


@pytest.fixture
def priced(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = {
        "conn_type": "veo",
        "host": gateway.url,
        "password": gateway.api_key,
        "extra": {"prices": {MODEL: 0.1}},
    }
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", json.dumps(connection))


@pytest.mark.parametrize("how", [{}, {"deferrable": False}], ids=["deferred", "sync"])
async def test_a_success(how: dict[str, Any], ti: Task, priced: None, counts: Counts) -> None:
    await run(ti, duration_seconds=4, sample_count=2, **how)
    assert 0 < counts.seen.pop("veo.wait") < 30
    assert counts.seen.pop("veo.polls") >= 1
    assert counts.seen == {"veo.submitted": 1, "veo.cost_cents": 80, "veo.succeeded": 1, "veo.video_seconds": 8}
    assert counts.tags["veo.submitted"] == {"dag_id": "dag", "task_id": "generate", "model": MODEL}
    assert counts.tags["veo.succeeded"] == counts.tags["veo.submitted"]


def test_a_filtered_sample(gateway: Simulator, counts: Counts) -> None:
    sync("A cat sim:filter_samples=1", sample_count=2, duration_seconds=6).execute(Task().context)
    assert (counts.seen["veo.filtered"], counts.seen["veo.video_seconds"]) == (1, 6)


def test_a_failure_by_its_reason(gateway: Simulator, counts: Counts) -> None:
    with pytest.raises(VeoContentPolicyError):
        sync("A cat sim:filtered").execute(Task().context)
    assert counts.seen["veo.failed.content_policy"] == 1
    assert "veo.succeeded" not in counts.seen


@pytest.mark.parametrize("how", [{}, {"deferrable": False}], ids=["deferred", "sync"])
async def test_a_failure_has_the_model_wherever_it_was_waited_for(
    how: dict[str, Any], ti: Task, priced: None, counts: Counts
) -> None:
    with pytest.raises(VeoContentPolicyError):
        await run(ti, "A cat sim:filtered", **how)
    assert counts.seen["veo.failed.content_policy"] == 1
    assert counts.tags["veo.failed.content_policy"]["model"] == MODEL
    assert counts.tags["veo.polls"]["model"] == MODEL


def test_a_sensor_counts_too(gateway: Simulator, counts: Counts) -> None:
    def wait(prompt: str) -> None:
        generation_id = sync(prompt, wait_for_completion=False).execute(Task().context)
        sensor = VeoGenerationSensor(task_id="wait", generation_id=generation_id, deferrable=False, poke_interval=0.1)
        sensor.execute(Task(task_id="wait").context)

    wait("A cat")
    with pytest.raises(VeoContentPolicyError):
        wait("A cat sim:filtered")
    assert (counts.seen["veo.succeeded"], counts.seen["veo.failed.content_policy"]) == (1, 1)
    assert counts.tags["veo.failed.content_policy"] == {"dag_id": "dag", "task_id": "wait"}


def test_what_was_not_sent_was_not_submitted(gateway: Simulator, counts: Counts) -> None:
    with pytest.raises(VeoValidationError):
        sync("A cat", seed=-1).execute(Task().context)
    assert counts.seen == {"veo.failed.invalid_request": 1}
    assert counts.tags["veo.failed.invalid_request"] == {"dag_id": "dag", "task_id": "generate"}


async def test_a_retry_submits_and_counts_nothing(ti: Task, priced: None, counts: Counts) -> None:
    await run(ti)
    counts.seen.clear()
    await run(ti.retried())
    assert not {"veo.submitted", "veo.cost_cents"} & set(counts.seen)


def test_what_is_stored(tmp_path: Path, counts: Counts) -> None:
    for _ in ("stored", "already there"):
        _, (facts,) = store(
            VeoToObjectStorageOperator(task_id="store", generation_id="task_1", dst=f"file://{tmp_path}/a.mp4"),
            FakeHook(),
        )
    # What was stored is no real video, which each look sees.
    assert counts.seen == {"veo.stored": 1, "veo.stored_bytes": facts["size"], "veo.media_differs": 2}
    assert counts.tags["veo.stored"]["task_id"] == "store"


@pytest.mark.parametrize("counts", [True], indirect=True)
def test_metrics_that_cannot_be_sent_fail_nothing(gateway: Simulator, counts: Counts) -> None:
    assert sync("A cat").execute(Task().context)
    assert counts.seen == {}


def test_a_name_that_nobody_has_documented_is_a_mistake(counts: Counts) -> None:
    metrics = Metrics(SimpleNamespace(dag_id="d", task_id="t"))
    with pytest.raises(AssertionError):
        metrics.count("veo.made_up")
    with pytest.raises(AssertionError):
        metrics.time(next(iter(COUNTED)), 1.0)
