# SPDX-License-Identifier: Apache-2.0
"""What an example DAG needs to run by itself: a gateway, a home, and where its videos go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support.airflow_home import airflow_environment, new_home
from tests.support.gateway import veo_connection
from veo_provider.simulator import Simulator, SimulatorOptions


@pytest.fixture
def simulator(clip_cache: Path) -> Iterator[Simulator]:
    # `airflow dags test` runs triggers in process: the race of the whole Airflow cannot happen.
    with Simulator(SimulatorOptions(job_seconds=1, cache_dir=clip_cache)) as simulator:
        yield simulator


@pytest.fixture
def environment(simulator: Simulator, tmp_path: Path, migrated_home: Path) -> Callable[..., dict[str, str]]:
    """Make the environment of one `airflow dags test`; the Variables of the DAG are given by name."""

    def make(**variables: str) -> dict[str, str]:
        home = tmp_path / "airflow"
        new_home(home, migrated_home)
        env = {f"AIRFLOW_VAR_{name.upper()}": value for name, value in variables.items()}
        env["AIRFLOW_CONN_VEO_DEFAULT"] = veo_connection(simulator.url, simulator.api_key)
        return airflow_environment(home, extra=env)

    return make
