# SPDX-License-Identifier: Apache-2.0
"""What the official OpenLineage provider reads off our tasks, by its own extraction."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG
from airflow.providers.openlineage.extractors.manager import ExtractorManager
from airflow.sdk import Asset
from airflow.sdk.lineage import get_hook_lineage_collector
from airflow.utils.state import TaskInstanceState

from tests.support.s3 import S3Server
from tests.unit.transfers.fakes import FakeHook, FakeTask, breaks, context_of, movie
from veo_provider.exceptions import VeoStorageError
from veo_provider.operators.veo import VeoGenerateOperator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

BUCKET = "lineage"


@pytest.fixture(autouse=True)
def _fresh_collector() -> Iterator[None]:
    """What hooks have told of, as in a process of its own."""
    get_hook_lineage_collector.cache_clear()
    yield
    get_hook_lineage_collector.cache_clear()


def extract(task: Any, state: TaskInstanceState = TaskInstanceState.SUCCESS) -> Any:
    """What the provider's listener puts into an event."""
    DAG("films", schedule=None).add_task(task)
    return ExtractorManager().extract_metadata(SimpleNamespace(run_id="run"), task, state, FakeTask())


def outputs(extracted: Any) -> dict[tuple[str, str], tuple[int, int]]:
    """Size and number of files by namespace and name."""
    assert extracted.inputs == []
    named = {}
    for dataset in extracted.outputs:
        statistics = dataset.outputFacets["outputStatistics"]
        assert (dataset.namespace, dataset.name) not in named, "told twice"
        named[dataset.namespace, dataset.name] = statistics.size, statistics.fileCount
    return named


def to_folder(folder: Path, **arguments: Any) -> VeoToObjectStorageOperator:
    given = {"task_id": "store", "generation_id": "task_1", "dst": f"file://{folder}/c #?.mp4", "outlets": [Asset("x")]}
    return VeoToObjectStorageOperator(**given | arguments)


@pytest.mark.parametrize("state", [TaskInstanceState.SUCCESS, TaskInstanceState.FAILED])
def test_videos_in_a_folder(tmp_path: Path, state: TaskInstanceState) -> None:
    """A task may also fail after its last video, at a manifest."""
    task: Any = to_folder(tmp_path)
    task.hook = FakeHook([movie(2000), movie(3000, 1)])
    task.execute(context_of())
    assert outputs(extract(task, state)) == {
        ("file", f"{tmp_path}/c #?-0.mp4"): (2000, 1),
        ("file", f"{tmp_path}/c #?-1.mp4"): (3000, 1),
    }


def test_videos_in_s3(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto.connection())
    moto.client.create_bucket(Bucket=BUCKET)
    task: Any = VeoToS3Operator(task_id="store", generation_id="task_1", s3_bucket=BUCKET, s3_key="a/b #.mp4")
    task.hook = FakeHook([movie(2000)])
    task.execute(context_of())
    assert outputs(extract(task)) == {(f"s3://{BUCKET}", "a/b #.mp4"): (2000, 1)}


def test_what_was_stored_before_a_failure(tmp_path: Path) -> None:
    task: Any = to_folder(tmp_path)
    hook = FakeHook([movie(2000), movie(3000, 1)])
    broken = breaks(ConnectionError("the line"))
    hook.make = lambda content: FakeHook.make(content) if len(content) == 2000 else broken(content)
    task.hook = hook
    with pytest.raises(VeoStorageError):
        task.execute(context_of())
    assert outputs(extract(task, TaskInstanceState.FAILED)) == {("file", f"{tmp_path}/c #?-0.mp4"): (2000, 1)}


@pytest.mark.parametrize("state", [TaskInstanceState.RUNNING, TaskInstanceState.SUCCESS, TaskInstanceState.FAILED])
def test_frames_are_inputs(state: TaskInstanceState) -> None:
    task = VeoGenerateOperator(
        task_id="generate",
        prompt="A cat",
        image="s3://aws_films@frames/a/first.png?versionId=7",
        request={"last_frame_image": "gcs://frames/last.png"},
    )
    task.render_template_fields({})
    extracted = extract(task, state)
    assert [(d.namespace, d.name) for d in extracted.inputs] == [
        ("s3://frames", "a/first.png"),
        ("gs://frames", "last.png"),
    ]
    assert extracted.outputs == []


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"image": "https://example.com/first.png"},
        {"image": "iVBORw0KGgo="},
        {"generation_id": "task_1", "image": "s3://frames/first.png"},
        {"request": 7},
    ],
)
def test_what_is_no_dataset(arguments: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    task = VeoGenerateOperator(task_id="generate", prompt="A cat", **arguments)
    task.render_template_fields({})
    extracted = extract(task)
    assert extracted.inputs == extracted.outputs == []
    assert "warning" not in capsys.readouterr().out
