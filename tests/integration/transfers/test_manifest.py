# SPDX-License-Identifier: Apache-2.0
"""The manifest in S3, with the rights and the encryption of its video."""

from __future__ import annotations

import json
from collections.abc import Callable

from tests.integration.transfers.conftest import Bucket
from tests.unit.transfers.fakes import run
from veo_provider.transfers.veo_to_s3 import VeoToS3Operator


def test_in_s3(bucket: Bucket, generate: Callable[..., str]) -> None:
    generation = generate("a boat")
    for _ in range(2):
        store = VeoToS3Operator(
            task_id="store",
            generation_id=generation,
            s3_key="films/a.mp4",
            s3_bucket=bucket.name,
            encrypt=True,
            # The plain call to put an object doesn't know this one.
            extra_args={"ChecksumAlgorithm": "CRC32", "ChecksumType": "FULL_OBJECT"},
            write_manifest=True,
        )
        _, (video,) = run(store)
    said = json.loads(bucket.read("films/a.mp4.manifest.json"))
    assert (said["generation_id"], said["sha256"], said["uri"]) == (generation, video["sha256"], video["uri"])
    head = bucket.head("films/a.mp4.manifest.json")
    assert head["ContentType"] == "application/json"
    assert head["ServerSideEncryption"] == bucket.head("films/a.mp4")["ServerSideEncryption"] == "AES256"
