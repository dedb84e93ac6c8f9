# SPDX-License-Identifier: Apache-2.0
"""A bucket on each S3 server, and a simulated gateway, both behind Airflow connections."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest
from airflow.sdk.io import store

from tests.support.gateway import veo_connection
from tests.support.s3 import S3Server
from veo_provider.api.request import parse_request
from veo_provider.hooks.veo import VeoHook
from veo_provider.simulator import Simulator, SimulatorOptions


@dataclass
class Bucket:
    """An empty bucket, and how to look into it."""

    server: S3Server
    name: str

    def listed(self) -> list[str]:
        return self.server.keys(self.name)

    def read(self, key: str) -> bytes:
        return self.server.read(self.name, key)

    def head(self, key: str, **arguments: Any) -> dict[str, Any]:
        return dict(self.server.client.head_object(Bucket=self.name, Key=key, **arguments))

    def unfinished(self) -> list[Any]:
        return list(self.server.client.list_multipart_uploads(Bucket=self.name).get("Uploads") or [])


@pytest.fixture(params=["moto", "seaweedfs"])
def server(request: pytest.FixtureRequest) -> S3Server:
    found: S3Server = request.getfixturevalue(request.param)
    return found


@pytest.fixture
def bucket(server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    monkeypatch.setenv("AIRFLOW_CONN_AWS_DEFAULT", server.connection())
    # Airflow keeps a file system per connection id, and would go on talking to the other server.
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    # One for all tests: SeaweedFS sets volumes aside for each, and has eight.
    bucket, client = Bucket(server, "films"), server.client
    server.prepare(bucket.name)
    for key in bucket.listed():
        client.delete_object(Bucket=bucket.name, Key=key)
    for upload in bucket.unfinished():
        with suppress(client.exceptions.NoSuchUpload):
            client.abort_multipart_upload(Bucket=bucket.name, Key=upload["Key"], UploadId=upload["UploadId"])
    return bucket


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    cache = tmp_path_factory.mktemp("clips")
    with Simulator(SimulatorOptions(job_seconds=0, cache_dir=cache)) as simulator:
        yield simulator


@pytest.fixture
def simulator(running: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    running.reset()
    running.clear_faults()
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", veo_connection(running.url, running.api_key))
    return running


@pytest.fixture
def generate(simulator: Simulator) -> Callable[..., str]:
    def submit(prompt: str, *, sample_count: int = 1, wait: bool = True) -> str:
        hook = VeoHook()
        fields = {
            "model": "veo-3.1-fast-generate-preview",
            "duration_seconds": 4,
            "aspect_ratio": "16:9",
            "resolution": "720p",
            "sample_count": sample_count,
        }
        generation_id = hook.submit(parse_request({"prompt": prompt, **fields}))
        while wait and not hook.get_generation(generation_id).is_final:
            time.sleep(0.05)
        return generation_id

    return submit
