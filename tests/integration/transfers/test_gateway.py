# SPDX-License-Identifier: Apache-2.0
"""From a simulated gateway into storage: real sockets on both sides."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.integration.transfers.conftest import Bucket
from tests.unit.transfers.fakes import FakeTask, run
from veo_provider.exceptions import VeoError, VeoNotReadyError, VeoProtocolError, VeoResultGoneError
from veo_provider.simulator import Simulator
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

Generate = Callable[..., str]


def to_s3(bucket: Bucket, generation_id: str, **arguments: Any) -> VeoToS3Operator:
    given = {"s3_key": "films/a.mp4", "s3_bucket": bucket.name, **arguments}
    return VeoToS3Operator(task_id="store", generation_id=generation_id, **given)


@pytest.mark.parametrize("way", ["sim:link", "sim:inline", "sim:content", "sim:content_redirect"])
@pytest.mark.parametrize("size", ["", "sim:size_mb=20"])
def test_a_video_in_s3(bucket: Bucket, simulator: Simulator, generate: Generate, way: str, size: str) -> None:
    generation = generate(f"a boat {way} {size}")
    _, (facts,) = run(to_s3(bucket, generation))
    video = simulator.video(generation)
    assert bucket.read("films/a.mp4") == video
    assert (facts["size"], facts["sha256"]) == (len(video), hashlib.sha256(video).hexdigest())
    assert facts["content_type"] == bucket.head("films/a.mp4")["ContentType"] == "video/mp4"


@pytest.mark.parametrize("way", ["sim:link", "sim:inline"])
def test_several_videos(bucket: Bucket, simulator: Simulator, generate: Generate, way: str) -> None:
    generation = generate(f"boats {way}", sample_count=3)
    uris, facts = run(to_s3(bucket, generation))
    assert uris == [f"s3://{bucket.name}/films/a-{index}.mp4" for index in range(3)]
    for index, fact in enumerate(facts):
        assert fact["index"] == index
        assert bucket.read(f"films/a-{index}.mp4") == simulator.video(generation, index)


@pytest.mark.parametrize(("way", "polls"), [("sim:link", 1), ("sim:inline", 3)])
def test_the_gateway_is_asked_no_more_than_needed(
    bucket: Bucket, simulator: Simulator, generate: Generate, way: str, polls: int
) -> None:
    # An answer with videos in it carries all of them each time: once to be counted, once for each.
    generation = generate(f"boats {way}", sample_count=2)
    before = simulator.ledger()["generations"].get(generation, {"polls": 0})["polls"]
    run(to_s3(bucket, generation))
    assert simulator.ledger()["generations"][generation]["polls"] - before == polls


@pytest.mark.parametrize("way", ["sim:link", "sim:inline"])
def test_a_video_in_a_folder(tmp_path: Path, simulator: Simulator, generate: Generate, way: str) -> None:
    generation = generate(f"a boat {way}")
    run(VeoToObjectStorageOperator(task_id="s", generation_id=generation, dst=f"file://{tmp_path}/new/a.mp4"))
    assert (tmp_path / "new" / "a.mp4").read_bytes() == simulator.video(generation)


def test_a_video_by_fsspec_in_s3(bucket: Bucket, simulator: Simulator, generate: Generate) -> None:
    generation = generate("a boat sim:size_mb=20")
    dst = f"s3://aws_default@{bucket.name}/films/a.mp4"
    for _ in range(2):
        (uri,), _ = run(VeoToObjectStorageOperator(task_id="s", generation_id=generation, dst=dst))
    assert uri == f"s3://{bucket.name}/films/a.mp4"
    assert bucket.read("films/a.mp4") == simulator.video(generation)
    assert bucket.listed() == ["films/a.mp4", "films/a.mp4.poster.jpg", "films/a.mp4.veo.json"]
    assert bucket.head("films/a.mp4.poster.jpg")["ContentType"] == "image/jpeg"
    assert bucket.head("films/a.mp4")["ContentType"] == "video/mp4"
    assert len(simulator.ledger()["downloads"]) == 1


# A download that breaks off is taken up where it was: here it can't be.
CUT: list[dict[str, Any]] = [
    {"on": "download", "kind": "truncate", "after_bytes": 9_000_000},
    {"on": "download", "kind": "status", "status": 404, "times": None},
]


def test_a_download_that_breaks_off_leaves_nothing(bucket: Bucket, simulator: Simulator, generate: Generate) -> None:
    generation = generate("a boat sim:size_mb=20")
    simulator.inject(CUT)
    with pytest.raises(VeoError) as caught:
        run(to_s3(bucket, generation))
    assert caught.value.generation_id == generation
    simulator.clear_faults()
    simulator.inject(CUT)
    dst = f"s3://{bucket.name}/films/b.mp4"
    with pytest.raises(VeoError):
        run(VeoToObjectStorageOperator(task_id="s", generation_id=generation, dst=dst, dst_conn_id="aws_default"))
    assert (bucket.listed(), bucket.unfinished()) == ([], [])
    simulator.clear_faults()
    run(to_s3(bucket, generation))
    assert bucket.read("films/a.mp4") == simulator.video(generation)


def test_a_video_above_the_limit_leaves_nothing(bucket: Bucket, generate: Generate) -> None:
    with pytest.raises(VeoProtocolError, match="max_bytes"):
        run(to_s3(bucket, generate("a boat sim:size_mb=20 sim:inline"), max_bytes=10_000_000))
    assert (bucket.listed(), bucket.unfinished()) == ([], [])


def test_mapped(bucket: Bucket, simulator: Simulator, generate: Generate) -> None:
    for index in range(2):
        generation = generate(f"boat {index}")
        run(to_s3(bucket, generation, s3_key=f"films/{index}.mp4"), ti=FakeTask(map_index=index))
        assert bucket.head(f"films/{index}.mp4")["Metadata"]["veo-map-index"] == str(index)


def test_a_generation_that_still_runs(bucket: Bucket, generate: Generate) -> None:
    generation = generate("a boat sim:never", wait=False)
    with pytest.raises(VeoNotReadyError, match="wait for it"):
        run(to_s3(bucket, generation))


def test_what_expired_before_it_was_stored(bucket: Bucket, generate: Generate) -> None:
    generation = generate("a boat sim:expired")
    with pytest.raises(VeoResultGoneError, match="generated anew") as caught:
        run(to_s3(bucket, generation))
    assert caught.value.generation_id == generation


def test_a_dead_link_is_asked_for_again(bucket: Bucket, simulator: Simulator, generate: Generate) -> None:
    generation = generate("a boat")
    simulator.inject([{"on": "download", "kind": "status", "status": 403}])
    run(to_s3(bucket, generation))
    assert bucket.read("films/a.mp4") == simulator.video(generation)
