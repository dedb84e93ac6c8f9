# SPDX-License-Identifier: Apache-2.0
"""What it costs to wait for many generations at once: ours, its peers and the floor, in turn."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Self

from tests.benchmarks.report import Figures, growth, in_turn, spread, table
from tests.benchmarks.waiter import CONTENDERS, environment

PEERS = {"http": "airflow.providers.http", "openai": "openai", "databricks": "airflow.providers.databricks"}
# Each of its polls blocks the event loop until it is answered: 5,000 would take minutes for one poll each.
MOST = {"openai": 1000}
DELAY = 0.05
INTERVAL = 5.0


class Server:
    """The fast gateway in a process of its own."""

    def __init__(self, folder: Path) -> None:
        command = [sys.executable, "-m", "tests.benchmarks.server", str(folder), str(DELAY)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        where = json.loads(self._line())
        self.environment = {**os.environ, **environment(where["url"], where["ca"])}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)

    def counts(self) -> str:
        """Return what the server has counted so far, as a line of JSON."""
        assert self._process.stdin is not None
        self._process.stdin.write("count\n")
        self._process.stdin.flush()
        return self._line()

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline()


def installed() -> list[str]:
    """Return the contenders that can run here."""
    missing = set()
    for name, module in PEERS.items():
        probe = [sys.executable, "-c", f"import {module}"]
        if subprocess.run(probe, check=False, capture_output=True).returncode:
            missing.add(name)
    return [name for name in CONTENDERS if name not in missing]


def measure(server: Server, name: str, count: int, seconds: float, interval: float = INTERVAL) -> Figures:
    """Let one contender wait for ``count`` jobs."""
    warm_up = 2 * interval + count / 500
    arguments = [name, str(count), str(interval), str(warm_up), str(seconds)]
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.waiter", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=server.environment,
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    result: Figures = {}
    for line in process.stdout:
        if line.strip() != "count":
            result = json.loads(line)
            continue
        with suppress(BrokenPipeError):
            process.stdin.write(server.counts())
            process.stdin.flush()
    _, errors = process.communicate(timeout=60)
    assert result, f"{name} with {count}: {errors[-2000:]}"
    return result


def run(folder: Path, sizes: Sequence[int], rounds: int, seconds: float, contenders: Sequence[str]) -> str:
    """Measure everybody in turn, and return the tables."""
    seen: dict[int, dict[str, list[Figures]]] = {}
    with Server(folder) as server:
        for count in sizes:
            able = [name for name in contenders if count <= MOST.get(name, count)]
            seen[count] = in_turn(rounds, able, partial(measure, server, count=count, seconds=seconds))
    named = [name for name in contenders if name != "idle"]
    head = ["contender", "waiting", "CPU s per 1,000 polls", "over the floor", "connections", "KB each", "lag p99, ms"]
    rows = [_row(name, count, by_name) for count, by_name in seen.items() for name in named if name in by_name]
    tables = [table(f"Waiting: TLS, a poll every {INTERVAL:g} s, {DELAY * 1000:g} ms away", head, rows)]
    for title, figures, digits in (("CPU s per 1,000 polls", _costs, 2), ("KB each", _memory, 0)):
        grown = {
            name: {count: figures(by_name, name, count) for count, by_name in seen.items() if name in by_name}
            for name in named
        }
        tables.append(growth(f"Growth with how many wait: {title}", grown, digits))
    return "\n".join(tables)


def _row(name: str, count: int, seen: Mapping[str, Sequence[Figures]]) -> list[str]:
    mine = seen[name]
    cost = _costs(seen, name, count)
    return [
        name,
        f"{count:,}",
        spread(cost),
        spread(one / other for one, other in zip(cost, _costs(seen, "floor", count), strict=True)),
        spread((one["connections"] for one in mine), 0),
        spread(_memory(seen, name, count), 0),
        spread((one["lag"] * 1000 for one in mine), 0),
    ]


def _memory(seen: Mapping[str, Sequence[Figures]], name: str, count: int) -> list[float]:
    return [one["memory"] / 1000 / count for one in seen[name]]


def _costs(seen: Mapping[str, Sequence[Figures]], name: str, _: int) -> list[float]:
    # A second in which nothing was answered has no price: a blocked loop shows in the lag.
    return [
        (one["cpu"] - idle["cpu"]) / max(one["polls"], 1) * 1000
        for one, idle in zip(seen[name], seen["idle"], strict=True)
    ]
