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


class VirtualLoop(asyncio.SelectorEventLoop):
    """No use where a timer runs while a thread or another process is waited for: their time is the real one."""

    def __init__(self) -> None:
        super().__init__(_Selector(self))
        self.now = 0.0

    def time(self) -> float:
        return self.now

    def stand_still(self, seconds: float) -> None:
        """Let time pass in which the loop runs nothing, as if somebody blocked it."""
        self.now += seconds


class _Selector(selectors.DefaultSelector):
    def __init__(self, loop: VirtualLoop) -> None:
        super().__init__()
        self._loop = loop

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        found = super().select(min(timeout, SOCKET_SECONDS) if timeout else timeout)
        if not found and timeout:
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
