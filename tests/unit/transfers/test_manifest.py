# SPDX-License-Identifier: Apache-2.0
"""The document beside a video: what it says, where its facts come from, and what it never replaces."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from tests.unit.transfers.fakes import FakeHook, FakeTask, movie, run
from veo_provider import __version__
from veo_provider.exceptions import VeoDestinationError, VeoValidationError
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

FACTS = {
    "generation_id": "task_1",
    "request": {"prompt": "A höhle", "model": "veo-3.1-generate-preview", "seed": 7},
    "cost_usd": 1.2,
    "submitted_at": "2026-11-24T08:00:00+00:00",
    "ended_at": "2026-11-24T08:01:00+00:00",
    "base_url": "https://gateway.example",
    "veo_conn_id": "veo_default",
}


def transfer(tmp_path: Path, **arguments: Any) -> VeoToObjectStorageOperator:
    given: dict[str, Any] = {"dst": f"file://{tmp_path}/clip.mp4", "write_manifest": True, **arguments}
    with DAG("films", schedule=None):
        made = VeoToObjectStorageOperator(task_id="store", generation_id="task_1", **given)
        made.set_upstream([BaseOperator(task_id=task_id) for task_id in ("generate", "other")])
    return made


def manifest(tmp_path: Path, name: str = "clip.mp4") -> dict[str, Any]:
    read: dict[str, Any] = json.loads((tmp_path / f"{name}.manifest.json").read_text())
    return read


def test_what_it_says(tmp_path: Path) -> None:
    ti = FakeTask(others={("generate", -1): FACTS, ("other", -1): FACTS | {"generation_id": "task_2"}})
    _, (video,) = run(transfer(tmp_path), FakeHook([movie(2000)]), ti)
    said = manifest(tmp_path)
    assert said.pop("written_at").endswith("+00:00")
    assert said == {
        **{name: value for name, value in video.items() if name != "conn_id"},
        "manifest_version": 1,
        "provider_version": __version__,
        "count": 1,
        "stored_by": {"dag_id": "films", "task_id": "store", "run_id": ti.run_id, "map_index": -1},
        "request": FACTS["request"],
        "model": "veo-3.1-generate-preview",
        "seed": 7,
        "cost_usd": 1.2,
        "submitted_at": "2026-11-24T08:00:00+00:00",
        "ended_at": "2026-11-24T08:01:00+00:00",
    }


@pytest.mark.parametrize("others", [{}, {("generate", -1): "odd"}, {("generate", -1): FACTS | {"generation_id": "x"}}])
def test_what_is_not_known_is_not_made_up(tmp_path: Path, others: Any) -> None:
    run(transfer(tmp_path), FakeHook([movie(2000)]), FakeTask(others=others))
    said = manifest(tmp_path)
    assert (said["request"], said["model"], said["cost_usd"], said["submitted_at"]) == (None, None, "unknown", None)


def test_an_xcom_backend_that_fails_does_not_fail_the_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> Any:
        raise OSError("no backend")

    ti = FakeTask()
    monkeypatch.setattr(FakeTask, "xcom_pull", fail)
    run(transfer(tmp_path), FakeHook([movie(2000)]), ti)
    assert manifest(tmp_path)["request"] is None


def test_an_xcom_backend_that_fails_once_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = FakeTask.xcom_pull, iter([OSError("no backend")])

    def fail_once(*arguments: Any, **named: Any) -> Any:
        for failure in failures:
            raise failure
        return real(*arguments, **named)

    ti = FakeTask(others={("generate", -1): FACTS})
    monkeypatch.setattr(FakeTask, "xcom_pull", fail_once)
    run(transfer(tmp_path), FakeHook([movie(2000)]), ti)
    assert manifest(tmp_path)["seed"] == 7


@pytest.mark.parametrize(("index", "pulls"), [(3, [[3]]), (-1, [[-1], None])])
def test_of_a_mapped_task_the_same_index_first(tmp_path: Path, index: int, pulls: list[Any]) -> None:
    # A transfer that isn't mapped may store what one of many has generated.
    ti = FakeTask(map_index=index, others={("generate", 2): {}, ("generate", 3): FACTS})
    run(transfer(tmp_path), FakeHook([movie(2000)]), ti)
    assert manifest(tmp_path)["seed"] == 7
    assert ti.pulls == pulls


def test_one_for_each_video_and_again_by_a_retry(tmp_path: Path) -> None:
    hook = FakeHook([movie(2000), movie(3000, 1)])
    run(transfer(tmp_path), hook)
    (tmp_path / "clip-1.mp4.manifest.json").unlink()
    run(transfer(tmp_path), hook)
    assert [manifest(tmp_path, f"clip-{index}.mp4")["size"] for index in (0, 1)] == [2000, 3000]
    # The videos were there.
    assert len(hook.opened) == 2


@pytest.mark.parametrize("text", ["notes", "[]", "{}"])
def test_something_else_is_not_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "clip.mp4.manifest.json"
    path.write_text(text)
    hook = FakeHook([movie(2000)])
    with pytest.raises(
        VeoDestinationError, match=r"clip.mp4.manifest.json holds something that isn't a manifest"
    ) as caught:
        run(transfer(tmp_path), hook)
    assert caught.value.generation_id == "task_1"
    assert (path.read_text(), hook.opened, (tmp_path / "clip.mp4").exists()) == (text, [], False)
    run(transfer(tmp_path, overwrite=True), hook)
    assert manifest(tmp_path)["size"] == 2000


def test_none_unless_asked_for(tmp_path: Path) -> None:
    run(transfer(tmp_path, write_manifest=False), FakeHook([movie(2000)]))
    assert not list(tmp_path.glob("*.manifest.json"))
    wrong: Any = "yes"
    with pytest.raises(VeoValidationError, match="write_manifest"):
        run(transfer(tmp_path, write_manifest=wrong), FakeHook([movie(2000)]))
