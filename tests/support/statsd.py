# SPDX-License-Identifier: Apache-2.0
"""A StatsD server that keeps what it is sent."""

from __future__ import annotations

import socket
import threading
from typing import Self


class StatsD:
    """Listens on a port of its own, from ``with`` on."""

    def __init__(self) -> None:
        self._lines: list[str] = []
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._port = self._socket.getsockname()[1]

    def __enter__(self) -> Self:
        # A socket alone holds a few hundred packets, and drops the rest.
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.sendto(b"", ("127.0.0.1", self._port))

    @property
    def environment(self) -> dict[str, str]:
        """What makes an Airflow send our metrics here."""
        return {
            "AIRFLOW__METRICS__STATSD_ON": "True",
            "AIRFLOW__METRICS__STATSD_HOST": "127.0.0.1",
            "AIRFLOW__METRICS__STATSD_PORT": str(self._port),
            "AIRFLOW__METRICS__METRICS_ALLOW_LIST": r"^veo\.",
        }

    def total(self, name: str) -> float:
        """Return the sum of all that has been sent for one metric so far."""
        values = [line.partition(":")[2].partition("|")[0] for line in self._lines if line.startswith(f"{name}:")]
        return sum(map(float, values))

    def _listen(self) -> None:
        with self._socket:
            while packet := self._socket.recv(65536):
                self._lines += packet.decode().splitlines()
