# SPDX-License-Identifier: Apache-2.0
"""What a request costs is estimated before it is sent, may be limited, and needn't be paid for the same twice."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from airflow.providers.common.compat.sdk import AirflowNotFoundException, AirflowTaskTimeout

from tests.support.tasks import Task, TaskState
from tests.unit.operators.test_tries import ids, run, unended
from tests.unit.operators.test_veo import operator
from veo_provider.exceptions import (
    VeoConfigurationError,
    VeoDeadlineError,
    VeoError,
    VeoInvalidRequestError,
    VeoLedgerUnavailableError,
    VeoServerError,
    VeoTransientError,
    VeoValidationError,
)
from veo_provider.ledger.reuse import ReuseIndex
from veo_provider.operators import bookkeeping
from veo_provider.simulator import Simulator

MODEL = "veo-3.1-fast-generate-preview"


@pytest.fixture
def priced(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    extra = {"prices": {MODEL: {"audio": 0.15, "no_audio": 0.1}}}
    connection = {"conn_type": "veo", "host": gateway.url, "password": gateway.api_key, "extra": extra}
    monkeypatch.setenv("AIRFLOW_CONN_VEO_DEFAULT", json.dumps(connection))
    return gateway


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", f"file://{tmp_path}")
    return tmp_path / "default"


def record_of(folder: Path, task_id: str) -> dict[str, Any]:
    [path] = folder.rglob(f"{task_id}/-1/000001.json")
    return dict(json.loads(path.read_text()))


def records(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("0*.json"))


def submits(gateway: Simulator) -> int:
    return int(gateway.ledger()["totals"]["submits"])


async def test_the_estimate_is_a_fact(ti: Task, priced: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    await run(ti, duration_seconds=4, sample_count=2)
    assert ti.xcoms["veo_generation"]["cost_usd"] == 1.2
    log = capsys.readouterr().out
    assert 0 < log.index("Estimated cost: 1.2 US dollars") < log.index("Submitted generation")


async def test_without_a_price_it_is_unknown_and_never_nothing(
    ti: Task, priced: Simulator, capsys: pytest.CaptureFixture[str]
) -> None:
    await run(ti, model="veo-3.1-generate-preview")
    assert ti.xcoms["veo_generation"]["cost_usd"] == "unknown"
    assert "Estimated cost: unknown" in capsys.readouterr().out


async def test_what_is_too_dear_is_not_sent(ti: Task, priced: Simulator) -> None:
    with pytest.raises(VeoValidationError, match=r"estimated 1\.2 US dollars"):
        await run(ti, max_cost=1)
    assert submits(priced) == 0
    assert ti.task_state_store.values == {}
    assert await run(ti, max_cost=1.2)


async def test_a_limit_without_a_price_is_an_error(ti: Task, priced: Simulator) -> None:
    with pytest.raises(VeoValidationError, match="extra prices"):
        await run(ti, max_cost=100, model="veo-3.1-generate-preview")
    assert submits(priced) == 0


async def test_a_limit_does_not_stop_what_is_paid_for(ti: Task, priced: Simulator) -> None:
    left = await unended(ti, priced)
    priced.end(left)
    assert await run(ti.retried(), max_cost=0.01) == left


async def test_a_limit_after_a_clear_says_that_nothing_was_submitted(ti: Task, priced: Simulator) -> None:
    await run(ti)
    cleared = ti.cleared()
    with pytest.raises(VeoValidationError, match="max_cost"):
        await run(cleared, max_cost=0.01)
    assert cleared.xcoms["veo_generation"]["status"] == "not submitted"


@pytest.mark.parametrize("limit", ["1", -1, float("nan"), True])
def test_a_wrong_limit_fails_when_the_dag_is_read(limit: Any) -> None:
    with pytest.raises(VeoValidationError, match="max_cost"):
        operator(max_cost=limit)


async def test_the_same_request_of_another_task_is_reused(ti: Task, gateway: Simulator, folder: Path) -> None:
    first = await run(ti, reuse=True)
    other = Task(task_id="other", run_id="tomorrow", max_tries=2)
    assert await run(other, reuse=True) == first
    assert ids(gateway) == [first]
    assert other.xcoms["veo_generation"]["status"] == "succeeded"
    assert record_of(folder, "other")["model"] == "veo-3.1-fast-generate-preview"
    # Its own retry hands it back, its own clear makes another one.
    assert await run(other.retried(), reuse=True) == first
    second = await run(other.retried().cleared(), reuse=True)
    assert ids(gateway) == [first, second]
    # From then on the newer one is handed back.
    assert await run(Task(task_id="third"), reuse=True) == second


async def test_what_was_refused_bought_nothing(ti: Task, gateway: Simulator, folder: Path) -> None:
    first = await run(ti, reuse=True)
    gateway.inject({"on": "submit", "kind": "status", "status": 400, "body": {"code": "invalid_request"}})
    other = Task(task_id="other", max_tries=2)
    with pytest.raises(VeoInvalidRequestError):
        await run(other, "A cat that is refused", reuse=True)
    assert await run(other.cleared(), reuse=True) == first


async def test_only_an_equal_request_is_reused(ti: Task, gateway: Simulator, folder: Path) -> None:
    await run(ti, reuse=True)
    await run(Task(task_id="b"), reuse=True, seed=1)
    await run(Task(task_id="c"))
    assert len(ids(gateway)) == 3


async def test_what_is_gone_is_not_reused(ti: Task, gateway: Simulator, folder: Path) -> None:
    await run(ti, reuse=True)
    gateway.inject({"on": "poll", "kind": "status", "status": 400, "body": {"code": "task_not_exist"}})
    await run(Task(task_id="b"), reuse=True)
    assert len(ids(gateway)) == 2


async def test_a_look_up_that_fails_for_now_buys_nothing(ti: Task, gateway: Simulator, folder: Path) -> None:
    first = await run(ti, reuse=True)
    other = Task(task_id="b", max_tries=2)
    gateway.inject({"on": "poll", "kind": "status", "status": 502})
    with pytest.raises(VeoServerError, match="nothing was sent") as caught:
        await run(other, reuse=True)
    assert first in str(caught.value)
    assert "reuse=False" in str(caught.value)
    assert ".." not in str(caught.value)
    # It is another task's.
    facts = other.xcoms["veo_generation"]
    assert (facts["generation_id"], facts["status"]) == (None, "not submitted")
    assert await run(other.retried(), reuse=True) == first
    assert ids(gateway) == [first]


async def test_what_a_filter_took_away_is_bought_anew(ti: Task, gateway: Simulator, folder: Path) -> None:
    first = await run(ti, reuse=True)
    filtered = {"code": "fail_to_fetch_task", "message": "Support codes: 29310472"}
    gateway.inject({"on": "poll", "kind": "status", "status": 400, "body": filtered, "times": 1})
    assert await run(Task(task_id="other"), reuse=True) != first


async def test_a_reused_generation_is_a_fact_whatever_comes_later(
    ti: Task, gateway: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def late(*_: object) -> None:
        raise AirflowTaskTimeout

    first = await run(ti, reuse=True)
    other = Task(task_id="other")
    monkeypatch.setattr(bookkeeping.Book, "done", late)
    with pytest.raises(VeoDeadlineError, match=first):
        await run(other, reuse=True)
    assert other.xcoms["veo_generation"]["generation_id"] == first


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (403, {"code": "forbidden"}),
        (401, {"code": "fail_to_fetch_task"}),
        (401, {"code": "invalid_key"}),
        (200, {"code": "success", "data": None}),
    ],
)
async def test_a_look_up_that_is_refused_buys_nothing(
    status: int, body: dict[str, Any], ti: Task, gateway: Simulator, folder: Path
) -> None:
    first = await run(ti, reuse=True)
    gateway.inject({"on": "poll", "kind": "status", "status": status, "body": body, "times": 1})
    other = Task(task_id="other", max_tries=2)
    with pytest.raises(VeoError, match=f"what generation {first} may hold: nothing was sent"):
        await run(other, reuse=True)
    assert ids(gateway) == [first]
    assert await run(other.retried(), reuse=True) == first


async def test_a_failed_generation_is_not_noted(ti: Task, gateway: Simulator, folder: Path) -> None:
    with pytest.raises(VeoDeadlineError):
        await run(ti, "A cat sim:never", timeout=0.3, reuse=True)
    assert not (folder / "reuse").exists()


async def test_reuse_needs_a_folder(gateway: Simulator) -> None:
    ti = Task(task_state_store=TaskState())
    with pytest.raises(VeoConfigurationError, match="ledger_path"):
        await run(ti, reuse=True)
    assert submits(gateway) == 0


async def test_a_folder_that_is_none_sends_nothing(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW__VEO__LEDGER_PATH", "nowhere://x")
    with pytest.raises(VeoConfigurationError, match="nothing was sent"):
        await run(Task())
    assert submits(gateway) == 0


@pytest.mark.parametrize("error", [AirflowNotFoundException("isn't defined"), ConnectionError("no metadata server")])
async def test_a_folder_that_cannot_be_reached_now_is_tried_again(
    error: Exception, ti: Task, gateway: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(_: object) -> None:
        raise error

    monkeypatch.setattr(bookkeeping, "ledger_for", away)
    with pytest.raises(VeoLedgerUnavailableError, match="nothing was sent"):
        await run(ti)
    assert submits(gateway) == 0


async def test_an_index_that_cannot_be_read_sends_nothing(
    gateway: Simulator, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: object) -> None:
        raise ConnectionError

    monkeypatch.setattr(ReuseIndex, "find", away)
    with pytest.raises(VeoTransientError, match="nothing was sent"):
        await run(Task(), reuse=True)
    assert submits(gateway) == 0


async def test_an_index_that_a_person_broke_is_passed_over(ti: Task, gateway: Simulator, folder: Path) -> None:
    await run(ti, reuse=True)
    [path] = (folder / "reuse").iterdir()
    for broken in ("", "[]", '{"generation_id": ".."}', '{"generation_id": 7}'):
        path.write_text(broken)
        await run(Task(task_id=f"b{len(broken)}"), reuse=True)
    assert len(ids(gateway)) == 5


async def test_the_folder_works_like_airflows_own_store(gateway: Simulator, folder: Path) -> None:
    ti = Task(max_tries=2)
    found = await unended(ti, gateway)
    gateway.end(found)
    assert await run(ti.retried()) == found
    assert ids(gateway) == [found]
    assert await run(ti.cleared().retried(), "A dog", on_clear="keep") == found
    second = await run(ti.cleared().retried().retried())
    assert second == found
    assert records(folder) == ["000001.json"]
