# SPDX-License-Identifier: Apache-2.0
"""A connection that many triggers share."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.hooks.shared_gateway import CONN_ID


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def make(url: str, key: str = "sk-first", **extra: Any) -> None:
        fields = {"conn_type": "veo", "host": url, "password": key, "extra": extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{CONN_ID.upper()}", json.dumps(fields))

    return make
