# SPDX-License-Identifier: Apache-2.0
"""A simulated gateway that every unit test may use, and a connection to it."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from veo_provider.simulator import Simulator, SimulatorOptions


@pytest.fixture(scope="session")
def running_gateway() -> Iterator[Simulator]:
    with Simulator(SimulatorOptions(job_seconds=0.3)) as simulator:
        yield simulator


@pytest.fixture
def gateway(running_gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """A simulator with an empty ledger; the connection ``veo_default`` leads to it."""
    running_gateway.reset()
    running_gateway.clear_faults()
    connection = {
        "conn_type": "veo",
        "host": running_gateway.url,
        "password": running_gateway.api_key,
        "extra": {"allowed_result_hosts": ["127.0.0.1"], "read_timeout": 60, "connect_timeout": 60},
    }
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", json.dumps(connection))
    return running_gateway
