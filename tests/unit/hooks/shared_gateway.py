# SPDX-License-Identifier: Apache-2.0
"""A gateway in the event loop of the hook that polls it: the time of both may be a virtual one."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

CONN_ID = "veo_shared"
RUNNING: tuple[int, dict[str, str], Any] = (200, {}, {"id": "g", "status": "processing"})
DONE: tuple[int, dict[str, str], Any] = (200, {}, {"id": "g", "status": "succeeded", "url": "https://h/v.mp4"})


@dataclass
class Gateway:
    """Answers each poll by a function of its key, and counts."""

    answer: Callable[[str], tuple[int, dict[str, str], Any]] = lambda _key: RUNNING
    seconds: float = 0.0
    between: float = 0.0
    """Seconds between two bytes of a body."""
    url: str = ""
    connections: int = 0
    open: int = 0
    at_a_time: int = 0
    most_at_a_time: int = 0
    keys: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                key = head.decode().partition("Bearer ")[2].partition("\r\n")[0]
                self.keys.append(key)
                self.times.append(time.time())
                self.at_a_time += 1
                self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
                await asyncio.sleep(self.seconds)
                self.at_a_time -= 1
                status, headers, document = self.answer(key)
                body = json.dumps(document).encode()
                lines = {"Content-Length": len(body), "Content-Type": "application/json", **headers}
                text = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
                writer.write(f"HTTP/1.1 {status} X\r\n{text}\r\n".encode())
                for byte in body if self.between else b"":
                    await asyncio.sleep(self.between)
                    writer.write(bytes([byte]))
                writer.write(b"" if self.between else body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.open -= 1
            writer.close()


@asynccontextmanager
async def listening(gateway: Gateway) -> AsyncIterator[Gateway]:
    server = await asyncio.start_server(gateway.serve, "127.0.0.1", 0)
    gateway.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield gateway
    finally:
        server.close()
