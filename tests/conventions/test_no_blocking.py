# SPDX-License-Identifier: Apache-2.0
"""A trigger that waits for a slow gateway must not hold up the other triggers of its event loop."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.raw_server import Reply, raw_server
from veo_provider.triggers.veo import VeoGenerationTrigger

TICKS = 100


class Held:
    """A gateway that hangs up without an answer, once the event loop has gone round so often."""

    def __init__(self) -> None:
        self.asked = threading.Event()
        self.ticked = threading.Event()
        self.in_time = False

    def pieces(self) -> Iterator[bytes]:
        self.asked.set()
        self.in_time = self.ticked.wait(20)
        yield b""

    async def tick(self) -> None:
        while not self.asked.is_set():  # noqa: ASYNC110 - it is set in another thread
            await asyncio.sleep(0.01)
        for _ in range(TICKS):
            await asyncio.sleep(0.01)
        self.ticked.set()


async def test_the_loop_ticks_on_while_the_gateway_stalls(monkeypatch: pytest.MonkeyPatch) -> None:
    over = Reply(200, {"status": "failed", "error": "over"})
    with raw_server() as server:
        connection = {"conn_type": "veo", "host": server.url, "password": "sk-x"}
        monkeypatch.setenv("AIRFLOW_CONN_VEO_TEST", json.dumps(connection))
        # The first look-up imports half of Airflow: that is not ours to measure.
        server.answer(over)
        await _first_event("veo_test")
        held = Held()
        server.answer(Reply(raw=held.pieces), over)
        event, _ = await asyncio.gather(_first_event("veo_test"), held.tick())
        # A poll that blocks would hold the loop until the gateway had waited in vain.
        assert held.in_time
        assert (event["generation_id"], event["reason"]) == ("abc", "generation_failed")
        assert len(server.requests) == 2


async def _first_event(conn_id: str) -> Any:
    now = time.time()
    trigger = VeoGenerationTrigger("abc", conn_id, now + 60, 0.1, now)
    async for event in trigger.run():
        return event.payload
    raise AssertionError("no event")
