# SPDX-License-Identifier: Apache-2.0
"""The stores keep one record a task, and let only one process send."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from moto.server import ThreadedMotoServer

from tests.support.inside import attach
from tests.support.races import INTENT, TASK, race_of_threads, stored
from tests.support.tasks import Task, TaskState
from tests.unit.ledger.test_decision import RECORD
from veo_provider import compat
from veo_provider.ledger import stores
from veo_provider.ledger.folder import FolderLedger
from veo_provider.ledger.record import SubmitPhase
from veo_provider.ledger.stores import Ledger, NoLedger, TaskStateLedger, dead_after, ledger_for


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    try:
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@pytest.fixture(params=["state", "file", "s3", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    if request.param == "state":
        return TaskStateLedger(TaskState())
    if request.param == "file":
        return FolderLedger(f"file://{tmp_path}/ledger/", TASK)
    if request.param == "memory":  # a filesystem without exclusive creation
        attach("memory", fs=fsspec.filesystem("memory"))
        return FolderLedger(f"memory://ledger-{tmp_path.name}", TASK)
    endpoint = request.getfixturevalue("s3")
    extra = {"endpoint_url": endpoint, "region_name": "us-east-1"}
    connection = {"conn_type": "aws", "login": "veo", "password": "veo", "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_AWS_LEDGER", json.dumps(connection))
    import boto3

    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="veo", aws_secret_access_key="veo"
    )
    bucket = tmp_path.name.replace("_", "-").lower()
    client.create_bucket(Bucket=bucket)
    return FolderLedger(f"s3://aws_ledger@{bucket}/ledger", TASK)


def test_a_record_is_found_again(ledger: Ledger) -> None:
    assert ledger.read() is None
    assert ledger.claim(INTENT, None)
    assert stored(ledger.read()) == INTENT
    submitted = replace(INTENT, phase=SubmitPhase.SUBMITTED, generation_id="g")
    ledger.write(submitted)
    assert stored(ledger.read()) == submitted
    second = replace(INTENT, nonce="m", number=2, try_number=2, earlier=("g",))
    assert ledger.claim(second, submitted)
    assert stored(ledger.read()) == second
    assert (ledger.read() or INTENT).where


def test_a_folder_keeps_its_intents_apart(tmp_path: Path) -> None:
    first = FolderLedger(f"file://{tmp_path}", TASK)
    assert first.claim(INTENT, None)
    # Another process that had read nothing either.
    assert not FolderLedger(f"file://{tmp_path}", TASK).claim(replace(INTENT, nonce="other"), None)
    assert stored(first.read()) == INTENT
    assert FolderLedger(f"file://{tmp_path}", (*TASK[:3], "0")).read() is None


def test_a_late_process_does_not_fill_a_gap(tmp_path: Path) -> None:
    ledger = FolderLedger(f"file://{tmp_path}", TASK)
    assert ledger.claim(replace(INTENT, number=2), INTENT)
    assert not ledger.claim(replace(INTENT, nonce="late"), None)


def test_of_many_threads_one_may_send(tmp_path: Path) -> None:
    race_of_threads(f"file://{tmp_path}")


def test_a_process_killed_while_it_claims_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(_: int) -> None:
        raise KeyboardInterrupt

    ledger = FolderLedger(f"file://{tmp_path}", TASK)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", killed)
        with pytest.raises(KeyboardInterrupt):
            ledger.claim(INTENT, None)
    assert ledger.read() is None
    assert ledger.claim(INTENT, None)


def test_a_disk_without_hard_links_lets_one_claim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: str) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    synced: list[bytes] = []
    real = os.fsync

    def noting(descriptor: int) -> None:
        synced.extend(path.read_bytes() for path in tmp_path.rglob("*.json"))
        real(descriptor)

    monkeypatch.setattr(os, "link", refused)
    monkeypatch.setattr(os, "fsync", noting)
    ledger = FolderLedger(f"file://{tmp_path}", TASK)
    assert ledger.claim(INTENT, None)
    # Before anything is sent its intent is on the disk.
    assert [json.loads(data)["nonce"] for data in synced if data] == [INTENT.nonce]
    assert not ledger.claim(replace(INTENT, nonce="other"), None)
    assert stored(ledger.read()) == INTENT


def test_a_claim_whose_answer_was_lost_is_ours(tmp_path: Path) -> None:
    class Repeating(MemoryFileSystem):  # type: ignore[misc]
        """Its client asks again for what it has heard no answer to, and then finds its own file."""

        def open(self, path: str, mode: str = "rb", **options: Any) -> Any:
            file = super().open(path, mode.replace("x", "w"), **options)
            if "x" in mode:
                file.write(json.dumps(INTENT.as_dict()).encode())
                file.close()
                raise FileExistsError(path)
            return file

    attach("memory", conn_id="repeating", fs=Repeating())
    ledger = FolderLedger(f"memory://repeating@{tmp_path.name}", TASK)
    assert ledger.claim(INTENT, None)
    assert not ledger.claim(replace(INTENT, nonce="another"), None)


def test_a_torn_record_is_no_missing_one(tmp_path: Path) -> None:
    ledger = FolderLedger(f"file://{tmp_path}", TASK)
    ledger.claim(INTENT, None)
    [path] = tmp_path.rglob("*.json")
    path.write_bytes(b"")
    with pytest.raises(ValueError, match=r"000001\.json holds no record"):
        ledger.read()


def test_what_else_lies_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    ledger = FolderLedger(f"file://{tmp_path}", TASK)
    ledger.claim(INTENT, None)
    [path] = tmp_path.rglob("*.json")
    for name in ("notes.txt", "x.json", "000009.json.abc.part"):
        path.with_name(name).write_text("?")
    assert stored(ledger.read()) == INTENT


class Replaced(TaskState):
    """As a process sees it whose task instance was replaced: nothing is found, writing goes nowhere."""

    def get(self, key: str, default: object = None) -> object:
        return default


class Overtaken(TaskState):
    """Another process writes its intent just after ours."""

    def set(self, key: str, value: dict[str, object], *, retention: timedelta | None = None) -> None:
        super().set(key, {**value, "nonce": "theirs"}, retention=retention)


@pytest.mark.parametrize("store", [Replaced, Overtaken])
def test_an_intent_that_is_not_there_does_not_stand(store: type[TaskState]) -> None:
    assert not TaskStateLedger(store()).claim(INTENT, None)


def test_an_intent_on_top_of_anothers_does_not_stand() -> None:
    ledger = TaskStateLedger(TaskState())
    assert ledger.claim(INTENT, None)
    assert not ledger.claim(replace(INTENT, nonce="late"), None)
    assert not ledger.claim(replace(INTENT, nonce="late"), replace(INTENT, nonce="before"))
    assert stored(ledger.read()) == INTENT
    assert ledger.claim(replace(INTENT, nonce="next"), INTENT)


@pytest.mark.skipif(not compat.TASK_STATE, reason="this Airflow has no task states")
def test_the_state_never_expires() -> None:
    store = TaskState()
    TaskStateLedger(store).write(RECORD)
    assert store.retentions == [timedelta.max]


def test_a_folder_that_is_named_between_two_tries_hides_no_submit(tmp_path: Path) -> None:
    before = TaskStateLedger(TaskState())
    before.write(replace(RECORD, number=3))
    ledger = FolderLedger(f"file://{tmp_path}", TASK, before=before.read)
    assert ledger.read() == replace(RECORD, number=3, where=before.where)
    after = replace(INTENT, nonce="next", number=4)
    assert ledger.claim(after, ledger.read())
    assert stored(ledger.read()) == after


def test_which_ledger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(ledger_for(Task().context), NoLedger)
    assert isinstance(ledger_for(Task(task_state_store=TaskState()).context), TaskStateLedger)
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}/")
    monkeypatch.setenv("AIRFLOW__VEO__DEPLOYMENT", "blue")
    ledger = ledger_for(Task(task_state_store=TaskState(), map_index=3).context)
    assert ledger.claim(INTENT, None)
    assert (tmp_path / "blue" / "dag" / "run" / "generate" / "3" / "000001.json").exists()
    store = TaskState()
    TaskStateLedger(store).write(RECORD)
    assert stored(ledger_for(Task(task_state_store=store, map_index=4).context).read()) == RECORD
    monkeypatch.delenv("AIRFLOW__VEO__DEPLOYMENT")
    assert stores.folder_from_config() == f"file://{tmp_path}/default"


def test_no_ledger_forgets() -> None:
    ledger = NoLedger()
    assert ledger.claim(INTENT, None)
    ledger.write(RECORD)
    assert not ledger.crash_safe


def test_when_a_generation_counts_as_dead(monkeypatch: pytest.MonkeyPatch) -> None:
    assert dead_after() == 7200
    monkeypatch.setenv("AIRFLOW__VEO__GENERATION_DEAD_AFTER", "")
    assert dead_after() == 7200
    monkeypatch.setenv("AIRFLOW__VEO__GENERATION_DEAD_AFTER", "600")
    assert dead_after() == 600


@pytest.mark.parametrize("text", ["-1", "0", "599", "nan", "two hours"])
def test_a_clear_must_not_buy_beside_a_live_generation(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__GENERATION_DEAD_AFTER", text)
    with pytest.raises(ValueError, match="generation_dead_after must be a number"):
        dead_after()


@pytest.mark.parametrize("path", ["file://veo/ledger", "veo-ledger", "./x", "file://./x"])
def test_a_folder_that_each_process_would_find_elsewhere(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", path)
    with pytest.raises(ValueError, match="no absolute path"):
        stores.folder_from_config()
