# SPDX-License-Identifier: Apache-2.0
"""That the benchmarks run, and the bounds that aren't times: connections, memory and polls."""

from __future__ import annotations

import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.benchmarks import polls, videos, waiting
from veo_provider.api.pace import Pace


def test_many_wait_on_few_connections_in_little_memory(tmp_path: Path) -> None:
    with waiting.Server(tmp_path) as server:
        seen = waiting.measure(server, "ours", 1000, seconds=5, interval=5.0)
    # Three for each are usual; where the machine stands still they are fewer.
    assert seen["answered"] > 1500
    # One that was idle for long on a machine that pauses is opened anew, so they are more in all.
    assert seen["at_once"] <= 64
    assert seen["connections"] <= 128
    # With 24 to 30 KB each when it was written; a session for each would be 80.
    assert seen["memory"] / 1000 < 35_000


def test_a_video_inside_an_answer_takes_no_memory_and_no_event() -> None:
    with videos.Servers() as servers:
        seen = servers.measure("reader", "30", "ours")
    assert seen["event"] < 1000
    # The answer has 40 MB.
    assert seen["memory"] < 10e6


@pytest.mark.parametrize("way", ["link", "inline"])
def test_a_video_is_stored_in_memory_that_does_not_grow_with_it(way: str) -> None:
    with videos.Servers() as servers:
        seen = servers.measure("storer", way, "100", "ours")
    # It has 100 MB.
    assert seen["memory"] < 20e6


def test_a_minute_costs_at_most_half_of_the_polls() -> None:
    rng, pace = random.Random(1), Pace()
    lengths = [60 * rng.uniform(0.9, 1.1) for _ in range(200)]
    learned = [polls.wait(length, pace, "m", rng) for length in lengths][polls.LEARNING :]
    fixed = [polls.fixed(length) for length in lengths]
    assert sum(count for count, _ in learned) / len(learned) <= sum(count for count, _ in fixed) / len(fixed) / 2
    late = sorted(late for _, late in learned)
    assert late[int(len(late) * 0.95)] <= 5


@pytest.mark.timeout(600)
def test_they_print_their_tables() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--smoke", "polls", "imports"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert "| ours: operator |" in done.stdout
    assert "| ours, by default |" in done.stdout
