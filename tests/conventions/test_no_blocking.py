# SPDX-License-Identifier: Apache-2.0
"""A trigger that waits for a slow gateway must not hold up the other triggers of its event loop."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from tests.support.raw_server import Reply, raw_server
from veo_provider.triggers.veo import VeoGenerationTrigger

STALL = 2.0


async def _longest_gap(until: asyncio.Task[Any]) -> float:
    longest, last = 0.0, time.monotonic()
    while not until.done():
        await asyncio.sleep(0.01)
        longest, last = max(longest, time.monotonic() - last), time.monotonic()
    return longest


async def test_the_loop_ticks_on_while_the_gateway_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Reply(200, {"status": "failed", "error": "over"})
    with raw_server() as server:
        connection = {"conn_type": "veo", "host": server.url, "password": "sk-x", "extra": {"read_timeout": 10}}
        monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(connection))
        # The first look-up imports half of Airflow: that is not ours to measure.
        server.answer(over)
        await _first_event("veo_test")
        server.answer(Reply(stall=STALL), over)
        trigger = asyncio.create_task(_first_event("veo_test"))
        # A blocking poll would hold the loop for the whole stall.
        assert await _longest_gap(trigger) < STALL / 2
        assert trigger.result()["generation_id"] == "abc"
        assert len(server.requests) == 2


async def _first_event(conn_id: str) -> Any:
    now = time.time()
    trigger = VeoGenerationTrigger("abc", conn_id, now + 60, 0.1, now)
    async for event in trigger.run():
        return event.payload
    raise AssertionError("no event")
