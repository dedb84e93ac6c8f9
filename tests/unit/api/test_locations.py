# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import pytest

from veo_provider.api.locations import is_absolute


@pytest.mark.parametrize(
    "uri", ["/data/x", "file:///data/x", "local:///x", "s3://bucket/x", "gs://id@bucket/x", "file://id@/data/x"]
)
def test_absolute(uri: str) -> None:
    assert is_absolute(uri)


@pytest.mark.parametrize("uri", ["x", "./x", "file://data/x", "file://./x", "file:x", "file://id@host/x"])
def test_not_absolute(uri: str) -> None:
    assert not is_absolute(uri)
