# SPDX-License-Identifier: Apache-2.0
"""The quickstart on a whole Airflow of an older version, with the record of the submit in a folder."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.airflow_home import EXAMPLES
from tests.support.airflow_stack import AirflowStack
from tests.support.gateway import billed, veo_connection
from tests.support.media import probe
from veo_provider import compat
from veo_provider.simulator import Simulator

DAG_ID = "veo_quickstart"
LOST = "TI was not in a state where it could be marked as running"
"""What Airflow says where it has started a task too early."""


@pytest.mark.skipif(compat.AIRFLOW >= (3, 3), reason="the other tests have a whole Airflow of this version")
def test_the_quickstart_on_a_whole_airflow(tmp_path: Path, stack_simulator: Simulator) -> None:
    dags = tmp_path / "dags"
    dags.mkdir()
    # Not all examples are for all versions.
    shutil.copy(EXAMPLES / f"{DAG_ID}.py", dags)
    env = {
        "AIRFLOW_CONN_VEO_DEFAULT": veo_connection(stack_simulator.url, stack_simulator.api_key),
        "AIRFLOW_VAR_VEO_OUTPUT": f"file://{tmp_path}/videos",
        # 3.0 shows no lists otherwise.
        "AIRFLOW__API__ENABLE_XCOM_DESERIALIZE_SUPPORT": "True",
        "AIRFLOW__VEO__LEDGER_PATH": f"file://{tmp_path}/ledger",
    }
    with AirflowStack(tmp_path / "airflow", dag_folders=[dags], env=env) as airflow:
        airflow.api.unpause(DAG_ID)
        run = airflow.api.trigger(DAG_ID)
        airflow.api.wait_for([run], seconds=300)
        for _ in range(5):
            if run.state == "success":
                break
            # 3.0 lost all tries once: it starts tasks that it hasn't recorded as queued. A person clears them then.
            assert LOST in airflow.processes["scheduler"].log.read_text(), airflow.api.why(run)
            assert airflow.api.our_errors(run) == []
            airflow.api.clear(run, only_failed=True)
            airflow.api.wait_for([run], seconds=300)
        assert run.state == "success", airflow.api.why(run)
        [stored] = airflow.api.xcom(run, "store", "veo_videos")
        page = airflow.api.ask("GET", "/veo/api/generations").json() if compat.PAGE else None
    assert probe(Path(urlsplit(stored["uri"]).path).read_bytes()).seconds == pytest.approx(4, abs=0.1)
    [submit] = billed(stack_simulator.ledger())
    assert submit["generation_id"] == stored["generation_id"]
    [record] = (tmp_path / "ledger").rglob("*.json")
    assert json.loads(record.read_text())["generation_id"] == stored["generation_id"]
    if page is not None:
        [shown] = page["generations"]
        assert shown["generation_id"] == stored["generation_id"]
