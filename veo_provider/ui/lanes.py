# SPDX-License-Identifier: Apache-2.0
"""Runs what may hang beside the API server's event loop and its threads, which are for everybody."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

T = TypeVar("T")
TURN = 0.02
"""Seconds after which whoever waits for a thread looks again."""


class Busy(Exception):
    """There is no thread left, or none for this store."""


class Silent(Exception):
    """A thread gave no answer in time."""


class Lanes:
    """
    So many threads, and nobody waits for one. They are daemons: a store that hangs mustn't keep the server from ending.

    :param width: how many run at a time.
    :param share: how many of them for one store, which may hang.
    :param seconds: how long whoever asks waits for an answer.
    """

    def __init__(self, width: int, share: int, seconds: float) -> None:
        self._width, self._share, self._seconds = width, share, seconds
        self._lock = threading.Lock()
        self._running: Counter[str] = Counter()

    async def run(self, store: str, function: Callable[..., T], *args: Any, patience: float = 0.0) -> T:
        """
        Run a function in a thread.

        :param store: whom the function waits for.
        :param function: the function, and what it is called with.
        :param patience: seconds to wait for a thread.
        :raises Busy: all threads are in use, or all that one store gets.
        :raises Silent: this one gave no answer in time; it keeps its place until it does.
        """
        loop = asyncio.get_running_loop()
        latest = loop.time() + patience
        while not self._enter(store):
            if loop.time() >= latest:
                raise Busy
            await asyncio.sleep(TURN)
        done: asyncio.Future[T] = loop.create_future()

        def work() -> None:
            result, failure = None, None
            try:
                result = function(*args)
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                failure = error
            finally:
                self._leave(store)
            # The loop may have been closed, and nobody may be waiting any more.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(_settle, done, result, failure)

        try:
            aside(work)
        except RuntimeError:
            # The system has no thread left.
            self._leave(store)
            raise Busy from None
        try:
            return await asyncio.wait_for(done, self._seconds)
        except TimeoutError:
            raise Silent from None

    def _enter(self, store: str) -> bool:
        with self._lock:
            if self._running.total() >= self._width or self._running[store] >= self._share:
                return False
            self._running[store] += 1
            return True

    def _leave(self, store: str) -> None:
        with self._lock:
            self._running[store] -= 1
            # Anybody can write the name of a store: none is kept.
            if not self._running[store]:
                del self._running[store]


def aside(function: Callable[[], object]) -> None:
    """Run a function beside the event loop; nobody waits for it."""
    threading.Thread(target=function, name="veo-ui", daemon=True).start()


def _settle(done: asyncio.Future[Any], result: Any, failure: BaseException | None) -> None:
    if done.done():
        return
    if failure is None:
        done.set_result(result)
    else:
        done.set_exception(failure)
