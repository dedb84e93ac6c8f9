# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat import sdk
from airflow.providers.common.compat.sdk import AirflowTaskTimeout, AssetAlias, HookLineageCollector
from botocore.exceptions import ClientError

from tests.support.inside import outlet_events
from tests.unit.transfers.fakes import FakeHook, FakeTask, breaks, context_of, movie, run
from veo_provider.api.problem import Problem, Reason
from veo_provider.api.result import ResultProblem
from veo_provider.exceptions import (
    VeoDeadlineError,
    VeoDestinationError,
    VeoGenerationFailedError,
    VeoNetworkError,
    VeoResultGoneError,
    VeoStorageError,
    VeoValidationError,
)
from veo_provider.transfers.object_storage import ObjectStorageDestination
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator

GONE = VeoResultGoneError("gone: generate it anew", generation_id="task_1")


def transfer(folder: Path, **arguments: Any) -> VeoToObjectStorageOperator:
    given = {"task_id": "store", "generation_id": "task_1", "dst": f"file://{folder}/clip.mp4", **arguments}
    return VeoToObjectStorageOperator(**given)


def test_it_returns_the_uris_and_pushes_the_facts(tmp_path: Path) -> None:
    hook = FakeHook([movie(2000), movie(3000, 1)])
    uris, facts = run(transfer(tmp_path, generation_id=" task_1 ", max_bytes=5000), hook)
    assert uris == [f"file://{tmp_path}/clip-0.mp4", f"file://{tmp_path}/clip-1.mp4"]
    assert [fact["uri"] for fact in facts] == uris
    assert [fact["size"] for fact in facts] == [2000, 3000]
    assert set(facts[0]) == {
        "uri",
        "index",
        "size",
        "sha256",
        "content_type",
        "generation_id",
        "media",
        "poster",
        "conn_id",
    }
    assert hook.opened == [("task_1", 0, 5000), ("task_1", 1, 5000)]
    assert (tmp_path / "clip-1.mp4").read_bytes() == movie(3000, 1)


@pytest.mark.parametrize("given", [None, "", "  ", "None", True, {"id": "g"}])
def test_no_generation(tmp_path: Path, given: Any) -> None:
    with pytest.raises(VeoValidationError, match=r"generation_id is .* generate\.output"):
        run(transfer(tmp_path, generation_id=given), FakeHook())


def test_an_id_of_digits_that_was_rendered_to_a_number(tmp_path: Path) -> None:
    hook = FakeHook()
    run(transfer(tmp_path, generation_id=7), hook)
    assert hook.opened[0][0] == "7"


@pytest.mark.parametrize("given", ["..", "a\nb", "x" * 3000])
def test_an_id_that_cannot_be_asked_for(tmp_path: Path, given: str) -> None:
    with pytest.raises(VeoValidationError, match="can't be asked for"):
        run(transfer(tmp_path, generation_id=given), FakeHook())


@pytest.mark.parametrize("method", ["get_finished", "open_video"])
def test_airflows_time_limit_names_the_generation(tmp_path: Path, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> None:
        raise AirflowTaskTimeout

    monkeypatch.setattr(FakeHook, method, late)
    with pytest.raises(VeoDeadlineError, match="task_1"):
        run(transfer(tmp_path), FakeHook([movie(2000)]))
    assert list(tmp_path.iterdir()) == []


def test_a_list_of_generations_is_for_expand(tmp_path: Path) -> None:
    with pytest.raises(VeoValidationError, match="not a list of 2: expand the task"):
        run(transfer(tmp_path, generation_id=["a", "b"]), FakeHook())


def test_all_bad_arguments_are_in_one_error(tmp_path: Path) -> None:
    operator = transfer(tmp_path, generation_id="", max_bytes=0, asset="?", dst="")
    with pytest.raises(VeoValidationError) as caught:
        run(operator, FakeHook())
    for name in ("generation_id", "max_bytes", "asset", "dst"):
        assert f"{name} " in str(caught.value)


@pytest.mark.parametrize("limit", [True, 1.5, "100", -1])
def test_a_limit_that_is_none(tmp_path: Path, limit: Any) -> None:
    with pytest.raises(VeoValidationError, match="max_bytes must be a whole number"):
        run(transfer(tmp_path, max_bytes=limit), FakeHook())


def test_a_retry_stores_nothing_again(tmp_path: Path) -> None:
    _, first = run(transfer(tmp_path), FakeHook())
    before = (tmp_path / "clip.mp4").stat()
    hook = FakeHook()
    _, second = run(transfer(tmp_path), hook)
    assert second == first
    assert hook.opened == []
    assert hook.closed
    assert (tmp_path / "clip.mp4").stat().st_mtime_ns == before.st_mtime_ns


def test_only_what_is_missing_is_stored(tmp_path: Path) -> None:
    videos = [movie(2000), movie(3000, 1)]
    run(transfer(tmp_path), FakeHook(videos))
    (tmp_path / "clip-1.mp4").unlink()
    hook = FakeHook(videos)
    run(transfer(tmp_path), hook)
    assert [opened[1] for opened in hook.opened] == [1]


def test_another_object_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "clip-1.mp4").write_bytes(b"precious")
    hook = FakeHook([movie(2000), movie(3000, 1)])
    with pytest.raises(VeoDestinationError, match=r"clip-1\.mp4 holds something .* overwrite=True") as caught:
        run(transfer(tmp_path), hook)
    assert (caught.value.generation_id, caught.value.reason) == ("task_1", "storage")
    assert hook.opened == []
    assert hook.closed
    assert [path.name for path in tmp_path.iterdir()] == ["clip-1.mp4"]


