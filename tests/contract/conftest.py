# SPDX-License-Identifier: Apache-2.0
"""A gateway that answers what a test says, and a connection to it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.support.raw_server import RawServer, raw_server

KEY = "sk-contract-0123456789"


@pytest.fixture(scope="module")
def server() -> Iterator[RawServer]:
    with raw_server() as running:
        yield running


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """
    Make a connection of type veo; returns its id.

    Its limits are none that a slow machine meets: who needs a short one gives it.
    """

    def make(host: str, password: str | None = KEY, **extra: Any) -> str:
        fields = {"conn_type": "veo", "host": host, "password": password}
        fields["extra"] = {"read_timeout": 20, "connect_timeout": 20, **extra}  # type: ignore[assignment]
        monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(fields))
        return "veo_test"

    return make


@pytest.fixture
def conn_id(server: RawServer, connect: Callable[..., str]) -> str:
    return connect(server.url)
