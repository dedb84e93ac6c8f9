# SPDX-License-Identifier: Apache-2.0
"""
One process that asks for a generation with its video inside the answer, as a trigger beside others in the same loop.

``python -m tests.benchmarks.reader MEGABYTES CONTENDER`` ends with a line of JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from tests.benchmarks.waiter import URL, Parent, cpu_seconds
from tests.support.memory import forget_peak, held, peak
from veo_provider.api.waiting import WaitPlan
from veo_provider.hooks.veo import VeoAsyncHook
from veo_provider.triggers.event import to_payload

TICK = 0.001


async def always(_response: Any) -> bool:
    """What HttpEventTrigger asks of the answer."""
    return True


async def _ours(task: str) -> int:
    async with VeoAsyncHook("veo_bench") as hook:
        now = time.time()
        outcome = await hook.wait(WaitPlan(task, now + 600, 5.0, now + 0.01))
    assert outcome.videos == 1, outcome
    return len(json.dumps(to_payload(outcome)))


async def _json(task: str) -> int:
    """What a trigger does that hands the answer on."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"{URL}/v1/video/generations/{task}") as response,
    ):
        document = await response.json()
    assert document["status"] == "succeeded"
    return len(json.dumps(document))


async def _http(task: str) -> int:
    from airflow.providers.http.triggers.http import HttpEventTrigger

    trigger = HttpEventTrigger(
        "tests.benchmarks.reader.always", "http_bench", endpoint=f"v1/video/generations/{task}", poll_interval=0.01
    )
    async for event in trigger.run():
        return len(str(event.payload))
    raise AssertionError("no event")


CONTENDERS: dict[str, Callable[[str], Awaitable[int]]] = {"ours": _ours, "response.json()": _json, "http": _http}


async def _tick(gaps: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        gaps.append(time.perf_counter() - began - TICK)


async def _measure(megabytes: int, name: str) -> dict[str, float]:
    read = CONTENDERS[name]
    # The first pays for imports and for the look-up.
    await read("task_inline_1")
    forget_peak()
    memory, cpu = held(), cpu_seconds()
    size = await read(f"task_inline_{megabytes}")
    result = {"cpu": cpu_seconds() - cpu, "memory": peak() - memory, "event": float(size)}
    # Once more, beside somebody whose own cost isn't counted.
    gaps: list[float] = []
    ticker = asyncio.create_task(_tick(gaps))
    await asyncio.sleep(0.1)
    gaps.clear()
    await read(f"task_inline_{megabytes}")
    await asyncio.sleep(0.01)
    ticker.cancel()
    return {**result, "blocked": max(gaps)}


if __name__ == "__main__":
    _parent = Parent()
    _parent.end(asyncio.run(_measure(int(sys.argv[1]), sys.argv[2])))
