# SPDX-License-Identifier: Apache-2.0
"""Ends a call, or a download, on ``requests`` that takes too long, however slowly its bytes trickle in."""

from __future__ import annotations

import queue
import socket
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

from veo_provider.hooks.silence import silent

STALL_BYTES = 64 * 1024
STALL_SECONDS = 120.0
"""How long 64 KB of a video may take: a byte now and then keeps a read timeout from being reached for days."""

_TOO_LONG = "the whole answer took longer than %g s"


class LimitedSession(requests.Session):
    """
    A session whose answers can be ended from another thread.

    A read timeout starts anew with every byte. So a limit shuts the sockets down, which ends whatever waits for
    them: headers and chunks included.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watched = WatchedAdapter()
        for prefix in ("https://", "http://"):
            self.mount(prefix, self._watched)

    def shut_down(self) -> None:
        """End whatever waits for an answer."""
        self._watched.shut_down()


@contextmanager
def limited(shut_down: Callable[[], None], seconds: float) -> Iterator[None]:
    """
    Give what is sent within this ``with`` so many seconds.

    :param shut_down: ends the connection.
    :param seconds: how long it may take in all.
    :raises TimeoutError: they are over.
    """
    over = threading.Event()

    def end() -> None:
        over.set()
        shut_down()

    timer = threading.Timer(seconds, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if not over.is_set():
            raise
        raise TimeoutError(_TOO_LONG % seconds) from error
    finally:
        timer.cancel()
    # Without a length, what was cut off looks like an answer's end.
    if over.is_set():
        raise TimeoutError(_TOO_LONG % seconds)


class _Unlocked(queue.LifoQueue[Any]):
    """
    What a pool keeps its connections in, without a lock.

    Airflow's ``execution_timeout`` is a signal. It may strike while a queue is locked, and whatever touches the pool
    next, if only to close it, would wait for ever. A list's own steps can't be interrupted; nothing waits here.
    """

    def __init__(self, maxsize: int = 0) -> None:
        self.maxsize = maxsize
        self.queue: list[Any] = []

    def qsize(self) -> int:
        return len(self.queue)

    def get(self, block: bool = True, timeout: float | None = None) -> Any:  # noqa: ARG002
        try:
            return self.queue.pop()
        except IndexError:
            raise queue.Empty from None

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:  # noqa: ARG002
        if 0 < self.maxsize <= len(self.queue):
            raise queue.Full
        self.queue.append(item)


class WatchedAdapter(HTTPAdapter):
    """Knows the sockets that it made, and can end whatever waits for one of them."""

    def __init__(self) -> None:
        super().__init__()
        self._made: WeakSet[Any] = WeakSet()
        adapter = self

        class Plain(HTTPConnection):
            def _new_conn(self) -> socket.socket:
                made = adapter.make_socket(self, super()._new_conn)
                # A proxy may take its time before there is a connection to speak of.
                adapter._made.add(made)
                return made

            def connect(self) -> None:
                super().connect()
                adapter._made.add(self.sock)

        class Tls(Plain, HTTPSConnection):
            pass

        class Pool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain
            QueueCls = _Unlocked

        class PoolTls(Pool, urllib3.HTTPSConnectionPool):
            ConnectionCls = Tls

        self._pools = {"http": Pool, "https": PoolTls}
        self.poolmanager.pool_classes_by_scheme = self._pools

    def send(self, *args: Any, **kwargs: Any) -> requests.Response:
        """Send a request, as ``requests`` calls it."""
        with silent():
            return super().send(*args, **kwargs)

    def make_socket(self, connection: HTTPConnection, make: Callable[[], socket.socket]) -> socket.socket:
        """Connect; a subclass may do it in another way than ``make``."""
        del connection
        return make()

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        """Return the pools of a proxy."""
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = self._pools
        return manager

    def shut_down(self) -> None:
        """End whatever waits for one of the sockets."""
        for made in list(self._made):
            with suppress(OSError):
                # Not the method of a TLS socket, which would take the encryption away under its reader.
                socket.socket.shutdown(getattr(made, "socket", made), socket.SHUT_RDWR)


def pieces(response: requests.Response, size: int) -> Iterator[bytes]:
    """
    Read a body as it came, still packed.

    :param response: whose body.
    :param size: bytes that a piece may have.
    """
    raw = response.raw
    # What urllib3 has for chunks takes a size of -1 for "all there is", and in older versions a line of any length.
    read = raw.read1 if getattr(raw, "chunked", False) else raw.read
    while piece := read(size, decode_content=False):
        yield piece


def unstalled(chunks: Iterable[bytes], shut_down: Callable[[], None], seconds: float) -> Iterator[bytes]:
    """
    Pass chunks on; if 64 KB of them take too long, end the connection they come from.

    The time that whoever takes them needs for storing them doesn't count.

    :param chunks: the source, which then ends or raises.
    :param shut_down: ends the connection.
    :param seconds: how long 64 KB may take.
    """
    waiting_since: list[float] = []
    over = threading.Event()
    waited, received = 0.0, 0

    def watch() -> None:
        while not over.wait(seconds / 4):
            if waiting_since and waited + time.monotonic() - waiting_since[0] > seconds:
                shut_down()

    threading.Thread(target=watch, daemon=True).start()
    source = iter(chunks)
    try:
        while True:
            waiting_since[:] = [time.monotonic()]
            chunk = next(source, None)
            waited += time.monotonic() - waiting_since.pop()
            if chunk is None:
                return
            received += len(chunk)
            # A server may send byte after byte as a chunk of its own.
            if received >= STALL_BYTES:
                waited, received = 0.0, 0
            yield chunk
    finally:
        over.set()
