# SPDX-License-Identifier: Apache-2.0
"""
A gateway that costs as little as it can: a fixed answer over TLS, a while after each request.

It runs in a process of its own, so that its work isn't counted as its clients'.
"""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from pathlib import Path
from typing import Any

from tests.support.certificates import make_certificate

# One document that each client takes for a job that is still running.
RUNNING = {
    "id": "task_1",
    "task_id": "task_1",
    "object": "video",
    "status": "in_progress",
    "state": {"life_cycle_state": "RUNNING", "result_state": "", "state_message": ""},
    "endpoint": "/v1/videos",
    "input_file_id": "f",
    "completion_window": "24h",
    "created_at": 1709459123,
}
REFRESHED = 15.0
"""Seconds after which the gateway has a new figure of progress (contract, section 6)."""


def _answer(progress: int) -> bytes:
    body = json.dumps(RUNNING | {"progress": progress}).encode()
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)


ANSWERS = [_answer(progress) for progress in range(10, 100)]


class Counts:
    """Since the start: connections that were opened, requests that were answered, the most connections at once."""

    connections = 0
    requests = 0
    open = 0
    at_once = 0


class _Gateway(asyncio.Protocol):
    def __init__(self, counts: Counts, delay: float) -> None:
        self._counts, self._delay = counts, delay
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport
        self._counts.connections += 1
        self._counts.open += 1
        self._counts.at_once = max(self._counts.at_once, self._counts.open)

    def connection_lost(self, exc: Exception | None) -> None:
        self._counts.open -= 1

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            _, _, self._received = self._received.partition(b"\r\n\r\n")
            self._counts.requests += 1
            asyncio.get_running_loop().call_later(self._delay, self._answer)

    def _answer(self) -> None:
        if not self._transport.is_closing():
            refreshes = int(asyncio.get_running_loop().time() / REFRESHED)
            self._transport.write(ANSWERS[refreshes % len(ANSWERS)])


async def _serve(folder: Path, delay: float) -> None:
    counts = Counts()
    loop = asyncio.get_running_loop()
    context, ca = make_certificate(folder)
    server = await loop.create_server(lambda: _Gateway(counts, delay), "127.0.0.1", 0, ssl=context, backlog=4096)
    port = server.sockets[0].getsockname()[1]
    _say({"url": f"https://127.0.0.1:{port}", "ca": str(ca)})
    # A line on stdin asks for the counts; its end ends the server.
    lines: asyncio.Queue[str] = asyncio.Queue()

    def read() -> None:
        for line in sys.stdin:
            loop.call_soon_threadsafe(lines.put_nowait, line)
        loop.call_soon_threadsafe(lines.put_nowait, "")

    threading.Thread(target=read, daemon=True).start()
    while await lines.get():
        _say([counts.connections, counts.requests, counts.at_once])


def _say(what: Any) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1]), float(sys.argv[2])))
