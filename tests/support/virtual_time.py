# SPDX-License-Identifier: Apache-2.0
"""An event loop whose time passes only while everybody waits: hours take no time, a slow machine changes nothing."""

from __future__ import annotations

import asyncio
import functools
import selectors
import time
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec, TypeVar

import pytest

T = TypeVar("T")
P = ParamSpec("P")

SOCKET_SECONDS = 0.005
"""How long nothing must come over a socket until everybody waits. Both ends have to be in this loop."""
THREAD_SECONDS = 60.0
"""How long a thread may take, in real time."""
ROUNDS = 1_000_000
"""After so many without a moment passing somebody waits for time that never comes."""


class VirtualLoop(asyncio.SelectorEventLoop):
    """While something runs in a thread no time passes. Of other processes it knows nothing."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self.now = 0.0
        self.in_threads = 0

    def time(self) -> float:
        return self.now

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Any, *args: Any
    ) -> asyncio.Future[Any]:
        future = super().run_in_executor(executor, func, *args)
        self.in_threads += 1
        future.add_done_callback(self._back)
        return future

    def _back(self, _: object) -> None:
        self.in_threads -= 1

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which the loop runs nothing, as if somebody blocked it."""
        self.now += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop
        self._rounds = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._rounds += 1
        if self._rounds > ROUNDS:
            self._rounds = 0
            raise RuntimeError("no time passes")
        if not timeout:
            return super().select(timeout)
        patience = THREAD_SECONDS if self._loop.in_threads else min(timeout, SOCKET_SECONDS)
        # Once more without a time: of one that a signal cut short there is no answer.
        found = super().select(patience) or super().select(0)
        if not found:
            if self._loop.in_threads:
                raise RuntimeError("a thread waits for time to pass")
            self._rounds = 0
            self._loop.now += timeout
        return found


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run it in virtual time, which ``time.time()`` follows."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        loop, began = runner.get_loop(), time.time()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(time, "time", lambda: began + loop.time())
            return runner.run(work)


def in_virtual_time(test: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    """Make a test of it that runs so."""

    @functools.wraps(test)
    def whole(*args: P.args, **kwargs: P.kwargs) -> T:
        return run(test(*args, **kwargs))

    return whole
