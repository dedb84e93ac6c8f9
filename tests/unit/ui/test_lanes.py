# SPDX-License-Identifier: Apache-2.0
"""What may hang is run beside the server, and never waited for for long."""

from __future__ import annotations

import asyncio
import threading

import pytest

from veo_provider.ui.lanes import Busy, Lanes, Silent


async def test_results_and_errors_come_back() -> None:
    lanes = Lanes(1, 1, 5)
    assert await lanes.run("s", divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await lanes.run("s", divmod, 7, 0)
    # The lane is free again after each.
    assert await lanes.run("s", divmod, 7, 2) == (3, 1)


async def test_a_system_without_threads_is_busy(monkeypatch: pytest.MonkeyPatch) -> None:
    lanes = Lanes(1, 1, 5)

    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", start)
        with pytest.raises(Busy):
            await lanes.run("s", divmod, 7, 2)
    assert await lanes.run("s", divmod, 7, 2) == (3, 1)


async def test_nobody_waits_for_a_lane_or_for_what_hangs() -> None:
    lanes, go = Lanes(2, 2, 0.2), threading.Event()
    hanging = [asyncio.create_task(lanes.run("s", go.wait, 30)) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await lanes.run("s", divmod, 7, 2)
    for one in hanging:
        with pytest.raises(Silent):
            await one
    # They keep their lanes as long as they hang: no more threads than that.
    with pytest.raises(Busy):
        await lanes.run("s", divmod, 7, 2)
    assert all(one.daemon for one in threading.enumerate() if one.name == "veo-ui")
    go.set()
    lanes._seconds = 30
    for _ in range(500):
        try:
            assert await lanes.run("s", divmod, 7, 2) == (3, 1)
            break
        except Busy:
            await asyncio.sleep(0.01)
    else:
        raise AssertionError("the lanes stay in use")


async def test_one_store_gets_its_share() -> None:
    lanes, go = Lanes(3, 1, 0.1), threading.Event()
    for store in ("a", "b"):
        with pytest.raises(Silent):
            await lanes.run(store, go.wait, 30)
        with pytest.raises(Busy):
            await lanes.run(store, divmod, 7, 2)
    # The third is for others, and for one at a time.
    lanes._seconds = 30
    assert await lanes.run("c", divmod, 7, 2) == (3, 1)
    lanes._seconds = 0.1
    with pytest.raises(Silent):
        await lanes.run("c", go.wait, 30)
    with pytest.raises(Busy):
        await lanes.run("d", divmod, 7, 2)
    go.set()
    lanes._seconds = 30
    for store in ("a", "b", "c"):
        assert await lanes.run(store, divmod, 7, 2, patience=30) == (3, 1)
    # What was let go leaves nothing behind.
    assert not lanes._running
