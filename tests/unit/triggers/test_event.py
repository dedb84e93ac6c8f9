# SPDX-License-Identifier: Apache-2.0
"""What crosses from the triggerer to the worker."""

from __future__ import annotations

import asyncio
import json
import time

import msgspec
import pytest

from tests.support.virtual_time import in_virtual_time
from veo_provider.api.calls import Answer
from veo_provider.api.generation import read_generation
from veo_provider.api.problem import Reason
from veo_provider.api.waiting import Outcome, judge
from veo_provider.simulator import Simulator
from veo_provider.triggers.event import from_payload, to_payload
from veo_provider.triggers.veo import VeoGenerationTrigger


@pytest.mark.parametrize(
    "outcome",
    [
        Outcome("g", None, "1 video", "succeeded", videos=1, history=(("queued", 1.0), ("succeeded", 2.5)), polls=2),
        Outcome("g", Reason.CONTENT_POLICY, "no", "failed", filtered=2, code="400", request_id="r", status_code=200),
        Outcome("g", Reason.RATE_LIMIT, "slow", retry_after=7.5, status_code=429),
        *[Outcome("g", reason, "x") for reason in Reason],
    ],
)
def test_there_and_back(outcome: Outcome) -> None:
    assert from_payload(json.loads(json.dumps(to_payload(outcome)))) == outcome


@pytest.mark.parametrize(
    "body",
    [
        {"status": "failed", "error": {"code": "\ud800", "message": "x\ud800"}},
        {"status": "failed", "error": {"code": "A" * 60_000, "message": "x"}},
        {"status": "\ud800"},
        {"status": "succeeded", "url": "https://h/1", "metadata": {"response": {"raiMediaFilteredCount": 1e30}}},
    ],
)
def test_no_answer_makes_an_event_that_the_triggerer_cannot_send(body: dict[str, object]) -> None:
    seen = read_generation(Answer(200, {}, json.dumps(body).encode()), "g")
    outcome = judge("g", seen) or Outcome("g", Reason.DEADLINE, "late", seen.status)  # type: ignore[union-attr]
    # The triggerer's own encoding, which gives up on what it doesn't know.
    assert len(msgspec.msgpack.encode(to_payload(outcome))) < 1500


def test_it_stays_small() -> None:
    history = tuple(("in_progress", 1e9 + n) for n in range(12))
    payload = to_payload(Outcome("g", Reason.SERVER, "x" * 100_000, history=history))
    assert len(json.dumps(payload)) < 1500


@pytest.mark.parametrize(
    "payload", [None, "x", {}, {"generation_id": 7}, {"generation_id": "g"}, {"generation_id": "g", "reason": "new"}]
)
def test_what_is_not_ours_is_refused(payload: object) -> None:
    with pytest.raises(ValueError, match=r"event|Reason"):
        from_payload(payload)


def _trigger(generation_id: str, conn_id: str = "veo_default", seconds: float = 30) -> VeoGenerationTrigger:
    now = time.time()
    return VeoGenerationTrigger(generation_id, conn_id, now + seconds, 0.1, now, now)


async def test_the_trigger_never_raises(gateway: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    from veo_provider.hooks import veo_async

    def broken(*_: object) -> object:
        raise RuntimeError("sk-simulator")

    monkeypatch.setattr(veo_async, "waiting", broken)
    [event] = [event.payload async for event in _trigger("g").run()]
    assert event["reason"] == "internal"
    assert "RuntimeError" in event["message"]
    assert "sk-simulator" not in event["message"]


@in_virtual_time
async def test_a_missing_connection_is_waited_for() -> None:
    [event] = [event.payload async for event in _trigger("g", "nowhere", seconds=300).run()]
    assert (event["outcome"], event["reason"]) == ("failed", "deadline")
    assert "'nowhere'" in event["message"]
    assert event["polls"] > 1


async def test_cancelling_ends_it_without_an_event(gateway: Simulator) -> None:
    trigger = VeoGenerationTrigger("g", "veo_default", time.time() + 60, 5.0, time.time() + 50)
    events: list[object] = []

    async def collect() -> None:
        events.extend([event async for event in trigger.run()])

    task = asyncio.create_task(collect())
    await asyncio.sleep(0.2)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert events == []
    assert gateway.ledger()["totals"]["polls"] == 0


async def test_killing_only_says_that_it_goes_on(gateway: Simulator, capsys: pytest.CaptureFixture[str]) -> None:
    await _trigger("gen-7").on_kill()
    log = capsys.readouterr().out
    assert "gen-7" in log
    assert "goes on" in log
    assert gateway.ledger()["totals"]["polls"] == 0
