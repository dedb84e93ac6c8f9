# SPDX-License-Identifier: Apache-2.0
"""The gate forwards while it is open, and refuses and cuts when it is shut."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import requests

from tests.support.gate import Gate
from veo_provider.simulator import Simulator, SimulatorOptions


def test_open_and_shut(tmp_path: Path) -> None:
    with Simulator(SimulatorOptions(cache_dir=tmp_path)) as simulator, Gate(simulator.url) as gate:
        session = requests.Session()
        session.trust_env = False

        def ask() -> int:
            return session.get(f"{gate.url}/__ledger", timeout=10).status_code

        assert (ask(), ask()) == (200, 200)
        gate.shut()
        with pytest.raises(requests.ConnectionError):
            ask()
        gate.open()
        assert ask() == 200

        # Who waits for an answer loses its connection, the gateway too.
        simulator.inject({"on": "models", "kind": "stall", "seconds": 60})
        shutting = threading.Timer(0.5, gate.shut)
        shutting.start()
        headers = {"Authorization": f"Bearer {simulator.api_key}"}
        with pytest.raises(requests.ConnectionError):
            session.get(f"{gate.url}/v1/models", headers=headers, timeout=50)
        shutting.join()
