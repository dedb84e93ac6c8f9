# SPDX-License-Identifier: Apache-2.0
"""A StatsD server that keeps what it is sent: a socket."""

from __future__ import annotations

import socket
from typing import Self


class StatsD:
    """Listens on a port of its own, from ``with`` on."""

    def __init__(self) -> None:
        self._lines: list[str] = []

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._socket.setblocking(False)
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    @property
    def environment(self) -> dict[str, str]:
        """What makes an Airflow send our metrics here, and no others: a socket holds a few hundred."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._socket.getsockname()[1]),
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": "veo",
        }

    def total(self, name: str) -> float:
        """Return the sum of all that has been sent for one metric so far."""
        while True:
            try:
                self._lines += self._socket.recv(65536).decode().splitlines()
            except BlockingIOError:
                break
        values = [line.partition(":")[2].partition("|")[0] for line in self._lines if line.startswith(f"{name}:")]
        return sum(map(float, values))
