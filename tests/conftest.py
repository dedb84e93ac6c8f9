# SPDX-License-Identifier: Apache-2.0
"""Where Airflow lives in the tests, in which order they run, and the servers they share."""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    # Most tests need none of these, and boto3 and Airflow take their time.
    from tests.support.airflow_stack import AirflowStack
    from tests.support.s3 import S3Server
    from tests.support.statsd import StatsD
    from veo_provider.simulator import Simulator

# Before anything imports Airflow: it makes its home at the first import, by default in the user's own.
_HOME = tempfile.mkdtemp(prefix="veo-tests-")
atexit.register(shutil.rmtree, _HOME, ignore_errors=True)
os.environ["AIRFLOW_HOME"] = _HOME
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

# The quick ones first: what is broken there needs no ten minutes to be seen.
_ORDER = (
    "unit",
    "contract",
    "security",
    "conventions",
    "benchmarks",
    "release",
    "integration",
    "system",
    "e2e",
    "chaos",
)
BUCKET = "veo-videos"


# A machine that is busy with something else must not fail an example.
settings.register_profile("any machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any machine")


def pytest_addoption(parser: pytest.Parser) -> None:
    words = "how much of tests/chaos is run: a few minutes' worth, or all of it"
    parser.addoption("--chaos", choices=("short", "full"), default="short", help=words)
    parser.addoption("--chaos-seed", type=int, help="repeats the random faults of an earlier run")


def _layer(item: pytest.Item) -> str:
    return item.path.relative_to(Path(__file__).parent).parts[0]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _layer(item) in ("system", "e2e"):
            item.add_marker(_layer(item))
            # The first one starts the whole Airflow; each wait has a shorter limit of its own.
            item.add_marker(pytest.mark.timeout(900))
        elif {"world", "cluster"}.intersection(getattr(item, "fixturenames", ())):
            item.add_marker("chaos")
            item.add_marker(pytest.mark.timeout(3600))
    items.sort(key=lambda item: _ORDER.index(_layer(item)) if _layer(item) in _ORDER else -1)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the servers said last: where CI ran, nothing is left to look at."""
    from tests.support.processes import ManagedProcess

    report = yield
    if report.failed:
        report.sections += [(f"the end of {name}", words) for name, words in ManagedProcess.last_words()]
    return report


@pytest.fixture(scope="session")
def migrated_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a migrated sqlite database, to copy."""
    from tests.support.airflow_home import airflow_environment, migrate

    home = tmp_path_factory.mktemp("airflow-template")
    migrate(airflow_environment(home))
    return home


@pytest.fixture(scope="session")
def clip_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the simulators keep the videos they have drawn."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def moto(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    from tests.support.s3 import moto_server

    with moto_server(tmp_path_factory.mktemp("moto")) as server:
        server.prepare(BUCKET)
        yield server


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    from tests.support.s3 import seaweedfs_server

    with seaweedfs_server(tmp_path_factory.mktemp("seaweedfs")) as server:
        server.prepare(BUCKET)
        yield server


@pytest.fixture(scope="session")
def stack_simulator(clip_cache: Path) -> Iterator[Simulator]:
    """The gateway of the whole Airflow. Quicker jobs would meet apache/airflow 71580."""
    from veo_provider.simulator import Simulator, SimulatorOptions

    # A key that occurs nowhere else, to search for.
    key = f"sk-{secrets.token_hex(16)}"
    with Simulator(SimulatorOptions(job_seconds=13, api_keys=(key,), cache_dir=clip_cache)) as simulator:
        yield simulator


@pytest.fixture(scope="session")
def statsd() -> Iterator[StatsD]:
    from tests.support.statsd import StatsD

    with StatsD() as server:
        yield server


@pytest.fixture(scope="session")
def stack(
    tmp_path_factory: pytest.TempPathFactory,
    migrated_home: Path,
    stack_simulator: Simulator,
    moto: S3Server,
    seaweedfs: S3Server,
    statsd: StatsD,
) -> Iterator[AirflowStack]:
    """The whole Airflow with every example DAG and those of the end-to-end tests."""
    from tests.support.airflow_home import EXAMPLES
    from tests.support.airflow_stack import AirflowStack
    from tests.support.gateway import veo_connection

    folder = tmp_path_factory.mktemp("stack")
    env = {
        **statsd.environment,
        "AIRFLOW_CONN_VEO_DEFAULT": veo_connection(stack_simulator.url, stack_simulator.api_key),
        "AIRFLOW_CONN_AWS_DEFAULT": moto.connection(),
        "AIRFLOW_CONN_AWS_SEAWEEDFS": seaweedfs.connection(),
        "AIRFLOW_VAR_VEO_BUCKET": BUCKET,
        "AIRFLOW_VAR_VEO_OUTPUT": f"file://{folder / 'videos'}",
        "AIRFLOW__VEO__UI_FOLDERS": str(folder / "videos"),
        "AIRFLOW_VAR_VEO_PROMPTS": f"file://{Path(__file__).parent / 'system' / 'prompts.csv'}",
    }
    dags = [EXAMPLES, Path(__file__).parent / "e2e" / "dags"]
    with AirflowStack(folder / "airflow", dag_folders=dags, env=env, template=migrated_home) as airflow:
        yield airflow
