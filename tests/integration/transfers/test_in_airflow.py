# SPDX-License-Identifier: Apache-2.0
"""The transfers in a DAG: templates, mapping, XComs, and what the database then holds of assets."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.integration.transfers.conftest import Bucket
from tests.support.airflow_home import airflow_environment, new_home, run_dag_test
from veo_provider.simulator import Simulator

DAG = Path(__file__).parent / "dags" / "veo_transfers.py"


@pytest.mark.parametrize("server", ["moto"], indirect=True)
def test_a_dag(
    bucket: Bucket, simulator: Simulator, generate: Callable[..., str], migrated_home: Path, tmp_path: Path
) -> None:
    ids = [generate("boats", sample_count=3), generate("a lake")]
    home, folder = tmp_path / "home", tmp_path / "films"
    new_home(home, migrated_home)
    connections = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_CONN_")}
    extra = {**connections, "GENERATIONS": ",".join(ids), "FOLDER": f"file://{folder}"}
    done = run_dag_test(DAG, airflow_environment(home, [DAG.parent], extra))
    assert done.dag_state == "success", done.output[-5000:]

    (first, *_) = done.xcom("to_s3")
    assert first.startswith(f"s3://{bucket.name}/veo_transfers/")
    key = first.removeprefix(f"s3://{bucket.name}/")
    assert bucket.read(key) == simulator.video(ids[0], 0)
    metadata = bucket.head(key)["Metadata"]
    assert (metadata["day"], metadata["veo-dag-id"]) == ("2026-01-02", "veo_transfers")
    facts = done.xcom("to_s3", "veo_videos")
    assert [fact["index"] for fact in facts] == [0, 1, 2]
    names = ["0-0.mp4", "0-1.mp4", "0-2.mp4", "1.mp4"]
    assert sorted(path.name for path in folder.glob("*.mp4")) == names
    assert (folder / "1.mp4").read_bytes() == simulator.video(ids[1])
    assert json.loads((folder / "1.mp4.veo.json").read_text())["map_index"] == 1

    database = sqlite3.connect(home / "airflow.db")
    try:
        events = database.execute(
            "SELECT asset.uri, e.extra FROM asset_event e JOIN asset ON asset.id = e.asset_id "
            "WHERE e.source_task_id = 'to_s3' ORDER BY e.id"
        ).fetchall()
        rows = dict(database.execute("SELECT uri, count(*) FROM asset GROUP BY uri").fetchall())
        copies = database.execute("SELECT count(*) FROM asset_event WHERE source_task_id = 'to_folder'").fetchone()
    finally:
        database.close()
    # What an event is about is told to whoever consumes it; the connection isn't.
    told = [{name: value for name, value in fact.items() if name != "conn_id"} for fact in facts]
    assert all(fact["conn_id"] for fact in facts)
    for asset in (f"s3://{bucket.name}/veo_transfers", "all-films"):
        assert [json.loads(extra) for uri, extra in events if uri == asset] == [{"veo_videos": told}]
    assert copies == (2,)
    assert rows == {
        f"s3://{bucket.name}/veo_transfers": 1,
        f"s3://{bucket.name}/named": 1,
        f"file://{folder}": 1,
        "all-films": 1,
    }
    for link in (simulator.result_url, "sig=", "X-Amz-Signature"):
        assert link not in done.output
