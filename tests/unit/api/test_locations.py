# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from veo_provider.api.locations import dataset_of, is_absolute


@pytest.mark.parametrize(
    "uri", ["/data/x", "file:///data/x", "local:///x", "s3://bucket/x", "gs://id@bucket/x", "file://id@/data/x"]
)
def test_absolute(uri: str) -> None:
    assert is_absolute(uri)


@pytest.mark.parametrize("uri", ["x", "./x", "file://data/x", "file://./x", "file:x", "file://id@host/x"])
def test_not_absolute(uri: str) -> None:
    assert not is_absolute(uri)


@pytest.mark.parametrize(
    ("uri", "namespace", "name"),
    [
        ("s3://bucket/films/a#b?.mp4", "s3://bucket", "films/a#b?.mp4"),
        ("s3a://conn_id@bucket/a@b.mp4", "s3://bucket", "a@b.mp4"),
        ("gs://bucket/a.mp4", "gs://bucket", "a.mp4"),
        ("gcs://bucket/a.mp4", "gs://bucket", "a.mp4"),
        ("abfs://container/a.mp4", "abfs://container", "a.mp4"),
        ("file:///data/a.mp4", "file", "/data/a.mp4"),
        ("local:///data/a.mp4", "file", "/data/a.mp4"),
        ("file://id@/data/a.mp4", "file", "/data/a.mp4"),
    ],
)
def test_names_in_lineage(uri: str, namespace: str, name: str) -> None:
    assert dataset_of(uri) == (namespace, name)
