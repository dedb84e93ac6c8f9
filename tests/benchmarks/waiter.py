# SPDX-License-Identifier: Apache-2.0
"""
One process that waits for many jobs at once, as a triggerer does, and says what that costs it.

``python -m tests.benchmarks.waiter CONTENDER COUNT INTERVAL WARM_UP SECONDS``. It asks for the server's counts with a
line on stdout, takes them from stdin, and ends with a line of JSON.
"""

from __future__ import annotations

import asyncio
import gc
import importlib
import json
import os
import random
import resource
import ssl
import sys
import time
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn

import aiohttp
import psutil

TICK = 0.01
URL = os.environ.get("BENCH_URL", "")
CA = os.environ.get("BENCH_CA", "")

Contender = Callable[[int, float], Coroutine[Any, Any, Any]]


async def never(_response: Any) -> bool:
    """What HttpEventTrigger asks of each answer."""
    return False


async def _drive(trigger: Any) -> None:
    async for event in trigger.run():
        raise AssertionError(f"{trigger} ended: {event}")


async def _idle(number: int, interval: float) -> None:
    await asyncio.sleep(random.random() * interval)
    while True:  # noqa: ASYNC110 - doing nothing is what is measured
        await asyncio.sleep(interval)


class _SharedSession:
    """The floor: what aiohttp itself needs, and nothing else."""

    session: aiohttp.ClientSession | None = None

    async def __call__(self, number: int, interval: float) -> None:
        if self.session is None:
            trust = ssl.create_default_context(cafile=CA)
            self.session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trust))
        await asyncio.sleep(random.random() * interval)
        url = f"{URL}/v1/video/generations/task_1"
        while True:
            async with self.session.get(url, headers={"Authorization": "Bearer sk"}) as response:
                assert (await response.json())["status"] == "in_progress"
            await asyncio.sleep(interval)


async def _ours(number: int, interval: float) -> None:
    from veo_provider.triggers.veo import VeoGenerationTrigger

    now = time.time()
    await _drive(VeoGenerationTrigger("task_1", "veo_bench", now + 3600, interval, now, now))


async def _http(number: int, interval: float) -> None:
    from airflow.providers.http.triggers.http import HttpEventTrigger

    endpoint = "v1/video/generations/task_1"
    await _drive(
        HttpEventTrigger("tests.benchmarks.waiter.never", "http_bench", endpoint=endpoint, poll_interval=interval)
    )


async def _openai(number: int, interval: float) -> None:
    module: Any = importlib.import_module("airflow.providers.openai.triggers.openai")
    await _drive(module.OpenAIBatchTrigger("openai_bench", "batch_1", interval, timeout=3600.0))


async def _databricks(number: int, interval: float) -> None:
    # Only in the benchmarks' own environment.
    module: Any = importlib.import_module("airflow.providers.databricks.triggers.databricks")
    await _drive(module.DatabricksExecutionTrigger(number + 1, "databricks_bench", polling_period_seconds=interval))


CONTENDERS: dict[str, Contender] = {
    "idle": _idle,
    "floor": _SharedSession(),
    "ours": _ours,
    "http": _http,
    "openai": _openai,
    "databricks": _databricks,
}


def environment(url: str, ca: str) -> dict[str, str]:
    """Return the environment of a waiter: the connections of all contenders lead to one server."""
    host = url.removeprefix("https://")
    name, _, port = host.partition(":")
    connections: dict[str, dict[str, Any]] = {
        "veo": {"host": url, "password": "sk-bench", "extra": {"ca_bundle": ca}},
        "http": {"schema": "https", "host": name, "port": int(port)},
        "openai": {"host": f"{url}/v1", "password": "sk-bench"},
        "databricks": {"host": host, "password": "sk-bench"},
    }
    return {
        "BENCH_URL": url,
        "BENCH_CA": ca,
        # Read when the libraries are imported.
        "SSL_CERT_FILE": ca,
        "REQUESTS_CA_BUNDLE": ca,
        **{
            f"AIRFLOW_CONN_{kind.upper()}_BENCH": json.dumps({"conn_type": kind, **fields})
            for kind, fields in connections.items()
        },
    }


def cpu_seconds() -> float:
    """Return what this process has used."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


class Parent:
    """The process that holds the server. Airflow logs to stdout, so the lines to it go another way."""

    def __init__(self) -> None:
        self._out = os.dup(1)
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)

    def counts(self) -> list[int]:
        """Ask for what the server has counted so far (``server.Counts``)."""
        os.write(self._out, b"count\n")
        counts: list[int] = json.loads(sys.stdin.readline())
        return counts

    def end(self, result: dict[str, float]) -> NoReturn:
        """Say the result and end, without waiting for what still runs."""
        os.write(self._out, json.dumps(result).encode() + b"\n")
        os._exit(0)


async def _lag(seen: list[float]) -> None:
    while True:
        began = time.perf_counter()
        await asyncio.sleep(TICK)
        seen.append(time.perf_counter() - began - TICK)


async def _measure(parent: Parent, name: str, count: int, interval: float, warm_up: float, seconds: float) -> NoReturn:
    wait = CONTENDERS[name]
    # The first of all pays for imports and for the first connection.
    first = asyncio.create_task(wait(0, interval))
    await asyncio.sleep(interval + 1)
    gc.collect()
    before = psutil.Process().memory_info().rss
    connections, _, _ = parent.counts()
    tasks = [first, *(asyncio.create_task(wait(number, interval)) for number in range(1, count))]
    await asyncio.sleep(warm_up)
    lags: list[float] = []
    meter = asyncio.create_task(_lag(lags))
    _, polls, _ = parent.counts()
    cpu = cpu_seconds()
    await asyncio.sleep(seconds)
    used = cpu_seconds() - cpu
    opened, answered, at_once = parent.counts()
    memory = psutil.Process().memory_info().rss - before
    meter.cancel()
    ended = [task for task in tasks if task.done()]
    assert not ended, f"{name}: {len(ended)} ended by themselves: {ended[0].exception()!r}"
    # One blocked loop after the other leaves no time for a single tick.
    lags = sorted(lags) or [seconds]
    parent.end(
        {
            "cpu": used,
            "polls": answered - polls,
            "connections": opened - connections + 1,
            # Of all who were measured with this server.
            "at_once": at_once,
            "answered": answered,
            "memory": memory,
            "lag": lags[int(len(lags) * 0.99)],
        }
    )


if __name__ == "__main__":
    asyncio.run(_measure(Parent(), sys.argv[1], int(sys.argv[2]), *map(float, sys.argv[3:6])))
