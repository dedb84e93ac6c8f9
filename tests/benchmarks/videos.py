# SPDX-License-Identifier: Apache-2.0
"""What large videos cost: inside an answer that a trigger reads, and on their way to S3; by their size."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from typing import Self

from tests.benchmarks import reader, storer
from tests.benchmarks.report import Figures, in_turn, spread, table


class Servers:
    """
    The gateway and the store, each in a process of its own.

    :param rates: what one connection to each of them carries, in MB/s; as much as it can unless told.
    """

    def __init__(self, *rates: int) -> None:
        self._rates = rates or ("inf", "inf")

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.benchmarks.store_server"]
        self._stack = ExitStack()
        urls = []
        for rate in self._rates:
            process = subprocess.Popen([*command, str(rate)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            assert process.stdout is not None
            self._stack.callback(process.wait, 60)
            self._stack.callback(process.stdin.close)  # type: ignore[union-attr]
            urls.append(f"http://127.0.0.1:{process.stdout.readline().strip()}")
        self._environment = storer.environment(*urls)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def measure(self, module: str, *arguments: str) -> Figures:
        """Let one contender do its work once, in a process of its own."""
        command = [sys.executable, "-m", f"tests.benchmarks.{module}", *arguments]
        done = subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{arguments}: {done.stderr[-3000:]}"
        result: Figures = json.loads(done.stdout.splitlines()[-1])
        return result


def inline(sizes: Sequence[int], rounds: int) -> str:
    """Return the table of what a trigger pays for a video inside the answer."""
    rows = []
    with Servers() as servers:
        for size in sizes:
            seen = in_turn(rounds, reader.CONTENDERS, partial(servers.measure, "reader", str(size)))
            rows += [
                [
                    f"{size} MB",
                    name,
                    spread((one["blocked"] * 1000 for one in found), 1),
                    spread((one["event"] for one in found), 0),
                    spread((one["cpu"] * 1000 for one in found), 0),
                    spread((one["cpu"] * 1000 / size for one in found), 1),
                    spread((one["memory"] / 1e6 for one in found), 1),
                ]
                for name, found in seen.items()
            ]
    head = ["video", "read by", "loop blocked, ms", "event, bytes", "CPU ms", "per MB", "memory over base, MB"]
    return table("A video inside an answer, in the triggerer", head, rows)


def storing(way: str, sizes: Sequence[int], rounds: int, *rates: int) -> str:
    """Return the table of what a worker pays for storing a video, on this machine or over a network of these rates."""
    rows = []
    with Servers(*rates) as servers:
        for size in sizes:
            seen = in_turn(rounds, storer.CONTENDERS[way], partial(servers.measure, "storer", way, str(size)))
            floors = seen["floor"]
            rows += [
                [
                    f"{size} MB",
                    name,
                    spread(floor["seconds"] / one["seconds"] for one, floor in zip(found, floors, strict=True)),
                    spread(one["cpu"] / floor["cpu"] for one, floor in zip(found, floors, strict=True)),
                    spread((one["cpu"] * 1000 / size for one in found), 1),
                    spread((one["memory"] / 1e6 for one in found), 0),
                ]
                for name, found in seen.items()
            ]
    head = ["video", "stored by", "speed over the floor's", "CPU over the floor's", "CPU ms per MB", "memory, MB"]
    title = f"Storing a video in S3, {'from a link' if way == 'link' else 'from inside an answer'}"
    at = " at {} MB/s, by connections of {} MB/s".format(*rates) if rates else ""
    return table(title + at, head, rows)
