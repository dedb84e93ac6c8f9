# SPDX-License-Identifier: Apache-2.0
"""Ends a call on ``requests`` that takes too long, however slowly its bytes trickle in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from weakref import WeakSet

import requests
import urllib3
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection

_TOO_LONG = "the whole answer took longer than %g s"


class LimitedSession(requests.Session):
    """
    A session whose whole answers have a time limit.

    A read timeout starts anew with every byte. So the limit shuts the sockets down, which ends whatever waits
    for them: headers and chunks included.
    """

    def __init__(self) -> None:
        super().__init__()
        self._watched = _WatchedAdapter()
        for prefix in ("https://", "http://"):
            self.mount(prefix, self._watched)

    @contextmanager
    def limit(self, seconds: float) -> Iterator[None]:
        """
        Give what is sent within this ``with`` so many seconds.

        :raises TimeoutError: they are over.
        """
        over = threading.Event()

        def end() -> None:
            over.set()
            self._watched.shut_down()

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


class _WatchedAdapter(HTTPAdapter):
    """Knows the sockets that it made."""

    def __init__(self) -> None:
        super().__init__()
        sockets: WeakSet[Any] = WeakSet()

        class Plain(HTTPConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Tls(HTTPSConnection):
            def connect(self) -> None:
                super().connect()
                sockets.add(self.sock)

        class Pool(urllib3.HTTPConnectionPool):
            ConnectionCls = Plain

        class PoolTls(urllib3.HTTPSConnectionPool):
            ConnectionCls = Tls

        self._made = sockets
        self._pools = {"http": Pool, "https": PoolTls}
        self.poolmanager.pool_classes_by_scheme = self._pools

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
