# SPDX-License-Identifier: Apache-2.0
"""What really comes from a gateway, against what was asked for, and its poster, in S3."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import av
import pytest
from airflow.providers.common.compat.sdk import DAG, BaseOperator

from tests.integration.transfers.conftest import Bucket
from tests.unit.transfers.fakes import FakeTask, run
from veo_provider.exceptions import VeoMediaError
from veo_provider.simulator import Simulator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

Generate = Callable[..., str]
ASKED = {
    "model": "veo-3.1-fast-generate-preview",
    "duration_seconds": 4,
    "aspect_ratio": "16:9",
    "resolution": "720p",
}


def store(bucket: Bucket, generation_id: str, **arguments: Any) -> VeoToS3Operator:
    given: dict[str, Any] = {"s3_key": "films/a.mp4", "s3_bucket": bucket.name, "verify_media": "fail", **arguments}
    with DAG("films", schedule=None):
        made = VeoToS3Operator(task_id="store", generation_id=generation_id, **given)
        made.set_upstream(BaseOperator(task_id="generate"))
    return made


def task(generation_id: str) -> FakeTask:
    return FakeTask(others={("generate", -1): {"generation_id": generation_id, "request": ASKED}})


@pytest.mark.parametrize("way", ["sim:link", "sim:inline", "sim:inline sim:size_mb=20"])
def test_a_video_as_it_was_asked_for(bucket: Bucket, generate: Generate, way: str) -> None:
    generation = generate(f"a boat {way}")
    _, (fact,) = run(store(bucket, generation), ti=task(generation))
    assert (fact["media"]["seconds"], fact["media"]["width"], fact["media"]["audio"]) == (4.0, 1280, True)


@pytest.mark.parametrize(
    ("made", "wrong"),
    [
        ("sim:made_ratio=9:16", "its picture is 720x1280, which isn't 16:9"),
        ("sim:made_seconds=2", "it is 2 s long, not 4 s"),
        ("sim:made_resolution=1080p", "its picture is 1920x1080, which isn't 720p"),
        ("sim:made_silent", "it has no sound"),
    ],
)
def test_a_video_that_is_something_else(
    bucket: Bucket, simulator: Simulator, generate: Generate, made: str, wrong: str
) -> None:
    generation = generate(f"a boat {made}")
    with pytest.raises(VeoMediaError, match=f"films/a.mp4: {wrong}"):
        run(store(bucket, generation), ti=task(generation))
    assert bucket.read("films/a.mp4") == simulator.video(generation)
    # The same again of what is there by now: nothing is downloaded.
    with pytest.raises(VeoMediaError, match=wrong):
        run(store(bucket, generation), ti=task(generation))
    assert len(simulator.ledger()["downloads"]) == 1


def test_it_takes_no_other_objects_place(bucket: Bucket, generate: Generate) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key="films/a.mp4", Body=b"the good one")
    generation = generate("a boat sim:made_ratio=9:16 sim:size_mb=20")
    with pytest.raises(VeoMediaError, match="not stored"):
        run(store(bucket, generation, replace=True), ti=task(generation))
    assert bucket.read("films/a.mp4") == b"the good one"
    assert (bucket.listed(), bucket.unfinished()) == (["films/a.mp4"], [])


def test_the_others_are_stored_all_the_same(bucket: Bucket, generate: Generate) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key="films/a-0.mp4", Body=b"the good one")
    generation = generate("two boats sim:made_ratio=9:16", sample_count=2)
    for _ in range(2):
        ti = task(generation)
        with pytest.raises(VeoMediaError, match=r"a-1\.mp4: its picture.*a-0\.mp4 isn't what .* not stored"):
            run(store(bucket, generation, replace=True), ti=ti)
        assert [fact["uri"] for fact in ti.xcoms["veo_videos"]] == [f"s3://{bucket.name}/films/a-1.mp4"]
    assert bucket.read("films/a-0.mp4") == b"the good one"
    assert bucket.listed() == ["films/a-0.mp4", "films/a-1.mp4", "films/a-1.mp4.poster.jpg"]
    assert bucket.unfinished() == []


def test_a_poster_has_the_videos_rights_and_encryption(bucket: Bucket, generate: Generate) -> None:
    generation = generate("a boat")
    for _ in range(2):
        _, (fact,) = run(store(bucket, generation, encrypt=True), ti=task(generation))
    assert fact["poster"] == f"s3://{bucket.name}/films/a.mp4.poster.jpg"
    assert bucket.listed() == ["films/a.mp4", "films/a.mp4.poster.jpg"]
    head = bucket.head("films/a.mp4.poster.jpg")
    assert (head["ContentType"], head["ServerSideEncryption"]) == ("image/jpeg", "AES256")
    with av.open(io.BytesIO(bucket.read("films/a.mp4.poster.jpg")), "r") as container:
        assert next(container.decode(video=0)).width == 640


def test_a_retry_that_does_not_look_tells_the_hash_all_the_same(bucket: Bucket, generate: Generate) -> None:
    generation = generate("a boat")
    told = [run(store(bucket, generation, verify_media="off", write_poster=False))[1] for _ in range(2)]
    assert told[0] == told[1]
    assert told[1][0]["media"] is None


def test_somebody_elses_picture_stays(bucket: Bucket, generate: Generate) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key="films/a.mp4.poster.jpg", Body=b"hand made")
    generation = generate("a boat")
    _, (fact,) = run(store(bucket, generation), ti=task(generation))
    assert (fact["poster"], bucket.read("films/a.mp4.poster.jpg")) == (None, b"hand made")
