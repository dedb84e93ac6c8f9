# SPDX-License-Identifier: Apache-2.0
"""The ledger's folder on real S3 servers: of many processes one may send, and nothing half written counts."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest
from airflow.sdk.io import store

from tests.support.races import INTENT, TASK, race_of_threads, stored
from tests.support.s3 import S3Server
from veo_provider.ledger.folder import FolderLedger
from veo_provider.ledger.record import SubmitPhase
from veo_provider.ledger.reuse import ReuseIndex

RACE = """
import sys
from dataclasses import replace
from tests.support.races import INTENT, TASK
from veo_provider.ledger.folder import FolderLedger
ledger = FolderLedger(sys.argv[1], TASK)
ledger.read()
print("ready", flush=True)
sys.stdin.readline()
print(ledger.claim(replace(INTENT, nonce=sys.argv[2]), None), flush=True)
"""


@pytest.fixture(params=["moto", "seaweedfs"])
def root(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    server: S3Server = request.getfixturevalue(request.param)
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LEDGER", server.connection())
    monkeypatch.setattr(store, "_STORE_CACHE", {})
    bucket = "ledger"
    server.prepare(bucket)
    for key in server.keys(bucket):
        server.client.delete_object(Bucket=bucket, Key=key)
    return f"s3://aws_ledger@{bucket}/veo"


def test_a_record_is_kept_and_followed(root: str) -> None:
    ledger = FolderLedger(root, TASK)
    assert ledger.read() is None
    assert ledger.claim(INTENT, None)
    assert not ledger.claim(replace(INTENT, nonce="late"), None)
    submitted = replace(INTENT, phase=SubmitPhase.SUBMITTED, generation_id="g")
    ledger.write(submitted)
    assert stored(FolderLedger(root, TASK).read()) == submitted
    second = replace(INTENT, nonce="m", number=2, try_number=2, earlier=("g",))
    assert ledger.claim(second, submitted)
    assert stored(ledger.read()) == second


def test_of_many_threads_one_may_send(root: str) -> None:
    race_of_threads(root)


def test_of_many_processes_one_may_send(root: str) -> None:
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, root, str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for racer in racers:
        assert racer.stdout is not None
        while "ready" not in (line := racer.stdout.readline()):
            assert line, "a racer has ended"
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    said = [racer.communicate(timeout=60)[0].split()[-1] for racer in racers]
    assert sorted(said) == ["False", "False", "True"]


def test_what_may_be_reused_is_found(root: str) -> None:
    index = ReuseIndex(root)
    assert index.find("d") is None
    index.add("d", "g")
    assert ReuseIndex(root).find("d") == "g"
