# SPDX-License-Identifier: Apache-2.0
"""S3 keeps fewer bytes than it was given: what it kept is removed, or the task says that it must be."""

from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.integration.transfers.conftest import Bucket
from tests.unit.transfers.fakes import FakeHook, movie, run
from veo_provider.exceptions import VeoDestinationError, VeoStorageError
from veo_provider.transfers.base import VeoTransferOperator
from veo_provider.transfers.object_storage import ObjectStorageDestination
from veo_provider.transfers.s3 import S3Destination
from veo_provider.transfers.stored import PART
from veo_provider.transfers.veo_to_object_storage import VeoToObjectStorageOperator
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator


def by_s3(bucket: Bucket) -> VeoTransferOperator:
    return VeoToS3Operator(task_id="store", generation_id="task_1", s3_key="a.mp4", s3_bucket=bucket.name)


def by_fsspec(bucket: Bucket) -> VeoTransferOperator:
    dst = f"s3://aws_default@{bucket.name}/a.mp4"
    return VeoToObjectStorageOperator(task_id="store", generation_id="task_1", dst=dst)


def cutting(monkeypatch: pytest.MonkeyPatch, bucket: Bucket, destination: Any) -> None:
    """Take the last bytes off the video that S3 has, right before the transfer looks at it."""
    real = destination._check

    def check(*arguments: Any) -> None:
        head = bucket.head("a.mp4")
        facts = {"Metadata": head["Metadata"], "ContentType": head["ContentType"]}
        bucket.server.client.put_object(Bucket=bucket.name, Key="a.mp4", Body=bucket.read("a.mp4")[:-7], **facts)
        real(*arguments)

    monkeypatch.setattr(destination, "_check", check)


@pytest.mark.parametrize("size", [1000, PART + 1000])
@pytest.mark.parametrize(("transfer", "destination"), [(by_s3, S3Destination), (by_fsspec, ObjectStorageDestination)])
def test_what_s3_cut_is_removed_and_a_retry_goes_on(
    bucket: Bucket, transfer: Any, destination: Any, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = f"a.mp4 holds {size - 7} bytes right after {size} bytes were stored there: .*which was removed"
    with monkeypatch.context() as patch:
        cutting(patch, bucket, destination)
        with pytest.raises(VeoStorageError, match=words):
            run(transfer(bucket), FakeHook([movie(size)]))
    assert (bucket.listed(), bucket.unfinished()) == ([], [])
    run(transfer(bucket), FakeHook([movie(size)]))
    assert bucket.read("a.mp4") == movie(size)


def test_what_cannot_be_removed_is_not_tried_again(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    class Forbidding:
        def __init__(self, client: Any) -> None:
            self.head_object = client.head_object
            self.upload_fileobj = client.upload_fileobj

        def delete_object(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "AccessDenied"}}, "DeleteObject")

    cutting(monkeypatch, bucket, S3Destination)
    monkeypatch.setattr(S3Destination, "_client", Forbidding(bucket.server.client))
    with pytest.raises(VeoDestinationError, match=r"can't be removed .*AccessDenied.*Remove it before the task runs"):
        run(by_s3(bucket), FakeHook())
    assert bucket.listed() == ["a.mp4"]
