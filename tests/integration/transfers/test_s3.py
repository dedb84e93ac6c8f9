# SPDX-License-Identifier: Apache-2.0
"""Videos on their way to two S3 servers: what is stored, and what isn't."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
from dataclasses import replace
from typing import Any

import pytest
from airflow.sdk.lineage import HookLineageCollector
from boto3.session import Session
from botocore.exceptions import ClientError

from tests.integration.transfers.conftest import Bucket
from tests.support.s3 import S3Server
from tests.unit.transfers.fakes import FakeHook, FakeTask, Interrupted, breaks, movie, run, stream_of
from veo_provider.exceptions import (
    VeoDestinationError,
    VeoNetworkError,
    VeoProtocolError,
    VeoStorageError,
)
from veo_provider.transfers.s3 import S3Destination
from veo_provider.transfers.stored import PART
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator

SMALL, EXACT, LARGE = 100_000, PART, 2 * PART + 12345
MARKS = {
    "veo-generation-id": "task_1",
    "veo-index": "0",
    "veo-count": "1",
    "veo-dag-id": "films",
    "veo-task-id": "store",
    "veo-run-id": "scheduled__2026-01-02T00:00:00+00:00",
    "veo-map-index": "-1",
}


def transfer(bucket: Bucket, **arguments: Any) -> VeoToS3Operator:
    given = {"task_id": "store", "generation_id": "task_1", "s3_key": "a.mp4", "s3_bucket": bucket.name, **arguments}
    return VeoToS3Operator(**given)


@pytest.mark.parametrize("size", [SMALL, EXACT, LARGE])
def test_a_video(bucket: Bucket, size: int) -> None:
    video = movie(size)
    (uri,), (facts,) = run(transfer(bucket, s3_key="films/a.mp4"), FakeHook([video]))
    assert uri == f"s3://{bucket.name}/films/a.mp4"
    assert bucket.read("films/a.mp4") == video
    assert facts == {
        "uri": uri,
        "index": 0,
        "size": size,
        "sha256": hashlib.sha256(video).hexdigest(),
        "content_type": "video/mp4",
        "generation_id": "task_1",
        "media": None,
        "poster": None,
        "conn_id": "aws_default",
    }
    head = bucket.head("films/a.mp4")
    assert head["ContentType"] == "video/mp4"
    assert head["Metadata"] == MARKS
    assert bucket.unfinished() == []


def test_a_full_url(bucket: Bucket) -> None:
    (uri,), _ = run(transfer(bucket, s3_bucket=None, s3_key=f"s3://{bucket.name}/x/a.mp4"), FakeHook())
    assert uri == f"s3://{bucket.name}/x/a.mp4"
    assert bucket.listed() == ["x/a.mp4"]


@pytest.mark.parametrize("size", [SMALL, LARGE])
@pytest.mark.parametrize("error", [VeoNetworkError("broke off"), Interrupted()])
def test_a_broken_stream_leaves_nothing(bucket: Bucket, size: int, error: BaseException) -> None:
    with pytest.raises(type(error)):
        run(transfer(bucket), FakeHook([movie(size)], breaks(error)))
    assert bucket.listed() == []
    assert bucket.unfinished() == []


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_the_predecessor_survives_a_broken_stream(bucket: Bucket, size: int) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=b"precious")
    with pytest.raises(VeoNetworkError):
        run(transfer(bucket, replace=True), FakeHook([movie(size)], breaks(VeoNetworkError("broke off"))))
    assert bucket.read("a.mp4") == b"precious"
    assert bucket.unfinished() == []


def test_a_video_that_turns_out_too_large_leaves_nothing(bucket: Bucket) -> None:
    def announced_small(content: bytes) -> Any:
        stream = stream_of(content, max_bytes=2 * PART)
        stream.size_hint = None
        return stream

    with pytest.raises(VeoProtocolError, match="above max_bytes"):
        run(transfer(bucket), FakeHook([movie(LARGE)], announced_small))
    assert (bucket.listed(), bucket.unfinished()) == ([], [])


def test_a_timeout_of_the_task_leaves_nothing(bucket: Bucket) -> None:
    def timeout(*_: object) -> None:
        raise Interrupted

    def ringing(content: bytes) -> Any:
        stream = stream_of(content)
        real, reads = stream.read, iter(range(100))

        def read(size: int | None = -1, /) -> bytes:
            if next(reads) == 2:
                os.kill(os.getpid(), signal.SIGALRM)
            return real(size)

        stream.read = read  # type: ignore[method-assign]
        return stream

    before = signal.signal(signal.SIGALRM, timeout)
    try:
        with pytest.raises(Interrupted):
            run(transfer(bucket), FakeHook([movie(LARGE)], ringing))
    finally:
        signal.signal(signal.SIGALRM, before)
    assert (bucket.listed(), bucket.unfinished()) == ([], [])


def test_a_retry_stores_nothing_again(bucket: Bucket) -> None:
    videos = [movie(SMALL), movie(LARGE, 1)]
    _, first = run(transfer(bucket), FakeHook(videos))
    before = [bucket.head(key)["LastModified"] for key in bucket.listed()]
    hook = FakeHook(videos)
    _, second = run(transfer(bucket), hook)
    assert second == first
    assert hook.opened == []
    assert [bucket.head(key)["LastModified"] for key in bucket.listed()] == before


def test_the_same_video_is_not_replaced_by_itself(bucket: Bucket) -> None:
    run(transfer(bucket), FakeHook())
    hook = FakeHook()
    run(transfer(bucket, replace=True), hook)
    assert hook.opened == []


@pytest.mark.parametrize("metadata", [{}, {"veo-generation-id": "task_1"}, MARKS | {"veo-generation-id": "task_9"}])
def test_another_object_is_refused_unless_it_is_of_the_same_task(bucket: Bucket, metadata: dict[str, str]) -> None:
    bucket.server.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=b"precious", Metadata=metadata)
    other = FakeTask(run_id="manual__2")
    with pytest.raises(VeoDestinationError, match=r"a\.mp4 holds .* replace=True"):
        run(transfer(bucket), FakeHook(), other)
    assert bucket.read("a.mp4") == b"precious"
    run(transfer(bucket, replace=True), FakeHook(), other)
    assert bucket.read("a.mp4") == movie(1000)


def test_an_earlier_generation_of_the_same_task_is_replaced(bucket: Bucket) -> None:
    ti = FakeTask(run_id="manuell__größer & älter", map_index=3)
    run(transfer(bucket), FakeHook(), ti)
    run(transfer(bucket, generation_id="task_2"), FakeHook([movie(1500, 2)]), ti)
    assert bucket.read("a.mp4") == movie(1500, 2)


def test_what_arrives_at_s3(bucket: Bucket) -> None:
    operator = transfer(
        bucket,
        extra_args={"ContentType": "video/x-ours", "CacheControl": "no-store"},
        metadata={"title": "Das größte Boot", "plain": "two words"},
    )
    run(operator, FakeHook())
    head = bucket.head("a.mp4")
    assert (head["ContentType"], head["CacheControl"]) == ("video/x-ours", "no-store")
    assert head["Metadata"] == MARKS | {"title": "Das gr%C3%B6%C3%9Fte Boot", "plain": "two words"}


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_encryption_with_a_kms_key(bucket: Bucket, size: int) -> None:
    wanted = {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": "veo-key"}
    run(transfer(bucket, extra_args=wanted), FakeHook([movie(size)]))
    head = bucket.head("a.mp4")
    assert head["ServerSideEncryption"] == "aws:kms"
    assert "veo-key" in head["SSEKMSKeyId"]
    assert bucket.read("a.mp4") == movie(size)


@pytest.mark.parametrize("size", [SMALL, LARGE])
def test_encryption_with_s3s_own_key(bucket: Bucket, size: int) -> None:
    run(transfer(bucket, encrypt=True), FakeHook([movie(size)]))
    assert bucket.head("a.mp4")["ServerSideEncryption"] == "AES256"


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_an_acl(bucket: Bucket) -> None:
    run(transfer(bucket, acl_policy="public-read"), FakeHook([movie(LARGE)]))
    grants = bucket.server.client.get_object_acl(Bucket=bucket.name, Key="a.mp4")["Grants"]
    assert "READ" in [grant["Permission"] for grant in grants]


@pytest.mark.parametrize("server", ["seaweedfs"], indirect=True)
def test_encryption_with_a_key_of_the_customer(bucket: Bucket) -> None:
    key = b"k" * 32
    wanted = {
        "SSECustomerAlgorithm": "AES256",
        "SSECustomerKey": base64.b64encode(key).decode(),
        "SSECustomerKeyMD5": base64.b64encode(hashlib.md5(key).digest()).decode(),
    }
    operator = transfer(bucket, extra_args=wanted)
    for _ in range(2):
        _, (facts,) = run(operator, FakeHook([movie(SMALL)]))
        assert facts["sha256"] == hashlib.sha256(movie(SMALL)).hexdigest()


@pytest.mark.parametrize(("held", "left"), [("ours", []), ("theirs", ["a.mp4"]), ("none", ["a.mp4"])])
def test_s3_holds_something_else_afterwards(
    bucket: Bucket, monkeypatch: pytest.MonkeyPatch, held: str, left: list[str]
) -> None:
    real, asked = S3Destination.find, iter(range(10))

    def find(self: S3Destination, name: str) -> Any:
        found = real(self, name)
        if next(asked) < 2 or found is None or found.marks is None:
            return found
        if held == "none":
            return None
        marks = found.marks if held == "ours" else replace(found.marks, generation_id="task_9")
        return replace(found, size=7, marks=marks)

    monkeypatch.setattr(S3Destination, "find", find)
    with pytest.raises(VeoStorageError, match="right after 1000 bytes were stored"):
        run(transfer(bucket), FakeHook())
    assert bucket.listed() == left


@pytest.mark.parametrize("size", [SMALL, EXACT, LARGE])
def test_what_another_writes_in_the_meantime_survives(bucket: Bucket, size: int) -> None:
    def slowly(content: bytes) -> Any:
        bucket.server.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=b"precious")
        return stream_of(content)

    with pytest.raises(VeoStorageError, match="while the video was on its way"):
        run(transfer(bucket), FakeHook([movie(size)], slowly))
    assert bucket.read("a.mp4") == b"precious"
    assert bucket.unfinished() == []
    run(transfer(bucket, replace=True), FakeHook([movie(size)], slowly))
    assert bucket.read("a.mp4") == movie(size)


def test_s3_does_not_tell(moto: S3Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", moto.connection())

    class Forbidding:
        def head_object(self, **_: Any) -> Any:
            raise ClientError({"Error": {"Code": "403"}, "ResponseMetadata": {"HTTPStatusCode": 403}}, "HeadObject")

    monkeypatch.setattr(S3Destination, "_client", Forbidding())
    with pytest.raises(VeoDestinationError, match="s3:ListBucket"):
        run(transfer(Bucket(moto, "any")), FakeHook())


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_an_error_of_s3_names_the_generation(bucket: Bucket) -> None:
    with pytest.raises(VeoStorageError, match=r"NoSuchBucket.*\(generation task_1\)"):
        run(transfer(bucket, s3_bucket="there-is-none"), FakeHook())


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_one_client_looks_and_uploads(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []
    make = Session.client

    def counted(session: Any, **arguments: Any) -> Any:
        made.append(arguments["service_name"])
        return make(session, **arguments)

    monkeypatch.setattr(Session, "client", counted)
    run(transfer(bucket), FakeHook())
    assert made == ["s3"]


def test_the_hook_tells_of_the_lineage_once(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    collector = HookLineageCollector()
    for module in ("airflow.providers.amazon.aws.hooks.s3", "veo_provider.transfers.lineage"):
        monkeypatch.setattr(f"{module}.get_hook_lineage_collector", lambda: collector)
    run(transfer(bucket), FakeHook())
    (output,) = collector.collected_assets.outputs
    assert (output.asset.uri, output.count) == (f"s3://{bucket.name}/a.mp4", 1)