def test_another_object_is_replaced_when_that_is_wanted(tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(b"old")
    run(transfer(tmp_path, overwrite=True), FakeHook())
    assert (tmp_path / "clip.mp4").read_bytes() == movie(1000)


def test_an_earlier_generation_of_the_same_task_is_replaced(tmp_path: Path) -> None:
    run(transfer(tmp_path), FakeHook())
    run(transfer(tmp_path, generation_id="task_2"), FakeHook([movie(1500, 2)]))
    assert (tmp_path / "clip.mp4").read_bytes() == movie(1500, 2)


@pytest.mark.parametrize("other", [FakeTask(run_id="manual__2"), FakeTask(map_index=3), FakeTask(task_id="b")])
def test_the_generation_of_another_task_is_not(tmp_path: Path, other: FakeTask) -> None:
    run(transfer(tmp_path), FakeHook())
    with pytest.raises(
        VeoDestinationError, match=r"holds video 0 of generation task_1, stored by films\.store in sched"
    ):
        run(transfer(tmp_path, generation_id="task_2"), FakeHook(), other)
    assert (tmp_path / "clip.mp4").read_bytes() == movie(1000)


@pytest.mark.parametrize("videos", [[movie(1000)], [movie(1000), movie(2000, 1)]])
def test_what_the_gateway_forgot_may_be_stored_already(tmp_path: Path, videos: list[bytes]) -> None:
    _, first = run(transfer(tmp_path), FakeHook(videos))
    _, second = run(transfer(tmp_path), FakeHook(gone=GONE))
    assert second == first


def test_what_is_gone_passes_through(tmp_path: Path) -> None:
    with pytest.raises(VeoResultGoneError) as caught:
        run(transfer(tmp_path), FakeHook(gone=GONE))
    assert caught.value is GONE


def test_a_failed_generation_passes_through(tmp_path: Path) -> None:
    error = VeoGenerationFailedError("high load", generation_id="task_1")
    with pytest.raises(VeoGenerationFailedError, match="high load"):
        run(transfer(tmp_path), FakeHook(gone=error))


def test_a_problem_of_the_stream_names_the_generation(tmp_path: Path) -> None:
    problem = ResultProblem(Problem(Reason.NETWORK, "broke off after 500 bytes", transient=True))
    hook = FakeHook([movie(2000)], breaks(problem))
    with pytest.raises(VeoNetworkError, match=r"broke off after 500 bytes \(generation task_1\)"):
        run(transfer(tmp_path), hook)


def test_an_error_of_the_stream_names_the_generation(tmp_path: Path) -> None:
    error = VeoNetworkError("broke off")
    hook = FakeHook([movie(2000)], breaks(error))
    with pytest.raises(VeoNetworkError, match=r"broke off \(generation task_1\)"):
        run(transfer(tmp_path), hook)


@pytest.mark.parametrize("method", ["find", "write"])
@pytest.mark.parametrize("error", [PermissionError("not yours"), ClientError({"Error": {"Code": "SlowDown"}}, "Put")])
def test_an_error_of_the_store_names_the_generation(
    tmp_path: Path, error: Exception, method: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ObjectStorageDestination, method, lambda *_: raising(error))
    with pytest.raises(VeoStorageError, match=rf"{type(error).__name__}: .*\(generation task_1\)") as caught:
        run(transfer(tmp_path), FakeHook())
    assert caught.value.__cause__ is error


def test_a_folder_is_no_name_for_a_video(tmp_path: Path) -> None:
    with pytest.raises(VeoValidationError, match="not a folder that exists"):
        run(transfer(tmp_path, dst=f"file://{tmp_path}", overwrite=True), FakeHook())
    with pytest.raises(VeoValidationError, match="overwrite: 'no' is neither True nor False"):
        run(transfer(tmp_path, overwrite="no"), FakeHook())


def raising(error: Exception) -> None:
    raise error


def test_nothing_is_told_of_a_failure(tmp_path: Path) -> None:
    context = context_of()
    operator: Any = transfer(tmp_path, outlets=[AssetAlias("films")])
    operator.hook = FakeHook(gone=GONE)
    with pytest.raises(VeoResultGoneError):
        operator.execute(context)
    assert context["ti"].xcoms == {}
    assert len(context["outlet_events"]) == 0


def test_everybody_is_told_of_a_success(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = HookLineageCollector()
    monkeypatch.setattr(sdk, "get_hook_lineage_collector", lambda: collector)
    for _ in ("stored", "found"):
        context = context_of()
        operator: Any = transfer(tmp_path, outlets=[AssetAlias("films")])
        operator.hook = FakeHook()
        operator.execute(context)
        (event,) = outlet_events(context["outlet_events"])
        assert (event["alias"], event["uri"]) == ("films", f"file://{tmp_path}")
        assert event["extra"]["veo_videos"][0]["uri"] == f"file://{tmp_path}/clip.mp4"
        (dataset,) = operator.get_openlineage_facets_on_complete(None).outputs
        assert dataset.name == f"{tmp_path}/clip.mp4"
    assert [info.asset.uri for info in collector.collected_assets.outputs] == [f"file://{tmp_path}/clip.mp4"] * 2


def test_the_log_says_what_was_stored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    operator = transfer(tmp_path, verify_media="off")
    lines: list[str] = []
    operator.log.info = lambda text, *values: lines.append(text % values)  # type: ignore[method-assign]
    run(operator, FakeHook())
    (line,) = lines
    assert line.startswith(f"Stored video 0 of generation task_1 at file://{tmp_path}/clip.mp4: 1000 bytes, sha256 ")
